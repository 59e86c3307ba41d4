//! What has happened to a client, and why it does not get its messages.

use serde_json::{Value, json};

use crate::client::{Client, Login};
use crate::process::Process;
use crate::rig::{Administration, eventually};

fn messages(history: &Value) -> Vec<String> {
    let events = history["events"].as_array().unwrap();
    events.iter().map(|it| it["message"].as_str().unwrap().split(" from 127").next().unwrap().to_owned()).collect()
}

#[test]
fn drops_are_told_with_their_times_and_what_changes_them() {
    let process = Process::start("[limits]\nqueued_messages_max = 2\n[runtime]\nshards = 2\n");
    let mut slow = Client::log_in(process.address, Login::kept("slow"));
    slow.subscribe("t", 1);
    drop(slow);
    eventually("it is away", || process.get("/api/v1/clients/slow")["is_connected"] == false);
    let mut sender = Client::connect(process.address, "sender");
    (0..5).for_each(|_| assert_eq!(sender.publish("t", b"x", false), 0));

    // A PUBACK does not wait for the queue of a session on another shard.
    let is_dropped = || process.get("/api/v1/clients/slow/history")["dropped"][0]["messages"] == 3;
    eventually("three are dropped", is_dropped);
    let history = process.get("/api/v1/clients/slow/history");
    let dropped = &history["dropped"].as_array().unwrap()[..];
    assert_eq!(dropped.len(), 1, "{history:#}");
    assert_eq!(dropped[0]["messages"], 3, "{history:#}");
    let [first, last] = ["first_ms", "last_ms"].map(|name| dropped[0][name].as_u64().unwrap());
    let connected = history["events"][0]["time_ms"].as_u64().unwrap();
    assert!(connected <= first && first <= last, "{history:#}");
    assert_eq!(messages(&history)[0], "connected");
    assert!(
        messages(&history).iter().any(|it| it.starts_with("the first message was dropped: queue_full")),
        "{history:#}"
    );

    let told = process.told(&["why", "slow", "--topic", "t"]);
    assert!(told.starts_with("slow  is away, with a session and 1 subscription\n"), "{told}");
    assert!(told.contains("\n  It is away; 2 messages wait for it. Its session ends in "), "{told}");
    assert!(told.contains("\n  t is matched by t  (QoS 1).\n"), "{told}");
    assert!(
        told.contains("\nDropped: 3 messages\n  3 queue_full") && told.contains("limits.queued_messages_max"),
        "{told}"
    );
    let told = process.told(&["why", "sender", "--topic", "t"]);
    assert!(
        told.contains("  It has published 5 messages and was sent 0 since; 0 of these are not acknowledged.\n"),
        "{told}"
    );
    assert!(
        told.contains("No subscription of it matches t") && told.contains("No message of its session was dropped."),
        "{told}"
    );

    // Its session begins anew, and the one before is remembered.
    let again = Client::connect(process.address, "slow");
    eventually("the new session", || {
        let history = process.get("/api/v1/clients/slow/history");
        let lost = "its session ended with 2 messages undelivered, and 3 dropped while it lasted";
        history["dropped"] == json!([]) && messages(&history).iter().any(|it| it == lost)
    });
    drop(again);
}

#[test]
fn one_who_does_not_acknowledge_is_found() {
    let process = Process::start("");
    let mut silent = Client::log_in(process.address, Login { receive_maximum: 2, ..Login::new("silent") });
    silent.subscribe("t", 1);
    let mut sender = Client::connect(process.address, "sender");
    (0..5).for_each(|_| assert_eq!(sender.publish("t", b"x", false), 0));
    let findings = process.get("/api/v1/clients/silent/history")["findings"].to_string();
    assert!(findings.contains("has not acknowledged 2 messages, as many as its Receive Maximum"), "{findings}");
    assert!(findings.contains("3 messages") && findings.contains("wait in its queue"), "{findings}");
}

