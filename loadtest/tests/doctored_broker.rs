//! A broker that is made to misbehave once, and the program that has to notice.

mod broker;

use broker::{Fault, serve};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

#[test]
fn an_honest_broker_passes() {
    for (scenario, qos) in [(PAIRS, 0), (PAIRS, 1), (FAN_OUT, 0), (SHARED, 1)] {
        let (passed, result) = run(scenario, Fault::None, qos);
        assert!(passed, "{scenario:?} at QoS {qos}: {result}");
        assert!(result["delivered"].as_u64().unwrap() > 0);
        assert_eq!(faults(&result), []);
    }
}

#[test]
fn a_fixed_rate_is_kept_and_judged() {
    let scenario = &["pairs", "--pairs", "2", "--rate", "1000"];
    let (passed, result) = run(scenario, Fault::None, 0);
    assert!(passed, "{result}");
    assert_eq!(result["send_delay"]["count"], 400, "0.4 seconds at 1,000 messages per second: {result}");
    assert_eq!(result["latency"]["count"], 400, "{result}");
    let (passed, result) = run(scenario, Fault::Drop, 0);
    assert!(!passed);
    assert_eq!(faults(&result), [("lost", 1)]);
}

#[test]
fn faults_of_single_copies_are_found_in_fan_out_and_share_groups() {
    for (scenario, fault, expected) in [
        (FAN_OUT, Fault::Drop, &[("lost", 1)][..]),
        (FAN_OUT, Fault::Duplicate, &[("duplicated", 1)]),
        (FAN_OUT, Fault::Swap, &[("reordered", 1)]),
        (SHARED, Fault::Drop, &[("lost", 1)]),
        (SHARED, Fault::Duplicate, &[("duplicated", 1)]),
        (SHARED, Fault::OtherSubscriber, &[("duplicated", 1)]),
    ] {
        let (passed, result) = run(scenario, fault, 0);
        assert!(!passed, "{fault:?} in {scenario:?} passed");
        assert_eq!(faults(&result), expected, "{fault:?} in {scenario:?}");
        assert!(result["published"].as_u64().unwrap() > 50, "one fault must not stop the sending: {result}");
    }
}

#[test]
fn each_fault_is_found_and_named() {
    for (fault, qos, expected) in [
        (Fault::Drop, 0, &[("lost", 1)][..]),
        (Fault::Duplicate, 0, &[("duplicated", 1)]),
        (Fault::Duplicate, 1, &[("duplicated", 1)]),
        (Fault::Swap, 0, &[("reordered", 1)]),
        (Fault::FlipPayload, 0, &[("corrupted", 1), ("lost", 1)]),
        (Fault::OtherTopic, 0, &[("lost", 1), ("misdelivered", 1)]),
        (Fault::Retain, 0, &[("lost", 1), ("misdelivered", 1)]),
        (Fault::OtherSubscriber, 0, &[("lost", 1), ("misdelivered", 1)]),
        (Fault::ForgetPubAck, 1, &[("unacknowledged", 1)]),
        (Fault::RepeatPubAck, 1, &[("protocol", 1)]),
    ] {
        let (passed, result) = run(PAIRS, fault, qos);
        assert!(!passed, "{fault:?} at QoS {qos} passed");
        assert_eq!(faults(&result), expected, "{fault:?} at QoS {qos}");
    }
}

#[test]
fn a_connection_that_ends_early_is_a_fault() {
    for fault in [Fault::Close, Fault::Garbage] {
        let (passed, result) = run(PAIRS, fault, 0);
        assert!(!passed, "{fault:?} passed");
        assert_eq!(result["faults"]["disconnected"], 1, "{fault:?}: {result}");
        assert!(result["first_fault"].is_string(), "{fault:?}: {result}");
    }
}

#[test]
fn a_broker_that_is_not_there_is_an_error() {
    // Bound and not listening: nobody else gets the port meanwhile, and connections are refused.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let output = load_command(PAIRS, port, 0).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot connect"), "{output:?}");
}

#[test]
fn each_idle_connection_gets_its_ping_answered_and_its_message() {
    for (processes, qos) in [("1", 0), ("3", 1)] {
        let (passed, result) = run_idle(processes, Fault::None, qos);
        assert!(passed, "{processes} processes at QoS {qos}: {result}");
        assert_eq!(faults(&result), []);
        for phase in ["pings", "deliveries"] {
            assert_eq!((&result[phase]["sent"], &result[phase]["answered"]), (&40.into(), &40.into()), "{result}");
        }
    }
}

#[test]
fn faults_of_messages_to_idle_connections_are_found() {
    for (fault, expected) in [
        (Fault::Drop, &[("lost", 2)][..]),
        (Fault::Duplicate, &[("duplicated", 2)]),
        (Fault::FlipPayload, &[("corrupted", 2), ("lost", 2)]),
        (Fault::OtherTopic, &[("lost", 2), ("misdelivered", 2)]),
        (Fault::OtherSubscriber, &[("lost", 2), ("misdelivered", 2)]),
    ] {
        let (passed, result) = run_idle("2", fault, 0);
        assert!(!passed, "{fault:?} passed");
        assert_eq!(faults(&result), expected, "one in each of two processes, {fault:?}: {result}");
    }
}

#[test]
fn more_connections_than_descriptors_are_refused_with_the_remedy() {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_ringmq-load");
    let output = command.args(["-c", "ulimit -n 100; exec \"$0\" idle --connections 200", program]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--processes"), "{output:?}");
}

const PAIRS: &[&str] = &["pairs", "--pairs", "2", "--window", "4"];
const FAN_OUT: &[&str] = &["fan-out", "--subscribers", "2", "--window", "4"];
const SHARED: &[&str] = &["shared", "--publishers", "1", "--members", "2", "--window", "4"];

/// A scenario against a broker with this fault: whether the run passed, and its result.
fn run(scenario: &[&str], fault: Fault, qos: u8) -> (bool, serde_json::Value) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || serve(&listener, fault));
    let json = Scratch(std::env::temp_dir().join(format!("doctored-{}-{port}.json", std::process::id())));
    let output = load_command(scenario, port, qos).arg("--json").arg(&json.0).output().unwrap();
    let text = std::fs::read_to_string(&json.0).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let said_failed = String::from_utf8_lossy(&output.stdout).contains("FAILED");
    assert_eq!(said_failed, !output.status.success(), "{output:?}");
    (output.status.success(), serde_json::from_str(&text).unwrap())
}

/// 40 idle connections, each pinged and sent a message.
fn run_idle(processes: &str, fault: Fault, qos: u8) -> (bool, serde_json::Value) {
    let phases = ["--subscribe", "--ping-once", "--deliver", "--settle", "0.05", "--source-addresses", "0"];
    run(&[&["idle", "--connections", "40", "--processes", processes][..], &phases].concat(), fault, qos)
}

fn load_command(scenario: &[&str], port: u16, qos: u8) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-load"));
    command.args(scenario).args(["--seconds", "0.4", "--patience", "0.4"]);
    if scenario[0] != "idle" {
        command.args(["--warmup", "0"]);
    }
    command.args(["--port", &port.to_string(), "--qos", &qos.to_string()]);
    command
}

/// The faults that are not zero, by name.
fn faults(result: &serde_json::Value) -> Vec<(&str, u64)> {
    let counts = result["faults"].as_object().unwrap();
    let mut present: Vec<(&str, u64)> = counts
        .iter()
        .map(|(name, count)| (name.as_str(), count.as_u64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect();
    present.sort_unstable();
    present
}

/// A file that goes away with the test.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
