//! A server in this process, its administration, and requests to that.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ringmq::admin::{Admin, AdminConfig};
use ringmq::runtime::{ListenerConfig, RuntimeConfig, Server, ShardCount};
use serde_json::Value;

/// No answer takes longer, unless it is lost.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Rig {
    // Before the server, so that nobody asks one that is gone.
    pub admin: Admin,
    pub server: Server,
    pub address: SocketAddr,
}

impl Rig {
    pub fn start(shards: usize) -> Self {
        Self::start_with(shards, |_| {})
    }

    pub fn start_with(shards: usize, change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        let mut listener = ListenerConfig::from(any_port());
        listener.access.allow_anonymous = Some(true);
        let mut config = RuntimeConfig {
            listeners: vec![listener],
            shards: ShardCount::Exactly(shards),
            receive_buffers: 64,
            ..RuntimeConfig::default()
        };
        change(&mut config);
        let server = Server::start(config).unwrap();
        let address = server.addresses()[0];
        let admin = Admin::start(&AdminConfig { listen: any_port(), token_file: None }, server.handle()).unwrap();
        Self { admin, server, address }
    }
}

impl Administration for Rig {
    fn administration(&self) -> SocketAddr {
        self.admin.address()
    }
}

/// Requests to the administration at an address.
pub trait Administration {
    fn administration(&self) -> SocketAddr;

    /// Sends one request and returns the status and the body.
    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let host = self.administration();
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = match body.len() {
            0 => String::new(),
            size => format!("Content-Type: application/json\r\nContent-Length: {size}\r\n"),
        };
        let (status, body) = self.send(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{body}"));
        let parsed = serde_json::from_str(&body);
        (status, if body.is_empty() { Value::Null } else { parsed.unwrap_or(Value::String(body)) })
    }

    /// Sends one request as it stands.
    fn send(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.administration()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The answer to a GET that succeeds.
    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let (status, body) = self.request("GET", path, None);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// All entries of a list, page by page, and how many pages there were.
    #[track_caller]
    fn list(&self, path: &str, entries: &str, limit: usize) -> (Vec<Value>, usize) {
        let separator = if path.contains('?') { '&' } else { '?' };
        let (mut all, mut pages, mut after) = (Vec::new(), 0, String::new());
        loop {
            let page = self.get(&format!("{path}{separator}limit={limit}{after}"));
            let listed = page[entries].as_array().unwrap_or_else(|| panic!("{path}: {page}"));
            assert!(listed.len() <= limit, "{path}: {} entries", listed.len());
            all.extend_from_slice(listed);
            pages += 1;
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return (all, pages),
            }
        }
    }
}

#[track_caller]
pub fn assert_failure(answer: &(u16, Value), status: u16, reason: &str) {
    assert_eq!((answer.0, answer.1["reason"].as_str()), (status, Some(reason)), "{answer:?}");
    assert!(answer.1["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer:?}");
}

/// Tries until it is so, because nobody is told when it is.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}
