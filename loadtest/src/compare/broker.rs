//! Starting and stopping a broker that is compared.

use crate::cpus;
use anyhow::{Context, bail, ensure};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One of the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub name: String,
    /// With `{port}` in the place of the port.
    pub command: String,
}

/// A broker that runs. It ends with this value, also when a measurement fails.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pub port: u16,
}

/// RabbitMQ takes ten seconds on a machine with nothing else to do.
const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(5);

impl Broker {
    /// Reads `NAME=COMMAND`.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, command) = text.split_once('=').context("a broker is given as NAME=COMMAND")?;
        ensure!(!name.is_empty() && command.contains("{port}"), "{text:?} is not NAME=COMMAND with {{port}} in it");
        Ok(Self { name: name.into(), command: command.into() })
    }

    /// Starts it on its CPUs and waits until it accepts connections. `exec` makes the shell's process the broker's, so that
    /// its CPU is what is measured.
    pub fn start(&self, cpu_list: &str) -> anyhow::Result<Running> {
        let port = free_port()?;
        let command = format!("exec {}", self.command.replace("{port}", &port.to_string()));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&command).stdin(Stdio::null()).stdout(Stdio::null());
        let child = cpus::pinned(cpu_list, || shell.spawn())?.with_context(|| format!("cannot start {command}"))?;
        let mut running = Running { child, port };
        let deadline = Instant::now() + START_PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = running.child.try_wait()? {
                bail!("{command:?} ended with {status}");
            }
            ensure!(Instant::now() < deadline, "{command:?} does not listen on port {port}");
            thread::sleep(Duration::from_millis(20));
        }
        // What a broker does once after its start is not part of the measurement.
        thread::sleep(Duration::from_millis(300));
        Ok(running)
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error if the broker has ended by itself.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let status = self.child.try_wait()?;
        status.map_or(Ok(()), |status| bail!("the broker ended during the measurement with {status}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // A broker that is gone already is as good as one that stops now.
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
