//! Help, configurations and what does not work out: exit codes and messages.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::process::{Server, ringmq, run};

/// Where the kernel's table of descriptors grows, whoever accepts waits.
#[test]
fn there_is_room_for_the_descriptors_of_all_connections_from_the_start() {
    let mut command = ringmq();
    command.env("RINGMQ_RUNTIME_CONNECTIONS_MAX", "3000");
    let server = Server::start_as(command, &["--shards", "1", "--no-persistence"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap().trim();
    assert!(size.parse::<usize>().unwrap() >= 3_000, "{size}");
}

#[test]
fn help_names_the_commands() {
    let outcome = run(&["--help"]);
    assert_eq!(outcome.code, Some(0));
    for word in ["serve", "check-config", "pub", "sub", "--config", "--listen", "--shards"] {
        assert!(outcome.stdout.contains(word), "{word} not in {}", outcome.stdout);
    }
    // -h is the host for the clients, as in mosquitto's; help is in its long form.
    for command in ["pub", "sub"] {
        let outcome = run(&[command, "--help"]);
        assert_eq!(outcome.code, Some(0));
        assert!(outcome.stdout.contains("-h, --host"), "{}", outcome.stdout);
    }
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/ringmq.example.toml");
    for arguments in [vec!["check-config", example], vec!["capacity", "--json"], vec!["doctor", "--script=anywhere"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let outcome = ringmq().args(&arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!(outcome.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("cannot write to standard output: No space left on device"), "{said}");
    }
    let server = Server::start();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut subscriber = ringmq();
    subscriber
        .args(["sub", "-t", "t", "-p", &server.port(), "-C", "2"])
        .stdout(full)
        .stderr(std::process::Stdio::piped());
    let subscriber = subscriber.spawn().unwrap();
    run(&["pub", "-t", "t", "-m", "x", "-r", "-p", &server.port()]);
    let outcome = subscriber.wait_with_output().unwrap();
    assert_eq!(outcome.status.code(), Some(1), "{}", String::from_utf8_lossy(&outcome.stderr));
}

#[test]
fn the_example_is_a_good_configuration() {
    let outcome = run(&["check-config", concat!(env!("CARGO_MANIFEST_DIR"), "/ringmq.example.toml")]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("listen = [\"tcp://127.0.0.1:1883\"]"), "{}", outcome.stdout);
}

#[test]
fn a_bad_configuration_is_told_with_line_and_remedy() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "[limits]\nsessions_mx = 5\n").expect("a file");
    let path = file.path().to_str().expect("a path");
    for arguments in [vec!["check-config", path], vec!["serve", "--config", path], vec!["--config", path]] {
        let outcome = run(&arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}");
        let expected = format!("{path}:2: limits.sessions_mx: unknown key");
        assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("did you mean sessions_max in section [limits]?"), "{}", outcome.stderr);
    }
}

#[test]
fn a_missing_file_and_bad_flags_are_configuration() {
    for (arguments, message) in [
        (vec!["--config", "/nonexistent/ringmq.toml"], "/nonexistent/ringmq.toml: cannot be read"),
        (vec!["--shards", "none"], "flag --shards: runtime.shards: \"none\" is not an integer"),
        (vec!["--listen", "http://127.0.0.1:1"], "flag --listen: listen: http://"),
        (vec!["--listen", "tls://127.0.0.1:1"], "flag --listen: listen: tls://127.0.0.1:1 has no certificate"),
        (vec!["--listen", "tcp://0.0.0.0:1883"], "nothing says who may come in\n  help: add --password-file FILE"),
        (
            vec!["--password-file", "/nonexistent/users"],
            "flag --password-file: access.password_file: /nonexistent/users",
        ),
        (vec!["--listen", "tcp://192.0.2.1:0", "--allow-anonymous"], "192.0.2.1:0 is not an address of this machine"),
        (vec!["--no-such-flag"], "unexpected argument"),
    ] {
        let outcome = run(&arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{arguments:?}: {}", outcome.stderr);
    }
}

#[test]
fn what_serve_would_refuse_is_told_with_its_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    std::fs::write(path("short"), "12345").expect("a file");
    std::fs::write(path("latin"), b"# \xFC\n").expect("a file");
    let checked = |text: &str| {
        std::fs::write(path("ringmq.toml"), text).expect("a file");
        run(&["check-config", &path("ringmq.toml")])
    };
    for (text, message) in [
        ("[admin]\ntoken_file = \"short\"\nlisten = \"127.0.0.1:1\"\n", ":2: admin.token_file: "),
        (
            "listen = \"tcp://0.0.0.0:77\"\naccess.allow_anonymous = true\nadmin.listen = \"127.0.0.1:77\"\n",
            ":3: admin.listen: ",
        ),
        ("[limit]\nsessions_max = 5\n", "help: did you mean [limits]?"),
        ("listen = 5\n", "help: write a URL such as \"tcp://0.0.0.0:1883\""),
    ] {
        let outcome = checked(text);
        assert_eq!(outcome.code, Some(2), "{text}");
        assert!(outcome.stderr.contains(message) && outcome.stderr.contains("help: "), "{text}: {}", outcome.stderr);
    }
    for (file, problem) in [("latin", "a configuration is UTF-8"), (".", "name a file"), ("nothing", "name a file")] {
        let outcome = run(&["check-config", &path(file)]);
        assert_eq!(outcome.code, Some(2), "{file}");
        assert!(
            outcome.stderr.contains(": cannot be read: ") && outcome.stderr.contains(problem),
            "{}",
            outcome.stderr
        );
    }
}

/// `systemctl reload` asks for it before the server is told to read them.
#[test]
fn what_is_in_the_files_that_a_configuration_names_is_checked() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    for (name, content) in [
        ("acl", "user anna\nallow everything\n"),
        ("users", "anna:$9$x\n"),
        ("key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        ("chain", "no certificate\n"),
    ] {
        std::fs::write(path(name), content).expect("a file");
    }
    let jwt = "[access.jwt]\nalgorithms = [\"RS256\"]\nkey_file = \"key\"\n";
    let tls = "[[listeners]]\nurl = \"tls://127.0.0.1:1\"\ntls.certificate = \"chain\"\ntls.key = \"key\"\n";
    for (text, place, problem) in [
        ("[access]\nacl_file = \"acl\"\n", ":2: access.acl_file: ", "/acl:2: \"allow\" is no directive"),
        ("access.password_file = \"users\"\n", ":1: access.password_file: ", "/users:1: "),
        (jwt, ":3: access.jwt.key_file: ", "/key: "),
        (tls, ":3: listeners.tls.certificate: ", "/chain: there is no certificate in it"),
    ] {
        std::fs::write(path("ringmq.toml"), text).expect("a file");
        let outcome = run(&["check-config", "--quiet", &path("ringmq.toml")]);
        assert_eq!(outcome.code, Some(2), "{text}: {}", outcome.stderr);
        for part in [place, problem, "help: "] {
            assert!(outcome.stderr.contains(part), "{part} for {text}: {}", outcome.stderr);
        }
    }
}

#[test]
fn a_taken_port_is_the_environment() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("tcp://{}", taken.local_addr().expect("an address"));
    let outcome = run(&["--listen", &url]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("taken"), "{}", outcome.stderr);
}

