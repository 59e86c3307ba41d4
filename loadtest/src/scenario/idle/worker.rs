//! A worker process: it holds its share of the connections, and does with them what it is asked, a line of JSON on
//! standard input each, answered by one on standard output.

use super::ping;
use super::sweep::{self, Sweep};
use crate::cli::IdleArgs;
use crate::engine::dial::{Client, DialOptions, dial_with};
use crate::engine::link::Link;
use crate::faults::Faults;
use crate::measure::cpu::CpuSample;
use crate::run::{dial_options, prepare, topic_prefix};
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use socket2::SockRef;
use std::io::{Write, stdin, stdout};
use std::time::{Duration, Instant};

/// What to do with the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Ping at the rate that the arguments ask for.
    Pings,
    /// Ping once on each.
    PingOnce,
    /// Publish one message to each.
    Deliver,
    /// Close them.
    Finish,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// So many of its connections are open.
    Connected(usize),
    /// All its connections are open, or what it was asked for is done.
    Done(Tally),
}

/// What came of a request.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    pub sent: u64,
    /// Pings answered, or messages that arrived intact where they belong.
    pub answered: u64,
    pub seconds: f64,
    /// CPU time of the worker.
    pub cpu_ns: u64,
    pub faults: Faults,
    pub first_fault: Option<String>,
}

impl Tally {
    /// Adds what another worker did in the same time.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.seconds = self.seconds.max(other.seconds);
        self.cpu_ns += other.cpu_ns;
        self.faults.add(&other.faults);
        self.first_fault = self.first_fault.take().or(other.first_fault);
    }
}

/// Times that a worker tells how far it has come with connecting.
const PROGRESS_STEPS: usize = 100;

/// Holds the share of the worker with this number until nobody is there to ask any more.
pub fn run(args: &IdleArgs, index: usize) -> anyhow::Result<()> {
    prepare(&args.target)?;
    let share = share(args.connections, args.processes.min(args.connections), index);
    let prefix = topic_prefix();
    let mut options = dial_options(&args.target, share, args.qos, args.keep_alive)?;
    options.source_addresses = source_addresses_of_one(args, options.source_addresses);
    options.source_addresses_skipped = index as u32 * options.source_addresses;
    let mut links = connect(args, &options, &prefix, share)?;
    reply(&Reply::Done(Tally::default()))?;
    let mut sweep = Sweep::new(args, &prefix);
    for line in stdin().lines() {
        let request = serde_json::from_str(&line?).context("a request that no worker knows")?;
        let cpu_from = CpuSample::take(std::process::id())?;
        let mut tally = match request {
            Request::Pings => ping::at_intervals(&mut links[..share], args)?,
            Request::PingOnce => sweep.ping(&mut links[..share])?,
            Request::Deliver => sweep.deliver(&mut links)?,
            Request::Finish => finish(std::mem::take(&mut links))?,
        };
        tally.cpu_ns = CpuSample::take(std::process::id())?.since(&cpu_from).running_ns;
        reply(&Reply::Done(tally))?;
    }
    Ok(())
}

/// How many of the connections one of the processes has.
fn share(connections: usize, processes: usize, index: usize) -> usize {
    connections / processes + usize::from(index < connections % processes)
}

/// What the user asked for is for all processes together; what is chosen for want of that, for this one.
fn source_addresses_of_one(args: &IdleArgs, chosen: u32) -> u32 {
    // At least one: the kernel chooses no port that anybody has bound, so that it finds none next to many of ours.
    args.target.source_addresses.map_or(chosen.max(1), |all| all.div_ceil(args.processes as u32))
}

/// Opens the share, and one connection more for the publisher if there will be messages: it comes last.
fn connect(args: &IdleArgs, options: &DialOptions, prefix: &str, share: usize) -> anyhow::Result<Vec<Link>> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    ensure!(
        (share + DESCRIPTORS_RESERVED) as u64 <= limit,
        "{share} connections need more descriptors than the limit of {limit}: more --processes, or a higher ulimit -n"
    );
    let clients: Vec<Client> = (0..share + usize::from(args.deliver))
        .map(|index| Client {
            client_id: format!("{}-{index}", prefix.replace('/', "-")),
            filters: (args.subscribe && index < share).then(|| sweep::topic(prefix, index)).into_iter().collect(),
        })
        .collect();
    let step = share.div_ceil(PROGRESS_STEPS);
    let mut told = 0;
    dial_with(&clients, options, |connected| {
        let connected = connected.min(share);
        if connected - told >= step || (connected == share && told < share) {
            told = connected;
            reply(&Reply::Connected(connected))?;
        }
        Ok(())
    })
}

/// Descriptors that are not connections: the standard ones, the poller, files of /proc.
const DESCRIPTORS_RESERVED: usize = 16;

/// Looks which connections have ended, and closes all.
fn finish(mut links: Vec<Link>) -> anyhow::Result<Tally> {
    let started = Instant::now();
    let mut input = Vec::new();
    let ended = links.iter_mut().map(|link| u64::from(!link.is_open(&mut input))).sum();
    for link in &links {
        // A reset leaves no socket in TIME-WAIT: a million of them would hold their ports, and memory, for a minute.
        SockRef::from(link.socket()).set_linger(Some(Duration::ZERO))?;
    }
    drop(links);
    let faults = Faults { disconnected: ended, ..Faults::default() };
    Ok(Tally { seconds: started.elapsed().as_secs_f64(), faults, ..Tally::default() })
}

fn reply(reply: &Reply) -> anyhow::Result<()> {
    let mut output = stdout().lock();
    serde_json::to_writer(&mut output, reply)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_all_of_it_and_differ_by_one_at_most() {
        for (connections, processes) in [(10, 3), (7, 7), (1_000_000, 53), (5, 1)] {
            let shares: Vec<usize> = (0..processes).map(|index| share(connections, processes, index)).collect();
            assert_eq!(shares.iter().sum::<usize>(), connections);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn what_workers_did_at_the_same_time_is_added_up() {
        let mut sum = Tally { sent: 3, answered: 2, seconds: 1.5, cpu_ns: 7, ..Tally::default() };
        let faults = Faults { lost: 1, ..Faults::default() };
        let other = Tally { sent: 4, answered: 4, seconds: 1.0, cpu_ns: 1, faults, first_fault: Some("x".into()) };
        sum.add(other);
        let expected = Tally { sent: 7, answered: 6, seconds: 1.5, cpu_ns: 8, faults, first_fault: Some("x".into()) };
        assert_eq!(sum, expected);
    }
}
