//! A client of MQTT 3.1.1 in bytes, over any stream: what these tests need and no more.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes longer, unless it is lost.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Client<S = TcpStream> {
    pub stream: S,
}

impl Client {
    /// Opens the connection and sends nothing.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Connects with a clean session; the return code of the CONNACK comes second.
    pub fn connect(address: SocketAddr, client_id: &str) -> (Self, u8) {
        let mut client = Self::open(address);
        let code = client.introduce(client_id);
        (client, code)
    }
}

impl<S: Read + Write> Client<S> {
    /// Sends CONNECT with a clean session; returns the return code of the CONNACK.
    pub fn introduce(&mut self, client_id: &str) -> u8 {
        self.write(&connect(client_id));
        self.read_connack()
    }

    pub fn read_connack(&mut self) -> u8 {
        let connack = self.read_packet();
        assert_eq!(connack[..2], [0x20, 2], "{connack:?}");
        connack[3]
    }

    pub fn subscribe(&mut self, filter: &str, qos: u8) {
        self.write(&subscribe(filter, qos));
        assert_eq!(self.read_packet()[4], qos);
    }

    /// Sends a PUBLISH: QoS 0 with `packet_id` 0, else QoS 1.
    pub fn publish(&mut self, topic: &str, payload: &[u8], packet_id: u16) {
        self.write(&publish(topic, payload, packet_id));
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    pub fn read_packet(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 1];
        self.stream.read_exact(&mut packet).unwrap();
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            packet.push(byte[0]);
            length |= usize::from(byte[0] & 0x7F) << shift;
            if byte[0] < 0x80 {
                break;
            }
        }
        let start = packet.len();
        packet.resize(start + length, 0);
        self.stream.read_exact(&mut packet[start..]).unwrap();
        packet
    }

    /// Whether the server closes, with nothing more to read.
    pub fn is_closed_by_server(&mut self) -> bool {
        match self.stream.read(&mut [0; 64]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

pub fn connect(client_id: &str) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04\x02\0\0".to_vec();
    push_string(&mut body, client_id);
    packet(0x10, &body)
}

pub fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    push_string(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

/// A PUBLISH: QoS 0 with `packet_id` 0, else QoS 1.
pub fn publish(topic: &str, payload: &[u8], packet_id: u16) -> Vec<u8> {
    let mut body = Vec::new();
    push_string(&mut body, topic);
    if packet_id > 0 {
        body.extend_from_slice(&packet_id.to_be_bytes());
    }
    body.extend_from_slice(payload);
    packet(if packet_id > 0 { 0x32 } else { 0x30 }, &body)
}

pub fn packet(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first_byte];
    let mut length = body.len();
    loop {
        let digit = (length & 0x7F) as u8;
        length >>= 7;
        packet.push(digit | if length > 0 { 0x80 } else { 0 });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

pub fn push_string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u16).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
