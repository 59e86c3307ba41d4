//! Scenarios over TLS and WebSocket.

mod gateway;
#[allow(dead_code)]
mod small_broker;

use gateway::Gateway;
use gateway::certificates::Certificates;
use serde_json::Value;
use small_broker::{Fault, SmallBroker};
use std::process::{Command, Output};
use std::thread;

const SCENARIOS: [&str; 8] = [
    "connect --clients 8 --subscribe --reconnect 1 --session persistent",
    "handshakes --at-a-time 3 --seconds 0.3 --warmup 0",
    "storm --clients 8 --pairs 2 --rate 200 --warmup 0 --quiet 0.3 --after 0.3 --storm-limit 5",
    "retained --topics 150 --updates 2 --subscribers 2",
    "slow --subscribers 2 --slow 1 --rate 200 --payload 64 --seconds 0.4",
    "durable --publishers 2 --subscribers 3 --rate 300 --seconds 0.4 --warmup 0 --offline --drain",
    // Two records of TLS and two forms of lengths of frames.
    "pairs --pairs 2 --window 3 --payload 20000 --seconds 0.4 --warmup 0",
    "idle --connections 12 --subscribe --settle 0.1 --ping-once --deliver --qos 1",
];

#[test]
fn every_scenario_works_over_every_transport() {
    let certificates = Certificates::new();
    let ca = certificates.file("ca.pem");
    let client = format!(
        "--cert {} --key {}",
        certificates.file("client.pem").display(),
        certificates.file("client.key").display()
    );
    let tls = format!("--tls --ca {}", ca.display());
    let transports = [
        (Gateway::tls(&certificates, false), format!("{tls} --tls-version 1.2"), "tls"),
        (Gateway::tls(&certificates, true), format!("{tls} --tls-version 1.3 {client}"), "tls"),
        (Gateway::ws(), "--ws".to_owned(), "ws"),
        (Gateway::tls(&certificates, false).with_websocket(), format!("{tls} --ws --sni broker.example"), "wss"),
    ];
    thread::scope(|scope| {
        for (gateway, options, name) in &transports {
            scope.spawn(move || {
                for scenario in SCENARIOS {
                    let (passed, result) = run(scenario, options, gateway, Fault::None, "");
                    assert!(passed, "{scenario} {options}: {result}");
                    assert_eq!(result["transport"], *name);
                }
            });
        }
    });
}

#[test]
fn a_fault_of_a_single_message_is_found_behind_the_layers() {
    let certificates = Certificates::new();
    let gateway = Gateway::tls(&certificates, false).with_websocket();
    let scenario = "durable --publishers 2 --subscribers 2 --window 2 --seconds 0.4 --warmup 0 --patience 2";
    for (fault, expected) in [(Fault::Drop, "lost"), (Fault::Duplicate, "duplicated"), (Fault::Flip, "corrupted")] {
        let (passed, result) = run(scenario, "--tls --insecure --ws", &gateway, fault, "-session-0-0");
        assert!(!passed, "{fault:?} passed");
        assert_eq!(result["faults"][expected], 1, "{fault:?}: {result}");
    }
}

#[test]
fn handshakes_are_told_apart_by_whether_they_were_resumed() {
    let certificates = Certificates::new();
    let gateway = Gateway::tls(&certificates, false);
    let measured = format!("handshakes --at-a-time 2 --seconds 0.4 --warmup 0.2 --broker-pid {}", std::process::id());
    for (version, suite) in [("1.2", "TLSv1.2, TLS_ECDHE_ECDSA"), ("1.3", "TLSv1.3, TLS13_AES")] {
        let options = format!("--tls --insecure --tls-version {version}");
        let (passed, result) = run(&measured, &options, &gateway, Fault::None, "");
        assert!(passed, "{result}");
        assert!(result["full"]["agreed"].as_str().unwrap().starts_with(suite), "{result}");
        assert_eq!(result["full"]["resumed_part"], 0.0, "{result}");
        assert!(result["resumed"]["resumed_part"].as_f64() > Some(0.9), "{result}");
        for pointer in ["/full/broker_cpu_us", "/full/per_core", "/full/latency/p99_us", "/resumed/broker_cpu_us"] {
            assert!(result.pointer(pointer).is_some_and(Value::is_number), "{pointer}: {result}");
        }
    }
    let (passed, result) = run(&measured, "--tls --insecure --no-resumption", &gateway, Fault::None, "");
    assert!(passed && result["resumed"].is_null(), "{result}");
}

#[test]
fn a_connection_that_must_not_be_is_refused_with_its_reason() {
    let certificates = Certificates::new();
    let other = Certificates::new();
    let (tls, ca) =
        (Gateway::tls(&certificates, false), format!("--tls --ca {}", certificates.file("ca.pem").display()));
    for (gateway, options, expected) in [
        (&tls, format!("--tls --ca {}", other.file("ca.pem").display()), "invalid peer certificate"),
        (&tls, format!("{ca} --sni other.example"), "certificate not valid for name \"other.example\""),
        (&Gateway::tls(&certificates, true), ca.clone(), "CertificateRequired"),
        (&tls, "--tls".to_owned(), "--ca FILE"),
        (&tls, "--tls --ca /nowhere.pem".to_owned(), "cannot read certificates from /nowhere.pem"),
        (&Gateway::ws(), "--ws --path /other".to_owned(), "400 Bad Request"),
    ] {
        let port = gateway.clone().start(SmallBroker::start(Fault::None, ""));
        let output = command("pairs --seconds 0.2", &options, port).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{options}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(expected), "{options}: {error}");
    }
}

/// A scenario against a broker behind a gateway: whether the run passed, and its result.
fn run(scenario: &str, options: &str, gateway: &Gateway, fault: Fault, whom: &'static str) -> (bool, Value) {
    let port = gateway.clone().start(SmallBroker::start(fault, whom));
    let json = tempfile::NamedTempFile::new().unwrap();
    let output: Output = command(scenario, options, port).arg("--json").arg(json.path()).output().unwrap();
    let result = serde_json::from_slice(&std::fs::read(json.path()).unwrap());
    (output.status.success(), result.unwrap_or_else(|error| panic!("{error}: {scenario} {options} {output:?}")))
}

fn command(scenario: &str, options: &str, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-load"));
    command.args(scenario.split(' ')).args(options.split(' ')).args(["--port", &port.to_string()]);
    command
}
