//! Scenarios about connections that come and go.

use super::TargetArgs;
use super::values::{at_least_one, not_negative, payload_bytes, positive};
use crate::mqtt::Session;
use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub struct ConnectArgs {
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one)]
    pub clients: usize,
    /// Connects per second at fixed times, whether or not earlier ones are in (open loop); latency counts from the time
    /// a connect should have begun [default: as fast as --dial-concurrency allows]
    #[arg(long, value_parser = positive)]
    pub rate: Option<f64>,
    /// One subscription for each client, to a topic of its own
    #[arg(long)]
    pub subscribe: bool,
    /// QoS of the subscriptions
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Sessions that end with their connection, or that wait for the client
    #[arg(long, value_enum, default_value = "clean")]
    pub session: Session,
    /// Then let all clients disconnect and connect again, so many times
    #[arg(long, value_name = "ROUNDS", default_value_t = 0)]
    pub reconnect: usize,
    /// Keep-alive told to the broker, seconds; zero switches it off
    #[arg(long, default_value_t = 600)]
    pub keep_alive: u16,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct StormArgs {
    /// Clients that lose their connections all at once and want them back
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one)]
    pub clients: usize,
    /// Pairs of a publisher and a subscriber whose connections stay
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub pairs: usize,
    /// Messages per second of all pairs together, at fixed times
    #[arg(long, default_value_t = 1_000.0, value_parser = positive)]
    pub rate: f64,
    #[arg(long, default_value_t = 64, value_parser = payload_bytes)]
    pub payload: usize,
    /// QoS of publishing and of subscribing
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Seconds before the quiet phase, which do not count
    #[arg(long, default_value_t = 1.0, value_parser = not_negative)]
    pub warmup: f64,
    /// Measured seconds before the storm
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    pub quiet: f64,
    /// Seconds after which a storm that is not over has failed
    #[arg(long, default_value_t = 60.0, value_parser = positive)]
    pub storm_limit: f64,
    /// Measured seconds after the storm
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    pub after: f64,
    /// Write the latencies of each second of the steady traffic to this file, as an interval log of HdrHistogram
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct HandshakesArgs {
    /// Connections being made at a time
    #[arg(long, default_value_t = 16, value_parser = at_least_one)]
    pub at_a_time: usize,
    /// Measured seconds, of full handshakes and again of resumed ones
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub seconds: f64,
    /// Seconds before that, which do not count
    #[arg(long, default_value_t = 1.0, value_parser = not_negative)]
    pub warmup: f64,
    #[command(flatten)]
    pub target: TargetArgs,
}
