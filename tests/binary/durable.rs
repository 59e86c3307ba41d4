//! What was acknowledged is there after the end of the process, however that came.

use std::path::Path;

use tempfile::TempDir;

use crate::process::{Outcome, Server, Subscriber, ringmq, run, signal};

const MODES: [&str; 3] = ["commit", "interval = 50ms", "memory"];

fn data_dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn start_in(dir: &Path, more: &[&str]) -> Server {
    Server::start_with(&[&["--data-dir", text(dir)], more].concat())
}

fn client(server: &Server, command: &str, arguments: &[&str]) -> Outcome {
    let port = server.port();
    let outcome = run(&[&[command, "-V", "5", "-h", "127.0.0.1", "-p", &port], arguments].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    outcome
}

/// A session that waits for its client, with messages of each QoS, and retained messages of which one was forgotten.
fn fill(server: &Server) {
    client(server, "sub", &["-c", "-i", "sleeper", "-q", "2", "-t", "queue/#", "-t", "other", "-E"]);
    client(server, "sub", &["-c", "-i", "sleeper", "-U", "other", "-t", "queue/#", "-q", "2", "-E"]);
    for (qos, payload) in [("1", "first"), ("2", "second"), ("1", "third")] {
        client(server, "pub", &["-q", qos, "-t", "queue/a", "-m", payload]);
    }
    client(server, "pub", &["-q", "1", "-t", "other", "-m", "not subscribed"]);
    for (topic, payload) in [("state/a", "old"), ("state/a", "on"), ("state/b", "off"), ("state/c", "gone")] {
        client(server, "pub", &["-r", "-q", "1", "-t", topic, "-m", payload]);
    }
    client(server, "pub", &["-r", "-q", "1", "-t", "state/c", "-n"]);
}

/// All of that, once.
fn check(server: &Server) {
    // The last one shows that nothing is between.
    client(server, "pub", &["-q", "1", "-t", "queue/a", "-m", "last"]);
    let session = ["-c", "-i", "sleeper", "-q", "2", "-t", "queue/#", "-C", "4", "-W", "30", "-F", "%p %q"];
    // A message of QoS 2 is the client's with PUBREL, which comes after those of QoS 1 that were sent behind the message.
    let printed = client(server, "sub", &session).stdout;
    let (second, others): (Vec<_>, Vec<_>) = printed.lines().partition(|line| line.ends_with('2'));
    assert_eq!((second, others), (vec!["second 2"], vec!["first 1", "third 1", "last 1"]));
    client(server, "pub", &["-r", "-q", "1", "-t", "state/d", "-m", "last"]);
    let retained = ["-t", "state/#", "-C", "3", "-W", "30", "-v"];
    let printed = client(server, "sub", &retained).stdout;
    let mut lines: Vec<_> = printed.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["state/a on", "state/b off", "state/d last"]);
}

#[test]
fn a_killed_process_has_lost_nothing() {
    // The kernel has what "interval" acknowledges, so only the machine's end could lose it.
    for mode in ["commit", "interval = 60s"] {
        let dir = data_dir();
        let server = start_in(dir.path(), &["--shards", "2", "--durability", mode]);
        fill(&server);
        server.kill();
        // The number of shards is not the store's business.
        for shards in ["2", "3", "1"] {
            let server = start_in(dir.path(), &["--shards", shards]);
            let recovered = "recovered 1 sessions with 1 subscriptions and 3 messages, 2 retained messages";
            assert!(server.start_log.iter().any(|line| line.contains(recovered)), "{:#?}", server.start_log);
            server.kill();
        }
        check(&start_in(dir.path(), &["--shards", "2"]));
    }
}

#[test]
fn an_orderly_end_loses_nothing_in_any_mode() {
    for mode in MODES {
        let dir = data_dir();
        let server = start_in(dir.path(), &["--shards", "2", "--durability", mode]);
        fill(&server);
        let log = server.stop();
        assert!(log.iter().any(|line| line.contains("the store wrote")), "{log:#?}");
        check(&start_in(dir.path(), &["--shards", "2", "--durability", mode]));
    }
}

#[test]
fn what_was_taken_and_acknowledged_does_not_come_again() {
    let dir = data_dir();
    let server = start_in(dir.path(), &["--shards", "2"]);
    fill(&server);
    check(&server);
    // Messages that are acknowledged are forgotten when their receiver leaves: DISCONNECT comes after its acknowledgements.
    server.stop();
    let server = start_in(dir.path(), &["--shards", "2"]);
    client(&server, "pub", &["-q", "1", "-t", "queue/a", "-m", "new"]);
    let session = ["-c", "-i", "sleeper", "-q", "2", "-t", "queue/#", "-C", "1", "-W", "30"];
    assert_eq!(client(&server, "sub", &session).stdout, "new\n");
}

