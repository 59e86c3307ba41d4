//! A small blocking MQTT client for the command line: one connection, one loop.
//!
//! A thread reads the socket and cuts it into frames; further threads may feed other inputs (lines, signals) into the
//! same queue. [`Client::next`] waits for any of them and meanwhile keeps the connection alive.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::codec::encode::{self, AckKind};
use crate::codec::{self, Connect, Disconnect, Packet, ReasonCode, UserProperties, Version, frame};
use crate::limits;

/// Inputs that wait for the loop; their readers wait when there are more.
const INPUTS_MAX: usize = 64;
/// Time to connect to one address, and for the server's CONNACK.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);

/// Something that happened while waiting.
#[derive(Debug)]
pub enum Input {
    /// A whole packet came; [`Client::decode`] reads it.
    Frame(Vec<u8>),
    /// The connection is gone.
    Lost(ClientError),
    /// A line of standard input, without its end.
    Line(Vec<u8>),
    /// Standard input has ended.
    EndOfLines,
    /// SIGINT or SIGTERM.
    Signal,
}

/// Why a client cannot go on; the texts are those of mosquitto's clients.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    #[error("Unable to connect (Lookup error.).")]
    Lookup,
    #[error("Error: {0}")]
    Io(String),
    #[error("Connection error: {text}")]
    Refused { code: u8, text: String },
    #[error("Error: The connection was lost.")]
    Lost,
    #[error("Error: The server closed the connection: {}.", reason_text(*.0))]
    Disconnected(ReasonCode),
    #[error("Error: A network protocol error occurred: {0}.")]
    Protocol(String),
    #[error("Error: Standard output cannot be written to: {0}.")]
    Output(String),
    #[error("Error: The server did not answer in time.")]
    Timeout,
}

impl ClientError {
    /// The code of CONNACK if the server refused, otherwise the number that libmosquitto has for the error where it
    /// has one that its clients exit with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Lookup | Self::Io(_) | Self::Output(_) => 1,
            Self::Protocol(_) => 2,
            Self::Lost => 7,
            Self::Disconnected(reason) => *reason as u8,
            Self::Timeout => 27,
        }
    }
}

/// What the server said in its CONNACK that the commands need.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    pub receive_maximum: u16,
    pub packet_size_max: u32,
}

/// A connection whose CONNECT was accepted.
pub struct Client {
    stream: TcpStream,
    inputs: Receiver<Input>,
    sender: SyncSender<Input>,
    version: Version,
    keep_alive: Option<Duration>,
    /// When the last packet was sent.
    sent_at: Instant,
    /// When a PINGREQ was sent that has no answer yet.
    ping_at: Option<Instant>,
    packet_id: u16,
    out: Vec<u8>,
    debug: bool,
    limits: ServerLimits,
}

impl Client {
    /// Connects, sends CONNECT and waits for the CONNACK.
    pub fn connect(host: &str, port: u16, connect: &Connect<'_>, debug: bool) -> Result<Self, ClientError> {
        let stream = open(host, port)?;
        let (sender, inputs) = sync_channel(INPUTS_MAX);
        let mut client = Self {
            stream,
            inputs,
            sender,
            version: connect.version,
            keep_alive: (connect.keep_alive_s > 0).then(|| Duration::from_secs(connect.keep_alive_s.into())),
            sent_at: Instant::now(),
            ping_at: None,
            packet_id: 0,
            out: Vec::new(),
            debug,
            limits: ServerLimits { receive_maximum: u16::MAX, packet_size_max: limits::PACKET_SIZE_PROTOCOL_MAX },
        };
        client.send("CONNECT", |out| encode::connect(out, connect))?;
        let reader = client.stream.try_clone().map_err(io_error)?;
        let sender = client.sender.clone();
        thread::spawn(move || read_frames(reader, &sender));
        client.await_connack()?;
        Ok(client)
    }

