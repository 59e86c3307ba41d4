//! A WebSocket server that sends each message back, made of the parts that the broker is made of. It is what the Autobahn test suite is run
//! against: the suite sends text, which the broker refuses.
//!
//! `cargo run --example websocket_echo -- 127.0.0.1:9001`

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use ringmq::net::websocket::{
    FrameDecoder, FrameHeader, Handshake, MessageKind, Piece, Progress, WebSocketConfig, WebSocketFailure, close_code,
    close_frame, pong_frame,
};

/// Bytes of a message that is sent back.
const MESSAGE_MAX: usize = 32 << 20;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    for socket in listener.incoming() {
        let socket = socket?;
        std::thread::spawn(move || {
            if let Err(error) = serve(socket) {
                println!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let config = WebSocketConfig { paths: vec!["*".into()], subprotocols: Vec::new(), ..WebSocketConfig::default() };
    let mut handshake = Handshake::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut echo = Echo::default();
    let mut out = Vec::new();
    loop {
        let size = socket.read(&mut buffer)?;
        if size == 0 {
            return Ok(());
        }
        match handshake.receive(&config, &buffer[..size]) {
            Progress::NeedMore => {}
            Progress::Accepted(accepted) => {
                out.extend(accepted.response);
                break echo.receive(&mut buffer[accepted.consumed..size], &mut out);
            }
            Progress::Refused(refused) => return socket.write_all(&refused.response),
        }
    }
    while !echo.is_closed {
        socket.write_all(&out)?;
        out.clear();
        let size = socket.read(&mut buffer)?;
        if size == 0 {
            return Ok(());
        }
        echo.receive(&mut buffer[..size], &mut out);
    }
    socket.write_all(&out)
}

#[derive(Default)]
struct Echo {
    frames: FrameDecoder,
    message: Vec<u8>,
    /// Bytes of the message that are known to be UTF-8.
    checked: usize,
    is_closed: bool,
}

impl Echo {
    fn receive(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) {
        let mut position = 0;
        while !self.is_closed {
            let piece = match self.frames.next(bytes, &mut position) {
                Ok(Some(piece)) => piece,
                Ok(None) => return,
                Err(failure) => return self.close(Some(failure.close_code()), out),
            };
            match piece {
                Piece::Data { kind, payload, ends_message, .. } => {
                    self.message.extend_from_slice(&bytes[payload]);
                    if kind == MessageKind::Text && !self.is_utf8(ends_message) {
                        self.close(Some(1007), out);
                    } else if self.message.len() > MESSAGE_MAX {
                        self.close(Some(1009), out);
                    } else if ends_message {
                        self.send_back(kind, out);
                    }
                }
                Piece::Ping(payload) => pong_frame(&payload, out),
                Piece::Pong(_) => {}
                Piece::Close(payload) => {
                    let code =
                        close_code(&payload).unwrap_or_else(|failure: WebSocketFailure| Some(failure.close_code()));
                    self.close(code, out);
                }
            }
        }
    }

    fn send_back(&mut self, kind: MessageKind, out: &mut Vec<u8>) {
        let header = match kind {
            MessageKind::Text => FrameHeader::text(self.message.len()),
            MessageKind::Binary => FrameHeader::binary(self.message.len()),
        };
        out.extend_from_slice(&header);
        out.append(&mut self.message);
        self.checked = 0;
    }

    /// Whether the message can still become UTF-8, or is it if it is whole.
    fn is_utf8(&mut self, is_whole: bool) -> bool {
        match std::str::from_utf8(&self.message[self.checked..]) {
            Ok(_) => self.checked = self.message.len(),
            Err(error) if error.error_len().is_none() && !is_whole => self.checked += error.valid_up_to(),
            Err(_) => return false,
        }
        true
    }

    fn close(&mut self, code: Option<u16>, out: &mut Vec<u8>) {
        close_frame(code, out);
        self.is_closed = true;
    }
}
