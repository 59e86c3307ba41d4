//! Pairs that exchange messages at a fixed rate while something else happens: how late those are tells what that does to
//! others.

use crate::cli::TargetArgs;
use crate::engine::dial::{Client, dial};
use crate::engine::link::Link;
use crate::engine::plan::{Group, Message, Subscriber, Topic};
use crate::engine::worker::{Counts, Outcome, Pace, Progress, Timeline, Traffic, Worker};
use crate::run::{clients_of, dial_options};

/// Groups of a publisher and a subscriber.
pub fn pairs(count: usize, prefix: &str, message: Message) -> Vec<Group> {
    let pair = |pair| {
        let name = format!("{prefix}/pair/{pair}");
        Group {
            publishers: vec![vec![Topic::to_each(name.clone(), vec![0], message)]],
            subscribers: vec![Subscriber::to(name, message.qos)],
            ..Group::default()
        }
    };
    (0..count).map(pair).collect()
}

/// Opens the connections of groups whose subscribers all ask for one QoS.
pub fn connect(groups: &[Group], target: &TargetArgs, qos: u8) -> anyhow::Result<Vec<Link>> {
    let clients: Vec<Client> = groups.iter().flat_map(clients_of).collect();
    dial(&clients, &dial_options(target, clients.len(), qos, 0)?)
}

/// A number that another run has only by accident.
pub fn run_number() -> u32 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    std::process::id() ^ since_epoch.subsec_nanos() << 2
}

/// A worker that sends at a fixed rate.
pub fn worker<'a>(
    groups: &[Group],
    links: Vec<Link>,
    target: &TargetArgs,
    rate: f64,
    parts: usize,
    timeline: Timeline,
    progress: &'a Progress,
) -> std::io::Result<Worker<'a>> {
    let traffic =
        Traffic { version: target.mqtt, pace: Pace::Rate(rate), run: run_number(), counts: Counts::Arrivals, parts };
    Worker::new(traffic, timeline, progress, groups, links)
}

/// Joins a worker's thread.
///
/// # Panics
/// If the worker did.
pub fn join(handle: std::thread::ScopedJoinHandle<'_, std::io::Result<Outcome>>) -> anyhow::Result<Outcome> {
    Ok(handle.join().expect("the worker does not panic")?)
}
