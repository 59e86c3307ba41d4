//! The messages of a scenario, their pace and their time.

use super::values::{at_least_one, payload_bytes, positive};
use crate::engine::plan::Message;
use clap::Args;

/// The messages and how long to send them.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// Bytes of each payload; 32 of them are sequence, time and checksum
    #[arg(long, default_value_t = 64, value_parser = payload_bytes)]
    pub payload: usize,
    /// QoS of publishing and of subscribing
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Messages of each publisher on their way at a time (closed loop)
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub window: usize,
    /// Messages per second of all publishers together, sent at fixed times whether or not earlier ones arrived (open
    /// loop); latency counts from the time a message should have been sent
    #[arg(long, conflicts_with = "window", value_parser = positive)]
    pub rate: Option<f64>,
    /// Measured seconds
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub seconds: f64,
    /// Seconds before that, which do not count
    #[arg(long, default_value_t = 2.0)]
    pub warmup: f64,
    /// Threads of this program; groups of connections are spread over them
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub threads: usize,
}

impl LoadArgs {
    pub fn message(&self) -> Message {
        Message { qos: self.qos, payload_bytes: self.payload, retain: false, part: 0 }
    }
}
