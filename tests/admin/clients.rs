//! Who is connected, or away; one client in detail; disconnects.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use ringmq::runtime::{ListenAddress, ListenerConfig, UnixAddress};
use serde_json::{Value, json};

use crate::SHARD_COUNTS;
use crate::client::{Client, Login};
use crate::rig::{Administration, Rig, assert_failure, eventually};

fn ids(clients: &[Value]) -> BTreeSet<&str> {
    clients.iter().map(|client| client["client_id"].as_str().unwrap()).collect()
}

#[test]
fn clients_are_listed_by_what_is_asked_for() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let _one = Client::log_in(rig.address, Login { user_name: Some("ada"), ..Login::new("sensor/1") });
        let _two = Client::log_in(rig.address, Login::kept("sensor/2"));
        drop(Client::log_in(rig.address, Login::kept("away")));
        eventually("it is away", || rig.get("/api/v1/clients/away")["is_connected"] == json!(false));
        let listed = |query: &str| {
            let (clients, _) = rig.list(&format!("/api/v1/clients{query}"), "clients", 100);
            ids(&clients).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let listener = format!("?listener=tcp://{}", rig.address);
        for (query, expected) in [
            ("", vec!["away", "sensor/1", "sensor/2"]),
            ("?connected=true", vec!["sensor/1", "sensor/2"]),
            ("?connected=false", vec!["away"]),
            ("?client_id=sensor%2F", vec!["sensor/1", "sensor/2"]),
            ("?client_id=%2F1", vec!["sensor/1"]),
            ("?address=127.0.0.0/8", vec!["sensor/1", "sensor/2"]),
            ("?address=127.0.0.1", vec!["sensor/1", "sensor/2"]),
            ("?address=10.0.0.0/8", vec![]),
            ("?address=::1", vec![]),
            ("?listener=tcp", vec!["sensor/1", "sensor/2"]),
            (&listener, vec!["sensor/1", "sensor/2"]),
            ("?connected=true&client_id=2", vec!["sensor/2"]),
        ] {
            assert_eq!(listed(query), expected, "{query}");
        }
    }
}

#[test]
fn a_client_is_shown_in_detail() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let login = Login { keep_alive_s: 60, receive_maximum: 7, ..Login::kept("a/b ü?#") };
        let mut client = Client::log_in(rig.address, login);
        client.subscribe_with_id("plant/+/state", 1 | 1 << 2, 9);
        client.subscribe("$share/workers/jobs/#", 2 | 2 << 4);
        let path = "/api/v1/clients/a%2Fb%20%C3%BC%3F%23";
        let shown = rig.get(path);
        assert_eq!(shown["client_id"], "a/b ü?#");
        let connection = &shown["connection"];
        assert!(connection["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{connection}");
        let expected = json!({
            "address": connection["address"], "listener": format!("tcp://{}", rig.address), "transport": "tcp",
            "user_name": null, "protocol": "5.0",
                "publishes_received": 0,
                "publishes_sent": 0, "is_bridge": false, "keep_alive_s": 60,
            "connected_for_s": connection["connected_for_s"], "silent_for_s": connection["silent_for_s"],
            "receive_maximum": 7, "maximum_packet_size": null, "unsent_bytes": 0
        });
        assert_eq!(*connection, expected);
        assert!(connection["connected_for_s"].as_u64().unwrap() < 20, "{connection}");
        let expected = json!({
            "clean_start": false, "expiry_s": 3600, "ends_in_s": null, "is_kept": false, "has_will": false,
            "subscriptions": 2, "queued_messages": 0, "queued_bytes": 0, "in_flight": 0, "unreleased": 0, "dropped": 0
        });
        assert_eq!(shown["session"], expected);
        let subscription = |filter: &str, qos: u8, no_local: bool, retain_handling: &str, id: Option<u8>| {
            json!({
                "filter": filter, "qos": qos, "no_local": no_local, "retain_as_published": false,
                "retain_handling": retain_handling, "subscription_id": id
            })
        };
        let expected = json!([
            subscription("plant/+/state", 1, true, "send", Some(9)),
            subscription("$share/workers/jobs/#", 2, false, "do_not_send", None)
        ]);
        assert_eq!(shown["subscriptions"], expected);

        drop(client);
        eventually("it is away", || rig.get(path)["connection"] == Value::Null);
        let away = rig.get(path);
        assert!((3_590..=3_600).contains(&away["session"]["ends_in_s"].as_u64().unwrap()), "{away}");
        assert_failure(&rig.request("GET", "/api/v1/clients/nobody", None), 404, "no-such-client");
    }
}

