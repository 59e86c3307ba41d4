//! The server as a process that is killed and started again on one directory.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// What is started: the server under test as cargo has built it, or another one from a shell command.
#[derive(Clone, Debug)]
pub enum Program {
    Ringmq(Vec<String>),
    /// With `{port}`, `{directory}` and `{shards}` in it.
    Other(String),
}

pub struct Broker {
    program: Program,
    directory: PathBuf,
    /// What comes before the command, to run it somewhere else.
    pub prefix: Vec<String>,
    child: Option<Child>,
    log: PathBuf,
    starts: usize,
    started_at: Instant,
    asked_at: Instant,
    port: u16,
}

/// Nothing here takes this long; it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(60);

impl Broker {
    /// Keeps its data and its logs below `directory`.
    pub fn new(program: Program, directory: &Path) -> Self {
        let now = Instant::now();
        Self {
            program,
            directory: directory.into(),
            prefix: Vec::new(),
            child: None,
            log: directory.join("broker.log"),
            starts: 0,
            started_at: now,
            asked_at: now,
            port: 0,
        }
    }

    /// Starts the process and does not wait for it.
    pub fn spawn(&mut self, shards: usize) {
        assert!(self.child.is_none(), "one at a time");
        self.starts += 1;
        self.log = self.directory.join(format!("broker-{:03}.log", self.starts));
        let log = File::create(&self.log).expect("the directory can be written");
        let arguments = self.arguments(shards);
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RINGMQ_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.started_at = Instant::now();
        self.child = Some(command.spawn().expect("the program runs"));
    }

    /// Waits until it serves; gives its address and the time since its start.
    pub fn wait_until_ready(&mut self) -> Result<(SocketAddr, Duration), String> {
        while self.started_at.elapsed() < PATIENCE {
            if let Some(address) = self.ready_address() {
                return Ok((address, self.started_at.elapsed()));
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("a child"));
            if let Some(status) = ended {
                self.child = None;
                return Err(format!("the server ended with {status} at its start: {}", self.log_text()));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err(format!("the server is not ready: {}", self.log_text()))
    }

    /// SIGKILL: what the process holds is gone.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().expect("a child can be killed");
        child.wait().expect("a child");
    }

    /// SIGTERM.
    pub fn ask_to_stop(&mut self) {
        if let Some(child) = &self.child {
            kill_process(Pid::from_child(child), Signal::TERM).expect("a child takes signals");
            self.asked_at = Instant::now();
        }
    }

    /// Whether it has ended after [`ask_to_stop`](Self::ask_to_stop); a sentence if it has not done so in order.
    pub fn has_stopped(&mut self) -> Result<bool, String> {
        let status = self.child.as_mut().and_then(|child| child.try_wait().expect("a child"));
        match status {
            Some(status) if status.success() || self.is_other() => {
                self.child = None;
                Ok(true)
            }
            Some(status) => Err(format!("the server ended with {status}: {}", self.log_text())),
            None if self.asked_at.elapsed() > PATIENCE => Err(format!("the server does not end: {}", self.log_text())),
            None => Ok(false),
        }
    }

    /// A sentence if it has ended by itself.
    pub fn check(&mut self) -> Result<(), String> {
        let status = self.child.as_mut().and_then(|child| child.try_wait().expect("a child"));
        status.map_or(Ok(()), |status| {
            let signal = status.signal().map_or(String::new(), |signal| format!(", signal {signal}"));
            Err(format!("the server ended by itself with {status}{signal}: {}", self.log_text()))
        })
    }

    /// The log since the last start.
    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn is_other(&self) -> bool {
        matches!(self.program, Program::Other(_))
    }

    fn arguments(&mut self, shards: usize) -> Vec<String> {
        let shards = shards.to_string();
        let mut words = self.prefix.clone();
        match &self.program {
            Program::Ringmq(arguments) => {
                let fixed =
                    [env!("CARGO_BIN_EXE_ringmq"), "serve", "--listen", "tcp://127.0.0.1:0", "--shards", &shards];
                words.extend(fixed.map(String::from));
                words.extend(arguments.iter().cloned());
            }
            Program::Other(command) => {
                self.port = free_port();
                let command = command.replace("{port}", &self.port.to_string()).replace("{shards}", &shards);
                let command = command.replace("{directory}", &self.directory.display().to_string());
                words.extend(["sh".into(), "-c".into(), format!("exec {command}")]);
            }
        }
        words
    }

    fn ready_address(&self) -> Option<SocketAddr> {
        if self.is_other() {
            let address = SocketAddr::from(([127, 0, 0, 1], self.port));
            return TcpStream::connect(address).is_ok().then_some(address);
        }
        let log = self.log_text();
        let line = log.lines().find(|line| line.contains("is ready"))?;
        let address = line.split("tcp://").nth(1)?;
        address[..address.find(' ').unwrap_or(address.len())].parse().ok()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that is free now; nobody else takes it in the moment until it is used, except by a rare accident.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}
