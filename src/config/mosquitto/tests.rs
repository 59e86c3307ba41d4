//! Whole files, from what mosquitto reads to what is in force here.

use std::path::Path;

use super::directives::{DIRECTIVES, Meaning};
use super::{Import, Machine, read};
use crate::access::Quotas;
use crate::config::keys;
use crate::config::{Config, Sources, load};
use crate::net::tls::{CertificateIdentity, ClientCertificates, TlsVersions};
use crate::runtime::{ListenAddress, ListenerConfig};

/// Where Debian's package puts its commented example.
const EXAMPLE: &str = "/usr/share/doc/mosquitto/examples/mosquitto.conf";

const PRODUCTION: &str = "\
per_listener_settings true
persistence true
persistence_location /var/lib/mosquitto/
max_inflight_messages 100
max_queued_messages 0
max_queued_bytes 1000
max_packet_size 100000
max_keepalive 600
persistent_client_expiration 2w
queue_qos0_messages true
log_type error
log_type warning
set_tcp_nodelay true
upgrade_outgoing_qos false

listener 1883 127.0.0.1
allow_anonymous true
max_connections -1

listener 8883
certfile /etc/mosquitto/certs/server.crt
keyfile /etc/mosquitto/certs/server.key
cafile /etc/mosquitto/ca_certificates/ca.crt
require_certificate true
use_subject_as_username true
crlfile /etc/mosquitto/certs/crl.pem
tls_version tlsv1.3
acl_file /etc/mosquitto/acl
max_connections 5000

listener 8084 10.0.0.1
protocol websockets
certfile /etc/mosquitto/certs/server.crt
keyfile /etc/mosquitto/certs/server.key
password_file /etc/mosquitto/our passwords
websockets_origin https://example.org
websockets_origin https://example.com

listener 0 /run/mosquitto.sock
allow_anonymous true
";

fn import(text: &str) -> Import {
    read(Path::new("mosquitto.conf"), text, Machine { has_ipv6: true })
}

/// What is in force; the file that is written must mean the same.
fn config(text: &str) -> Config {
    let import = import(text);
    let toml = import.to_toml(Path::new("mosquitto.conf"));
    let loaded = load(&Sources { written: Some(import.written), ..Sources::default() });
    let config = loaded.unwrap_or_else(|error| panic!("{error}\n{text}")).config;
    let again = Config::from_toml(&toml).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    assert_eq!(format!("{config:#?}"), format!("{again:#?}"), "{toml}");
    config
}

fn notes(text: &str) -> Vec<String> {
    import(text).notes.iter().map(ToString::to_string).collect()
}

/// All that is wrong with a file, or with what becomes of it.
fn mistakes(text: &str) -> String {
    let loaded = load(&Sources { written: Some(import(text).written), ..Sources::default() });
    loaded.map_or_else(|error| error.to_string(), |_| String::new())
}

fn urls(config: &Config) -> Vec<String> {
    config.runtime.listeners.iter().map(ToString::to_string).collect()
}

#[test]
fn without_a_listener_it_is_reached_from_its_machine_only() {
    for text in ["", "persistence true\nuser mosquitto", "max_connections 10"] {
        let config = config(text);
        assert_eq!(urls(&config), ["tcp://127.0.0.1:1883", "tcp://[::1]:1883"], "{text}");
        assert!(config.runtime.listeners.iter().all(ListenerConfig::allows_anonymous));
    }
    // Beside a password file, too.
    assert!(config("password_file /etc/mosquitto/passwd").runtime.listeners[0].allows_anonymous());
    assert!(!config("password_file /p\nallow_anonymous false").runtime.listeners[0].allows_anonymous());
    let without_ipv6 = read(Path::new("f"), "", Machine { has_ipv6: false });
    assert!(without_ipv6.to_toml(Path::new("f")).contains("listen = [\"tcp://127.0.0.1:1883\"]"));
}

