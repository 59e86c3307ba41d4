//! The real binary with a configuration file, its administration, and `ringmq ctl` against that.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use tempfile::TempDir;

use crate::rig::{Administration, PATIENCE};

pub const TOKEN: &str = "a-token-that-nobody-guesses";

/// A server that is killed when it is dropped.
pub struct Process {
    child: Child,
    log: Receiver<String>,
    pub address: SocketAddr,
    pub administration: SocketAddr,
    directory: TempDir,
}

impl Process {
    /// Starts with this in its file, besides what makes it listen.
    pub fn start(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = ringmq();
        command.args(["serve", "--config"]).arg(directory.path().join("ringmq.toml"));
        command.stderr(Stdio::piped()).stdout(Stdio::null());
        let file = directory.path().join("ringmq.toml");
        fs::write(&file, Self::whole(text)).unwrap();
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let nowhere = SocketAddr::from(([0; 4], 0));
        let mut process = Self { child, log, address: nowhere, administration: nowhere, directory };
        let ready = process.wait_for_log(" is ready");
        process.address =
            ready.split("listen=tcp://").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        let told = process.wait_for_log("administration at http://");
        process.administration = told.rsplit("http://").next().unwrap().trim().parse().unwrap();
        process
    }

    /// Another content of the file, which nobody reads yet.
    pub fn write(&self, text: &str) {
        fs::write(self.file(), Self::whole(text)).unwrap();
    }

    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ringmq.toml")
    }

    /// The next line of the log with this in it.
    #[track_caller]
    pub fn wait_for_log(&self, wanted: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            match self.log.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(wanted) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("{wanted} is not in the log: {seen:#?}"),
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    pub fn ctl(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.administration);
        ringmq().args(["ctl", "--url", &url]).args(arguments).output().unwrap()
    }

    /// With something on its standard input.
    pub fn ctl_with(&self, arguments: &[&str], input: Stdio) -> Output {
        let url = format!("http://{}", self.administration);
        ringmq().args(["ctl", "--url", &url]).args(arguments).stdin(input).output().unwrap()
    }

    /// The output of a command that succeeds.
    #[track_caller]
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn whole(text: &str) -> String {
        format!("listen = [\"tcp://127.0.0.1:0\"]\nadmin.listen = \"127.0.0.1:0\"\nstorage.persistence = false\n{text}")
    }
}

impl Administration for Process {
    fn administration(&self) -> SocketAddr {
        self.administration
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
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
    command.stdin(Stdio::null());
    command
}
