//! What carries a client's bytes: TCP or a unix socket, perhaps with TLS, perhaps with WebSocket in it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use crate::websocket::WebSocket;

/// Bytes as the kernel carries them.
pub enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

pub type Tls = StreamOwned<ClientConnection, Wire>;

pub enum Stream {
    Plain(Wire),
    Tls(Box<Tls>),
    WebSocket(WebSocket<Wire>),
    SecureWebSocket(WebSocket<Box<Tls>>),
}

impl Stream {
    pub fn wire(&self) -> &Wire {
        match self {
            Self::Plain(wire) => wire,
            Self::Tls(tls) => &tls.sock,
            Self::WebSocket(websocket) => &websocket.inner,
            Self::SecureWebSocket(websocket) => &websocket.inner.sock,
        }
    }

    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::SecureWebSocket(websocket) => Some(&websocket.inner),
            Self::Plain(_) | Self::WebSocket(_) => None,
        }
    }

    /// Reads to the end.
    pub fn end(&mut self) -> End {
        let mut rest = Vec::new();
        let read = self.read_to_end(&mut rest);
        let close_code = match self {
            Self::WebSocket(websocket) => websocket.close_code,
            Self::SecureWebSocket(websocket) => websocket.close_code,
            Self::Plain(_) | Self::Tls(_) => None,
        };
        End { rest, close_code, is_clean: read.is_ok() }
    }
}

/// How the server ended a connection.
#[derive(Debug)]
pub struct End {
    /// What came before.
    pub rest: Vec<u8>,
    /// Of the WebSocket's close frame.
    pub close_code: Option<u16>,
    /// There was no reset, and with TLS a close_notify.
    pub is_clean: bool,
}

impl Wire {
    pub fn set_read_timeout(&self, timeout: Duration) {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)).unwrap(),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)).unwrap(),
        }
    }

    pub fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    /// Records of TLS that come together are to go together.
    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(bytes),
            Self::Unix(stream) => stream.write_vectored(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.read(into),
            Self::Tls(tls) => tls.read(into),
            Self::WebSocket(websocket) => websocket.read(into),
            Self::SecureWebSocket(websocket) => websocket.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
            Self::WebSocket(websocket) => websocket.write(bytes),
            Self::SecureWebSocket(websocket) => websocket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(wire) => wire.flush(),
            Self::Tls(tls) => tls.flush(),
            Self::WebSocket(websocket) => websocket.flush(),
            Self::SecureWebSocket(websocket) => websocket.flush(),
        }
    }
}
