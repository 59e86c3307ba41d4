//! One connection: its socket, the start of a packet whose end has not come, and bytes the socket had no room for.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// A non-blocking connection.
#[derive(Debug)]
pub struct Link {
    socket: TcpStream,
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
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, partial: Vec::new(), unsent: Vec::new(), unsent_start: 0, receive_maximum: u16::MAX }
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads once, as [`Link::receive_at_most`] without a limit.
    pub fn receive(&mut self, input: &mut Vec<u8>) -> io::Result<Option<usize>> {
        self.receive_at_most(input, usize::MAX)
    }

    /// Reads at most `limit` bytes once. Returns how much of `input` is filled, what was kept of the last packet included; `None` when nothing
    /// was there. A connection closed by the broker is an `UnexpectedEof`.
    pub fn receive_at_most(&mut self, input: &mut Vec<u8>, limit: usize) -> io::Result<Option<usize>> {
        let kept = self.partial.len();
        if input.len() < kept + READ_BYTES_MIN {
            input.resize(kept + INPUT_BYTES, 0);
        }
        let end = input.len().min(kept.saturating_add(limit));
        match (&self.socket).read(&mut input[kept..end]) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection")),
            Ok(length) => {
                input[..kept].copy_from_slice(&self.partial);
                Ok(Some(kept + length))
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
        let sent = if self.is_blocked() { 0 } else { write(&self.socket, bytes)? };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
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
