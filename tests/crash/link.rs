//! One connection of a client: a non-blocking socket, what has come, and what is to go.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::wire::{Received, Version, scan};

pub struct Link {
    stream: TcpStream,
    version: Version,
    input: Vec<u8>,
    /// Bytes of `input` that are used up.
    consumed: usize,
    output: Vec<u8>,
}

/// Bytes of one read.
const READ_SIZE: usize = 8 * 1024;

impl Link {
    pub fn open(address: SocketAddr, version: Version) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, version, input: Vec::new(), consumed: 0, output: Vec::new() })
    }

    /// Takes bytes to be sent by [`flush`](Self::flush).
    pub fn send(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Bytes that the socket has not taken.
    pub fn unsent(&self) -> usize {
        self.output.len()
    }

    /// Sends as far as the socket takes it.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there, at most `bytes_max`; an error when there will be no more. [`next_packet`](Self::next_packet) gives
    /// what came before the end, too.
    pub fn receive(&mut self, bytes_max: usize) -> io::Result<()> {
        self.input.drain(..std::mem::take(&mut self.consumed));
        let mut left = bytes_max;
        while left > 0 {
            let mut chunk = [0; READ_SIZE];
            match self.stream.read(&mut chunk[..left.min(READ_SIZE)]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.input.extend_from_slice(&chunk[..read]);
                    left -= read;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next whole packet; a sentence if the server broke a rule.
    pub fn next_packet(&mut self) -> Result<Option<Received>, String> {
        let Some((packet, size)) = scan(self.version, &self.input[self.consumed..])? else { return Ok(None) };
        self.consumed += size;
        Ok(Some(packet))
    }
}
