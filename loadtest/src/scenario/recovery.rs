//! Brokers that are killed with many messages in them, and started again on what they have on disk: how long until they answer
//! a CONNECT, with how much memory, and is everything there that they had acknowledged?

mod loading;

use super::durable::Lanes;
use super::durable::drain::Drain;
use super::meter::Meter;
use super::retained::{Publishing, Replay};
use super::steady::run_number;
use crate::cli::{RecoveryArgs, RetainedArgs, TargetArgs};
use crate::compare::broker::{Broker, Directory, START_PATIENCE};
use crate::compare::brokers;
use crate::cpus;
use crate::engine::dial::{Client, DialOptions, dial};
use crate::engine::fleet::Fleet;
use crate::engine::plan::Message;
use crate::engine::requests::Drive;
use crate::faults::Faults;
use crate::measure::cpu::CpuSample;
use crate::measure::memory::Memory;
use crate::mqtt::Session;
use crate::report::origin::Origin;
use crate::report::side_by_side::{SideBySide, Subject};
use crate::report::{self, grouped, mebibytes, progress_line};
use crate::run::{dial_options, prepare, topic_prefix};
use anyhow::Context;
use loading::Queueing;
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

/// Time for a broker to see that clients have left, and to do what it does a little later.
const SETTLE: Duration = Duration::from_millis(500);

/// Runs all rounds, and tells whether every broker had everything.
pub fn run(args: &RecoveryArgs) -> anyhow::Result<bool> {
    let (brokers, baseline) = brokers(&args.turns)?;
    let title = format!(
        "recovery of {} retained and {} queued messages of {} B",
        grouped(args.retained as f64),
        grouped(args.queued as f64),
        args.payload
    );
    let mut subjects: Vec<Subject> =
        brokers.iter().map(|broker| Subject { name: broker.name.clone(), rounds: Vec::new() }).collect();
    for round in 1..=args.turns.rounds {
        for (broker, subject) in brokers.iter().zip(&mut subjects) {
            let measured = cpus::pinned(&args.turns.load_cpus, || measure(args, broker))?;
            let result = measured.with_context(|| format!("{} in round {round} of the {title}", broker.name))?;
            progress_line::clear();
            println!("round {round}  {:<16} {}", broker.name, one_line(&result));
            subject.rounds.push(result);
        }
    }
    let passed = subjects.iter().flat_map(|subject| &subject.rounds).all(|round| round["failed"] == false);
    let comparison = SideBySide { title, subjects, baseline };
    comparison.print(args.turns.rounds);
    if let Some(path) = &args.turns.json {
        let of_broker = |(subject, broker): (&Subject, &Broker)| json!({ "name": broker.name, "command": broker.command, "rounds": subject.rounds });
        let scenario = json!({
            "name": comparison.title,
            "baseline": comparison.subjects[baseline].name,
            "medians": comparison.medians(),
            "brokers": comparison.subjects.iter().zip(&brokers).map(of_broker).collect::<Vec<_>>(),
        });
        report::write_json(path, &json!({ "origin": Origin::now(), "scenarios": [scenario] }))?;
    }
    if let Some(path) = &args.turns.html {
        report::html::write(path, std::slice::from_ref(&comparison))?;
    }
    if !passed {
        println!("FAILED: see the rounds with faults");
    }
    Ok(passed)
}

/// Fills a broker, kills it, starts it again, and fetches everything.
fn measure(args: &RecoveryArgs, broker: &Broker) -> anyhow::Result<Value> {
    let directory = Directory::create()?;
    let running = broker.start(&args.turns.broker_cpus, &directory)?;
    let target = TargetArgs::of_loopback(running.port, args.mqtt, args.patience);
    prepare(&target)?;
    let load = Load::new(args, target);
    let meter = Meter::new(Some(running.pid()));
    let phase = meter.begin()?;
    load.fill()?;
    let filling = meter.end(&phase)?;
    thread::sleep(SETTLE);
    let loaded = Memory::take(running.pid())?;
    running.kill()?;

    progress_line::say("starting again");
    let bytes_on_disk = directory.bytes_on_disk()?;
    let mut running = broker.spawn(&args.turns.broker_cpus, &directory)?;
    running.wait_until_listening()?;
    let load = load.on(running.port);
    // A connection may be accepted long before its CONNECT is answered.
    dial(&load.clients("first", 1), &DialOptions { patience: START_PATIENCE, ..load.options(Session::Clean)? })?;
    let seconds = running.age().as_secs_f64();
    let cpu = CpuSample::take(running.pid())?.since(&CpuSample::default());
    let recovered = Memory::take(running.pid())?;
    let (faults, first_fault) = load.fetch()?;
    running.check()?;
    let messages = (args.retained + args.queued) as u64;
    Ok(json!({
        "scenario": "recovery",
        "retained": args.retained,
        "queued": args.queued,
        "sessions": args.sessions,
        "payload_bytes": args.payload,
        "filling": {
            "messages_per_second": filling.per_second(messages),
            "cpu_us_per_message": filling.broker_us_per(messages),
        },
        "recovery": {
            "seconds": seconds,
            "cpu_seconds": cpu.running_ns as f64 / 1e9,
            "bytes_on_disk": bytes_on_disk,
            "rss_bytes_loaded": loaded.rss_bytes,
            "rss_bytes": recovered.rss_bytes,
        },
        "faults": faults,
        "first_fault": first_fault,
        "failed": faults.any(),
    }))
}

