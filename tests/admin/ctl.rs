//! `ringmq ctl` against the real binary, as an operator would use it.

use std::io::Write;
use std::process::{Output, Stdio};

use crate::client::{Client, Login};
use crate::process::{Process, TOKEN, ringmq};
use crate::rig::{Administration, eventually};

#[test]
fn clients_are_listed_shown_and_disconnected() {
    let process = Process::start("[runtime]\nshards = 2\n");
    let mut here = Client::connect(process.address, "here");
    here.subscribe("a/#", 2);
    let mut away = Client::log_in(process.address, Login::kept("away"));
    away.subscribe("$share/g/b", 1);
    drop(away);
    eventually("it is away", || process.get("/api/v1/clients/away")["is_connected"] == false);

    let listed = process.told(&["clients"]);
    let row = |id: &str| listed.lines().find(|line| line.starts_with(id)).unwrap_or_default().to_owned();
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(row("here").contains("127.0.0.1:") && row("here").contains("tcp"), "{listed}");
    assert!(row("away").contains(" away "), "{listed}");
    assert!(!process.told(&["clients", "--connected"]).contains("away"));
    assert!(!process.told(&["clients", "--away"]).contains("here"));
    let first = process.told(&["clients", "--limit", "1"]);
    assert!(first.lines().count() == 3 && first.contains("there are more than these 1: see --limit"), "{first}");

    let shown = process.told(&["client", "here"]);
    assert!(shown.contains("listener             tcp://127.0.0.1:") && shown.contains("  a/#  (QoS 2)\n"), "{shown}");
    assert!(process.told(&["client", "away"]).contains("it ends in "));
    assert!(process.told(&["subscriptions", "--topic", "a/b"]).contains("here       yes        a/#  (QoS 2)\n"));
    assert!(process.told(&["topics"]).contains("0            b       g: 1\n"));

    assert_eq!(process.told(&["disconnect", "here"]), "");
    // DISCONNECT, Administrative action.
    let (kind, disconnect) = here.read();
    assert_eq!((kind, disconnect[0]), (0xE0, 0x98));
    for command in ["disconnect", "client"] {
        assert_refused(&process.ctl(&[command, "nobody"]), 1, "(404)");
    }
}

#[test]
fn messages_are_published_printed_and_deleted() {
    let process = Process::start("");
    let mut subscriber = Client::connect(process.address, "subscriber");
    subscriber.subscribe("t", 0);
    assert_eq!(process.told(&["publish", "t", "-m", "hello", "--retain"]), "1 subscriber\n");
    assert_eq!(process.told(&["publish", "nobody's", "-m", ""]), "nobody has subscribed\n");
    assert!(subscriber.read().1.ends_with(b"hello"));

    // From standard input, byte by byte as it is.
    let payload = [0, 10, 0xFF, 0x1B];
    let url = format!("http://{}", process.administration);
    let mut command = ringmq();
    command.args(["ctl", "publish", "binary", "--retain", "--url", &url]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut publishing = command.spawn().unwrap();
    publishing.stdin.take().unwrap().write_all(&payload).unwrap();
    assert!(publishing.wait().unwrap().success());
    assert_eq!(process.ctl(&["retained", "get", "binary"]).stdout, payload);

    let listed = process.told(&["retained", "list", "+"]);
    assert!(listed.contains("0    5 B   -           t\n") && listed.contains("4 B"), "{listed}");
    process.told(&["retained", "delete", "t"]);
    assert!(!process.told(&["retained", "list"]).contains(" t\n"));
    assert_refused(&process.ctl(&["retained", "get", "t"]), 1, "(404)");
    assert_refused(&process.ctl(&["publish", "a/#", "-m", "x"]), 2, "(400)");
}

#[test]
fn a_server_is_shown_reloaded_and_asked_for_more_of_its_log() {
    let process = Process::start("[limits]\nqueued_messages_max = 100\n");
    let status = process.told(&["status"]);
    assert!(
        status.contains("ready        yes\n") && status.contains(&format!("tcp://{}", process.address)),
        "{status}"
    );

    assert!(process.told(&["reload"]).starts_with("no key has changed"));
    process.write("[limits]\nqueued_messages_max = 200\n[runtime]\nreceive_buffers = 128\n");
    let told = process.told(&["reload"]);
    assert!(told.contains("limits.queued_messages_max is 200 now, it was 100\n"), "{told}");
    assert!(told.contains("runtime.receive_buffers needs a restart to become 128"), "{told}");
    process.write("[limits]\nqueued_messages_max = \"x\\u001b[2J\"\n");
    let refused = process.ctl(&["reload"]);
    assert_refused(&refused, 1, "ringmq.toml:");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("  help: "), "{refused:?}");
    assert!(!refused.stderr.contains(&0x1B), "{refused:?}");

    assert_eq!(process.told(&["log-level"]), "info\n");
    assert_eq!(process.told(&["log-level", "warn", "--module", "ringmq::net=debug"]), "warn\nringmq::net  debug\n");
    assert_refused(&process.ctl(&["log-level", "loud"]), 2, "loud");

    let top = process.told(&["top", "-n", "1", "--interval", "100ms"]);
    assert!(top.contains("SHARD") && top.contains("loop lag") && !top.contains('\x1b'), "{top}");
    assert_refused(&process.ctl(&["top", "--interval", "never"]), 2, "--interval");
}

#[test]
fn nothing_is_told_without_the_token() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let process = Process::start(&format!("admin.token_file = {token:?}\n"));
    for command in [&["status"][..], &["clients"], &["reload"], &["top", "-n", "1"], &["publish", "t", "-m", "x"]] {
        let refused = process.ctl(command);
        assert_refused(&refused, 1, "(401)");
        assert!(refused.stdout.is_empty(), "{refused:?}");
        let path = token.to_str().unwrap();
        let output = process.ctl(&[command, &["--token-file", path]].concat());
        assert!(output.status.success(), "{command:?}: {output:?}");
    }
}

#[track_caller]
fn assert_refused(output: &Output, exit_code: i32, told: &str) {
    assert_eq!(output.status.code(), Some(exit_code), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(told), "{output:?}");
}