#[test]
fn a_directory_has_one_process() {
    let dir = data_dir();
    let server = start_in(dir.path(), &["--shards", "1"]);
    let arguments = ["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir", text(dir.path())];
    let outcome = run(&arguments);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let id = server.id();
    let expected = format!("{} is in use by process {id}: stop it, or choose another --data-dir", text(dir.path()));
    assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
    server.kill();
    start_in(dir.path(), &["--shards", "1"]);
}

#[test]
fn a_directory_that_cannot_be_is_told() {
    let dir = data_dir();
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let orphan = dir.path().join("no/data");
    for (path, message) in [
        (text(&file), "is not a directory: choose another --data-dir"),
        (text(&orphan), "/no, or choose another --data-dir"),
        ("/proc/ringmq", "/proc/ringmq cannot be created"),
    ] {
        let outcome = run(&["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir", path]);
        assert_eq!(outcome.code, Some(1), "{path}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(path) && outcome.stderr.contains(message), "{path}: {}", outcome.stderr);
    }
    assert!(!dir.path().join("no").exists());
}

#[test]
fn bad_values_are_configuration() {
    for (arguments, message) in [
        (["--durability", "sometimes"], "flag --durability: storage.durability: \"sometimes\" is no durability"),
        (["--data-dir", ""], "flag --data-dir: storage.dir: \"\" is no directory"),
    ] {
        let outcome = run(&arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{arguments:?}: {}", outcome.stderr);
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "[storage]\nsegment_size = \"2GiB\"\n").expect("a file");
    let path = text(file.path());
    let outcome = run(&["check-config", path]);
    assert_eq!(outcome.code, Some(2));
    let expected = format!("{path}:2: storage.segment_size: \"2GiB\" is out of bounds");
    assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
}

#[test]
fn the_store_is_where_it_is_wanted() {
    let dir = data_dir();
    let start = |state: Option<&Path>, arguments: &[&str]| {
        let mut command = ringmq();
        command.current_dir(dir.path()).env_remove("STATE_DIRECTORY").envs(state.map(|path| ("STATE_DIRECTORY", path)));
        Server::start_as(command, arguments).stop();
    };
    start(None, &["--no-persistence"]);
    assert_eq!(dir.path().read_dir().expect("a directory").count(), 0);
    start(Some(&dir.path().join("state")), &[]);
    assert!(dir.path().join("state/lock").exists() && !dir.path().join("ringmq-data").exists());
    start(None, &[]);
    assert!(dir.path().join("ringmq-data/lock").exists());
}

#[test]
fn a_wrong_address_leaves_no_directory() {
    let dir = data_dir();
    let data = dir.path().join("data");
    let outcome = run(&["--listen", "tcp://192.0.2.1:0", "--data-dir", text(&data)]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(!data.exists());
}

#[test]
fn a_newer_format_is_not_touched() {
    let dir = data_dir();
    start_in(dir.path(), &["--shards", "1"]).stop();
    let segment = segments(dir.path()).remove(0);
    let mut bytes = std::fs::read(&segment).expect("a segment");
    // The version of the format, behind the magic number, and the checksum of the header.
    bytes[8] = 200;
    let checksum = crc32fast::hash(&bytes[..36]);
    bytes[36..40].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&segment, &bytes).expect("a segment");
    let outcome = run(&["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir", text(dir.path())]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("written by a newer version"), "{}", outcome.stderr);
    assert!(bytes == std::fs::read(&segment).expect("a segment"));
}

#[test]
fn a_subscriber_that_is_connected_keeps_its_session_over_a_kill() {
    let dir = data_dir();
    let server = start_in(dir.path(), &["--shards", "2"]);
    let session = ["-V", "5", "-c", "-i", "connected", "-q", "1", "-t", "queue/#"];
    let subscriber = Subscriber::start(&server, &session);
    server.kill();
    signal("KILL", subscriber.id());
    let server = start_in(dir.path(), &["--shards", "2"]);
    client(&server, "pub", &["-q", "1", "-t", "queue/b", "-m", "while away"]);
    let again = [&session[2..], &["-C", "1", "-W", "30"]].concat();
    assert_eq!(client(&server, "sub", &again).stdout, "while away\n");
}

#[test]
fn wills_of_an_orderly_end_are_kept_wherever_they_go() {
    let dir = data_dir();
    let server = start_in(dir.path(), &["--shards", "2"]);
    client(&server, "sub", &["-c", "-i", "heir", "-q", "1", "-t", "will/#", "-E"]);
    // Enough for each way between two shards: of the client, of the heir, of the retained topic.
    let topics: Vec<_> = (0..8).map(|number| format!("will/{number}")).collect();
    let dying = topics.iter().map(|topic| {
        let will = ["--will-topic", topic, "--will-payload", "gone", "--will-qos", "1", "--will-retain"];
        Subscriber::start(&server, &[&["-V", "5", "-i", topic, "-t", "x"], &will[..]].concat())
    });
    let dying: Vec<_> = dying.collect();
    server.stop();
    drop(dying);
    let server = start_in(dir.path(), &["--shards", "2"]);
    for session in [&["-c", "-i", "heir"][..], &["-i", "new"]] {
        let arguments = ["-q", "1", "-t", "will/#", "-C", "8", "-W", "30", "-F", "%t"];
        let printed = client(&server, "sub", &[session, &arguments].concat()).stdout;
        let mut lines: Vec<_> = printed.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, topics, "{session:?}");
    }
}

#[test]
fn commands_look_into_a_directory_that_nobody_uses() {
    let dir = data_dir();
    let path = text(dir.path());
    let server = start_in(dir.path(), &["--shards", "2"]);
    fill(&server);
    for command in ["check", "stats", "dump"] {
        let outcome = run(&["store", command, path]);
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.stderr.contains("is in use by process"), "{}", outcome.stderr);
    }
    server.kill();
    let before = contents(dir.path());

    let outcome = run(&["store", "check", path]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.starts_with("sound: "), "{}", outcome.stdout);

    let outcome = run(&["store", "stats", path]);
    let figure = |name: &str| {
        let line = outcome.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().last().map(str::to_owned)
    };
    for (name, number) in [("sessions", "1"), ("subscriptions", "1"), ("entries", "3"), ("retained", "2")] {
        assert_eq!(figure(name).as_deref(), Some(number), "{name} in {}", outcome.stdout);
    }

    let outcome = run(&["store", "dump", path]);
    let session = "\"client_id\":\"sleeper\"";
    assert_eq!(outcome.stdout.lines().filter(|line| line.contains(session)).count(), 2, "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\"queued\":3") && !outcome.stdout.contains("Zmlyc3Q="), "{}", outcome.stdout);
    let outcome = run(&["store", "dump", path, "--messages"]);
    // "first", in base64.
    assert!(outcome.stdout.contains("Zmlyc3Q="), "{}", outcome.stdout);

    assert!(before == contents(dir.path()), "a command has changed the store");
    assert_eq!(run(&["store", "check", text(&dir.path().join("elsewhere"))]).code, Some(1));
    check(&start_in(dir.path(), &["--shards", "2"]));
}

