//! The binary as a child process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;

use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes this long; it turns a hang into a failure.
pub const TIME_MAX: Duration = Duration::from_secs(30);

/// A server that is killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// What it told until it was ready.
    pub start_log: Vec<String>,
    log: Receiver<String>,
}

impl Server {
    /// Starts on a free port with two shards, keeps nothing, and waits for the start message.
    pub fn start() -> Self {
        Self::start_with(&["--shards", "2", "--no-persistence"])
    }

    /// Must say where its store is, if it has one: servers cannot share it.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_as(ringmq(), arguments)
    }

    /// With this command, which may have an environment and a directory of its own.
    pub fn start_as(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command
            .args(["serve", "--listen", "tcp://127.0.0.1:0"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        // From here on the child does not outlive a panic.
        let mut server = Self { child, address: SocketAddr::from(([0; 4], 0)), start_log: Vec::new(), log };
        while server.address.port() == 0 {
            match server.log.recv_timeout(TIME_MAX) {
                Ok(line) => {
                    server.address = address_in(&line).unwrap_or(server.address);
                    server.start_log.push(line);
                }
                Err(_) => panic!("no start message; the log: {:#?}", server.start_log),
            }
        }
        server
    }

    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: it does nothing more.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child");
    }

    /// SIGTERM: it ends in order, and gives the rest of its log.
    pub fn stop(self) -> Vec<String> {
        signal("TERM", self.id());
        let (code, log) = self.wait();
        assert_eq!(code, Some(0), "{log:#?}");
        log
    }

    /// Waits for its end; gives its exit code and the rest of its log.
    pub fn wait(mut self) -> (Option<i32>, Vec<String>) {
        let deadline = Instant::now() + TIME_MAX;
        let mut lines = Vec::new();
        // The log ends with the process.
        while let Ok(line) = self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            lines.push(line);
        }
        assert!(Instant::now() < deadline, "the server does not end; its log: {lines:#?}");
        (self.child.wait().expect("a child").code(), lines)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, as it should in half of the tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, without the environment's own configuration.
pub fn ringmq() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RINGMQ_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs to the end.
pub fn run(arguments: &[&str]) -> Outcome {
    Outcome::of(ringmq().args(arguments).stdout(Stdio::piped()).output())
}

/// Runs to the end with something on standard input.
pub fn run_with_input(arguments: &[&str], input: &[u8]) -> Outcome {
    let mut command = ringmq();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
    Outcome::of(child.wait_with_output())
}

/// A `ringmq sub` that has its subscriptions; what it prints is read at the end.
pub struct Subscriber {
    child: Child,
}

impl Subscriber {
    /// `-d` makes it tell when the SUBACK has come.
    pub fn start(server: &Server, arguments: &[&str]) -> Self {
        let mut command = ringmq();
        command.args(["sub", "-h", "127.0.0.1", "-p", &server.port(), "-W", "30", "-d"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut told = String::new();
        while !told.contains("received SUBACK") {
            let read = stderr.read_line(&mut told).expect("a pipe");
            assert!(read > 0, "the subscriber left: {told}");
        }
        thread::spawn(move || {
            // Read on, so that the pipe does not fill.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        });
        Self { child }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed, and its exit code.
    pub fn finish(mut self) -> (String, Option<i32>) {
        let mut printed = Vec::new();
        self.child.stdout.take().expect("a pipe").read_to_end(&mut printed).expect("a pipe");
        (String::from_utf8_lossy(&printed).into_owned(), self.child.wait().expect("a child").code())
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // As for the server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    fn of(output: std::io::Result<Output>) -> Self {
        let output = output.expect("the binary runs");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Sends a signal with the system's own `kill`.
pub fn signal(name: &str, id: u32) {
    let status = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().expect("kill runs");
    assert!(status.success());
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = line.split("tcp://").nth(1)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|address: &SocketAddr| line.contains("is ready") && address.port() != 0)
}