fn one_line(result: &Value) -> String {
    let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
    let failed = match result["failed"] == true {
        true => format!("  FAILED: {}, first: {}", result["faults"], result["first_fault"]),
        false => String::new(),
    };
    format!(
        "filled with {}/s  {:.0} MiB on disk  back after {:.3} s  RSS {:.0} MiB, {:.0} before{failed}",
        grouped(number("/filling/messages_per_second")),
        mebibytes(number("/recovery/bytes_on_disk") as u64),
        number("/recovery/seconds"),
        mebibytes(number("/recovery/rss_bytes") as u64),
        mebibytes(number("/recovery/rss_bytes_loaded") as u64),
    )
}

/// What a broker is filled with.
struct Load {
    retained: RetainedArgs,
    topics: Vec<String>,
    prefix: String,
    lanes: Lanes,
    queued: usize,
    run: u32,
}

impl Load {
    fn new(args: &RecoveryArgs, target: TargetArgs) -> Self {
        let prefix = topic_prefix();
        Self {
            retained: RetainedArgs {
                topics: args.retained,
                updates: 1,
                payload: args.payload,
                qos: 1,
                publishers: args.publishers,
                window: args.window,
                subscribers: 1,
                subtrees: false,
                keep: true,
                target,
            },
            topics: (0..args.retained).map(|number| format!("{prefix}/retained/{}/{number}", number / 1_000)).collect(),
            // Each session has a topic of its own.
            lanes: Lanes::new(args.sessions, args.sessions, prefix.clone()),
            prefix,
            queued: args.queued,
            run: run_number(),
        }
    }

    /// The same at another port.
    fn on(mut self, port: u16) -> Self {
        self.retained.target.port = port;
        self
    }

    fn message(&self) -> Message {
        Message { qos: 1, payload_bytes: self.retained.payload, retain: false, part: 0 }
    }

    fn clients(&self, name: &str, count: usize) -> Vec<Client> {
        let client_id = |index| format!("{}-{name}-{index}", self.prefix.replace('/', "-"));
        (0..count).map(|index| Client { client_id: client_id(index), filters: Vec::new() }).collect()
    }

    fn options(&self, session: Session) -> anyhow::Result<DialOptions> {
        let connections = self.lanes.subscribers + self.retained.publishers;
        Ok(DialOptions { session, ..dial_options(&self.retained.target, connections, 1, 0)? })
    }

    /// Makes the sessions, lets their clients go, and publishes; all of it is acknowledged.
    fn fill(&self) -> anyhow::Result<()> {
        let sessions = self.lanes.sessions();
        let mut fleet = Fleet::new(&sessions, &self.options(Session::Persistent)?)?;
        fleet.enqueue_all(None);
        fleet.run_until_in(|_| progress_line::say("subscribing"))?;
        (0..sessions.len()).for_each(|index| fleet.disconnect(index));
        thread::sleep(SETTLE);
        let publishers = self.clients("publisher", self.retained.publishers);
        let mut links = dial(&publishers, &self.options(Session::Clean)?)?;
        let RetainedArgs { target, window, .. } = &self.retained;
        let drive = Drive { version: target.mqtt, window: *window, patience: target.answer_patience() };
        let say = |what: &'static str| {
            move |answered: u64| progress_line::say(&format!("{what} {}", grouped(answered as f64)))
        };
        drive.run(&mut links, &mut Publishing::new(&self.retained, &self.topics, self.run), say("retained"))?;
        let mut queueing =
            Queueing::new(&self.lanes, self.message(), self.queued, self.run, publishers.len(), target.mqtt);
        drive.run(&mut links, &mut queueing, say("queued"))?;
        Ok(())
    }

    /// Fetches what waits and what is retained, and tells what is not as it was.
    fn fetch(&self) -> anyhow::Result<(Faults, Option<String>)> {
        let sent: Vec<u64> = (0..self.lanes.publishers)
            .map(|topic| loading::count_of(topic, self.queued, self.lanes.publishers))
            .collect();
        let options = self.options(Session::Persistent)?;
        let mut drain = Drain::new(self.message(), &self.lanes, self.run, &sent, &options)?;
        drain.run()?;
        let mut faults = Faults::default();
        let drained = drain.finish(&mut faults)?;
        let links = dial(&self.clients("reader", 1), &self.options(Session::Clean)?)?;
        let filters = [format!("{}/retained/#", self.prefix)];
        let mut replay = Replay::new(&self.retained, &self.topics, &filters, self.run, links)?;
        replay.run()?;
        let replayed = replay.finish()?;
        faults.add(&replayed.faults);
        Ok((faults, drained.first_fault.or(replayed.first_fault)))
    }
}
