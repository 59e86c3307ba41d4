//! What lies between the packets of MQTT and the bytes of a socket: nothing, TLS, WebSocket, or WebSocket in TLS.
//!
//! A connection's [`Layers`] are a filter for bytes and know no socket. What is given to them before the handshakes are over
//! waits in them, so that a client sends its CONNECT at once, whatever the transport.

mod tickets;
mod tls;
mod websocket;

use crate::cli::TransportArgs;
use rustls::ClientConnection;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
pub use tls::Handshake;
use websocket::WebSocket;

/// What all connections of a run have in common: options and certificates, and the session tickets that they collect.
#[derive(Debug, Default)]
pub struct Transport {
    tls: Option<tls::Connector>,
    websocket: Option<websocket::Target>,
}

/// The layers of one connection.
#[derive(Debug)]
pub struct Layers {
    tls: Option<ClientConnection>,
    websocket: Option<WebSocket>,
}

/// Free space that [`Layers::decode`] needs before the bytes that were received. The plaintext of a TLS record whose beginning
/// came earlier is longer than what has come now, by one record at most (18,437 bytes, RFC 8446 section 5.2 and RFC 5246 section 6.2.3).
pub const HEADROOM: usize = 32 * 1_024;

impl Transport {
    /// Reads the files that the arguments name. `host` is the name that the broker must have, unless there is another for that;
    /// it and the port are what a WebSocket asks for.
    ///
    /// # Errors
    /// If a file cannot be read, or is not what it should be.
    pub fn new(args: &TransportArgs, host: &str, port: u16) -> anyhow::Result<Self> {
        Ok(Self {
            tls: args.tls.then(|| tls::Connector::new(args, host)).transpose()?,
            websocket: args.ws.then(|| websocket::Target::new(host, port, &args.path)),
        })
    }

    /// The layers of a new connection; none for plain TCP.
    pub fn layers(&self) -> io::Result<Option<Box<Layers>>> {
        if self.tls.is_none() && self.websocket.is_none() {
            return Ok(None);
        }
        Ok(Some(Box::new(Layers {
            tls: self.tls.as_ref().map(tls::Connector::connect).transpose()?,
            websocket: self.websocket.as_ref().map(WebSocket::new),
        })))
    }
}

impl Layers {
    /// Takes whole packets, and appends to `out` what the socket is to send, now or later.
    pub fn encode(&mut self, packets: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match (&mut self.tls, &mut self.websocket) {
            (None, Some(websocket)) => websocket.encode(packets, out),
            (tls, Some(websocket)) => {
                let mut frames = Vec::with_capacity(packets.len() + 64);
                websocket.encode(packets, &mut frames);
                encrypt(tls, &frames, out)?;
            }
            (tls, None) => encrypt(tls, packets, out)?,
        }
        Ok(())
    }

    /// Takes what the socket has received from `input[received]`, puts what is in it to `input[start..]`, and returns where that
    /// ends. There must be [`HEADROOM`] between `start` and `received`. Answers of the layers themselves are appended to `out`.
    ///
    /// # Errors
    /// Whatever ends the connection: a peer that is not trusted, a broken protocol, or a goodbye (`UnexpectedEof`).
    pub fn decode(
        &mut self,
        input: &mut [u8],
        start: usize,
        received: Range<usize>,
        out: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut end = start + received.len();
        match &mut self.tls {
            None => input.copy_within(received, start),
            Some(tls) => {
                let decrypted = decrypt(tls, input, start, received);
                // Also when it failed: then there is an alert to be sent.
                flush(tls, out)?;
                end = decrypted?;
            }
        }
        if let Some(websocket) = &mut self.websocket {
            let mut answers = Vec::new();
            end = start + websocket.decode(&mut input[start..end], &mut answers)?;
            match &mut self.tls {
                None => out.append(&mut answers),
                tls => encrypt(tls, &answers, out)?,
            }
        }
        Ok(end)
    }

    /// Says goodbye as the layers want it: Close (RFC 6455 section 5.5.1), close_notify (RFC 8446 section 6.1).
    pub fn close(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if let Some(websocket) = &mut self.websocket {
            let mut frame = Vec::new();
            websocket.close(&mut frame);
            match &mut self.tls {
                None => out.append(&mut frame),
                tls => encrypt(tls, &frame, out)?,
            }
        }
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            flush(tls, out)?;
        }
        Ok(())
    }

    /// What the TLS handshake came to, once it is over.
    pub fn handshake(&self) -> Option<Handshake> {
        Handshake::of(self.tls.as_ref()?)
    }
}

fn encrypt(tls: &mut Option<ClientConnection>, plaintext: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let Some(tls) = tls else { return Ok(()) };
    if !plaintext.is_empty() {
        tls.writer().write_all(plaintext)?;
    }
    flush(tls, out)
}

fn flush(tls: &mut ClientConnection, out: &mut Vec<u8>) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(out)?;
    }
    Ok(())
}

fn decrypt(tls: &mut ClientConnection, input: &mut [u8], start: usize, received: Range<usize>) -> io::Result<usize> {
    let (mut next, mut end, mut has_ended) = (received.start, start, false);
    while next < received.end {
        let mut rest = &input[next..received.end];
        let taken = tls.read_tls(&mut rest)?;
        // What follows a close_notify is not for us (RFC 8446 section 6.1).
        if taken == 0 {
            break;
        }
        next += taken;
        let state = tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let length = state.plaintext_bytes_to_read();
        tls.reader().read_exact(&mut input[end..end + length])?;
        end += length;
        has_ended |= state.peer_has_closed();
    }
    if has_ended && end == start {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "the broker closed the connection with a close_notify"));
    }
    Ok(end)
}
