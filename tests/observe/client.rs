//! A client of MQTT 5.0 in bytes: what these tests need and no more.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes longer, unless it is lost.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    stream: TcpStream,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

/// A packet that came: its first byte, and what follows the Remaining Length.
#[derive(Debug)]
pub struct Packet {
    pub first: u8,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr, client_id: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream, bytes_sent: 0, bytes_received: 0 };
        let head = [0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0];
        client.send(0x10, &[&head, &text(client_id)[..]].concat());
        let packet = client.read();
        assert_eq!((packet.first, packet.body[1]), (0x20, 0), "{packet:?}");
        client
    }

    pub fn subscribe(&mut self, filter: &str, qos: u8) {
        self.send(0x82, &[&[0, 1, 0], &text(filter)[..], &[qos]].concat());
        let packet = self.read_but_publishes();
        assert_eq!((packet.first, packet.body[3]), (0x90, qos), "{packet:?}");
    }

    /// Publishes; with QoS 1 returns the reason code of the PUBACK, 0 if it has none.
    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: u8) -> u8 {
        let id: &[u8] = if qos == 0 { &[] } else { &[0, 7] };
        self.send(0x30 | qos << 1, &[&text(topic)[..], id, &[0], payload].concat());
        if qos == 0 {
            return 0;
        }
        let packet = self.read_but_publishes();
        assert_eq!(packet.first, 0x40, "{packet:?}");
        packet.body.get(2).copied().unwrap_or(0)
    }

    /// The next PUBLISH, which is acknowledged if it must be: topic and payload.
    pub fn next_publish(&mut self) -> (String, Vec<u8>) {
        let packet = self.read();
        assert_eq!(packet.first >> 4, 3, "{packet:?}");
        let length = usize::from(packet.body[0]) << 8 | usize::from(packet.body[1]);
        let topic = String::from_utf8(packet.body[2..2 + length].to_vec()).unwrap();
        let qos = packet.first >> 1 & 3;
        let after_id = 2 + length + if qos > 0 { 2 } else { 0 };
        if qos == 1 {
            let id = packet.body[2 + length..after_id].to_vec();
            self.send(0x40, &id);
        }
        assert_eq!(packet.body[after_id], 0, "no properties");
        (topic, packet.body[after_id + 1..].to_vec())
    }

    /// Waits for a PINGRESP: what was sent before has been handled, and what the server sends at once has come.
    pub fn ping(&mut self) -> Packet {
        self.send(0xC0, &[]);
        self.read()
    }

    fn read_but_publishes(&mut self) -> Packet {
        loop {
            let packet = self.read();
            if packet.first >> 4 != 3 {
                return packet;
            }
        }
    }

    fn send(&mut self, first: u8, body: &[u8]) {
        assert!(body.len() < 0x80, "these tests send no long packets");
        let packet = [&[first, body.len() as u8], body].concat();
        self.stream.write_all(&packet).unwrap();
        self.bytes_sent += packet.len() as u64;
    }

    pub fn read(&mut self) -> Packet {
        let mut header = [0; 2];
        self.stream.read_exact(&mut header).unwrap();
        assert!(header[1] < 0x80, "these tests get no long packets");
        let mut body = vec![0; usize::from(header[1])];
        self.stream.read_exact(&mut body).unwrap();
        self.bytes_received += 2 + body.len() as u64;
        Packet { first: header[0], body }
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}
