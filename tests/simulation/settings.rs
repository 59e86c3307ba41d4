//! What varies from run to run: the broker's settings and the run's temper.

use ringmq::broker::{QueuePolicy, Settings};
use ringmq::routing::Strategy;

use crate::random::Random;

/// How a run is.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub clients: usize,
    /// Percent of the clients that hardly ever ask for a session that ends.
    pub lasting: u64,
    /// Bytes that clients add to their payloads, at most.
    pub padding_max: usize,
    pub phases: usize,
    pub steps_per_phase: usize,
    /// Percent of the network's steps that break a connection.
    pub breaks: u64,
    pub never_reads: u64,
    /// Bounds so small that they are hit.
    pub tight: bool,
    /// Percent of the turns in which a verdict on a client comes; `None` lets everybody in at once.
    pub verdicts: Option<u64>,
    /// The broker has a store, and may crash; without it nothing is kept and nothing crashes.
    pub durability: Option<Durability>,
}

/// How a run with a store is.
#[derive(Clone, Debug)]
pub struct Durability {
    /// Crashes of a run of full length, about.
    pub crashes: usize,
    /// Times when the disk fails, about.
    pub faults: usize,
    /// Only the process dies, the machine never does: what was given to the kernel is kept, and that is what the store
    /// acknowledges.
    pub only_the_process_dies: bool,
    /// Bytes; so small that the log is cleaned.
    pub segment_size: u64,
    pub cleans: bool,
}

/// Bytes of a queue in memory; small enough that queues are longer, and the default.
pub const QUEUE_MEMORY_MAX: [usize; 4] = [300, 1000, 4096, 1 << 20];

pub fn scenario(random: &mut Random) -> Scenario {
    let durability = random.chance(50).then(|| durability(random));
    Scenario {
        clients: *random.pick(&[3, 5, 8, 12, 20, 40]),
        lasting: if durability.is_some() { *random.pick(&[0, 50, 90]) } else { 0 },
        padding_max: usize::MAX,
        phases: 2 + random.below(3),
        steps_per_phase: *random.pick(&[300, 800, 1500]),
        breaks: *random.pick(&[0, 0, 3, 10]),
        never_reads: *random.pick(&[0, 0, 2]),
        tight: random.chance(20),
        verdicts: *random.pick(&[None, None, Some(5), Some(50)]),
        durability,
    }
}

fn durability(random: &mut Random) -> Durability {
    Durability {
        crashes: *random.pick(&[0, 1, 3, 6, 12]),
        faults: *random.pick(&[0, 0, 1, 4]),
        only_the_process_dies: random.chance(20),
        segment_size: *random.pick(&[4, 8, 16, 64]) * 1024,
        cleans: true,
    }
}

pub fn settings(random: &mut Random, scenario: &Scenario) -> Settings {
    let mut settings = Settings {
        hash_seed: random.next(),
        receive_maximum: *random.pick(&[1, 3, 20, 1024]),
        in_flight_max: *random.pick(&[1, 2, 10, 1024]),
        topic_alias_max: *random.pick(&[0, 2, 32]),
        topic_alias_out_max: *random.pick(&[0, 1, 32]),
        queue_qos0: random.chance(30),
        shared_strategy: *random.pick(&[
            Strategy::LeastInFlight,
            Strategy::RoundRobin,
            Strategy::Random,
            Strategy::Sticky,
            Strategy::HashClientId,
            Strategy::HashTopic,
        ]),
        payload_format_checked: random.chance(30),
        persistence: scenario.durability.is_some(),
        ..Settings::default()
    };
    if scenario.tight {
        settings.queued_messages_max = *random.pick(&[3, 10]);
        settings.queued_bytes_max = *random.pick(&[300_000, 1_000_000]);
        settings.queue_policy = *random.pick(&[QueuePolicy::DropNewest, QueuePolicy::DropOldest]);
    }
    if scenario.durability.is_some() && random.chance(50) {
        settings.queue_memory_max = *random.pick(&QUEUE_MEMORY_MAX);
    }
    settings
}
