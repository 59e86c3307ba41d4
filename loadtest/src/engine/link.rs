//! One connection: its socket, the layers of its transport, the start of a packet whose end has not come, and bytes the
//! socket had no room for.

use super::stamps::Stamps;
use super::transport::{HEADROOM, Handshake, Layers};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A non-blocking connection.
#[derive(Debug)]
pub struct Link {
    socket: TcpStream,
    /// Nothing for plain TCP.
    layers: Option<Box<Layers>>,
    /// Only where somebody asks when bytes had arrived.
    stamps: Option<Box<Stamps>>,
    /// The start of a packet that has not arrived completely; usually empty and without an allocation.
    partial: Vec<u8>,
    /// Bytes that the socket did not take, from `unsent_start` on; usually empty and without an allocation.
    unsent: Vec<u8>,
    unsent_start: usize,
    /// QoS 1 and 2 publishes that may be unacknowledged at a time, as the broker's CONNACK said.
    pub receive_maximum: u16,
}

/// A thread's buffer for reading, shared by its connections. Larger than a socket's usual content, so that one read is
/// mostly enough.
pub const INPUT_BYTES: usize = 256 * 1_024;

/// Free space in the input buffer that a read needs to be worth its system call.
const READ_BYTES_MIN: usize = 64 * 1_024;

impl Link {
    pub fn new(socket: TcpStream, layers: Option<Box<Layers>>) -> Self {
        Self {
            socket,
            layers,
            stamps: None,
            partial: Vec::new(),
            unsent: Vec::new(),
            unsent_start: 0,
            receive_maximum: u16::MAX,
        }
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Has the kernel say from now on when bytes had arrived.
    pub fn stamp_arrivals(&mut self) -> io::Result<()> {
        self.stamps = Some(Box::new(Stamps::switch_on(&self.socket)?));
        Ok(())
    }

    /// How long what was received last had waited in the socket, where arrivals are stamped.
    pub fn waited(&self) -> Option<Duration> {
        self.stamps.as_ref().map(|stamps| stamps.waited())
    }

    /// Reads once, as [`Link::receive_at_most`] without a limit.
    pub fn receive(&mut self, input: &mut Vec<u8>) -> io::Result<Option<usize>> {
        self.receive_at_most(input, usize::MAX)
    }

    /// Reads at most `limit` bytes once. Returns how much of `input` is filled, what was kept of the last packet included; `None` when nothing
    /// was there for MQTT. A connection closed by the broker is an `UnexpectedEof`. Answers of the layers may leave it blocked.
    pub fn receive_at_most(&mut self, input: &mut Vec<u8>, limit: usize) -> io::Result<Option<usize>> {
        let kept = self.partial.len();
        if input.len() < kept + READ_BYTES_MIN {
            input.resize(kept + INPUT_BYTES, 0);
        }
        let start = kept + if self.layers.is_some() { HEADROOM } else { 0 };
        let end = input.len().min(start.saturating_add(limit));
        let free = &mut input[start..end];
        let read = match &mut self.stamps {
            Some(stamps) => stamps.read(&self.socket, free),
            None => (&self.socket).read(free),
        };
        match read {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection")),
            Ok(length) => {
                let filled = match &mut self.layers {
                    None => kept + length,
                    Some(layers) => {
                        let decoded = layers.decode(input, kept, start..start + length, &mut self.unsent);
                        // First of all the answers, and the alert that tells the broker why this is the end.
                        let flushed = self.flush();
                        let filled = decoded?;
                        flushed?;
                        filled
                    }
                };
                input[..kept].copy_from_slice(&self.partial);
                Ok((filled > kept).then_some(filled))
            }
            Err(error) if is_temporary(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps what of the filled input could not be used yet, until the next [`Link::receive`].
    pub fn keep(&mut self, rest: &[u8]) {
        self.partial.clear();
        self.partial.extend_from_slice(rest);
    }

    /// Sends, or keeps for [`Link::flush`] what the socket does not take.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(layers) = &mut self.layers {
            layers.encode(bytes, &mut self.unsent)?;
            return self.flush();
        }
        let sent = if self.is_blocked() { 0 } else { write(&self.socket, bytes)? };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// Sends the last packets of a connection, and the goodbyes of its layers.
    pub fn finish(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes)?;
        if let Some(layers) = &mut self.layers {
            layers.close(&mut self.unsent)?;
        }
        self.flush()
    }

    /// Sends what was kept, as far as there is room now.
    pub fn flush(&mut self) -> io::Result<()> {
        self.unsent_start += write(&self.socket, &self.unsent[self.unsent_start..])?;
        if self.unsent_start == self.unsent.len() {
            self.unsent.clear();
            self.unsent_start = 0;
        }
        Ok(())
    }

    /// What the TLS handshake came to, once there was one.
    pub fn handshake(&self) -> Option<Handshake> {
        self.layers.as_ref()?.handshake()
    }

    /// Whether a connection on which nothing is on its way is still there.
    pub fn is_open(&mut self, input: &mut Vec<u8>) -> bool {
        matches!(self.receive(input), Ok(None))
    }

    /// Whether bytes wait for room in the socket.
    pub fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }
}

fn write(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match socket.write(bytes) {
        Err(error) if is_temporary(&error) => Ok(0),
        result => result,
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
