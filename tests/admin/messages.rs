//! Retained messages, messages published over HTTP, and those who are slow to take theirs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::SHARD_COUNTS;
use crate::client::{Client, Login};
use crate::process::Process;
use crate::rig::{Administration, Rig, assert_failure, eventually};

fn publish(rig: &Rig, body: &Value) -> (u16, Value) {
    rig.request("POST", "/api/v1/publish", Some(body))
}

#[test]
fn retained_messages_are_listed_shown_and_deleted() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let mut client = Client::connect(rig.address, "publisher");
        for number in 0..150 {
            client.publish(&format!("plant/{number}/state"), b"on", true);
        }
        client.publish("a.b/c d/ü?", b"\xFF\0", true);
        let topics = |query: &str, limit| {
            let (listed, _) = rig.list(&format!("/api/v1/retained{query}"), "retained", limit);
            let topics: BTreeSet<String> = listed.iter().map(|it| it["topic"].as_str().unwrap().into()).collect();
            assert_eq!(topics.len(), listed.len(), "nothing comes twice");
            topics
        };
        // A message goes to its partition after the PUBACK, if that is on another shard.
        eventually("all are there", || topics("", 1_000).len() == 151);
        assert_eq!(topics("?filter=plant%2F%2B%2Fstate", 7).len(), 150);
        assert_eq!(topics("?filter=plant/7/%23", 100), ["plant/7/state".to_owned()].into());
        assert_eq!(topics("?filter=nowhere", 100), [].into());
        let message = json!({
            "topic": "a.b/c d/ü?", "qos": 1, "payload_size": 2, "expires_in_s": null, "payload": null,
            "payload_base64": "/wA=", "properties": {
                "payload_is_utf8": false, "content_type": null, "response_topic": null,
                "correlation_data_base64": null, "user_properties": []
            }
        });
        let path = "/api/v1/retained/a.b%2Fc%20d%2F%C3%BC%3F";
        assert_eq!(rig.get(path), message);
        assert_eq!(rig.request("DELETE", path, None), (204, Value::Null));
        assert_failure(&rig.request("DELETE", path, None), 404, "no-such-topic");
        assert_failure(&rig.request("GET", path, None), 404, "no-such-topic");
        assert_eq!(topics("", 1_000).len(), 150);
        for filter in ["a%23", "", "%24share%2Fg%2Fa"] {
            let answer = rig.request("GET", &format!("/api/v1/retained?filter={filter}"), None);
            assert_failure(&answer, 400, "bad-request");
        }
    }
}

#[test]
fn a_published_message_reaches_all_who_have_subscribed() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let mut clients: Vec<Client> = (0..6)
            .map(|number| {
                let mut client = Client::connect(rig.address, &format!("client-{number}"));
                client.subscribe("news/+", 0);
                client
            })
            .collect();
        let mut worker = Client::connect(rig.address, "worker");
        worker.subscribe("$share/g/news/#", 0);
        let body = json!({
            "topic": "news/today", "payload": "hü", "qos": 1, "retain": true,
            "properties": {
                "payload_is_utf8": true, "message_expiry_s": 60, "content_type": "text/plain",
                "response_topic": "answers", "correlation_data_base64": "AQI=", "user_properties": [["k", "v"], ["k", "w"]]
            }
        });
        assert_eq!(publish(&rig, &body), (202, json!({ "subscribers": 7 })));
        for client in clients.iter_mut().chain([&mut worker]) {
            let (kind, packet) = client.read();
            assert_eq!(kind & 0xF0, 0x30, "{packet:?}");
            assert_eq!(packet[2..12], *b"news/today");
            assert!(packet.ends_with("hü".as_bytes()), "{packet:?}");
            let text = String::from_utf8_lossy(&packet);
            assert!(text.contains("text/plain") && text.contains("answers"), "{text}");
        }
        eventually("it is retained", || rig.request("GET", "/api/v1/retained/news%2Ftoday", None).0 == 200);
        let retained = rig.get("/api/v1/retained/news%2Ftoday");
        assert_eq!((&retained["payload"], &retained["qos"]), (&json!("hü"), &json!(1)));
        assert!((30..=60).contains(&retained["expires_in_s"].as_u64().unwrap()), "{retained}");
        let expected = json!({
            "payload_is_utf8": true, "content_type": "text/plain", "response_topic": "answers",
            "correlation_data_base64": "AQI=", "user_properties": [["k", "v"], ["k", "w"]]
        });
        assert_eq!(retained["properties"], expected);
        assert_eq!(publish(&rig, &json!({ "topic": "nobody" })), (202, json!({ "subscribers": 0 })));
        // An empty payload takes a retained message away.
        publish(&rig, &json!({ "topic": "news/today", "retain": true }));
        eventually("it is gone", || rig.request("GET", "/api/v1/retained/news%2Ftoday", None).0 == 404);
    }
}

