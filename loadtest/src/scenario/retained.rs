//! Retained messages: what one costs the broker, and how quickly subscribers get them all.

mod publishing;
mod replay;
mod report;

use super::device_tree::{DeviceTree, REPORTS};
use super::meter::Meter;
use super::steady::run_number;
use crate::cli::RetainedArgs;
use crate::engine::dial::{Client, dial};
use crate::engine::requests::Drive;
use crate::report::{progress_line, write_files};
use crate::run::{dial_options, prepare, topic_prefix};
pub(super) use publishing::Publishing;
pub(super) use replay::Replay;
use report::{Published, Replayed, RetainedReport};
use std::thread;
use std::time::Duration;

/// Publishes, replays and removes, and tells whether each subscriber got exactly the newest of each topic.
pub fn run(args: &RetainedArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let prefix = topic_prefix();
    let tree = DeviceTree { prefix: prefix.clone(), lines_per_site: 5, devices_per_line: 20 };
    let topics: Vec<String> = (0..args.topics).map(|number| tree.topic(number)).collect();
    let client =
        |name: String| Client { client_id: format!("{}-{name}", prefix.replace('/', "-")), filters: Vec::new() };
    let publishers: Vec<Client> = (0..args.publishers).map(|index| client(format!("pub-{index}"))).collect();
    let subscribers: Vec<Client> = (0..args.subscribers).map(|index| client(format!("sub-{index}"))).collect();
    let count = publishers.len() + subscribers.len();
    let options = dial_options(&args.target, count, args.qos, 0)?;
    let (mut publishers, subscribers) = (dial(&publishers, &options)?, dial(&subscribers, &options)?);
    let (meter, run) = (Meter::new(args.target.broker_pid), run_number());
    let patience = args.target.answer_patience();
    let drive = Drive { version: args.target.mqtt, window: args.window, patience };
    thread::sleep(SETTLE);
    let memory_before = meter.memory()?;
    let phase = meter.begin()?;
    let mut requests = Publishing::new(args, &topics, run);
    drive.run(&mut publishers, &mut requests, |answered| progress_line::say(&format!("published {answered}")))?;
    let publishing = meter.end(&phase)?;
    thread::sleep(SETTLE);
    let memory = meter.memory()?;
    let published = Published::new(args, &topics, &publishing, memory_before.zip(memory));

    let filters: Vec<String> = (0..args.subscribers).map(|index| filter(args, &tree, index)).collect();
    let mut replay = Replay::new(args, &topics, &filters, run, subscribers)?;
    let phase = meter.begin()?;
    replay.run()?;
    let replaying = meter.end(&phase)?;
    let outcome = replay.finish()?;
    let replayed = Replayed::new(args.subscribers, outcome.received, &outcome.latencies, &replaying, &published);

    let kept_bytes_per_message = if args.keep {
        None
    } else {
        let mut requests = Publishing::removing(args, &topics, run);
        drive.run(&mut publishers, &mut requests, |_| progress_line::say("removing"))?;
        thread::sleep(SETTLE);
        let growth = memory_before.zip(meter.memory()?);
        growth.map(|(before, now)| (now.rss_bytes as f64 - before.rss_bytes as f64) / args.topics as f64)
    };
    progress_line::clear();
    let report = RetainedReport {
        scenario: "retained",
        mqtt: args.target.mqtt,
        qos: args.qos,
        topics: args.topics,
        updates: args.updates,
        payload_bytes: args.payload,
        published,
        retained: replayed,
        kept_bytes_per_message,
        faults: outcome.faults,
        first_fault: outcome.first_fault,
        failed: outcome.faults.any(),
    };
    report.print();
    write_files(&args.target, &report)?;
    Ok(!report.failed)
}

/// Time for the broker to do what it does a little later, before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);

/// Everything, or one site of those that there are, in turn.
fn filter(args: &RetainedArgs, tree: &DeviceTree, subscriber: usize) -> String {
    if !args.subtrees {
        return format!("{}/#", tree.prefix);
    }
    let per_site = tree.lines_per_site * tree.devices_per_line * REPORTS.len();
    format!("{}/site/{}/#", tree.prefix, subscriber % args.topics.div_ceil(per_site))
}