#[test]
fn with_a_listener_anonymous_clients_need_a_permission() {
    let told = mistakes("listener 1883");
    assert!(told.starts_with("mosquitto.conf:1: access.allow_anonymous: nobody could come in"), "{told}");
    // On loopback, too.
    assert!(mistakes("listener 1883 127.0.0.1").contains("nobody could come in"));
    let listeners = config("listener 1883 127.0.0.1\npassword_file /p").runtime.listeners;
    assert!(!listeners[0].allows_anonymous());
    let open = config("allow_anonymous true\nlistener 1883");
    assert_eq!(urls(&open), ["tcp://0.0.0.0:1883", "tcp://[::]:1883"]);
    assert!(open.runtime.listeners[0].allows_anonymous());
}

#[test]
fn addresses_are_those_of_mosquitto() {
    let urls = |text: &str| urls(&config(&format!("allow_anonymous true\n{text}")));
    assert_eq!(urls("port 1884\nbind_address localhost"), ["tcp://127.0.0.1:1884", "tcp://[::1]:1884"]);
    assert_eq!(urls("bind_address 10.0.0.1\nlistener 1"), ["tcp://10.0.0.1:1883", "tcp://0.0.0.0:1", "tcp://[::]:1"]);
    assert_eq!(urls("listener 1 # all\nsocket_domain ipv4"), ["tcp://0.0.0.0:1"]);
    assert_eq!(urls("listener 1\nsocket_domain ipv6"), ["tcp://[::]:1"]);
    assert_eq!(urls("listener 1 fd00::1\nprotocol websockets"), ["ws://[fd00::1]:1"]);
    assert_eq!(urls("listener 0 /run/x.sock"), ["unix:///run/x.sock"]);
    assert!(mistakes("listener 1 broker.example.org").contains("\"broker.example.org\" is not an IP address"));
    assert!(mistakes("listener 0").contains("its path is missing"));
    assert_eq!(urls("listener 1 10.0.0.1\nsocket_domain ipv4"), ["tcp://10.0.0.1:1"]);
    assert!(
        mistakes("listener 1 10.0.0.1\nsocket_domain ipv6").contains("10.0.0.1 is no address of its socket_domain")
    );
    assert!(
        mistakes("max_connections 7\nlistener 1884").contains("mosquitto.conf:1: max_connections: it is before any")
    );
}

#[test]
fn a_configuration_of_production_is_taken_over() {
    let config = config(PRODUCTION);
    assert_eq!(
        urls(&config),
        [
            "tcp://127.0.0.1:1883",
            "tls://0.0.0.0:8883",
            "tls://[::]:8883",
            "wss://10.0.0.1:8084",
            "unix:///run/mosquitto.sock"
        ]
    );
    let [plain, tls, tls_v6, web, unix] = config.runtime.listeners.as_slice() else { panic!("{config:#?}") };
    assert!(plain.allows_anonymous() && plain.connections_max.is_none() && unix.allows_anonymous());
    assert!(matches!(&unix.address, ListenAddress::Unix(address) if address.path == Path::new("/run/mosquitto.sock")));

    assert_eq!(ListenerConfig { address: tls.address.clone(), ..tls_v6.clone() }, *tls);
    assert_eq!((tls.connections_max, tls.access.certificate_is_user), (Some(5_000), true));
    assert!(!tls.allows_anonymous() && tls.quotas == Quotas::default());
    assert_eq!(tls.access.acl_file.as_deref(), Some(Path::new("/etc/mosquitto/acl")));
    let files = tls.tls.as_ref().expect("TLS");
    assert_eq!((files.identity, files.versions), (CertificateIdentity::Subject, TlsVersions::Tls13));
    let ClientCertificates::Required(clients) = &files.client_certificates else { panic!("{files:?}") };
    assert_eq!(clients.authorities, [Path::new("/etc/mosquitto/ca_certificates/ca.crt")]);
    assert_eq!(clients.revocation_lists, [Path::new("/etc/mosquitto/certs/crl.pem")]);

    let websocket = web.websocket.as_ref().expect("WebSocket");
    assert_eq!((websocket.paths.as_slice(), websocket.origins.len()), (&["*".to_owned()][..], 2));
    assert_eq!(web.access.password_file.as_deref(), Some(Path::new("/etc/mosquitto/our passwords")));
    assert!(web.tls.as_ref().is_some_and(|tls| tls.client_certificates == ClientCertificates::None));

    let settings = &config.runtime.settings;
    assert_eq!((settings.in_flight_max, settings.receive_maximum), (100, 100));
    assert_eq!((settings.packet_size_max, settings.connect_size_max), (100_000, 100_000));
    assert_eq!((settings.keep_alive_max_s, settings.session_expiry_max_s), (600, 14 * 86_400));
    assert!(settings.queue_qos0 && settings.persistence);
    assert!(settings.queued_messages_max > 1_000_000_000);
    assert_eq!(config.runtime.storage.dir, Path::new("/var/lib/mosquitto/ringmq"));
    assert_eq!(config.log.level, crate::config::LogLevel::Warn);

    let notes = notes(PRODUCTION);
    assert_eq!(notes.len(), 2, "{notes:#?}");
    assert!(notes[0].starts_with("mosquitto.conf:3: persistence_location: what is in mosquitto.db is not taken over"));
    assert!(notes[1].starts_with("mosquitto.conf:6: max_queued_bytes: it is set to 262145"), "{notes:#?}");
}