    pub fn limits(&self) -> ServerLimits {
        self.limits
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// Where other threads put their inputs.
    pub fn inputs(&self) -> SyncSender<Input> {
        self.sender.clone()
    }

    /// A packet identifier; they are given in their order, so one comes back only after 65,534 others.
    pub fn next_packet_id(&mut self) -> u16 {
        self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
        self.packet_id
    }

    /// Sends what `write` appends. `name` is for the debug output.
    pub fn send(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), ClientError> {
        self.trace(format_args!("sending {name}"));
        self.out.clear();
        write(&mut self.out);
        self.sent_at = Instant::now();
        self.stream.write_all(&self.out).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ClientError::Lost,
            _ => io_error(error),
        })
    }

    pub fn send_ack(&mut self, kind: AckKind, packet_id: u16) -> Result<(), ClientError> {
        self.send(&format!("{kind:?} ({packet_id})"), |out| encode::ack_success(out, kind, packet_id))
    }

    /// The next input, or `None` when `deadline` has come. Answers to pings are dealt with here.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Input>, ClientError> {
        loop {
            let ping_deadline = self.keep_alive.map(|keep_alive| self.ping_at.unwrap_or(self.sent_at) + keep_alive);
            let wake = [deadline, ping_deadline].into_iter().flatten().min();
            let received = match wake {
                Some(wake) => self.inputs.recv_timeout(wake.saturating_duration_since(Instant::now())),
                None => self.inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match received {
                Ok(Input::Frame(bytes)) => match self.decode(&bytes)? {
                    Packet::PingResp => {
                        self.trace(format_args!("received PINGRESP"));
                        self.ping_at = None;
                    }
                    Packet::Disconnect(disconnect) => return Err(ClientError::Disconnected(disconnect.reason)),
                    packet => {
                        self.trace(format_args!("received {}", packet_name(&packet)));
                        return Ok(Some(Input::Frame(bytes)));
                    }
                },
                Ok(Input::Lost(error)) => return Err(error),
                Ok(input) => return Ok(Some(input)),
                Err(RecvTimeoutError::Disconnected) => return Err(ClientError::Lost),
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    if deadline.is_some_and(|deadline| deadline <= now) {
                        return Ok(None);
                    }
                    if self.ping_at.is_some() {
                        return Err(ClientError::Timeout);
                    }
                    self.ping_at = Some(now);
                    self.send("PINGREQ", encode::pingreq)?;
                }
            }
        }
    }

    /// Reads a packet of [`Input::Frame`].
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Packet<'a>, ClientError> {
        let protocol = |violation: codec::Violation| ClientError::Protocol(violation.to_string());
        let found = frame::find(bytes, limits::PACKET_SIZE_PROTOCOL_MAX).map_err(protocol)?;
        let (frame, _) = found.ok_or_else(|| ClientError::Protocol("half a packet".into()))?;
        codec::decode::decode(frame, self.version).map_err(protocol)
    }

    /// Says DISCONNECT and closes; the server has read all that was sent before.
    pub fn disconnect(mut self, session_expiry_s: Option<u32>, user_block: &[u8]) -> Result<(), ClientError> {
        let version = self.version;
        let packet = Disconnect {
            reason: ReasonCode::Success,
            session_expiry_s,
            reason_string: None,
            server_reference: None,
            user_properties: UserProperties { block: user_block },
        };
        self.send("DISCONNECT", |out| encode::disconnect(out, version, &packet, limits::PACKET_SIZE_PROTOCOL_MAX))?;
        // The server may have closed already, which is what is wanted.
        let _ = self.stream.shutdown(Shutdown::Write);
        Ok(())
    }

    fn await_connack(&mut self) -> Result<(), ClientError> {
        let deadline = Instant::now() + CONNECT_TIME_MAX;
        let Some(Input::Frame(bytes)) = self.next(Some(deadline))? else { return Err(ClientError::Timeout) };
        let Packet::ConnAck(connack) = self.decode(&bytes)? else {
            return Err(ClientError::Protocol("the first packet is not CONNACK".into()));
        };
        if connack.reason != ReasonCode::Success {
            return Err(refused(self.version, connack.reason, connack.properties.reason_string));
        }
        if let Some(seconds) = connack.properties.server_keep_alive_s {
            self.keep_alive = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        }
        self.limits.receive_maximum = connack.properties.receive_maximum.unwrap_or(u16::MAX);
        self.limits.packet_size_max = connack.properties.packet_size_max.unwrap_or(limits::PACKET_SIZE_PROTOCOL_MAX);
        Ok(())
    }

    fn trace(&self, what: std::fmt::Arguments<'_>) {
        if self.debug {
            eprintln!("Client {what}");
        }
    }
}