#[test]
fn the_environment_goes_before_the_file() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "[limits]\nsessions_max = 5\nin_flight_max = 6\n").expect("a file");
    let output = ringmq()
        .args(["check-config".as_ref(), file.path().as_os_str()])
        .env("RINGMQ_LIMITS_SESSIONS_MAX", "7")
        .stdout(std::process::Stdio::piped())
        .output()
        .expect("the binary runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("\nsessions_max = 7\n") && shown.contains("\nin_flight_max = 6\n"), "{shown}");
}

#[test]
fn what_is_shown_is_a_configuration_with_the_paths_of_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("users"), "").expect("a file");
    std::fs::write(path("ringmq.toml"), "[[listeners]]\nurl = \"tcp://0.0.0.0:0\"\naccess.password_file = \"users\"\n")
        .expect("a file");
    let outcome = run(&["check-config", path("ringmq.toml").to_str().expect("a path")]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let expected = format!(
        "\n[[listeners]]\nurl = \"tcp://0.0.0.0:0\"\n\n[listeners.access]\npassword_file = {:?}\n",
        path("users")
    );
    assert!(outcome.stdout.contains(&expected), "{}", outcome.stdout);
    std::fs::write(path("shown.toml"), &outcome.stdout).expect("a file");
    let again = run(&["check-config", path("shown.toml").to_str().expect("a path")]);
    let body = |text: &str| text.split_once('\n').map(|(_, body)| body.to_owned());
    assert_eq!(body(&again.stdout), body(&outcome.stdout), "{}", again.stderr);

    std::fs::remove_file(path("users")).expect("a file");
    let outcome = run(&["check-config", path("ringmq.toml").to_str().expect("a path")]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("ringmq.toml:3: listeners.access.password_file: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("users cannot be read: No such file"), "{}", outcome.stderr);
}

#[test]
fn a_configuration_of_mosquitto_is_converted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    std::fs::write(path("a.conf"), "listener 1883 127.0.0.1\nallow_anonymous true\nretry_interval 5\nsys_interval 7\n")
        .expect("a file");
    let outcome = run(&["convert", &path("a.conf")]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("listen = [\"tcp://127.0.0.1:1883\"]"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\nsys_interval = \"7s\"\n"), "{}", outcome.stdout);
    let note = "nothing is sent again while a connection lasts, as MQTT 5.0 has it";
    assert_eq!(outcome.stderr, format!("{}:3: retry_interval: {note}\n", path("a.conf")));

    let outcome = run(&["convert", "--strict", &path("a.conf"), "-o", &path("a.toml")]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    let outcome = run(&["check-config", &path("a.toml")]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);

    std::fs::write(path("b.conf"), "listener 1883\n").expect("a file");
    let outcome = run(&["convert", &path("b.conf")]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stdout.contains("listen = "), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("b.conf:1: access.allow_anonymous: nobody could come in"), "{}", outcome.stderr);
    std::fs::write(path("c.conf"), "listner 1883\n").expect("a file");
    let outcome = run(&["convert", &path("c.conf")]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert!(outcome.stderr.contains("did you mean listener?"), "{}", outcome.stderr);
}

#[test]
fn the_broker_starts_from_a_configuration_of_mosquitto() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("mosquitto.conf");
    std::fs::write(&path, "allow_anonymous true\nmax_keepalive 60\nlistener 1883\n").expect("a file");
    // Its port may be taken here; the flag goes before it.
    let server = Server::start_with(&["--shards", "1", "--mosquitto-conf", path.to_str().expect("a path")]);
    assert_ne!(server.address.port(), 0);
}

#[test]
fn the_log_can_be_json() {
    let server = Server::start_with(&["--shards", "1", "--no-persistence", "--log-format", "json"]);
    assert_ne!(server.address.port(), 0);
}

#[test]
fn clients_tell_what_went_wrong() {
    // Bound and not listening: it refuses, and nobody else gets the port meanwhile.
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    let address = bound.local_addr().expect("an address").as_socket().expect("an address of the internet");
    let port = address.port().to_string();
    let outcome = run(&["pub", "-h", "127.0.0.1", "-p", &port, "-t", "a", "-m", "b"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), "Error: Connection refused\n"));
    let outcome = run(&["pub", "-h", "127.0.0.1", "-p", &port, "-t", "a", "-m", "b", "--quiet"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
    let outcome = run(&["pub", "-t", "a/#", "-m", "b"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("Invalid publish topic 'a/#'"), "{}", outcome.stderr);
    let outcome = run(&["sub", "-t", "a#"]);
    assert!(outcome.stderr.contains("Invalid subscription topic 'a#'"), "{}", outcome.stderr);
    let outcome = run(&["sub", "-t", "a", "-F", "%z"]);
    assert!(outcome.stderr.contains("Invalid format specifier 'z'"), "{}", outcome.stderr);
}