#[test]
fn what_a_client_lost_is_told_by_reason() {
    let rig = Rig::start_with(3, |config| config.settings.queued_messages_max = 3);
    let mut client = Client::log_in(rig.address, Login::kept("slow"));
    client.subscribe("t", 1);
    drop(client);
    eventually("it is away", || rig.get("/api/v1/clients/slow")["is_connected"] == json!(false));
    let mut publisher = Client::connect(rig.address, "publisher");
    for number in 0..5 {
        publisher.publish("t", &[number], false);
    }
    eventually("two are dropped", || {
        rig.get("/api/v1/clients/slow")["dropped_by_reason"] == json!({ "queue_full_newest": 2 })
    });
    let shown = rig.get("/api/v1/clients/slow");
    let waiting = ["queued_messages", "in_flight"].map(|name| shown["session"][name].as_u64().unwrap());
    assert_eq!((&shown["session"]["dropped"], waiting.iter().sum()), (&json!(2), 3_u64));
    // A session that takes its slot has lost nothing.
    drop(Client::connect(rig.address, "slow"));
    eventually("the session ends", || rig.request("GET", "/api/v1/clients/slow", None).0 == 404);
    let _again = Client::connect(rig.address, "slow");
    assert_eq!(rig.get("/api/v1/clients/slow")["session"]["dropped"], 0);
}

#[test]
fn a_client_is_disconnected_and_its_session_stays() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let mut client = Client::log_in(rig.address, Login::kept("a/b"));
        assert_eq!(rig.request("DELETE", "/api/v1/clients/a%2Fb", None), (204, Value::Null));
        let (kind, disconnect) = client.read();
        assert_eq!((kind, disconnect[0]), (0xE0, 0x98));
        client.wait_for_end();
        assert_failure(&rig.request("DELETE", "/api/v1/clients/a%2Fb", None), 404, "not-connected");
        assert_failure(&rig.request("DELETE", "/api/v1/clients/nobody", None), 404, "not-connected");
        assert_eq!(rig.get("/api/v1/clients/a%2Fb")["is_connected"], false);
        Client::log_in(rig.address, Login::kept("a/b"));
    }
}

/// Sessions are enough: connections would need 10,000 descriptors of the machine on which this runs. They come through a unix socket,
/// because ports may be short.
#[test]
fn ten_thousand_clients_come_in_pages() {
    const CLIENTS: usize = 10_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mqtt");
    let rig = Rig::start_with(3, |config| {
        let address = UnixAddress { path: path.clone(), mode: None, owner: None, group: None };
        let mut listener = ListenerConfig::new(ListenAddress::Unix(address));
        listener.access.allow_anonymous = Some(true);
        config.listeners.push(listener);
    });
    std::thread::scope(|scope| {
        for part in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for number in (part..CLIENTS).step_by(4) {
                    let stream = UnixStream::connect(path).unwrap();
                    Client::log_in_over(stream, Login::kept(&format!("client-{number:05}")));
                }
            });
        }
    });
    let (clients, pages) = rig.list("/api/v1/clients", "clients", 1_000);
    assert_eq!((clients.len(), ids(&clients).len()), (CLIENTS, CLIENTS));
    assert!((10..=13).contains(&pages), "{pages} pages");
    let (few, pages) = rig.list("/api/v1/clients?client_id=0777", "clients", 1_000);
    assert_eq!(few.len(), 11, "client-00777 and client-0777x: {:?}", ids(&few));
    assert_eq!(pages, 1);
    let (some, _) = rig.list("/api/v1/clients?client_id=99", "clients", 7);
    let expected = (0..CLIENTS).filter(|number| format!("client-{number:05}").contains("99")).count();
    assert_eq!(ids(&some).len(), expected);
}

#[test]
fn garbage_is_told_what_is_wrong() {
    let rig = Rig::start(3);
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "limit=",
        "after=x",
        "after=1",
        "after=1.x",
        "after=",
        "connected=perhaps",
        "address=nowhere",
        "address=10.0.0.0/33",
        "nothing=1",
        "limit=5&limit=6",
        "listener=tls",
        "listener=tcp://127.0.0.1:1",
    ] {
        let answer = rig.request("GET", &format!("/api/v1/clients?{query}"), None);
        assert_eq!(answer.0, 400, "{query}: {answer:?}");
        assert_failure(&answer, 400, "bad-request");
    }
    // Places that no list has any more, or never had.
    for after in ["0.4294967295", "2.77", "3.0", "18446744073709551615.4294967295"] {
        let page = rig.get(&format!("/api/v1/clients?after={after}"));
        assert_eq!(page, json!({ "clients": [], "next": null }), "{after}");
    }
    assert_failure(&rig.request("GET", "/api/v1/clients/%FF", None), 400, "bad-request");
    assert_failure(&rig.request("POST", "/api/v1/clients", None), 405, "method-not-allowed");
    drop(TcpStream::connect(rig.admin.address()).unwrap());
}

#[test]
fn those_who_ask_for_nothing_keep_nobody_out() {
    let rig = Rig::start(1);
    let silent: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(rig.admin.address()).unwrap()).collect();
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(rig.get("/health")["status"], "ok");
    }
    // Less than the silent ones may take for their requests.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    drop(silent);
}
