//! What a publish costs more because there are a million subscriptions that do not match it.
//!
//! "hot" publishes the same 64 topics again and again, "cold" 131,072 different ones, as that many devices do: then
//! the caches do not know what comes. The message goes to one subscriber, so that decoding, routing and encoding are
//! in it, as in any publish. "route" is the topic index alone.
//!
//! Both sizes take turns in one process, and what is told is the ratio of the medians of their CPU time: a machine that
//! changes meanwhile changes for both.

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ThreadTime;
use ringmq::codec::{Qos, Version};
use ringmq::routing::{Matches, TopicIndex};
use ringmq_benches::broker::OneShard;
use ringmq_benches::clients::Clients;
use ringmq_benches::filters::{self, KINDS, Kind};
use ringmq_benches::packets::{self, PAYLOAD};

/// What the broker has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Subscriptions, turns for each, and publishes in a turn; few when tests run this without optimisation.
const FEW: u32 = 1_000;
const MANY: u32 = if cfg!(debug_assertions) { 2_000 } else { 1_000_000 };
const TURNS: usize = if cfg!(debug_assertions) { 1 } else { 15 };
const PUBLISHES: u32 = if cfg!(debug_assertions) { 1_000 } else { 131_072 };

/// Filters in one SUBSCRIBE of a bystander.
const FILTERS_EACH: u32 = 1_000;

fn main() {
    println!("CPU time with {FEW} and with {MANY} subscriptions that do not match, medians of {TURNS} turns:");
    for (name, kind) in KINDS {
        for (temperature, topics) in [("hot", 64), ("cold", 131_072)] {
            let (mut few, mut many) = (Route::new(kind, FEW, topics), Route::new(kind, MANY, topics));
            compare(&format!("route/{name}/{temperature}"), || few.turn(), || many.turn());
            let (mut few, mut many) = (Publish::new(kind, FEW, topics), Publish::new(kind, MANY, topics));
            compare(&format!("publish/{name}/{temperature}"), || few.turn(), || many.turn());
        }
    }
}

/// Prints the medians of turns taken one after the other, and their ratio.
fn compare(name: &str, mut few: impl FnMut(), mut many: impl FnMut()) {
    few();
    many();
    let (mut times_of_few, mut times_of_many) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        times_of_few.push(time(&mut few));
        times_of_many.push(time(&mut many));
    }
    let (few, many) = (median(times_of_few), median(times_of_many));
    println!("growth/{name:<20} {few:>7.1} ns {many:>7.1} ns   {:.2} times", many / few);
}

fn time(turn: &mut impl FnMut()) -> Duration {
    let began = ThreadTime::now();
    turn();
    began.elapsed()
}

/// Nanoseconds of one publish.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_nanos() as f64 / f64::from(PUBLISHES)
}

/// The topics that are published, which no bystander has subscribed to.
fn topics(count: u32) -> impl Iterator<Item = String> {
    filters::topics_of_none(MANY, count).into_iter()
}

struct Route {
    index: TopicIndex,
    topics: Vec<String>,
    matches: Matches,
}

impl Route {
    fn new(kind: Kind, size: u32, count: u32) -> Self {
        Self { index: kind.index(size), topics: topics(count).collect(), matches: Matches::default() }
    }

    fn turn(&mut self) {
        for topic in self.topics.iter().cycle().take(PUBLISHES as usize) {
            self.index.matches(black_box(topic), &mut self.matches);
            assert!(self.matches.local.is_empty());
        }
    }
}

struct Publish {
    clients: Clients<OneShard>,
    publisher: u32,
    publishes: Vec<Vec<u8>>,
}

impl Publish {
    fn new(kind: Kind, size: u32, count: u32) -> Self {
        let mut clients = Clients::new(OneShard::new((size / FILTERS_EACH + 2) as usize));
        for first in (0..size).step_by(FILTERS_EACH as usize) {
            let bystander = clients.connect(Version::V3_1_1, &format!("bystander-{first}"));
            let filters: Vec<String> = (first..first + FILTERS_EACH).map(|number| kind.filter(number)).collect();
            let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
            clients.send(bystander, &packets::subscribe(Version::V3_1_1, &filters, Qos::AtMostOnce));
        }
        let subscriber = clients.connect(Version::V3_1_1, "subscriber");
        clients.send(subscriber, &packets::subscribe(Version::V3_1_1, &["site/+/device/+/reading"], Qos::AtMostOnce));
        let publisher = clients.connect(Version::V3_1_1, "publisher");
        assert_eq!(clients.broker.shard.counters().subscriptions, u64::from(size) + 1);
        let publish = |topic: String| packets::publish(Version::V3_1_1, Qos::AtMostOnce, &topic, &PAYLOAD);
        Self { clients, publisher, publishes: topics(count).map(publish).collect() }
    }

    fn turn(&mut self) {
        let before = self.clients.seen.publishes;
        for publish in self.publishes.iter().cycle().take(PUBLISHES as usize) {
            self.clients.send(self.publisher, publish);
        }
        assert_eq!(self.clients.seen.publishes, before + u64::from(PUBLISHES), "each goes to one subscriber");
    }
}
