//! The topic index, shared subscriptions, retained messages and timers, each against a twin that is slow and
//! obviously right, and against the clauses of the specification.

mod naive_index;
mod naive_topic;
mod retained;
mod shared;
mod shared_hash;
mod subscriptions;
mod timers;
mod topics;

use proptest::test_runner::{Config, RngSeed};
use ringmq::codec::{Qos, RetainHandling, SubscriptionOptions};
use ringmq::routing::Subscription;

/// The same cases in every run, unless `PROPTEST_RNG_SEED` names other ones.
fn config(cases: u32) -> Config {
    let default = Config::default();
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(20_260_214),
        fixed => fixed,
    };
    Config { cases, rng_seed, failure_persistence: None, ..default }
}

/// A subscription without any option.
fn plain(subscription_id: u32) -> Subscription {
    Subscription { options: SubscriptionOptions::default(), subscription_id }
}

fn with_options(qos: Qos, no_local: bool, retain_as_published: bool, subscription_id: u32) -> Subscription {
    let options = SubscriptionOptions { qos, no_local, retain_as_published, retain_handling: RetainHandling::Send };
    Subscription { options, subscription_id }
}
