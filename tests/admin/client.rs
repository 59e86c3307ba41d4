//! A client of MQTT 5.0 in bytes: what these tests need and no more.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::rig::PATIENCE;

pub struct Client<S = TcpStream> {
    pub stream: S,
}

/// How a client connects.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    pub client_id: &'a str,
    pub user_name: Option<&'a str>,
    pub clean_start: bool,
    pub session_expiry_s: u32,
    pub receive_maximum: u16,
    pub keep_alive_s: u16,
}

impl<'a> Login<'a> {
    pub fn new(client_id: &'a str) -> Self {
        let (user_name, clean_start) = (None, true);
        Self { client_id, user_name, clean_start, session_expiry_s: 0, receive_maximum: 65_535, keep_alive_s: 0 }
    }

    /// With a session that stays.
    pub fn kept(client_id: &'a str) -> Self {
        Self { session_expiry_s: 3_600, clean_start: false, ..Self::new(client_id) }
    }
}

impl Client<TcpStream> {
    /// Connects with a new session, which ends with the connection.
    pub fn connect(address: SocketAddr, client_id: &str) -> Self {
        Self::log_in(address, Login::new(client_id))
    }

    pub fn log_in(address: SocketAddr, login: Login<'_>) -> Self {
        Self::log_in_over(Self::open(address).stream, login)
    }

    /// The reason code of the CONNACK.
    pub fn try_log_in(address: SocketAddr, login: Login<'_>) -> u8 {
        Self::ask_in(Self::open(address).stream, login).1
    }

    /// Opens the connection and sends nothing.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }
}

impl<S: Read + Write> Client<S> {
    pub fn log_in_over(stream: S, login: Login<'_>) -> Self {
        let (client, reason) = Self::ask_in(stream, login);
        assert_eq!(reason, 0);
        client
    }

    fn ask_in(stream: S, login: Login<'_>) -> (Self, u8) {
        let mut client = Self { stream };
        let flags = u8::from(login.clean_start) << 1 | u8::from(login.user_name.is_some()) << 7;
        let mut body = [b"\0\x04MQTT\x05".as_slice(), &[flags], &login.keep_alive_s.to_be_bytes()].concat();
        let [high, low] = login.receive_maximum.to_be_bytes();
        body.extend([8, 0x11]);
        body.extend(login.session_expiry_s.to_be_bytes());
        body.extend([0x21, high, low]);
        text(&mut body, login.client_id);
        if let Some(user_name) = login.user_name {
            text(&mut body, user_name);
        }
        client.send(0x10, &body);
        let (kind, connack) = client.read();
        assert_eq!(kind, 0x20, "{connack:?}");
        (client, connack[1])
    }

    /// Subscribes without anything special, and waits for the SUBACK.
    pub fn subscribe(&mut self, filter: &str, options: u8) {
        self.subscribe_with_id(filter, options, 0);
    }

    /// With a Subscription Identifier below 128, 0 for none.
    pub fn subscribe_with_id(&mut self, filter: &str, options: u8, id: u8) {
        let mut body = vec![0, 1];
        body.extend(if id == 0 { vec![0] } else { vec![2, 0x0B, id] });
        text(&mut body, filter);
        body.push(options);
        self.send(0x82, &body);
        let (kind, suback) = self.read();
        assert!(kind == 0x90 && suback[3] < 0x80, "{suback:?}");
    }

    /// Subscribes with QoS 0 to all of these in one packet; the reason codes.
    pub fn try_subscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let mut body = vec![0, 1, 0];
        for filter in filters {
            text(&mut body, filter);
            body.push(0);
        }
        self.send(0x82, &body);
        let (kind, suback) = self.read();
        assert_eq!(kind, 0x90, "{suback:?}");
        suback[suback.len() - filters.len()..].to_vec()
    }

    /// Publishes with QoS 1, and waits for the PUBACK; its reason code.
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) -> u8 {
        self.send_publish(topic, payload, retain);
        let (kind, puback) = self.read();
        assert_eq!(kind, 0x40, "{puback:?}");
        puback.get(2).copied().unwrap_or(0)
    }

    /// Publishes with QoS 1, and waits for nothing.
    pub fn send_publish(&mut self, topic: &str, payload: &[u8], retain: bool) {
        let mut body = Vec::new();
        text(&mut body, topic);
        body.extend([0, 1, 0]);
        body.extend_from_slice(payload);
        self.send(0x32 | u8::from(retain), &body);
    }

    /// The next packet: its first byte and its body.
    pub fn read(&mut self) -> (u8, Vec<u8>) {
        self.try_read().unwrap()
    }

    /// Waits until the server closes; there must be nothing to read before.
    pub fn wait_for_end(&mut self) {
        match self.stream.read(&mut [0; 64]) {
            Ok(read) => assert_eq!(read, 0),
            Err(error) => {
                let kinds = [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof, ErrorKind::BrokenPipe];
                assert!(kinds.contains(&error.kind()), "{error}");
            }
        }
    }

    fn try_read(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        let kind = byte[0];
        let (mut size, mut shift) = (0, 0);
        loop {
            self.stream.read_exact(&mut byte)?;
            size |= usize::from(byte[0] & 0x7F) << shift;
            shift += 7;
            if byte[0] < 0x80 {
                break;
            }
        }
        let mut body = vec![0; size];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }

    pub fn send(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut size = body.len();
        while size >= 0x80 {
            packet.push(size as u8 | 0x80);
            size >>= 7;
        }
        packet.push(size as u8);
        packet.extend_from_slice(body);
        self.stream.write_all(&packet).unwrap();
    }
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend((text.len() as u16).to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}
