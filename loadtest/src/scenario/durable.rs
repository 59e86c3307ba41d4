//! Messages that the broker has to keep: publishers wait for acknowledgements of what sessions will get, whether their clients are
//! there or not. How many a second, how late, and what does it cost in CPU and in bytes written?

pub(super) mod drain;
pub(super) mod report;

use crate::cli::DurableArgs;
use crate::engine::dial::{Client, DialOptions, dial};
use crate::engine::fleet::Fleet;
use crate::engine::plan::{Group, Subscriber, Topic};
use crate::engine::worker::Counts;
use crate::mqtt::Session;
use crate::report::{progress_line, write_files};
use crate::run::{Driven, KEEP_ALIVE_SECONDS, Plan, dial_options, drive, prepare, topic_prefix};
use crate::watch::BrokerBefore;
use drain::Drain;
use report::DurableReport;
use std::thread;
use std::time::{Duration, Instant};

/// Time for a broker to see that clients have left.
const LEAVE: Duration = Duration::from_millis(500);

/// Who publishes to whom: each publisher and each session has a lane, and a session gets all that is published in its own.
#[derive(Clone, Debug)]
pub struct Lanes {
    prefix: String,
    pub publishers: usize,
    pub subscribers: usize,
}

impl Lanes {
    pub fn new(publishers: usize, subscribers: usize, prefix: String) -> Self {
        Self { prefix, publishers, subscribers }
    }

    pub fn count(&self) -> usize {
        self.publishers.min(self.subscribers)
    }

    /// The publishers of a lane.
    pub fn publishers_of(&self, lane: usize) -> impl Iterator<Item = usize> {
        (lane..self.publishers).step_by(self.count())
    }

    pub fn sessions_of(&self, lane: usize) -> usize {
        (lane..self.subscribers).step_by(self.count()).count()
    }

    pub fn topic(&self, publisher: usize) -> String {
        format!("{}/lane/{}/{publisher}", self.prefix, publisher % self.count())
    }

    /// The publisher of a topic.
    pub fn publisher_of(&self, topic: &[u8]) -> Option<usize> {
        let publisher = std::str::from_utf8(topic).ok()?.rsplit_once('/')?.1.parse().ok()?;
        (publisher < self.publishers && self.topic(publisher).as_bytes() == topic).then_some(publisher)
    }

    /// The clients of the sessions, lane by lane.
    pub fn sessions(&self) -> Vec<Client> {
        let session = |lane, index| Client {
            client_id: format!("{}-session-{lane}-{index}", self.prefix.replace('/', "-")),
            filters: vec![format!("{}/lane/{lane}/+", self.prefix)],
        };
        (0..self.count()).flat_map(|lane| (0..self.sessions_of(lane)).map(move |index| session(lane, index))).collect()
    }

    /// The publishing clients, lane by lane.
    fn publishing(&self) -> Vec<Client> {
        let name = self.prefix.replace('/', "-");
        let client = |publisher| Client { client_id: format!("{name}-publisher-{publisher}"), filters: Vec::new() };
        (0..self.count()).flat_map(|lane| self.publishers_of(lane)).map(client).collect()
    }

    /// A group for each lane, with its sessions if they are there.
    fn groups(&self, args: &DurableArgs) -> Vec<Group> {
        let group = |lane| {
            let sessions = if args.offline { 0 } else { self.sessions_of(lane) };
            let receivers: Vec<usize> = (0..sessions).collect();
            let topics =
                |publisher| vec![Topic::to_each(self.topic(publisher), receivers.clone(), args.load.message())];
            Group {
                publishers: self.publishers_of(lane).map(topics).collect(),
                subscribers: vec![Subscriber::to(String::new(), args.load.qos); sessions],
                ..Group::default()
            }
        };
        (0..self.count()).map(group).collect()
    }
}

/// Makes the sessions, publishes, lets the absent ones fetch what waits if that is asked for, and removes the sessions.
pub fn run(args: &DurableArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let broker = args.target.broker_pid.map(BrokerBefore::take).transpose()?;
    let lanes = Lanes::new(args.publishers, args.subscribers, topic_prefix());
    let (sessions, publishing) = (lanes.sessions(), lanes.publishing());
    let connections = sessions.len() + publishing.len();
    let options = dial_options(&args.target, connections, args.load.qos, KEEP_ALIVE_SECONDS)?;
    let persistent = DialOptions { session: Session::Persistent, ..options.clone() };
    let began = Instant::now();
    let mut fleet = Fleet::new(&sessions, &persistent)?;
    fleet.enqueue_all(None);
    fleet.run_until_in(|_| progress_line::say("subscribing"))?;
    let mut subscribers = Vec::new();
    if args.offline {
        (0..sessions.len()).for_each(|index| fleet.disconnect(index));
        thread::sleep(LEAVE);
    } else {
        subscribers = fleet.into_links();
    }
    let mut publishers = dial(&publishing, &options)?.into_iter();
    let connect_seconds = began.elapsed().as_secs_f64();

    let title = format!(
        "{} publishers to {} persistent sessions, {}",
        args.publishers,
        args.subscribers,
        if args.offline { "offline" } else { "online" }
    );
    let plan = Plan { scenario: "durable", title, groups: lanes.groups(args) };
    let (mut subscribers, mut links) = (subscribers.into_iter(), Vec::with_capacity(connections));
    for group in &plan.groups {
        links.extend(subscribers.by_ref().take(group.subscribers.len()));
        links.extend(publishers.by_ref().take(group.publishers.len()));
    }
    let Driven { run, measured, outcome } =
        drive(&plan, links, Counts::Acknowledgements, args.every, &args.load, &args.target, broker)?;

    let mut faults = outcome.faults;
    let drained = if args.drain {
        let mut drain = Drain::new(args.load.message(), &lanes, run, &outcome.sent, &persistent)?;
        drain.run()?;
        Some(drain.finish(&mut faults)?)
    } else {
        None
    };
    remove_sessions(&sessions, &options)?;
    progress_line::clear();
    let report = DurableReport::new(args, plan.title, connect_seconds, measured, &outcome, faults, drained);
    report.print();
    write_files(&args.target, &report)?;
    Ok(!report.failed)
}

/// Connects everyone with a clean session, so that none of the run's sessions stays in the broker.
fn remove_sessions(sessions: &[Client], options: &DialOptions) -> anyhow::Result<()> {
    let clean: Vec<Client> = sessions.iter().map(|session| Client { filters: Vec::new(), ..session.clone() }).collect();
    let mut fleet = Fleet::new(&clean, options)?;
    fleet.enqueue_all(None);
    fleet.run_until_in(|_| progress_line::say("removing sessions"))?;
    (0..clean.len()).for_each(|index| fleet.disconnect(index));
    Ok(())
}