#[test]
fn what_cannot_be_published_is_told() {
    let rig = Rig::start_with(3, |config| config.settings.packet_size_max = 100_000);
    for body in [
        json!({}),
        json!({ "topic": "" }),
        json!({ "topic": "a/+" }),
        json!({ "topic": "a\0b" }),
        json!({ "topic": "a", "qos": 3 }),
        json!({ "topic": "a", "qos": -1 }),
        json!({ "topic": "a", "payload": "a", "payload_base64": "YQ==" }),
        json!({ "topic": "a", "payload_base64": "!" }),
        json!({ "topic": "a", "payload": 7 }),
        json!({ "topic": "a", "nothing": 7 }),
        json!({ "topic": "a", "properties": { "response_topic": "a/#" } }),
        json!({ "topic": "a", "properties": { "content_type": "a\0" } }),
        json!({ "topic": "a", "properties": { "content_type": "a".repeat(70_000) } }),
        json!({ "topic": "a", "properties": { "user_properties": [["a"]] } }),
        json!({ "topic": "a", "properties": { "payload_is_utf8": true }, "payload_base64": "/w==" }),
        json!({ "topic": "a".repeat(70_000) }),
    ] {
        let answer = publish(&rig, &body);
        assert!(matches!(answer.0, 400 | 422), "{answer:?}");
        assert_failure(&answer, answer.0, "bad-request");
    }
    assert_failure(&publish(&rig, &json!({ "topic": "a", "payload": "a".repeat(100_000) })), 413, "too-large");
}

#[test]
fn what_the_server_says_of_itself_is_nobody_elses_to_say() {
    let process = Process::start("");
    let answer =
        process.request("POST", "/api/v1/publish", Some(&json!({ "topic": "$SYS/broker/version", "payload": "9" })));
    assert_failure(&answer, 403, "own-topic");
    let path = "/api/v1/retained/%24SYS%2Fbroker%2Fversion";
    eventually("it is there", || process.request("GET", path, None).0 == 200);
    assert_failure(&process.request("DELETE", path, None), 403, "own-topic");
    assert!(process.get(path)["payload"].as_str().is_some_and(|version| version.starts_with("RingMQ ")));
}

#[test]
fn a_message_of_the_largest_packet_goes_by_request_and_a_larger_one_is_told_the_bound() {
    let process = Process::start("");
    let payload = "x".repeat(1_990_000);
    let message = json!({ "topic": "a", "payload": payload, "retain": true });
    assert_eq!(process.request("POST", "/api/v1/publish", Some(&message)).0, 202);
    assert_eq!(process.get("/api/v1/retained/a")["payload_size"], payload.len());
    let size = 4 << 20;
    let head = format!("POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n");
    let (status, body) = process.send(&head);
    assert!(status == 413 && body.contains("a body has at most 3145728 bytes"), "{status} {body}");
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(size).unwrap();
    let output = process.ctl_with(&["publish", "a"], file.reopen().unwrap().into());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the payload has more than "), "{output:?}");
}

#[test]
fn a_body_is_an_object() {
    let rig = Rig::start(1);
    for body in [json!(["a", "b"]), json!("a"), json!(7), Value::Null] {
        let answer = publish(&rig, &body);
        assert_failure(&answer, answer.0, "bad-request");
        assert!(answer.1["message"].as_str().unwrap().ends_with("must be a JSON object"), "{answer:?}");
    }
    let head = "POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\n";
    for (rest, wanted) in [
        ("Content-Length: 2\r\n\r\n{}", "the body must be declared as JSON: Content-Type: application/json"),
        ("Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{", "the body is no JSON: "),
    ] {
        let (status, body) = rig.send(&format!("{head}{rest}"));
        assert!((400..500).contains(&status) && body.contains(wanted), "{status} {body}");
    }
}

#[test]
fn the_slowest_are_those_for_whom_most_bytes_wait() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let mut slow: Vec<Client> = (1..=4)
            .map(|number: u16| {
                let client_id = format!("slow-{number}");
                // What it does not acknowledge keeps the rest in its queue.
                let mut client = Client::log_in(rig.address, Login { receive_maximum: 1, ..Login::new(&client_id) });
                client.subscribe(&format!("to/{number}"), 1);
                client
            })
            .collect();
        let mut publisher = Client::connect(rig.address, "publisher");
        for number in 1..=4 {
            for _ in 0..=number {
                publisher.publish(&format!("to/{number}"), &[0; 1_000], false);
            }
        }
        eventually("all wait", || {
            let answer = rig.get("/api/v1/slow?limit=3");
            let clients = answer["clients"].as_array().unwrap();
            let ids: Vec<&str> = clients.iter().map(|it| it["client_id"].as_str().unwrap()).collect();
            let queued: Vec<u64> =
                clients.iter().map(|it| it["session"]["queued_messages"].as_u64().unwrap()).collect();
            ids == ["slow-4", "slow-3", "slow-2"]
                && queued == [4, 3, 2]
                && clients[0]["waiting_bytes"].as_u64().unwrap() > 4_000
        });
        assert_eq!(slow[0].read().0 & 0xF0, 0x30);
    }
}
