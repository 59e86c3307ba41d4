//! Packets as they pass, line by line.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::SHARD_COUNTS;
use crate::client::{Client, Login};
use crate::description::assert_trace_line;
use crate::process::{Process, ringmq};
use crate::rig::{Administration, PATIENCE, Rig, assert_failure, eventually};

/// A trace whose head has come, so that it is in force.
struct Trace {
    reader: BufReader<TcpStream>,
}

impl Trace {
    fn begin(rig: &Rig, query: &str) -> Self {
        let mut stream = TcpStream::connect(rig.administration()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /api/v1/trace?{query} HTTP/1.1\r\nHost: {}\r\n\r\n", rig.administration()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("application/x-ndjson"), "{head}");
        Self { reader }
    }

    /// The next line that is JSON: between them are the sizes of chunks.
    fn next(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.reader.read_line(&mut line).unwrap(), 0, "the trace has ended");
            if line.starts_with('{') {
                let line = serde_json::from_str(&line).unwrap();
                assert_trace_line(&line);
                return line;
            }
        }
    }

    /// Direction and type of the next packets, which must be these.
    #[track_caller]
    fn expect(&mut self, expected: &[(&str, &str)]) -> Vec<Value> {
        let packets: Vec<Value> = expected.iter().map(|_| self.next()).collect();
        let shown: Vec<_> =
            packets.iter().map(|it| (it["direction"].as_str().unwrap(), it["packet"].as_str().unwrap())).collect();
        assert_eq!(shown, expected, "{packets:#?}");
        packets
    }
}

#[test]
fn all_packets_of_a_client_are_seen_from_its_connect_on() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let mut trace = Trace::begin(&rig, "client_id=a%2Fb");
        let mut other = Client::connect(rig.address, "other");
        let mut client = Client::log_in(rig.address, Login { user_name: Some("ada"), ..Login::new("a/b") });
        client.subscribe("plant/#", 1);
        assert_eq!(other.publish("plant/1", b"hello", false), 0);
        let packets = trace.expect(&[
            ("in", "CONNECT"),
            ("out", "CONNACK"),
            ("in", "SUBSCRIBE"),
            ("out", "SUBACK"),
            ("out", "PUBLISH"),
        ]);
        assert!(packets.iter().all(|it| it["client_id"] == "a/b" && it["protocol"] == "5.0"), "{packets:#?}");
        assert_eq!((&packets[0]["user_name"], &packets[1]["reason"]), (&json!("ada"), &json!("success")));
        assert_eq!((&packets[2]["filters"], &packets[3]["reasons"]), (&json!(["plant/#"]), &json!(["granted_qos1"])));
        let publish = &packets[4];
        assert_eq!(
            (&publish["topic"], &publish["qos"], &publish["payload_size"]),
            (&json!("plant/1"), &json!(1), &json!(5))
        );
        assert_eq!((&publish["retain"], &publish["duplicate"]), (&json!(false), &json!(false)));
        assert!(
            publish["packet_id"].as_u64().is_some_and(|id| id > 0) && publish["bytes_base64"].is_null(),
            "{publish}"
        );
        drop(client);
        let mut again = Client::connect(rig.address, "a/b");
        assert_eq!(again.publish("nobody", b"", false), 0x10);
        let packets = trace.expect(&[("in", "CONNECT"), ("out", "CONNACK"), ("in", "PUBLISH"), ("out", "PUBACK")]);
        assert_eq!(packets[3]["reason"], "no_matching_subscribers");
        assert_ne!(packets[0]["connection"], publish["connection"]);
    }
}

#[test]
fn a_trace_of_a_client_that_is_there_begins_in_its_midst_with_bytes() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let mut client = Client::connect(rig.address, "c");
        let mut trace = Trace::begin(&rig, "client_id=c&bytes=true");
        client.publish("t", &[7; 100_000], false);
        let packets = trace.expect(&[("in", "PUBLISH"), ("out", "PUBACK")]);
        assert_eq!((&packets[0]["payload_size"], &packets[0]["is_truncated"]), (&json!(100_000), &json!(true)));
        assert_eq!(packets[0]["bytes_base64"].as_str().unwrap().len(), (64 * 1024_usize).div_ceil(3) * 4);
        assert_eq!(packets[1]["bytes_base64"], "QAMAARA=");
    }
}