#[test]
fn a_damaged_store_is_told_and_salvaged() {
    let dir = data_dir();
    let path = text(dir.path());
    let server = start_in(dir.path(), &["--shards", "2"]);
    fill(&server);
    server.kill();
    // A bit in the payload of a message that was acknowledged long before the last group.
    let segment = segments(dir.path()).remove(0);
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let at = bytes.windows(5).position(|window| window == b"first").expect("the message");
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).expect("a segment");

    let outcome = run(&["serve", "--listen", "tcp://127.0.0.1:0", "--data-dir", path]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("segment 1 is damaged at byte"), "{}", outcome.stderr);
    let outcome = run(&["store", "check", path]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("segment 1, byte") && outcome.stdout.contains("damaged: "), "{}", outcome.stdout);

    let new = data_dir();
    let outcome = run(&["store", "salvage", path, "--to", text(new.path())]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("copied 1 sessions"), "{}", outcome.stdout);
    assert_eq!(run(&["store", "check", text(new.path())]).code, Some(0));
    let again = run(&["store", "salvage", path, "--to", text(new.path())]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("not empty"), "{}", again.stderr);

    let server = start_in(new.path(), &["--shards", "2"]);
    let session = ["-c", "-i", "sleeper", "-q", "2", "-t", "queue/#", "-C", "2", "-W", "30"];
    let printed = client(&server, "sub", &session).stdout;
    let mut lines: Vec<_> = printed.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["second", "third"]);
}

#[test]
fn what_a_crash_tears_at_the_end_is_cut_off() {
    let dir = data_dir();
    let server = start_in(dir.path(), &["--shards", "2"]);
    fill(&server);
    server.kill();
    let segment = segments(dir.path()).remove(0);
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("groups") + 64;
    bytes[end..end + 100].fill(0xA5);
    std::fs::write(&segment, &bytes).expect("a segment");
    let server = start_in(dir.path(), &["--shards", "2"]);
    let told = server.start_log.iter().any(|line| line.contains("the last group was not written to its end"));
    assert!(told, "{:#?}", server.start_log);
    check(&server);
}

/// Names of all files, with what is in them.
fn contents(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    segments(dir).into_iter().map(|path| (path.clone(), std::fs::read(path).expect("a segment"))).collect()
}

/// Files of segments, in their order.
fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = dir.read_dir().expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    segments.sort_unstable();
    segments
}
