//! The far ends of a broker's connections: clients that answer what they are sent as the specification asks.

use ringmq::codec::{Version, frame};

use crate::packets;

/// A broker without sockets.
pub trait Broker {
    /// A connection was accepted; they are numbered from 0.
    fn open(&mut self) -> u32;
    /// Bytes came from a connection.
    fn receive(&mut self, connection: u32, bytes: &[u8]);
    /// Takes all that is to be sent now.
    fn transmit(&mut self, each: impl FnMut(u32, &[u8]));
}

/// A broker with clients connected to it.
pub struct Clients<B> {
    pub broker: B,
    /// What the clients were sent so far.
    pub seen: Seen,
    answers: Vec<(u32, [u8; 4])>,
}

/// What all clients of a broker were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub packets: u64,
    pub publishes: u64,
    pub bytes: u64,
}

impl<B: Broker> Clients<B> {
    pub fn new(broker: B) -> Self {
        Self { broker, seen: Seen::default(), answers: Vec::new() }
    }

    /// A client that was let in.
    pub fn connect(&mut self, version: Version, client_id: &str) -> u32 {
        let connection = self.broker.open();
        let before = self.seen.packets;
        self.send(connection, &packets::connect(version, client_id));
        assert_eq!(self.seen.packets, before + 1, "one CONNACK");
        connection
    }

    /// One client sends, and then all answer what they get until nothing moves.
    pub fn send(&mut self, connection: u32, bytes: &[u8]) {
        let Self { broker, seen, answers } = self;
        broker.receive(connection, bytes);
        loop {
            broker.transmit(|to, bytes| take(to, bytes, seen, answers));
            if answers.is_empty() {
                return;
            }
            for (from, answer) in answers.drain(..) {
                broker.receive(from, &answer);
            }
        }
    }
}

/// Counts the packets of one output and notes what the client answers.
fn take(connection: u32, mut bytes: &[u8], seen: &mut Seen, answers: &mut Vec<(u32, [u8; 4])>) {
    seen.bytes += bytes.len() as u64;
    while let Ok(Some((frame, size))) = frame::find(bytes, u32::MAX) {
        bytes = &bytes[size..];
        seen.packets += 1;
        let qos = frame.first_byte >> 1 & 3;
        let (first_byte, at) = match frame.first_byte >> 4 {
            3 => {
                seen.publishes += 1;
                let topic_len = usize::from(u16::from_be_bytes([frame.body[0], frame.body[1]]));
                match qos {
                    0 => continue,
                    1 => (0x40, 2 + topic_len),
                    _ => (0x50, 2 + topic_len),
                }
            }
            // PUBREC is answered with PUBREL, PUBREL with PUBCOMP.
            5 => (0x62, 0),
            6 => (0x70, 0),
            _ => continue,
        };
        answers.push((connection, [first_byte, 2, frame.body[at], frame.body[at + 1]]));
    }
    assert!(bytes.is_empty(), "an output ends where a packet does");
}
