//! Listeners, from all that is written to what is in force.

use std::path::PathBuf;

use super::{Config, ConfigError, Sources, load};
use crate::access::{OverQuota, Rate};
use crate::authority::Method;
use crate::net::tls::{ClientCertificates, TlsVersions};
use crate::runtime::{ListenAddress, ListenerConfig};

const SEVERAL: &str = r#"
    listen = ["tcp://127.0.0.1:1883", "wss://10.0.0.1:8084"]
    [tls]
    certificate = "server.pem"
    key = "server.key"
    version_min = "1.3"
    [access]
    password_file = "passwords"
    methods = ["password-file"]
    acl_file = "acl"
    [quotas]
    messages_per_s = 100
    [[listeners]]
    url = ["tls://0.0.0.0:8883", "tls://[::]:8883"]
    connections_max = 5
    proxy_protocol = ["10.0.0.0/8"]
    tls = { client_certificates = "required", client_authorities = ["clients.pem"] }
    [listeners.access]
    certificate_is_user = true
    password_file = ""
    methods = []
    [listeners.quotas]
    messages_per_s = "none"
    bytes_per_s = "1MiB"
    bytes_burst = "4MiB"
    over = "disconnect"
    [[listeners]]
    url = "unix:///run/ringmq.sock"
    mode = "0660"
    group = "mqtt"
    access = { acl_file = "" }
    [[listeners]]
    url = "ws://0.0.0.0:8080"
    websocket.origins = ["https://example.org"]
    [listeners.access.jwt]
    key_file = "key.pem"
    algorithms = ["RS256", "ES256"]
    issuer = "https://\"id\".example.org"
    leeway = "30s"
    [listeners.access]
    allow_anonymous = true
    methods = ["jwt", "password-file"]
    [[listeners]]
    url = "tls://0.0.0.0:8885"
    tls.certificates = [{ chain = "a.pem", key = "a.key" }, { chain = "b.pem", key = "b.key", names = ["b.example.org"] }]
    [listeners.access.http]
    url = "https://auth.example.org/mqtt?x=1"
    authorization_file = "token"
    cache_time = "1m"
    [listeners.access]
    methods = []
"#;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml(text)
}

fn listeners(text: &str) -> Vec<ListenerConfig> {
    read(text).unwrap_or_else(|error| panic!("{error}")).runtime.listeners
}

/// All mistakes, without their lines' texts.
fn mistakes(text: &str) -> String {
    read(text).expect_err("it must be refused").to_string()
}

#[test]
fn a_listener_is_the_defaults_and_what_it_says_itself() {
    let listeners = listeners(SEVERAL);
    let shown: Vec<_> = listeners.iter().map(ToString::to_string).collect();
    let urls = [
        "tcp://127.0.0.1:1883",
        "wss://10.0.0.1:8084",
        "tls://0.0.0.0:8883",
        "tls://[::]:8883",
        "unix:///run/ringmq.sock",
        "ws://0.0.0.0:8080",
        "tls://0.0.0.0:8885",
    ];
    assert_eq!(shown, urls);
    let [plain, secure, devices, devices_v6, unix, web, names] = listeners.as_slice() else { panic!("{listeners:#?}") };

    assert_eq!(plain.tls, None);
    assert_eq!(plain.access.password_file, Some(PathBuf::from("passwords")));
    assert_eq!(plain.quotas.messages, Some(Rate { per_second: 100, burst: 100 }));
    assert!(!plain.allows_anonymous(), "there is a password file");

    let tls = secure.tls.as_ref().expect("TLS");
    assert_eq!(tls.certificates[0].chain, PathBuf::from("server.pem"));
    assert_eq!(
        (tls.versions, tls.application_protocols.as_slice()),
        (TlsVersions::Tls13, &["http/1.1".to_owned()][..])
    );

    let tls = devices.tls.as_ref().expect("TLS");
    assert_eq!(
        (&tls.certificates[0].key, tls.application_protocols[0].as_str()),
        (&PathBuf::from("server.key"), "mqtt")
    );
    assert!(matches!(&tls.client_certificates, ClientCertificates::Required(files) if files.authorities.len() == 1));
    assert_eq!((devices.access.password_file.as_ref(), devices.access.certificate_is_user), (None, true));
    assert_eq!(devices.access.acl_file, Some(PathBuf::from("acl")));
    assert_eq!(devices.quotas.messages, None);
    assert_eq!(devices.quotas.bytes, Some(Rate { per_second: 1 << 20, burst: 4 << 20 }));
    assert_eq!(devices.quotas.over, OverQuota::Disconnect);
    assert_eq!((devices.connections_max, devices.proxy_protocol.as_ref().map(Vec::len)), (Some(5), Some(1)));
    assert_eq!(ListenerConfig { address: devices.address.clone(), ..devices_v6.clone() }, *devices);

    let ListenAddress::Unix(address) = &unix.address else { panic!("{unix:?}") };
    assert_eq!((address.mode, address.owner.as_deref(), address.group.as_deref()), (Some(0o660), None, Some("mqtt")));
    assert_eq!(unix.access.acl_file, None);

    assert_eq!(web.websocket.as_ref().expect("WebSocket").origins, ["https://example.org"]);
    assert_eq!(web.access.methods, [Method::Jwt, Method::PasswordFile]);
    assert!(web.access.jwt.as_ref().is_some_and(|jwt| jwt.user_name_claim == "sub" && jwt.expiry_required));
    assert!(web.allows_anonymous());

    assert_eq!(names.tls.as_ref().map(|tls| tls.certificates.len()), Some(2));
    assert!(names.access.http.is_some() && names.access.jwt.is_none());
}

