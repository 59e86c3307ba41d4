//! Listens for TLS, WebSocket or both, and passes what is inside on to a broker that speaks plain TCP.

pub mod certificates;
mod websocket;

use certificates::Certificates;
use rustls::ServerConnection;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use websocket::{Unwrapper, wrap};

/// What clients must speak.
#[derive(Clone)]
pub struct Gateway {
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub websocket: bool,
}

impl Gateway {
    pub fn tls(certificates: &Certificates, asks_clients: bool) -> Self {
        Self { tls: Some(certificates.server_config(asks_clients)), websocket: false }
    }

    pub fn ws() -> Self {
        Self { tls: None, websocket: true }
    }

    pub fn with_websocket(self) -> Self {
        Self { websocket: true, ..self }
    }

    /// Starts one in front of a broker, on a port of its own, which is returned; it ends with the test's process.
    pub fn start(self, broker_port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let gateway = self.clone();
                thread::spawn(move || gateway.serve(client, broker_port));
            }
        });
        port
    }

    /// Passes on what comes from both sides until one of them goes.
    fn serve(self, client: TcpStream, broker_port: u16) {
        let broker = TcpStream::connect(("127.0.0.1", broker_port)).unwrap();
        for socket in [&client, &broker] {
            socket.set_nodelay(true).unwrap();
        }
        let tls = self.tls.map(|config| ServerConnection::new(config).unwrap());
        let outside = Arc::new(Mutex::new(Outside { socket: client.try_clone().unwrap(), tls }));
        let inwards = (Arc::clone(&outside), client.try_clone().unwrap(), broker.try_clone().unwrap());
        let forwarding = thread::spawn(move || {
            let (outside, client, broker) = inwards;
            let _ = pass_in(&outside, &client, &broker, self.websocket);
            let _ = broker.shutdown(Shutdown::Both);
        });
        let _ = pass_out(&outside, &broker, self.websocket);
        let _ = client.shutdown(Shutdown::Both);
        forwarding.join().unwrap();
    }
}

/// The client's side.
struct Outside {
    socket: TcpStream,
    tls: Option<ServerConnection>,
}

impl Outside {
    /// Takes what the socket has received, and returns what is in it; `None` at the end.
    fn open(&mut self, mut received: &[u8]) -> Option<Vec<u8>> {
        let Some(tls) = &mut self.tls else { return Some(received.to_vec()) };
        let mut inside = Vec::new();
        while !received.is_empty() {
            tls.read_tls(&mut received).ok()?;
            let processed = tls.process_new_packets();
            let is_over = processed.is_err() || processed.as_ref().is_ok_and(|state| state.peer_has_closed());
            let length = processed.map_or(0, |state| state.plaintext_bytes_to_read());
            let start = inside.len();
            inside.resize(start + length, 0);
            tls.reader().read_exact(&mut inside[start..]).unwrap();
            // An alert, if it failed.
            self.socket.write_all(&pending(tls)).ok()?;
            if is_over {
                return None;
            }
        }
        Some(inside)
    }

    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        match &mut self.tls {
            None => self.socket.write_all(bytes).ok(),
            Some(tls) => {
                tls.writer().write_all(bytes).ok()?;
                self.socket.write_all(&pending(tls)).ok()
            }
        }
    }
}

fn pending(tls: &mut ServerConnection) -> Vec<u8> {
    let mut out = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut out).unwrap();
    }
    out
}

fn pass_in(outside: &Mutex<Outside>, mut client: &TcpStream, mut broker: &TcpStream, websocket: bool) -> Option<()> {
    let mut unwrapper = websocket.then(Unwrapper::default);
    let mut buffer = [0; 8_192];
    loop {
        let length = client.read(&mut buffer).ok().filter(|length| *length > 0)?;
        let mut inside = outside.lock().unwrap().open(&buffer[..length])?;
        if let Some(unwrapper) = &mut unwrapper {
            let mut answers = Vec::new();
            inside = unwrapper.take(&inside, &mut answers)?;
            outside.lock().unwrap().send(&answers)?;
        }
        broker.write_all(&inside).ok()?;
    }
}

fn pass_out(outside: &Mutex<Outside>, mut broker: &TcpStream, websocket: bool) -> Option<()> {
    let mut buffer = [0; 8_192];
    loop {
        let length = broker.read(&mut buffer).ok().filter(|length| *length > 0)?;
        let bytes = if websocket { wrap(&buffer[..length]) } else { buffer[..length].to_vec() };
        outside.lock().unwrap().send(&bytes)?;
    }
}
