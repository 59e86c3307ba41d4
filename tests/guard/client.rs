//! A client of MQTT 5.0 in bytes: what these tests need and no more.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// No answer takes longer, unless it is lost.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    pub stream: TcpStream,
}

/// What becomes of a client that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A CONNACK with this reason code.
    ConnAck(u8),
    /// The connection was closed without an answer.
    Closed,
}

impl Client {
    /// Opens the connection and sends nothing.
    pub fn open(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        // Who is refused at the door may be reset before connect(2) has returned.
        if let Err(error) = socket.connect(&address.into()) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    pub fn connect(address: SocketAddr, client_id: &str) -> (Self, Outcome) {
        Self::open(address).with(b"", &connect(client_id, None))
    }

    pub fn connect_as(address: SocketAddr, client_id: &str, user_name: &str) -> (Self, Outcome) {
        Self::open(address).with(b"", &connect(client_id, Some(user_name)))
    }

    /// Connects through a proxy that says so in a PROXY protocol header.
    pub fn connect_from(address: SocketAddr, source: &str, client_id: &str) -> (Self, Outcome) {
        let header = format!("PROXY TCP4 {source} 127.0.0.1 50000 1883\r\n");
        Self::open(address).with(header.as_bytes(), &connect(client_id, None))
    }

    fn with(mut self, header: &[u8], connect: &[u8]) -> (Self, Outcome) {
        // Who was refused at the door may not be able to write any more.
        let written = self.stream.write_all(&[header, connect].concat());
        let outcome = match written.and_then(|()| self.read_packet()) {
            Ok(packet) => {
                assert_eq!(packet[0], 0x20, "{packet:?}");
                Outcome::ConnAck(packet[3])
            }
            Err(error) => {
                assert_is_end(&error);
                Outcome::Closed
            }
        };
        (self, outcome)
    }

    /// The reason code of the DISCONNECT that must come.
    pub fn read_disconnect(&mut self) -> u8 {
        let packet = self.read_packet().unwrap();
        assert_eq!(packet[0], 0xE0, "{packet:?}");
        packet[2]
    }

    /// Waits until the server closes; there must be nothing to read before.
    pub fn wait_for_end(&mut self) {
        match self.stream.read(&mut [0; 64]) {
            Ok(read) => assert_eq!(read, 0),
            Err(error) => assert_is_end(&error),
        }
    }

    fn read_packet(&mut self) -> std::io::Result<Vec<u8>> {
        let mut packet = vec![0; 2];
        self.stream.read_exact(&mut packet)?;
        assert!(packet[1] < 0x80, "these tests have no long packets");
        packet.resize(2 + usize::from(packet[1]), 0);
        self.stream.read_exact(&mut packet[2..])?;
        Ok(packet)
    }
}

#[track_caller]
fn assert_is_end(error: &std::io::Error) {
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof, ErrorKind::BrokenPipe, ErrorKind::NotConnected];
    assert!(kinds.contains(&error.kind()), "{error}");
}

/// A CONNECT with Clean Start.
pub fn connect(client_id: &str, user_name: Option<&str>) -> Vec<u8> {
    let flags = if user_name.is_some() { 0x82 } else { 0x02 };
    let mut body = [b"\0\x04MQTT\x05".as_slice(), &[flags, 0, 0, 0]].concat();
    for text in [Some(client_id), user_name].into_iter().flatten() {
        body.extend_from_slice(&(text.len() as u16).to_be_bytes());
        body.extend_from_slice(text.as_bytes());
    }
    assert!(body.len() < 0x80);
    [&[0x10, body.len() as u8], body.as_slice()].concat()
}