#[test]
fn a_trace_of_a_topic_has_the_publish_and_what_became_of_it() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let mut here = Client::connect(rig.address, "here");
        here.subscribe("a/+", 1);
        let mut away = Client::log_in(rig.address, Login::kept("away"));
        // Without retained messages: while those are on their way, a publish waits behind them.
        away.subscribe("#", 2 | 2 << 4);
        let mut lossy = Client::log_in(rig.address, Login::kept("lossy"));
        lossy.subscribe("a/b", 2 << 4);
        drop((away, lossy));
        for id in ["away", "lossy"] {
            eventually("it is away", || rig.get(&format!("/api/v1/clients/{id}"))["is_connected"] == json!(false));
        }
        let mut trace = Trace::begin(&rig, "topic=a/%23");
        let mut publisher = Client::connect(rig.address, "publisher");
        publisher.publish("x", b"not this", false);
        publisher.publish("a/b", b"four", false);
        let mut seen: Vec<(String, String, Value)> = (0..4)
            .map(|_| trace.next())
            .map(|it| {
                assert_eq!(
                    (&it["packet"], &it["topic"], &it["payload_size"]),
                    (&json!("PUBLISH"), &json!("a/b"), &json!(4))
                );
                let text = |name: &str| it[name].as_str().unwrap().to_owned();
                (text("client_id"), text("direction"), it["reason"].clone())
            })
            .collect();
        seen.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [
            ("away", "out", json!("queued")),
            ("here", "out", json!("sent")),
            ("lossy", "out", json!("receiver_away")),
            ("publisher", "in", Value::Null),
        ];
        let expected = expected.map(|(client, direction, reason)| (client.to_owned(), direction.to_owned(), reason));
        assert_eq!(seen, expected);
        // The message was sent as it would have been.
        assert_eq!(here.read().0 >> 4, 3);
    }
}

#[test]
fn a_publish_that_is_refused_is_seen_with_the_reason() {
    for shards in SHARD_COUNTS {
        let rig = Rig::start(shards);
        let mut client = Client::connect(rig.address, "c");
        let mut of_client = Trace::begin(&rig, "client_id=c");
        let mut of_topic = Trace::begin(&rig, "topic=$SYS/mine");
        // Nobody may publish there.
        assert_eq!(client.publish("$SYS/mine", b"four", false), 0x87);
        assert_eq!(client.publish("mine", b"four", false), 0x10);
        let packets = of_client.expect(&[("in", "PUBLISH"), ("out", "PUBACK"), ("in", "PUBLISH"), ("out", "PUBACK")]);
        assert_eq!((&packets[0]["reason"], &packets[2]["reason"]), (&json!("write_denied"), &Value::Null));
        let address = client.stream.local_addr().unwrap().to_string();
        assert!(packets.iter().all(|it| it["address"] == address), "{packets:#?}");
        let seen = of_topic.next();
        assert_eq!(
            (&seen["direction"], &seen["client_id"], &seen["address"]),
            (&json!("in"), &json!("c"), &json!(address))
        );
        assert_eq!((&seen["reason"], &seen["payload_size"]), (&json!("write_denied"), &json!(4)));
    }
}