#[test]
fn listeners_that_are_shown_are_read_again() {
    let config = read(SEVERAL).unwrap_or_else(|error| panic!("{error}"));
    let shown = config.to_toml();
    let again = read(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
    assert_eq!(format!("{config:#?}"), format!("{again:#?}"), "{shown}");
    assert_eq!(shown, again.to_toml());
    assert!(shown.contains("listen = [\"tcp://127.0.0.1:1883\", \"wss://10.0.0.1:8084\"]"), "{shown}");
    assert!(shown.contains("\n[listeners.access.jwt]\nkey_file = \"key.pem\"\n"), "{shown}");
}

#[test]
fn a_door_that_nobody_has_decided_on_is_closed() {
    for text in [
        "listen = \"tcp://0.0.0.0:1883\"",
        "listen = [\"tcp://127.0.0.1:1\", \"tcp://192.0.2.1:1883\"]",
        "[[listeners]]\nurl = \"tcp://[::]:1883\"",
        // Behind a proxy are clients of other machines.
        "[[listeners]]\nurl = \"tcp://127.0.0.1:1883\"\nproxy_protocol = [\"127.0.0.1\"]",
        "listen = \"ws://127.0.0.1:8080\"\n[websocket]\ntrusted_proxies = [\"127.0.0.1\"]",
        // It encrypts, and asks nobody.
        "listen = \"tls://0.0.0.0:1883\"\n[tls]\ncertificate = \"a\"\nkey = \"b\"",
        "listen = \"tcp://0.0.0.0:1883\"\n[access]\nacl_file = \"acl\"",
        // A name that nobody shows.
        "listen = \"tcp://0.0.0.0:1883\"\n[access]\ncertificate_is_user = true",
    ] {
        let told = mistakes(text);
        assert!(told.contains("can be reached from other machines, and nothing says who may come in"), "{told}");
        assert!(told.contains("--password-file FILE") && told.contains("--allow-anonymous"), "{told}");
        assert_eq!(told.matches("help:").count(), 1, "{told}");
    }
    let told = mistakes("[access]\nallow_anonymous = false");
    assert!(
        told.starts_with("configuration:2: access.allow_anonymous: nobody could come in at tcp://127.0.0.1"),
        "{told}"
    );
    for text in [
        "listen = \"tcp://0.0.0.0:1883\"\n[access]\nallow_anonymous = true",
        "listen = \"tcp://0.0.0.0:1883\"\n[access]\npassword_file = \"passwords\"",
        "listen = \"tcp://0.0.0.0:1883\"\n[access]\nscram_file = \"passwords\"",
        "listen = \"tcp://0.0.0.0:1883\"\n[access.http]\nurl = \"http://127.0.0.1/\"",
        "listen = \"unix:///run/ringmq.sock\"",
        "[[listeners]]\nurl = \"tcp://0.0.0.0:1883\"\naccess.allow_anonymous = true",
    ] {
        read(text).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_mistake_in_a_table_tells_line_key_and_remedy() {
    let text = concat!(
        "[[listeners]]\nurl = \"tcp://127.0.0.1:1\"\n\n[[listeners]]\nconnection_max = 1\nurl = \"tcp://127.0.0.1\"\n",
        "[listeners.acces]\na = 1\n[listeners.access.jwt]\nalgorithms = [\"none\"]\n[[listeners]]\nmode = 0\n"
    );
    let told = mistakes(text);
    for expected in [
        "configuration:5: listeners.connection_max: unknown key\n  5 | connection_max = 1",
        "did you mean connections_max, before the listener's first section?",
        "configuration:7: listeners.acces: unknown section",
        "configuration:10: listeners.access.jwt.algorithms: \"none\" is no algorithm of tokens",
        "configuration:12: listeners.mode: 0 cannot be the mode of a socket",
        "configuration:11: listeners.url: it does not say where to listen",
    ] {
        assert!(told.contains(expected), "{expected}\nnot in\n{told}");
    }
    assert!(mistakes("[listeners]\nurl = \"tcp://127.0.0.1\"").contains("write [[listeners]] on a line of its own"));
    assert!(mistakes("listener = 1").contains("did you mean [[listeners]]?"));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let table = "[[listeners]]\nurl = ";
    for (text, expected) in [
        (
            format!("{table}\"tls://127.0.0.1\""),
            "configuration:2: listeners.url: tls://127.0.0.1:8883 has no certificate",
        ),
        (
            format!("{table}\"tls://127.0.0.1\"\ntls.certificate = \"a\""),
            "configuration:3: listeners.tls.certificate: there is a certificate without a key",
        ),
        (
            "[tls]\ncertificate = \"a\"\nkey = \"b\"\ncertificates = [{ chain = \"c\", key = \"d\" }]".to_owned(),
            "configuration:4: tls.certificates: there are certificate and key already",
        ),
        ("[tls]\ncertificates = [{ chain = \"c\" }]".to_owned(), "a certificate has no chain or no key"),
        (
            format!(
                "{table}\"tls://127.0.0.1\"\ntls = {{ certificate = \"a\", key = \"b\", client_certificates = \"required\" }}"
            ),
            "configuration:3: listeners.tls.client_certificates: nothing says which certificates of clients are good",
        ),
        (format!("{table}\"tcp://127.0.0.1\"\ntls.key = \"a\""), "tls.key: tcp://127.0.0.1:1883 is without TLS"),
        (format!("{table}\"tcp://127.0.0.1\"\nmode = \"0600\""), "mode: tcp://127.0.0.1:1883 is without a unix socket"),
        (format!("{table}\"tcp://127.0.0.1\"\nwebsocket.paths = []"), "is without WebSocket"),
        (
            format!("{table}\"tcp://127.0.0.1\"\naccess.certificate_is_user = true"),
            "access.certificate_is_user: tcp://127.0.0.1:1883 asks for no certificates",
        ),
        ("listen = [\"tcp://127.0.0.1\", \"ws://127.0.0.1:1883\"]".to_owned(), "127.0.0.1:1883 is listened on twice"),
        (format!("{table}[\"unix:///a\", \"unix:///a\"]"), "configuration:2: listeners.url: /a is listened on twice"),
        ("[access]\nmethods = [\"jwt\"]".to_owned(), "\"jwt\" is to be asked, and is not configured"),
        ("[access]\nmethods = [\"jwt\", \"jwt\"]".to_owned(), "a method is named twice"),
        ("[access.jwt]\nissuer = \"a\"".to_owned(), "tokens are configured without a key"),
        ("[access.jwt]\nkey_file = \"a\"".to_owned(), "nothing says which algorithms are good"),
        ("[access.http]\ntimeout = \"1s\"".to_owned(), "its URL is missing"),
        ("listen = []".to_owned(), "configuration:1: listen: it is empty"),
        (format!("{table}[]"), "it does not say where to listen"),
    ] {
        let told = mistakes(&text);
        assert!(told.contains(expected), "{text}\n{expected}\nnot in\n{told}");
    }
    // Two addresses at one port are two doors; port 0 is a new one each time.
    assert_eq!(listeners("listen = [\"tcp://127.0.0.1:1\", \"tcp://127.0.0.2:1\", \"tcp://[::1]:1\"]").len(), 3);
    assert_eq!(listeners("listen = [\"tcp://127.0.0.1:0\", \"tcp://127.0.0.1:0\"]").len(), 2);
}

#[test]
fn a_password_in_a_url_is_refused_and_not_told() {
    let told = mistakes("[access.http]\nurl = \"https://broker:hunter2@auth.example.org/\"");
    assert!(told.contains("configuration:2: access.http.url: a URL is no place for a password"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_flag_goes_before_all_listeners_of_the_file() {
    let load = |flags| load(&Sources { file: Some(("f".into(), SEVERAL.into())), flags, ..Sources::default() });
    let flags = vec![("--listen", "listen", "tcp://127.0.0.1:7,unix:///run/a".to_owned())];
    let listeners = load(flags).expect("valid").config.runtime.listeners;
    assert_eq!(listeners.iter().map(ToString::to_string).collect::<Vec<_>>(), ["tcp://127.0.0.1:7", "unix:///run/a"]);
    assert!(listeners.iter().all(|listener| listener.access.password_file.is_some()), "the defaults hold");

    let flags = vec![("--password-file", "access.password_file", "others".to_owned())];
    let listeners = load(flags).expect("valid").config.runtime.listeners;
    let files: Vec<_> = listeners.iter().map(|listener| listener.access.password_file.as_deref()).collect();
    let others = Some("others".as_ref());
    assert_eq!(files, [others, others, None, None, others, others, others], "a listener's own goes before the default");

    let error = super::load(&Sources {
        flags: vec![("--listen", "listen", "tcp://0.0.0.0:1883".to_owned())],
        ..Sources::default()
    });
    let told = error.expect_err("nobody has decided").to_string();
    assert!(told.starts_with("flag --listen: listen: tcp://0.0.0.0:1883 can be reached"), "{told}");
}

#[test]
fn relative_paths_start_at_the_file() {
    let loaded = load(&Sources {
        file: Some(("/etc/ringmq/ringmq.toml".into(), format!("{SEVERAL}\n[storage]\ndir = \"data\""))),
        directory: Some("/etc/ringmq".into()),
        flags: vec![("--acl-file", "access.acl_file", "here".to_owned())],
        ..Sources::default()
    });
    let runtime = loaded.unwrap_or_else(|error| panic!("{error}")).config.runtime;
    let shown = format!("{:?}", runtime.listeners);
    for path in ["server.pem", "passwords", "clients.pem", "key.pem", "b.key", "token"] {
        assert!(shown.contains(&format!("\"/etc/ringmq/{path}\"")), "{path} in {shown}");
    }
    assert!(shown.contains("[\"b.example.org\"]") && shown.contains("\"here\""), "{shown}");
    assert_eq!(runtime.storage.dir, PathBuf::from("/etc/ringmq/data"));
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("server.pem"), "").expect("a file");
    let text = "listen = \"tls://127.0.0.1\"\n[tls]\ncertificate = \"server.pem\"\nkey = \"missing.key\"\n\
                [access]\npassword_file = \".\"\n";
    let loaded = load(&Sources {
        file: Some(("f".into(), text.into())),
        directory: Some(directory.path().to_owned()),
        ..Sources::default()
    });
    let mistakes = super::check_files(&loaded.expect("valid"));
    let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].starts_with("f:4: tls.key: ") && told[0].contains("missing.key cannot be read: No such file"),
        "{told:#?}"
    );
    assert!(told[1].starts_with("f:6: access.password_file: ") && told[1].contains("it is a directory"), "{told:#?}");
}
