//! Reloads, levels of the log, and what the server says of itself: with the real binary and its file.

use serde_json::{Value, json};

use crate::client::{Client, Login};
use crate::process::Process;
use crate::rig::{Administration, Rig, assert_failure, eventually};

#[test]
fn a_reload_changes_what_can_change_and_names_what_cannot() {
    let process =
        Process::start("[runtime]\nshards = 2\n[limits]\nqueued_messages_max = 100\nkeep_alive_max = \"10m\"\n");
    let reload = || process.request("POST", "/api/v1/reload", None);
    assert_eq!(reload(), (200, json!({ "changed": [], "needs_restart": [], "warnings": [] })));

    process.write(
        "[runtime]\nshards = 3\n[limits]\nqueued_messages_max = 2\nkeep_alive_max = \"5s\"\n[log]\nlevel = \"debug\"\n",
    );
    let (status, answer) = reload();
    assert_eq!(status, 200, "{answer}");
    let changed =
        |key: &str, from: &str, to: &str, why: &str| json!({ "key": key, "from": from, "to": to, "why": why });
    let expected = json!([
        changed("limits.keep_alive_max", "\"10m\"", "\"5s\"", ""),
        changed("limits.queued_messages_max", "100", "2", ""),
        changed("log.level", "\"info\"", "\"debug\"", ""),
    ]);
    assert_eq!(answer["changed"], expected);
    let expected = json!([changed("runtime.shards", "2", "3", "it is made when the server starts")]);
    assert_eq!(answer["needs_restart"], expected);
    process.wait_for_log("runtime.shards needs a restart");
    assert_eq!(process.get("/api/v1/log-level"), json!({ "level": "debug", "modules": {} }));

    // It holds on the shards that run.
    let mut slow = Client::log_in(process.address, Login { keep_alive_s: 60, ..Login::kept("slow") });
    slow.subscribe("t", 1);
    assert_eq!(process.get("/api/v1/clients/slow")["connection"]["keep_alive_s"], 5);
    drop(slow);
    eventually("it is away", || process.get("/api/v1/clients/slow")["is_connected"] == json!(false));
    for number in 0..5 {
        process.request(
            "POST",
            "/api/v1/publish",
            Some(&json!({ "topic": "t", "payload": number.to_string(), "qos": 1 })),
        );
    }
    eventually("three are dropped", || {
        process.get("/api/v1/clients/slow")["dropped_by_reason"] == json!({ "queue_full_newest": 3 })
    });

    // The configuration in force is what it was started with, where that could not change.
    let shown = process.get("/api/v1/server");
    assert_eq!(shown["configuration"]["runtime"]["shards"], 2);
    assert_eq!(shown["configuration"]["limits"]["queued_messages_max"], 2);
    let again = reload();
    assert_eq!((&again.1["changed"], again.1["needs_restart"].as_array().unwrap().len()), (&json!([]), 1));

    // What was promised to clients that are connected becomes wider, but not narrower.
    process.write("[runtime]\nshards = 2\n[limits]\nreceive_maximum = 2000\n");
    let answer = reload().1;
    let wider = changed("limits.receive_maximum", "1024", "2000", "");
    assert!(answer["changed"].as_array().unwrap().contains(&wider), "{answer}");
    process.write("[runtime]\nshards = 2\n[limits]\nreceive_maximum = 1999\n");
    assert_eq!(reload().1["needs_restart"][0]["why"], "connected clients were promised the wider one");
}

#[test]
fn a_mistake_changes_nothing_and_tells_where_it_is() {
    let process = Process::start("[limits]\nqueued_messages_max = 100\n");
    let file = process.file();
    process.write("[limits]\nqueued_messages_max = 5\nreceive_maximum = 0\n[log]\nlevel = \"loud\"\n");
    let (status, answer) = process.request("POST", "/api/v1/reload", None);
    assert_failure(&(status, answer.clone()), 422, "configuration");
    let mistakes = answer["mistakes"].as_array().unwrap();
    assert_eq!(mistakes.len(), 2, "{answer}");
    let of = |key: &str| mistakes.iter().find(|mistake| mistake["key"] == key).unwrap();
    let (maximum, level) = (of("limits.receive_maximum"), of("log.level"));
    assert_eq!((&maximum["file"], &maximum["line"]), (&json!(file.to_str().unwrap()), &json!(6)));
    assert_eq!(level["line"], 8);
    assert!(level["problem"].as_str().unwrap().contains("loud"), "{level}");
    assert!(!level["remedy"].as_str().unwrap().is_empty(), "{level}");
    assert_eq!(process.get("/api/v1/server")["configuration"]["limits"]["queued_messages_max"], 100);
    std::fs::remove_file(&file).unwrap();
    let answer = process.request("POST", "/api/v1/reload", None);
    assert_failure(&answer, 422, "configuration");
    process.wait_for_log("the configuration stays as it was");
}