/// A reason code in words, such as "not authorized".
pub fn reason_text(reason: ReasonCode) -> String {
    let name = format!("{reason:?}");
    let mut text = String::with_capacity(name.len() + 8);
    for (index, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

fn refused(version: Version, reason: ReasonCode, reason_string: Option<&str>) -> ClientError {
    let code = if version == Version::V5_0 { reason as u8 } else { reason.connect_return_code().unwrap_or(1) };
    let text = match (version, code) {
        (Version::V5_0, _) => {
            let said = reason_string.map_or(String::new(), |said| format!(" ({said})"));
            format!("{}{said}", reason_text(reason))
        }
        (_, 1) => "Connection Refused: unacceptable protocol version.".into(),
        (_, 2) => "Connection Refused: identifier rejected.".into(),
        (_, 3) => "Connection Refused: broker unavailable.".into(),
        (_, 4) => "Connection Refused: bad user name or password.".into(),
        (_, 5) => "Connection Refused: not authorised.".into(),
        _ => "Connection Refused: unknown reason.".into(),
    };
    ClientError::Refused { code, text }
}

fn packet_name(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Publish(publish) => format!("PUBLISH ({}, '{}')", publish.packet_id, publish.topic),
        Packet::ConnAck(connack) => format!("CONNACK ({})", connack.reason as u8),
        other => {
            let debug = format!("{other:?}");
            debug.split(['(', ' ']).next().unwrap_or_default().to_ascii_uppercase()
        }
    }
}

fn open(host: &str, port: u16) -> Result<TcpStream, ClientError> {
    let addresses = (host, port).to_socket_addrs().map_err(|_| ClientError::Lookup)?;
    let mut last = ClientError::Lookup;
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIME_MAX) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(io_error)?;
                return Ok(stream);
            }
            Err(error) => last = io_error(error),
        }
    }
    Err(last)
}

/// The system's words without Rust's "(os error N)".
fn io_error(error: io::Error) -> ClientError {
    let text = error.to_string();
    ClientError::Io(text.split(" (os error").next().unwrap_or(&text).to_owned())
}

/// Cuts the stream into frames until it ends, or nobody listens any more.
fn read_frames(mut stream: TcpStream, sender: &SyncSender<Input>) {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    let error = loop {
        let mut start = 0;
        loop {
            match frame::find(bytes.get(start..).unwrap_or_default(), limits::PACKET_SIZE_PROTOCOL_MAX) {
                Ok(Some((_, size))) => {
                    let packet = bytes.get(start..start + size).unwrap_or_default().to_vec();
                    if sender.send(Input::Frame(packet)).is_err() {
                        return;
                    }
                    start += size;
                }
                Ok(None) => break,
                Err(violation) => {
                    // The loop may have left already; then nobody is there to be told.
                    let _ = sender.send(Input::Lost(ClientError::Protocol(violation.to_string())));
                    return;
                }
            }
        }
        bytes.drain(..start);
        match stream.read(&mut chunk) {
            Ok(0) => break ClientError::Lost,
            Ok(count) => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break ClientError::Lost,
            Err(error) => break io_error(error),
        }
    };
    // As above.
    let _ = sender.send(Input::Lost(error));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words() {
        assert_eq!(reason_text(ReasonCode::NotAuthorized), "not authorized");
        assert_eq!(reason_text(ReasonCode::BadUserNameOrPassword), "bad user name or password");
    }

    #[test]
    fn a_refusal_exits_with_its_code() {
        assert_eq!(refused(Version::V3_1_1, ReasonCode::NotAuthorized, None).exit_code(), 5);
        assert_eq!(refused(Version::V5_0, ReasonCode::NotAuthorized, None).exit_code(), 135);
    }
}
