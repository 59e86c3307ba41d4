//! Connections that are made, from TCP to CONNACK, and ended at once, a few at a time: what a handshake costs the broker, in
//! full and resumed.

mod report;

use super::meter::{Cost, Meter};
use crate::cli::{HandshakesArgs, TargetArgs};
use crate::engine::dial::Client;
use crate::engine::fleet::{Fleet, FleetReport};
use crate::measure::latency::Latencies;
use crate::report::{grouped, progress_line, write_files};
use crate::run::{default_source_addresses, dial_options, prepare, topic_prefix};
use report::{HandshakesReport, Kind};
use std::thread;
use std::time::{Duration, Instant};

/// Clients for each connection at a time: a broker may not have noticed that a client has left when the next ones come.
const CLIENTS_PER_CONNECTION: usize = 8;

/// Connections that leave their ports in TIME-WAIT before the first of these can be used again, one second later
/// (tcp_tw_reuse in ip-sysctl.rst: on loopback).
const PORTS_WANTED: usize = 100_000;

/// Between two kinds of handshakes, for the broker to see the last clients leave.
const PAUSE: Duration = Duration::from_millis(500);

/// Makes connections of each kind that the transport has, and tells whether all succeeded.
pub fn run(args: &HandshakesArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let clients = clients(args.at_a_time * CLIENTS_PER_CONNECTION);
    let mut report = HandshakesReport::new(args);
    let mut full = args.target.clone();
    full.transport.no_resumption = true;
    report.full = Some(measure(args, &full, &clients, "full")?);
    if args.target.transport.tls && !args.target.transport.no_resumption {
        thread::sleep(PAUSE);
        report.resumed = Some(measure(args, &args.target, &clients, "resumed")?);
    }
    progress_line::clear();
    report.judge();
    report.print();
    write_files(&args.target, &report)?;
    Ok(!report.failed)
}

fn clients(count: usize) -> Vec<Client> {
    let prefix = topic_prefix().replace('/', "-");
    (0..count).map(|index| Client { client_id: format!("{prefix}-{index}"), filters: Vec::new() }).collect()
}

/// Makes connections of one kind.
fn measure(args: &HandshakesArgs, target: &TargetArgs, clients: &[Client], name: &str) -> anyhow::Result<Kind> {
    let mut options = dial_options(target, clients.len(), 0, 0)?;
    options.concurrency = args.at_a_time;
    options.source_addresses = target.source_addresses.unwrap_or(default_source_addresses(PORTS_WANTED));
    let mut fleet = Fleet::new(clients, &options)?.with_retries();
    let mut counts = Counts::default();
    fleet.enqueue_all(None);
    counts.turn_for(&mut fleet, args.warmup, name)?;
    let meter = Meter::new(target.broker_pid);
    (counts.made, counts.resumed) = (0, 0);
    fleet.report.latencies = Latencies::new();
    let phase = meter.begin()?;
    counts.turn_for(&mut fleet, args.seconds, name)?;
    let cost: Cost = meter.end(&phase)?;
    let FleetReport { latencies, failures, first_failure, .. } = fleet.report;
    Ok(Kind::new(&cost, counts, &latencies, failures, first_failure))
}

/// What was seen of the handshakes.
#[derive(Debug, Default)]
struct Counts {
    made: u64,
    resumed: u64,
    /// Version, cipher suite and key exchange, of the last one.
    agreed: Option<String>,
}

impl Counts {
    /// Lets each client that is in leave and come again.
    fn turn_for(&mut self, fleet: &mut Fleet<'_>, seconds: f64, name: &str) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        while let Some(rest) = until.checked_duration_since(Instant::now()) {
            fleet.turn(rest.min(Duration::from_millis(100)))?;
            for index in 0..fleet.len() {
                if fleet.is_ready(index) {
                    self.note(fleet, index);
                    fleet.disconnect(index);
                    fleet.enqueue(index);
                }
            }
            progress_line::say(&format!("{name:<10} {} handshakes", grouped(self.made as f64)));
        }
        Ok(())
    }

    fn note(&mut self, fleet: &Fleet<'_>, index: usize) {
        self.made += 1;
        if let Some(handshake) = fleet.handshake(index) {
            self.resumed += u64::from(handshake.is_resumed);
            self.agreed = Some(handshake.agreed);
        }
    }
}
