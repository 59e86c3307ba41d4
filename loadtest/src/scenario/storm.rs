//! A reconnect storm: thousands of clients lose their connections at once and all want them back, while others go on
//! exchanging messages and must not notice.

mod report;

use super::steady;
use crate::cli::StormArgs;
use crate::engine::dial::Client;
use crate::engine::fleet::{Fleet, FleetReport};
use crate::engine::plan::Message;
use crate::engine::worker::{Progress, Timeline};
use crate::measure::hdr_log::HdrFile;
use crate::measure::intervals::{Collector, Interval};
use crate::measure::latency::Latencies;
use crate::report::time_series::{Load, TimePoint};
use crate::report::{grouped, progress_line, write_files};
use crate::run::{dial_options, prepare, topic_prefix};
use report::{Established, Storm, StormReport};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Quiet, storm and after.
const PHASES: usize = 3;

/// What a storm leaves behind is felt a little longer than it lasts, and a percentile needs some messages.
const STORM_SECONDS_MIN: f64 = 0.5;

/// Runs the storm, and tells whether everyone came back and nothing happened to the others.
pub fn run(args: &StormArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let mut hdr_file = args.hdr.as_deref().map(HdrFile::create).transpose()?;
    let prefix = topic_prefix();
    let message = Message { qos: args.qos, payload_bytes: args.payload, retain: false, part: 0 };
    let groups = steady::pairs(args.pairs, &prefix, message);
    let clients: Vec<Client> = (0..args.clients)
        .map(|index| Client {
            client_id: format!("{}-storm-{index}", prefix.replace('/', "-")),
            filters: vec![format!("{prefix}/storm/{index}")],
        })
        .collect();
    let links = steady::connect(&groups, &args.target, args.qos)?;
    let options = dial_options(&args.target, clients.len(), args.qos, 0)?;
    let mut fleet = Fleet::new(&clients, &options)?.with_retries();
    fleet.enqueue_all(None);
    fleet.run_until_in(|fleet| show("connecting", fleet))?;
    fleet.report.latencies = Latencies::new();
    let progress = Progress::with_slices();
    let timeline = Timeline::begin(args.warmup, f64::INFINITY, args.target.patience);
    let measured_from = SystemTime::now() + timeline.rest(timeline.measure_from_ns);
    let mut worker = steady::worker(&groups, links, &args.target, args.rate, PHASES, timeline, &progress)?;
    worker.look_between_sockets()?;
    let (storm, slices, outcome) = thread::scope(|scope| {
        let handle = scope.spawn(|| worker.run());
        let fleet = &mut fleet;
        let (progress_ref, clients) = (&progress, clients.len());
        let storm = scope.spawn(move || drive(args, fleet, clients, progress_ref, &timeline));
        let storm = storm.join().expect("the storm does not panic");
        let slices = progress.take_slices();
        progress.stop.store(true, Ordering::Relaxed);
        steady::join(handle).map(|outcome| (storm, slices, outcome))
    })?;
    progress_line::clear();
    let storm = storm?;
    let grid = timeline.grid();
    let intervals: Vec<(u64, Interval)> = Collector::new(1).add(slices);
    if let Some(file) = &mut hdr_file {
        let title = format!("steady traffic beside a storm of {} clients", grouped(clients.len() as f64));
        let mut log = file.begin(&title, measured_from)?;
        for (index, interval) in intervals.iter().filter(|(index, _)| *index > 0) {
            let start = Duration::from_nanos((index - 1) * grid.length_ns);
            log.write(&interval.latencies, start, Duration::from_nanos(grid.length_ns))?;
        }
    }
    let time_series = intervals.into_iter().filter(|(index, _)| *index > 0).map(|(index, interval)| {
        let seconds = (index * grid.length_ns) as f64 / 1e9;
        TimePoint::new(seconds, &interval, Load::default())
    });
    let failed = outcome.faults.any() || !storm.all_in || storm.ended > 0;
    let report = StormReport {
        scenario: "storm",
        mqtt: args.target.mqtt,
        qos: args.qos,
        payload_bytes: args.payload,
        pairs: args.pairs,
        rate: args.rate,
        connects_per_second: storm.connects_per_second,
        established: Established::new(&outcome),
        storm,
        time_series: time_series.collect(),
        faults: outcome.faults,
        first_fault: outcome.first_fault,
        failed,
    };
    report.print();
    write_files(&args.target, &report)?;
    Ok(!report.failed)
}

/// The three phases, seen from the clients that come and go.
fn drive(
    args: &StormArgs,
    fleet: &mut Fleet<'_>,
    clients: usize,
    progress: &Progress,
    timeline: &Timeline,
) -> anyhow::Result<Storm> {
    // The steady traffic goes first on the CPUs both have to share: otherwise it would be our own work that delays it.
    rustix::process::nice(19)?;
    watch(fleet, args.warmup + args.quiet, "quiet")?;
    progress.phases[0].store(timeline.clock.now_ns(), Ordering::Relaxed);
    let started = Instant::now();
    for index in 0..clients {
        fleet.reset(index)?;
    }
    fleet.set_concurrency(clients);
    fleet.enqueue_all(None);
    while fleet.ready() < clients && started.elapsed().as_secs_f64() < args.storm_limit {
        fleet.turn(Duration::from_millis(100))?;
        show("storm", fleet);
    }
    let seconds = started.elapsed().as_secs_f64();
    let all_in = fleet.ready() == clients;
    watch(fleet, (STORM_SECONDS_MIN - seconds).max(0.0), "storm")?;
    progress.phases[1].store(timeline.clock.now_ns(), Ordering::Relaxed);
    watch(fleet, args.after, "after")?;
    let FleetReport { failures, ended, ref mut first_failure, .. } = fleet.report;
    Ok(Storm {
        clients,
        all_in,
        seconds_until_all_in: all_in.then_some(seconds),
        connects_per_second: all_in.then_some(clients as f64 / seconds),
        failures,
        ended,
        first_failure: first_failure.take(),
        latency: fleet.report.latencies.summary(),
    })
}

/// Lets time pass, and notes connections that end.
fn watch(fleet: &mut Fleet<'_>, seconds: f64, phase: &str) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < until {
        show(phase, fleet);
        fleet.turn((until - Instant::now()).min(Duration::from_millis(200)))?;
    }
    Ok(())
}

fn show(phase: &str, fleet: &Fleet<'_>) {
    progress_line::say(&format!("{phase:<10} {} connected", grouped(fleet.ready() as f64)));
}
