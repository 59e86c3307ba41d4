//! A broker that knows as much as the tests need: exact topics, one share group, QoS 0 and 1.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the broker does wrong with one copy of one message of the first publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
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

/// Filters and sockets of the subscribers.
type Subscribers = Arc<Mutex<Vec<(Vec<u8>, TcpStream)>>>;

/// Serves whoever connects, each on a thread of its own.
pub fn serve(listener: &TcpListener, fault: Fault) {
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