#[test]
fn the_file_that_is_written_names_the_lines_it_came_from() {
    let toml = import("listener 1883\nallow_anonymous true\nmax_keepalive 60\n").to_toml(Path::new("mosquitto.conf"));
    let expected = "\
# Converted from mosquitto.conf; docs/mosquitto.md tells what becomes of what.
# mosquitto.conf:1: listener 1883
listen = [\"tcp://0.0.0.0:1883\", \"tcp://[::]:1883\"]

[access]
# mosquitto.conf:2: allow_anonymous true
allow_anonymous = true

[storage]
# mosquitto's default
persistence = false

[limits]
# mosquitto.conf:3: max_keepalive 60
keep_alive_max = \"1m\"
";
    assert_eq!(toml, expected);
}

#[test]
fn what_would_open_more_than_was_is_left_out() {
    let open = "allow_anonymous true\nlistener 1 127.0.0.1\nlistener 2 127.0.0.1\n";
    for line in ["psk_hint hint", "mount_point house", "bind_interface eth0", "protocol http_api", "plugin_use dynsec"]
    {
        let text = format!("{open}{line}");
        assert_eq!(urls(&config(&text)), ["tcp://127.0.0.1:1"], "{text}");
        let notes = notes(&text);
        assert!(notes.len() == 1 && notes[0].contains("Its listener is left out"), "{notes:#?}");
    }
    for line in ["plugin /usr/lib/mosquitto_dynamic_security.so", "global_plugin /x.so", "auth_plugin /x.so"] {
        let text = format!("{open}{line}");
        assert!(mistakes(&text).contains("listen: it is empty"), "{}", mistakes(&text));
        let toml = import(&text).to_toml(Path::new("f"));
        assert!(Config::from_toml(&toml).is_err(), "{toml}");
        assert!(notes(&text)[0].contains("All listeners are left out"));
    }
    // With settings per listener a plugin is one listener's.
    let text = "per_listener_settings true\nlistener 1 127.0.0.1\nallow_anonymous true\nlistener 2\nplugin /x.so\n";
    assert_eq!(urls(&config(text)), ["tcp://127.0.0.1:1"]);
}

#[test]
fn what_listeners_have_each_is_taken_over_where_they_agree() {
    let of_two = |first: &str, second: &str| {
        format!("allow_anonymous true\nlistener 1 127.0.0.1\n{first}\nlistener 2 127.0.0.1\n{second}")
    };
    let agreed = of_two("max_qos 1\nmax_topic_alias 5", "max_qos 1");
    assert_eq!(config(&agreed).runtime.settings.maximum_qos as u8, 1);
    assert_eq!(config(&agreed).runtime.settings.topic_alias_max, 32);
    let notes = notes(&agreed);
    assert!(
        notes.len() == 1 && notes[0].starts_with("mosquitto.conf:4: max_topic_alias: limits.topic_alias_max holds")
    );
    assert_eq!(config(&of_two("max_qos 0", "max_qos 1")).runtime.settings.maximum_qos as u8, 2);
}

#[test]
fn a_bridge_is_one_note_without_its_password() {
    let text = "connection up\naddress example.org\nremote_password hunter2\ntopic # out 1\n";
    let import = import(text);
    assert_eq!(import.notes.len(), 1);
    let told = import.notes[0].to_string();
    assert!(told.starts_with("mosquitto.conf:1: connection: RingMQ has no bridges; its 3 lines below"), "{told}");
    assert!(!format!("{import:?}").contains("hunter2"));
}

#[test]
fn mistakes_are_told_all_at_once_with_their_lines() {
    let text =
        "max_keepalve 5\nmax_qos 3\nlistener x\npersistence maybe\ntopic # out\npersistent_client_expiration 5\n";
    let told = mistakes(text);
    for expected in [
        "mosquitto.conf:1: max_keepalve: unknown directive\n  1 | max_keepalve 5\n  help: did you mean max_keepalive?",
        "mosquitto.conf:2: max_qos: \"3\" is not an integer\n  2 | max_qos 3\n  help: write an integer up to 2",
        "mosquitto.conf:3: listener: \"x\" is no port",
        "mosquitto.conf:4: persistence: \"maybe\" is neither true nor false",
        "mosquitto.conf:5: topic: it is a part of a bridge, and no connection is before it",
        "mosquitto.conf:6: persistent_client_expiration: \"5\" is no expiration",
    ] {
        assert!(told.contains(expected), "{expected}\nnot in\n{told}");
    }
}

/// Whatever a directive is, some value of it must change what is in force or be noted.
#[test]
fn no_directive_is_passed_over_in_silence() {
    let base = "listener 1\nallow_anonymous true\nlog_type error\npersistence true\n\
                certfile /c\nkeyfile /k\nrequire_certificate true\nprotocol websockets\n";
    let values =
        ["true", "false", "7", "1", "0", "14d", "ipv6", "mqtt", "tlsv1.3", "debug", "none", "engine", "10.0.0.9", "/"];
    let fingerprint = |text: &str| {
        let import = import(text);
        let written = &import.written;
        (format!("{:?}", (&written.server, &written.listeners, &import.notes)), written.mistakes.len())
    };
    let mut silent = Vec::new();
    // What include_dir includes is told as if it stood there.
    for (name, meaning) in DIRECTIVES.iter().filter(|(name, _)| *name != "include_dir") {
        let begin = if matches!(meaning, Meaning::Bridge) { "connection x\n" } else { "" };
        let before = if *name == "per_listener_settings" { "" } else { base };
        let after = if *name == "per_listener_settings" { base } else { "" };
        let (without, _) = fingerprint(&format!("{before}{begin}# nothing\n{after}"));
        let acts = |value: &str| {
            let (with, mistakes) = fingerprint(&format!("{before}{begin}{name} {value}\n{after}"));
            mistakes == 0 && with != without
        };
        if !values.iter().any(|value| acts(value)) {
            silent.push(*name);
        }
    }
    assert!(silent.is_empty(), "these change nothing, and nobody is told: {silent:?}");
}

#[test]
fn the_table_is_sorted_and_its_keys_exist() {
    let names: Vec<_> = DIRECTIVES.iter().map(|(name, _)| *name).collect();
    assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]));
    for (name, meaning) in DIRECTIVES {
        match meaning {
            Meaning::Server(key, _) | Meaning::Everywhere(key, _) => {
                assert!(keys::find(key).is_some(), "{name}: {key}")
            }
            Meaning::Listener(key, _) => assert!(keys::find_of_listener(key).is_some(), "{name}: {key}"),
            Meaning::Security(key, _) => {
                assert!(keys::find(key).is_some() && keys::find_of_listener(key).is_some(), "{name}: {key}");
            }
            _ => {}
        }
    }
}

/// Where the package is installed: each directive of its example is known, and the example is what mosquitto is without one.
#[test]
fn the_example_of_the_package_is_understood() {
    let Ok(text) = std::fs::read_to_string(EXAMPLE) else {
        eprintln!("not tested: there is no {EXAMPLE}");
        return;
    };
    assert_eq!(urls(&config(&text)), ["tcp://127.0.0.1:1883", "tcp://[::1]:1883"]);
    let is_name = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let commented = text.lines().filter_map(|line| line.strip_prefix('#')?.split(' ').next()).filter(is_name);
    let names: Vec<_> = commented.collect();
    assert!(names.len() > 80, "{names:?}");
    let unknown: Vec<_> = names.into_iter().filter(|name| super::directives::find(name).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