#[test]
fn a_trace_ends_with_its_reader_and_there_are_few_at_a_time() {
    let rig = Rig::start(3);
    let traces: Vec<Trace> = (0..4).map(|_| Trace::begin(&rig, "topic=%23")).collect();
    let refused = rig.request("GET", "/api/v1/trace?topic=a", None);
    assert_failure(&refused, 429, "too-many-traces");
    drop(traces);
    eventually("there is room", || {
        let mut stream = TcpStream::connect(rig.administration()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /api/v1/trace?topic=a HTTP/1.1\r\nHost: {}\r\n\r\n", rig.administration()).unwrap();
        let mut head = String::new();
        BufReader::new(stream).read_line(&mut head).unwrap();
        head.starts_with("HTTP/1.1 200")
    });
}

#[test]
fn what_is_traced_must_be_said() {
    let rig = Rig::start(1);
    for query in ["", "?client_id=a&topic=b", "?topic=a%23", "?topic=$share/g/a", "?topic=", "?client=a"] {
        assert_failure(&rig.request("GET", &format!("/api/v1/trace{query}"), None), 400, "bad-request");
    }
}

/// `ringmq ctl trace` that is in force, for its output.
fn ctl_trace(process: &Process, arguments: &[&str]) -> Child {
    let url = format!("http://{}", process.administration);
    let mut command = ringmq();
    command.args(["ctl", "trace", "--url", &url]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tracing = command.spawn().unwrap();
    let mut told = String::new();
    BufReader::new(tracing.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
    assert_eq!(told, "ringmq: the trace has begun, Ctrl-C ends it\n");
    tracing
}

#[track_caller]
fn output(tracing: Child) -> Vec<u8> {
    let output = tracing.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn a_terminal_shows_a_line_for_each_packet() {
    let process = Process::start("[runtime]\nshards = 2\n");
    let of_client = ctl_trace(&process, &["--client", "me\u{202E}ter", "--count", "6"]);
    let of_topic = ctl_trace(&process, &["--topic", "plant/+", "--count", "2"]);
    let as_json = ctl_trace(&process, &["--topic", "plant/1", "--count", "1", "--json"]);
    let mut client = Client::log_in(process.address, Login { user_name: Some("ada"), ..Login::new("me\u{202E}ter") });
    client.subscribe("plant/#", 0);
    // The PUBACK and what it gets of its own may come in either order.
    client.send_publish("plant/1", b"21.5 C", true);
    let text = String::from_utf8(output(of_client)).unwrap();
    // Time, direction, type, client id, what the packet says.
    let rows: Vec<Vec<&str>> =
        text.lines().map(|line| line.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect()).collect();
    let heads: Vec<String> = rows.iter().map(|row| row[1..3].join(" ")).collect();
    let mut expected = ["in CONNECT", "out CONNACK", "in SUBSCRIBE", "out SUBACK", "in PUBLISH", "out PUBLISH"];
    assert_eq!(heads[..4], expected[..4], "{text}");
    expected[5] = heads[5].as_str();
    assert!(["out PUBLISH", "out PUBACK"].contains(&expected[5]), "{text}");
    assert!(rows.iter().all(|row| row[3] == "me\\u{202e}ter"), "{text}");
    assert!(rows[0].contains(&"MQTT 5.0") && rows[0].contains(&"user ada"), "{text}");
    assert!(rows[4][4..].starts_with(&["plant/1"]) && rows[4].ends_with(&["6 B", "\"21.5 C\""]), "{text}");
    let text = String::from_utf8(output(of_topic)).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("plant/1")).count(), 2, "{text}");
    let fate = text.lines().last().unwrap();
    assert!(fate.contains("  sent  ") || fate.contains("  waits_for_retained  "), "{text}");
    let line: Value = serde_json::from_slice(&output(as_json)).unwrap();
    assert_eq!((&line["topic"], &line["retain"]), (&json!("plant/1"), &json!(true)));
}

/// Wireshark's own understanding of such a file is tried with the other clients' tests.
#[test]
fn a_capture_has_a_block_for_each_packet() {
    let process = Process::start("");
    let mut client = Client::connect(process.address, "c");
    let capture = ctl_trace(&process, &["--client", "c", "--count", "2", "--pcap", "-"]);
    client.publish("t", b"1", false);
    let file = output(capture);
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut at, mut kinds) = (0, Vec::new());
    while at < file.len() {
        kinds.push(word(at));
        at += word(at + 4) as usize;
    }
    // A CONNECT is made, because the trace has not seen one.
    assert_eq!(kinds, [0x0A0D_0D0A, 1, 6, 6, 6]);
}

#[test]
fn a_trace_ends_in_time_and_mistakes_are_told() {
    let process = Process::start("");
    assert!(output(ctl_trace(&process, &["--topic", "t", "--for", "50ms"])).is_empty());
    let mistakes: [&[&str]; 4] =
        [&[], &["--topic", "a/#/b"], &["--topic", "t", "--for", "5"], &["--topic", "t", "--pcap", "/nowhere/x"]];
    for mistake in mistakes {
        let output = process.ctl(&[&["trace"], mistake].concat());
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{mistake:?}: {output:?}");
    }
    let _others: Vec<Child> = (0..4).map(|_| ctl_trace(&process, &["--topic", "t", "--for", "20s"])).collect();
    let output = process.ctl(&["trace", "--topic", "t"]);
    assert!(output.status.code() == Some(1) && String::from_utf8_lossy(&output.stderr).contains("(429)"), "{output:?}");
}
