//! A broker that is made to misbehave once, and the program that has to notice.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

/// What the broker does wrong with one message of the first publisher.
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
    let (passed, result) = run(Fault::None, 0);
    assert!(passed, "{result}");
    assert!(result["delivered"].as_u64().unwrap() > 0);
    assert_eq!(faults(&result), []);
    assert!(run(Fault::None, 1).0);
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
        let (passed, result) = run(fault, qos);
        assert!(!passed, "{fault:?} at QoS {qos} passed");
        assert_eq!(faults(&result), expected, "{fault:?} at QoS {qos}");
    }
}

#[test]
fn a_connection_that_ends_early_is_a_fault() {
    for fault in [Fault::Close, Fault::Garbage] {
        let (passed, result) = run(fault, 0);
        assert!(!passed, "{fault:?} passed");
        assert_eq!(result["faults"]["disconnected"], 1, "{fault:?}: {result}");
        assert!(result["first_fault"].is_string(), "{fault:?}: {result}");
    }
}

#[test]
fn a_broker_that_is_not_there_is_an_error() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = load_command(port, 0).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot connect"), "{output:?}");
}

/// Two pairs against a broker with this fault: whether the run passed, and its result.
fn run(fault: Fault, qos: u8) -> (bool, serde_json::Value) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || serve(&listener, fault));
    let json = Scratch(std::env::temp_dir().join(format!("doctored-{}-{port}.json", std::process::id())));
    let output = load_command(port, qos).arg("--json").arg(&json.0).output().unwrap();
    let text = std::fs::read_to_string(&json.0).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let said_failed = String::from_utf8_lossy(&output.stdout).contains("FAILED");
    assert_eq!(said_failed, !output.status.success(), "{output:?}");
    (output.status.success(), serde_json::from_str(&text).unwrap())
}

fn load_command(port: u16, qos: u8) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-load"));
    command.args(["pairs", "--pairs", "2", "--window", "4", "--seconds", "0.4", "--warmup", "0", "--patience", "0.4"]);
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

/// Sockets of the subscribers by their topic.
type Subscribers = Arc<Mutex<HashMap<Vec<u8>, TcpStream>>>;

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
    let mut held_back: Option<Vec<u8>> = None;
    loop {
        let packet = read_packet(&mut socket)?;
        match packet[0] >> 4 {
            1 => socket.write_all(&[0x20, 2, 0, 0]).ok()?,
            8 => {
                let filter = packet[6..packet.len() - 1].to_vec();
                let mut subscribers = subscribers.lock().unwrap();
                socket.write_all(&[0x90, 3, packet[2], packet[3], packet[packet.len() - 1]]).ok()?;
                subscribers.insert(filter, socket.try_clone().unwrap());
            }
            3 => {
                let topic_end = 4 + packet[3] as usize;
                let topic = packet[4..topic_end].to_vec();
                let doctored = published == DOCTORED && topic.ends_with(b"/0");
                published += 1;
                let fault = if doctored { fault } else { Fault::None };
                let mut receiver = topic.clone();
                let mut out = packet.clone();
                match fault {
                    Fault::Drop => out.clear(),
                    Fault::Duplicate => out.extend_from_slice(&packet),
                    Fault::Swap => held_back = Some(std::mem::take(&mut out)),
                    Fault::FlipPayload => *out.last_mut().unwrap() ^= 0x10,
                    Fault::OtherTopic => out[topic_end - 1] = b'1',
                    Fault::Retain => out[0] |= 1,
                    Fault::OtherSubscriber => *receiver.last_mut().unwrap() = b'1',
                    Fault::Garbage => out = vec![0xF7; 8],
                    Fault::Close => {
                        socket.shutdown(std::net::Shutdown::Both).unwrap();
                        return None;
                    }
                    Fault::None | Fault::ForgetPubAck | Fault::RepeatPubAck => {
                        out.extend(held_back.take().into_iter().flatten());
                    }
                }
                subscribers.lock().unwrap().get_mut(&receiver)?.write_all(&out).ok();
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
            // Acknowledgements of the subscribers.
            4 => {}
            _ => return None,
        }
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
