//! `/metrics` and `/api/v1/metrics`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ringmq::admin::{Admin, AdminConfig};
use serde_json::Value;

use crate::client::{Client, PATIENCE};
use crate::start;

/// Head and body of the answer.
fn get(admin: &Admin, path: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(admin.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = admin.address();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn the_page_has_the_format_that_is_asked_for_and_every_family_is_described() {
    let (server, address) = start(2, Duration::ZERO);
    let admin =
        Admin::start(&AdminConfig { listen: ([127, 0, 0, 1], 0).into(), token_file: None }, server.handle()).unwrap();
    let mut client = Client::connect(address, "client");
    client.publish("a", b"abc", 1);
    let (head, page) = get(&admin, "/metrics", "text/plain");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let mut described = Vec::new();
    for line in page.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["#", "TYPE", name, _] => described.push(name.to_owned()),
            ["#", "HELP", _, ..] => {}
            [sample, value] => {
                let name = sample.split('{').next().unwrap();
                let family = ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it));
                let last = described.last().unwrap();
                assert!(last == name || family == Some(last), "{line} belongs to no family");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
            _ => panic!("{line:?} is neither a comment nor a sample"),
        }
    }
    let distinct: std::collections::BTreeSet<_> = described.iter().collect();
    assert_eq!(distinct.len(), described.len(), "a family comes twice");
    let sum = |name: &str| -> u64 {
        let samples = page.lines().filter(|line| line.starts_with(name));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    assert_eq!(sum("ringmq_publishes_received_total{"), 1);
    assert_eq!(sum("ringmq_connections{"), 1);
    assert_eq!(sum("ringmq_payload_received_bytes_total{"), 3);

    let (head, page) = get(&admin, "/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(page.ends_with("\n# EOF\n") && page.contains("# TYPE ringmq_turns counter\n"), "{page}");

    let (_, json) = get(&admin, "/api/v1/metrics", "*/*");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["total"]["publishes_received"]["qos1"], 1);
    assert_eq!(json["shards"].as_array().map(Vec::len), Some(2));
    assert!(json["total"]["latency"]["loop_lag"]["all"]["count"].as_u64() > Some(0));
}
