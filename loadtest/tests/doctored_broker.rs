//! A broker that is made to misbehave once, and the program that has to notice.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

/// What the broker does wrong with one copy of one message of the first publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Drop,
    Duplicate,
    /// It arrives after its successor.
    Swap,
    FlipPayload,
    OtherTopic,
    Retain,
    OtherSubscriber,
    ForgetPubAck,
    RepeatPubAck,
    Close,
    Garbage,
}

/// The message the fault is done to, counted from zero.
const DOCTORED: usize = 5;

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
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
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

/// Filters and sockets of the subscribers.
type Subscribers = Arc<Mutex<Vec<(Vec<u8>, TcpStream)>>>;

fn serve(listener: &TcpListener, fault: Fault) {
    let subscribers = Subscribers::default();
    for socket in listener.incoming().map_while(Result::ok) {
        let subscribers = Arc::clone(&subscribers);
        thread::spawn(move || serve_connection(socket, fault, &subscribers));
    }
}

/// Answers one client until it goes. Packets are taken apart by position: the client is known.
fn serve_connection(mut socket: TcpStream, fault: Fault, subscribers: &Subscribers) -> Option<()> {
    socket.set_nodelay(true).unwrap();
    let mut published = 0;
    let mut held_back = Vec::new();
    loop {
        let packet = read_packet(&mut socket)?;
        match packet[0] >> 4 {
            1 => socket.write_all(&[0x20, 2, 0, 0]).ok()?,
            8 => {
                let filter = packet[6..packet.len() - 1].to_vec();
                let mut subscribers = subscribers.lock().unwrap();
                socket.write_all(&[0x90, 3, packet[2], packet[3], packet[packet.len() - 1]]).ok()?;
                subscribers.push((filter, socket.try_clone().unwrap()));
            }
            3 => {
                let topic_end = 4 + packet[3] as usize;
                let doctored = published == DOCTORED && !packet[..topic_end].ends_with(b"/1");
                let fault = if doctored { fault } else { Fault::None };
                if fault == Fault::Close {
                    socket.shutdown(std::net::Shutdown::Both).unwrap();
                    return None;
                }
                forward(&packet, topic_end, fault, published, &mut held_back, &mut subscribers.lock().unwrap());
                published += 1;
                if packet[0] & 0b0110 != 0 {
                    let pub_ack = [0x40, 2, packet[topic_end], packet[topic_end + 1]];
                    let count = match fault {
                        Fault::ForgetPubAck => 0,
                        Fault::RepeatPubAck => 2,
                        _ => 1,
                    };
                    socket.write_all(&pub_ack.repeat(count)).ok()?;
                }
            }
            12 => socket.write_all(&[0xD0, 0]).ok()?,
            // Acknowledgements of the subscribers.
            4 => {}
            _ => return None,
        }
    }
}

/// Sends a message to those whose filter matches; of a share group, to the members in turn. The fault is done to the
/// first copy.
fn forward(
    packet: &[u8],
    topic_end: usize,
    fault: Fault,
    published: usize,
    held_back: &mut Vec<u8>,
    subscribers: &mut [(Vec<u8>, TcpStream)],
) {
    let topic = &packet[4..topic_end];
    let is_shared = subscribers.iter().any(|(filter, _)| filter.starts_with(b"$share/"));
    let mut receivers: Vec<usize> =
        (0..subscribers.len()).filter(|&index| is_shared || subscribers[index].0 == topic).collect();
    if is_shared {
        receivers = vec![published % receivers.len()];
    }
    let mut first = packet.to_vec();
    match fault {
        Fault::Drop => first.clear(),
        Fault::Duplicate => first.extend_from_slice(packet),
        Fault::Swap => *held_back = std::mem::take(&mut first),
        Fault::FlipPayload => *first.last_mut().unwrap() ^= 0x10,
        Fault::OtherTopic => first[topic_end - 1] ^= 1,
        Fault::Retain => first[0] |= 1,
        Fault::Garbage => first = vec![0xF7; 8],
        // In a share group the rightful member gets it as well.
        Fault::OtherSubscriber if is_shared => receivers.push((receivers[0] + 1) % subscribers.len()),
        Fault::OtherSubscriber => receivers[0] = (receivers[0] + 1) % subscribers.len(),
        _ => first.append(held_back),
    }
    for (index, &receiver) in receivers.iter().enumerate() {
        let bytes = if index == 0 { &first[..] } else { packet };
        // A subscriber may have gone at the end of a run.
        let _ = subscribers[receiver].1.write_all(bytes);
    }
}

/// One packet of at most 127 bytes after its first two.
fn read_packet(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![0; 2];
    socket.read_exact(&mut packet).ok()?;
    assert!(packet[1] < 0x80, "the test sends short packets only");
    packet.resize(2 + packet[1] as usize, 0);
    socket.read_exact(&mut packet[2..]).ok()?;
    Some(packet)
}