#[test]
fn listeners_and_the_guard_change_by_signal_and_by_request() {
    let process = Process::start("");
    let mut stays = Client::connect(process.address, "stays");
    let path = process.file().with_file_name("mqtt.sock");
    let listener = format!("[[listeners]]\nurl = \"unix://{}\"\naccess.allow_anonymous = true\n", path.display());
    process.write(&format!("[guard]\nconnections_per_address_max = 1\n{listener}"));
    process.signal("HUP");
    process.wait_for_log("are read again");
    let urls = || {
        let shown = process.get("/api/v1/server");
        let listeners = shown["listeners"].as_array().unwrap().clone();
        listeners.iter().map(|it| it["url"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    eventually("it listens there, too", || urls().len() == 2);
    let _local = Client::log_in_over(std::os::unix::net::UnixStream::connect(&path).unwrap(), Login::new("local"));
    // Who came before is not counted; the next one is, and the one after it is one too many.
    let _counted = Client::connect(process.address, "counted");
    let mut refused = Client::open(process.address);
    refused.wait_for_end();
    stays.publish("t", b"", false);
    process.write("");
    let (_, answer) = process.request("POST", "/api/v1/reload", None);
    let keys: Vec<&str> = answer["changed"].as_array().unwrap().iter().map(|it| it["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["guard.connections_per_address_max", "listeners"]);
    let _free = Client::connect(process.address, "free");
}

#[test]
fn levels_of_the_log_change_at_once() {
    let process = Process::start("");
    let put = |body: Value| process.request("PUT", "/api/v1/log-level", Some(&body));
    assert_eq!(process.get("/api/v1/log-level"), json!({ "level": "info", "modules": {} }));
    let levels = json!({ "level": "error", "modules": { "ringmq::admin": "info" } });
    assert_eq!(put(levels.clone()), (200, levels.clone()));
    process.wait_for_log("the level of the log has been changed");
    assert_eq!(process.get("/api/v1/log-level"), levels);
    for wrong in [
        json!({}),
        json!({ "level": "loud" }),
        json!({ "level": "info", "x": 1 }),
        json!({ "level": "info", "modules": { "a": 1 } }),
    ] {
        let answer = put(wrong);
        assert!(matches!(answer.0, 400 | 422), "{answer:?}");
    }
    assert_eq!(process.get("/api/v1/log-level"), levels);
}

#[test]
fn the_server_says_what_it_is_and_whether_it_is_ready() {
    let process = Process::start("[runtime]\nshards = 2\n");
    let shown = process.get("/api/v1/server");
    assert_eq!((&shown["version"], &shown["shards"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(2)));
    let listeners = json!([{ "url": format!("tcp://{}", process.address), "connections": 0, "is_accepting": true }]);
    assert_eq!(shown["listeners"], listeners);
    assert_eq!(process.get("/health"), json!({ "status": "ok" }));
    assert_eq!(process.get("/ready"), json!({ "is_ready": true, "reasons": [] }));
}

#[test]
fn a_server_in_a_program_without_a_configuration_file_says_so() {
    let rig = Rig::start(1);
    assert_failure(&rig.request("POST", "/api/v1/reload", None), 501, "not-here");
    assert_failure(&rig.request("GET", "/api/v1/log-level", None), 501, "not-here");
    assert_eq!(rig.get("/api/v1/server")["configuration"], Value::Null);
    assert_eq!(rig.get("/ready")["is_ready"], true);
    let Rig { admin, server, address } = rig;
    server.stop();
    let stopped = Rig { server: Rig::start(1).server, admin, address };
    let (status, answer) = stopped.request("GET", "/ready", None);
    assert_eq!((status, &answer["reasons"][0]["reason"]), (503, &json!("ended")), "{answer}");
    assert_eq!(stopped.request("GET", "/health", None).0, 503);
    assert_eq!(stopped.request("GET", "/api/v1/clients", None).0, 503);
}