/// A filter that a client may read in part is granted, and the rest does not come: its queue and its subscriptions look as they should.
#[test]
fn a_topic_that_the_rules_do_not_let_a_client_read_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("acl");
    std::fs::write(&file, "topic read plant/1\ntopic write #\n").unwrap();
    let process =
        Process::start(&format!("[access]\nacl_file = {:?}\n[runtime]\nshards = 2\n", file.to_str().unwrap()));
    let mut wall = Client::connect(process.address, "wall");
    wall.subscribe("plant/+", 1);
    let mut sender = Client::connect(process.address, "sender");
    for topic in ["plant/2", "plant/1"] {
        sender.publish(topic, b"x", false);
    }
    // The first that comes is the second that was published.
    let (kind, publish) = wall.read();
    assert!(kind >> 4 == 3 && publish[2..].starts_with(b"plant/1"), "{publish:?}");

    let withheld = "The access rules do not let it read plant/2: ";
    let told = process.told(&["why", "wall", "--topic", "plant/2"]);
    assert!(told.contains(withheld) && told.contains("\n  plant/2 is matched by plant/+  (QoS 1).\n"), "{told}");
    let told = process.told(&["why", "wall", "--topic", "plant/1"]);
    assert!(told.contains("\n  plant/1 is matched by plant/+") && !told.contains("access rules"), "{told}");
    let (status, answer) = process.request("GET", "/api/v1/clients/wall/history?topic=plant/%2B", None);
    assert_eq!(status, 400, "{answer}");
}

#[test]
fn what_the_rules_refuse_is_told_with_its_topic() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("acl");
    std::fs::write(&file, "topic readwrite plant/#\n").unwrap();
    let process = Process::start(&format!("[access]\nacl_file = {:?}\n", file.to_str().unwrap()));
    let mut client = Client::connect(process.address, "c");
    assert_eq!(client.publish("secret/1", b"x", false), 0x87);
    assert_eq!(client.publish("secret/2", b"x", false), 0x87);
    assert_eq!(client.try_subscribe(&["plant/1", "secret/#", "secret/+"]), [0, 0x87, 0x87]);
    let history = process.get("/api/v1/clients/c/history");
    let [_, dropped, refused] = &messages(&history)[..] else { panic!("{history:#}") };
    assert_eq!(dropped, "the first message was dropped: write_denied, to secret/1");
    assert_eq!(
        refused,
        "may not subscribe to secret/#: the client may read nothing of what the filter matches (not_authorized), and 1 further \
         filter of the packet"
    );
    assert_eq!(history["events"][2]["event"], "subscription_refused");
    let told = process.told(&["why", "c"]);
    assert!(told.contains("Dropped: 2 messages") && told.contains("the access rules do not let it write"), "{told}");
    assert!(told.contains("\nEvents are remembered since the server started, "), "{told}");
}

/// The connection of one who is refused may come to any shard.
#[test]
fn one_who_was_not_let_in_or_broke_a_rule_is_remembered() {
    let process = Process::start("[runtime]\nshards = 3\n");
    process.request("POST", "/api/v1/bans", Some(&json!({ "kind": "client_id", "value": "banned", "seconds": 60 })));
    assert_eq!(Client::try_log_in(process.address, Login::new("banned")), 0x8A);
    eventually("it is remembered", || process.request("GET", "/api/v1/clients/banned/history", None).0 == 200);
    let history = process.get("/api/v1/clients/banned/history");
    assert_eq!((&history["events"][0]["event"], &history["events"][0]["reason"]), (&json!("denied"), &json!("banned")));
    assert_eq!(history["findings"], json!(["It was not let in when it tried last."]));
    let told = process.told(&["why", "banned"]);
    assert!(told.starts_with("banned  is not here\n") && told.contains("not let in from 127.0.0.1:"), "{told}");

    let mut wrong = Client::connect(process.address, "wrong");
    wrong.send(0x30, &[0, 0]);
    eventually("it is closed", || {
        let (status, history) = process.request("GET", "/api/v1/clients/wrong/history", None);
        status == 200 && history["events"].to_string().contains("closed, it broke the protocol: ")
    });
    assert_eq!(process.request("GET", "/api/v1/clients/nobody/history", None).0, 404);
    let output = process.ctl(&["why", "nobody"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
