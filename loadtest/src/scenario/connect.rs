//! Clients that connect and do nothing else: how many a second, how late, and what each costs the broker.

use super::meter::{Cost, Meter};
use crate::cli::ConnectArgs;
use crate::engine::dial::{Client, DialOptions};
use crate::engine::fleet::{Fleet, FleetReport};
use crate::measure::latency::{Latencies, Point, Summary};
use crate::mqtt::{Session, Version};
use crate::report::{grouped, mebibytes, percentiles, progress_line, write_files};
use crate::run::{dial_options, prepare, topic_prefix};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug, serde::Serialize)]
struct ConnectReport {
    scenario: &'static str,
    mqtt: Version,
    clients: usize,
    subscribed: bool,
    session: Session,
    rate: Option<f64>,
    /// Of all rounds.
    connects: u64,
    connect_seconds: f64,
    connects_per_second: f64,
    latency: Option<Summary>,
    rounds: Vec<Round>,
    broker: Option<Broker>,
    generator_cpu_us_per_connect: f64,
    /// Attempts that failed and were repeated.
    failures: u64,
    /// Established connections that the broker ended.
    ended: u64,
    first_failure: Option<String>,
    failed: bool,
    /// Latency by percentile, of all rounds.
    distribution: Vec<Point>,
}

#[derive(Debug, serde::Serialize)]
struct Round {
    connects_per_second: f64,
    latency: Option<Summary>,
    broker_cpu_us_per_connect: Option<f64>,
}

#[derive(Debug, serde::Serialize)]
struct Broker {
    cpu_us_per_connect: f64,
    rss_bytes: u64,
    rss_bytes_before: u64,
}

/// Connects in rounds, and tells whether every attempt succeeded.
pub fn run(args: &ConnectArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let meter = Meter::new(args.target.broker_pid);
    let memory_before = meter.memory()?;
    let clients = clients(args);
    let options = dial_options(&args.target, clients.len(), args.qos, args.keep_alive)?;
    let mut fleet = Fleet::new(&clients, &DialOptions { session: args.session, ..options })?.with_retries();
    let (mut total, mut latencies, mut rounds) = (Cost::default(), Latencies::new(), Vec::new());
    for round in 0..=args.reconnect {
        if round > 0 {
            leave(&mut fleet, clients.len())?;
        }
        let phase = meter.begin()?;
        fleet.enqueue_all(args.rate);
        fleet.run_until_in(|fleet| show(round, fleet.ready()))?;
        let cost = meter.end(&phase)?;
        let of_round = std::mem::replace(&mut fleet.report.latencies, Latencies::new());
        rounds.push(Round {
            connects_per_second: cost.per_second(clients.len() as u64),
            latency: of_round.summary(),
            broker_cpu_us_per_connect: cost.broker_us_per(clients.len() as u64),
        });
        latencies.add(&of_round);
        total.add(&cost);
    }
    settle(&mut fleet)?;
    let memory = meter.memory()?;
    if args.session == Session::Persistent {
        remove_sessions(&mut fleet, clients.len())?;
    }
    leave(&mut fleet, clients.len())?;
    progress_line::clear();
    let connects = (clients.len() * rounds.len()) as u64;
    let FleetReport { failures, ended, ref mut first_failure, .. } = fleet.report;
    let report = ConnectReport {
        scenario: "connect",
        mqtt: args.target.mqtt,
        clients: clients.len(),
        subscribed: args.subscribe,
        session: args.session,
        rate: args.rate,
        connects,
        connect_seconds: total.seconds,
        connects_per_second: total.per_second(connects),
        latency: latencies.summary(),
        rounds,
        broker: total.broker_us_per(connects).zip(memory_before).zip(memory).map(
            |((cpu_us_per_connect, before), now)| Broker {
                cpu_us_per_connect,
                rss_bytes: now.rss_bytes,
                rss_bytes_before: before.rss_bytes,
            },
        ),
        generator_cpu_us_per_connect: total.own_us_per(connects),
        failures,
        ended,
        first_failure: first_failure.take(),
        failed: failures + ended > 0,
        distribution: latencies.distribution(),
    };
    report.print();
    write_files(&args.target, &report)?;
    Ok(!report.failed)
}

fn clients(args: &ConnectArgs) -> Vec<Client> {
    let prefix = topic_prefix();
    let client = |index| Client {
        client_id: format!("{}-client-{index}", prefix.replace('/', "-")),
        filters: args.subscribe.then(|| format!("{prefix}/device/{index}/command")).into_iter().collect(),
    };
    (0..args.clients).map(client).collect()
}

/// Time for the broker to throw out whom it did not want after all, and for us to see it.
fn settle(fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_millis(300);
    while let Some(rest) = until.checked_duration_since(Instant::now()) {
        fleet.turn(rest)?;
    }
    Ok(())
}

/// Disconnects all clients, and waits until the broker will have noticed: that is not part of connecting.
fn leave(fleet: &mut Fleet<'_>, clients: usize) -> anyhow::Result<()> {
    settle(fleet)?;
    (0..clients).for_each(|index| fleet.disconnect(index));
    thread::sleep(Duration::from_millis(500));
    Ok(())
}

/// Connects everyone with a clean session, so that none of the run's sessions stays in the broker.
fn remove_sessions(fleet: &mut Fleet<'_>, clients: usize) -> anyhow::Result<()> {
    leave(fleet, clients)?;
    fleet.set_session(Session::Clean);
    fleet.enqueue_all(None);
    fleet.run_until_in(|_| progress_line::say("removing sessions"))
}

fn show(round: usize, ready: usize) {
    progress_line::say(&format!("round {}  {} connected", round + 1, grouped(ready as f64)));
}

impl ConnectReport {
    fn print(&self) {
        let what = match (self.subscribed, self.session) {
            (true, Session::Clean) => " and subscribe",
            (false, Session::Clean) => "",
            (true, Session::Persistent) => " and subscribe, with persistent sessions",
            (false, Session::Persistent) => " with persistent sessions",
        };
        println!("{} clients connect{what}", grouped(self.clients as f64));
        println!("  connected   in {:.2} s, {} per second", self.connect_seconds, grouped(self.connects_per_second));
        if let Some(latency) = &self.latency {
            println!("  to CONNACK  {}", percentiles(latency));
        }
        if let Some(broker) = &self.broker {
            println!(
                "  broker      {:.1} µs CPU per connect, RSS {:.1} MiB ({:.1} before)",
                broker.cpu_us_per_connect,
                mebibytes(broker.rss_bytes),
                mebibytes(broker.rss_bytes_before)
            );
        }
        println!("  generator   {:.1} µs CPU per connect", self.generator_cpu_us_per_connect);
        for (index, round) in self.rounds.iter().enumerate().filter(|_| self.rounds.len() > 1) {
            let latency = round.latency.as_ref().map_or(String::new(), percentiles);
            println!("  round {:<5} {} per second, {latency}", index + 1, grouped(round.connects_per_second));
        }
        println!("  failures    {} attempts, {} connections ended by the broker", self.failures, self.ended);
        if let Some(first_failure) = &self.first_failure {
            println!("              first: {first_failure}");
        }
        if self.failed {
            println!("FAILED");
        }
    }
}
