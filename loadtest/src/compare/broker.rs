//! Starting and stopping a broker that is compared.

use crate::cpus;
use anyhow::{Context, bail, ensure};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One of the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub name: String,
    /// With `{port}` in the place of the port, and `{directory}` in that of a directory for its data, if it wants one.
    pub command: String,
}

/// A directory for a broker's data, gone with this value.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
}

/// A broker that runs. It ends with this value, also when a measurement fails.
#[derive(Debug)]
pub struct Running {
    child: Child,
    command: String,
    pub port: u16,
    started: Instant,
}

/// RabbitMQ takes ten seconds on a machine with nothing else to do.
/// A broker that recovers a million messages may take longer.
pub const START_PATIENCE: Duration = Duration::from_secs(180);
const STOP_PATIENCE: Duration = Duration::from_secs(5);

impl Broker {
    /// Reads `NAME=COMMAND`.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, command) = text.split_once('=').context("a broker is given as NAME=COMMAND")?;
        ensure!(!name.is_empty() && command.contains("{port}"), "{text:?} is not NAME=COMMAND with {{port}} in it");
        Ok(Self { name: name.into(), command: command.into() })
    }

    /// Starts it on its CPUs and waits until it accepts connections.
    pub fn start(&self, cpu_list: &str, directory: &Directory) -> anyhow::Result<Running> {
        let mut running = self.spawn(cpu_list, directory)?;
        running.wait_until_listening()?;
        // What a broker does once after its start is not part of the measurement.
        thread::sleep(Duration::from_millis(300));
        Ok(running)
    }

    /// Starts it on its CPUs. `exec` makes the shell's process the broker's, so that its CPU is what is measured.
    pub fn spawn(&self, cpu_list: &str, directory: &Directory) -> anyhow::Result<Running> {
        let port = free_port()?;
        let command = self.command.replace("{port}", &port.to_string());
        let command = format!("exec {}", command.replace("{directory}", &directory.path.display().to_string()));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&command).stdin(Stdio::null()).stdout(Stdio::null());
        let child = cpus::pinned(cpu_list, || shell.spawn())?.with_context(|| format!("cannot start {command}"))?;
        Ok(Running { child, command, port, started: Instant::now() })
    }
}

impl Directory {
    /// An empty one.
    pub fn create() -> anyhow::Result<Self> {
        static DIRECTORIES: AtomicU32 = AtomicU32::new(0);
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringmq-load-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }

    /// What the files in it take on the disk.
    pub fn bytes_on_disk(&self) -> anyhow::Result<u64> {
        bytes_below(&self.path).with_context(|| format!("cannot read {}", self.path.display()))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A broker may have given it to another user; then it stays.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn bytes_below(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        // st_blocks counts units of 512 bytes, stat(2).
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Time since its start.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until it accepts connections.
    pub fn wait_until_listening(&mut self) -> anyhow::Result<()> {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let Self { command, port, .. } = self;
            if let Some(status) = self.child.try_wait()? {
                bail!("{command:?} ended with {status}");
            }
            ensure!(self.started.elapsed() < START_PATIENCE, "{command:?} does not listen on port {port}");
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Ends it as a crash does (SIGKILL).
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.check()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// An error if the broker has ended by itself.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let status = self.child.try_wait()?;
        status.map_or(Ok(()), |status| bail!("the broker ended during the measurement with {status}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        // A broker that goes this moment is as good as one that stops now.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let deadline = Instant::now() + STOP_PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports below those that the kernel gives to outgoing connections (ip_local_port_range in ip(7), from 32,768 on), so that
/// no connection takes one before the broker listens there.
const PORTS: Range<u16> = 20_000..30_000;

/// A port that nobody listens on. Comparisons that run at the same time begin to look at different ones, and each broker
/// of one comparison has another.
fn free_port() -> anyhow::Result<u16> {
    static BROKERS: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    let first = std::process::id().wrapping_mul(37).wrapping_add(BROKERS.fetch_add(1, Ordering::Relaxed)) % count;
    let mut ports = (0..count).map(|offset| PORTS.start + ((first + offset) % count) as u16);
    let port = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    port.with_context(|| format!("all ports from {} to {} are taken", PORTS.start, PORTS.end - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_needs_a_name_and_a_port() {
        let broker = Broker::parse("mine=./mine --set a=b {port}").unwrap();
        assert_eq!((broker.name.as_str(), broker.command.as_str()), ("mine", "./mine --set a=b {port}"));
        for bad in ["mine", "=x {port}", "mine=x"] {
            assert!(Broker::parse(bad).is_err(), "{bad:?}");
        }
    }
}
