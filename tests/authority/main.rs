//! Who a client is, through the authority's public face: files, tokens, another program over HTTP, and crowds.

mod http;
mod jwt;
mod password_file;
mod scram;
mod secrets;
mod storm;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use ringmq::access::{Address, Denial, Grant, ListenerId, Login, Password, Verdict};
use ringmq::authority::{AccessConfig, Authority, AuthorityError, Sources, Ticket, Warning};
use zeroize::Zeroizing;

/// Long enough that only an answer that never comes is later.
const PATIENCE: Duration = Duration::from_secs(120);

/// An authority whose time stands still until a test moves it.
struct Rig {
    authority: Authority,
    warnings: Vec<Warning>,
    answers: Receiver<(Ticket, Verdict)>,
    time: Time,
    dir: tempfile::TempDir,
}

/// Seconds since 1970, and since the start.
#[derive(Clone, Default)]
struct Time {
    wall_s: Arc<AtomicU64>,
    elapsed_ms: Arc<AtomicU64>,
}

impl Rig {
    fn start(listeners: &[AccessConfig]) -> Result<Self, AuthorityError> {
        Self::start_in(tempfile::tempdir().expect("a directory"), listeners)
    }

    fn start_in(dir: tempfile::TempDir, listeners: &[AccessConfig]) -> Result<Self, AuthorityError> {
        let time = Time::default();
        let (sender, answers) = channel();
        let answer = move |ticket, verdict| {
            // A test that has ended does not wait for the rest.
            let _ = sender.send((ticket, verdict));
        };
        let (authority, warnings) = Authority::start(listeners, time.sources(), answer)?;
        Ok(Self { authority, warnings, answers, time, dir })
    }

    /// With a password file of this content, at the only listener.
    fn with_file(content: &str) -> Result<Self, AuthorityError> {
        let dir = tempfile::tempdir().expect("a directory");
        let config = password_file(&dir, content);
        Self::start_in(dir, &[config])
    }

    fn ask(&self, login: Login) -> Verdict {
        self.authority.ask(ticket(1), login);
        self.next()
    }

    fn next(&self) -> Verdict {
        self.next_answer().1
    }

    fn next_answer(&self) -> (Ticket, Verdict) {
        self.answers.recv_timeout(PATIENCE).expect("every login has an answer")
    }
}

impl Time {
    fn sources(&self) -> Sources {
        let (wall_s, elapsed_ms) = (self.wall_s.clone(), self.elapsed_ms.clone());
        Sources {
            wall: Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(wall_s.load(Ordering::SeqCst))),
            elapsed: Arc::new(move || Duration::from_millis(elapsed_ms.load(Ordering::SeqCst))),
            random: Arc::new(|bytes| aws_lc_rs::rand::fill(bytes).expect("random bytes")),
        }
    }

    fn pass(&self, time: Duration) {
        self.elapsed_ms.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }
}

/// Writes `passwd` and names it.
fn password_file(dir: &tempfile::TempDir, content: &str) -> AccessConfig {
    let path = write(dir, "passwd", content.as_bytes());
    AccessConfig { password_file: Some(path), ..AccessConfig::default() }
}

/// Writes a file that only its owner can read.
fn write(dir: &tempfile::TempDir, name: &str, content: &[u8]) -> PathBuf {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = dir.path().join(name);
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(content)).expect("a file is written");
    path
}

fn ticket(connection: u64) -> Ticket {
    Ticket { shard: 0, connection }
}

fn login(user: &str, password: &str) -> Login {
    Login {
        listener: ListenerId(0),
        address: Address::Ip("192.0.2.1:40000".parse().expect("an address")),
        client_id: "client-1".into(),
        user_name: Some(user.into()),
        password: Some(secret(password.as_bytes())),
        certificate: None,
    }
}

fn secret(bytes: &[u8]) -> Password {
    Password(Zeroizing::new(bytes.into()))
}

fn allowed(user: &str) -> Verdict {
    Verdict::Allowed(Grant { user_name: Some(user.into()), ..Grant::default() })
}

fn denied(denial: Denial) -> Verdict {
    Verdict::Denied(denial)
}
