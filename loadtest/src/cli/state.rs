//! Scenarios about what a broker keeps: subscriptions and retained messages.

use super::TargetArgs;
use super::values::{at_least_one, payload_bytes, positive};
use clap::{Args, ValueEnum};
use std::fmt;

#[derive(Clone, Debug, Args)]
pub struct SubscriptionsArgs {
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub connections: usize,
    /// Subscriptions of each connection
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub subscriptions: usize,
    #[arg(long, value_enum, default_value = "mixed")]
    pub kind: FilterKind,
    /// Filters in one SUBSCRIBE
    #[arg(long, default_value_t = 100, value_parser = at_least_one)]
    pub per_packet: usize,
    /// QoS of the subscriptions and of publishing
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    /// Then publish for so many seconds to topics that no filter matches, and as long to topics that one matches
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub then_publish: Option<f64>,
    /// Messages on their way at a time while publishing
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub window: usize,
    #[arg(long, default_value_t = 64, value_parser = payload_bytes)]
    pub payload: usize,
    /// At the end give all subscriptions up again and measure that
    #[arg(long)]
    pub unsubscribe: bool,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// The shape of filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterKind {
    /// Without wildcards
    Exact,
    /// With one +, below the device or above it
    Plus,
    /// With # below the device
    Hash,
    /// A third of each
    Mixed,
}

impl fmt::Display for FilterKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Exact => "exact",
            Self::Plus => "with +",
            Self::Hash => "with #",
            Self::Mixed => "exact, with + and with #",
        })
    }
}

#[derive(Clone, Debug, Args)]
pub struct RetainedArgs {
    /// Retained messages, each on a topic of its own
    #[arg(long, default_value_t = 100_000, value_parser = at_least_one)]
    pub topics: usize,
    /// Messages published to each topic; the last one must be what is retained
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub updates: usize,
    #[arg(long, default_value_t = 64, value_parser = payload_bytes)]
    pub payload: usize,
    /// QoS of publishing and of the subscriptions
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    #[arg(long, default_value_t = 4, value_parser = at_least_one)]
    pub publishers: usize,
    /// Requests of each publisher without an answer; at QoS 0 one is 50 messages and a ping
    #[arg(long, default_value_t = 20, value_parser = at_least_one)]
    pub window: usize,
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub subscribers: usize,
    /// Each subscriber gets one site of the tree (400 topics) instead of all topics
    #[arg(long)]
    pub subtrees: bool,
    /// Leave the retained messages in the broker
    #[arg(long)]
    pub keep: bool,
    #[command(flatten)]
    pub target: TargetArgs,
}
