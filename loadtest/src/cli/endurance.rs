//! Scenarios in which something goes on beside the messages: slow readers, hours, a whole site.

use super::TargetArgs;
use super::values::{at_least_one, not_negative, payload_bytes, positive};
use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub struct SlowArgs {
    /// Subscribers that read as fast as they can
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub subscribers: usize,
    /// Subscribers of the same topic that do not
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    pub slow: usize,
    /// Bytes per second that each of these reads; zero reads nothing until the end
    #[arg(long, default_value_t = 0.0, value_parser = not_negative, value_name = "BYTES_PER_SECOND")]
    pub slow_rate: f64,
    /// Messages per second, at fixed times
    #[arg(long, default_value_t = 1_000.0, value_parser = positive)]
    pub rate: f64,
    #[arg(long, default_value_t = 1_024, value_parser = payload_bytes)]
    pub payload: usize,
    /// QoS of publishing and of subscribing
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    #[arg(long, default_value_t = 20.0, value_parser = positive)]
    pub seconds: f64,
    /// Write the latencies of each second to this file, as an interval log of HdrHistogram
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct SoakArgs {
    #[arg(long, default_value_t = 0.0, value_parser = not_negative)]
    pub hours: f64,
    #[arg(long, default_value_t = 0.0, value_parser = not_negative)]
    pub minutes: f64,
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub pairs: usize,
    /// Messages per second of all pairs together, at fixed times
    #[arg(long, default_value_t = 1_000.0, value_parser = positive)]
    pub rate: f64,
    #[arg(long, default_value_t = 64, value_parser = payload_bytes)]
    pub payload: usize,
    /// QoS of publishing and of subscribing
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Clients that come and go beside the pairs
    #[arg(long, default_value_t = 100)]
    pub churners: usize,
    /// How often each of these reconnects in a minute
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub churn: f64,
    /// Seconds between two lines of the report
    #[arg(long, default_value_t = 60.0, value_parser = positive)]
    pub every: f64,
    /// End at the first fault
    #[arg(long)]
    pub stop_on_fault: bool,
    /// Write the latencies of each line to this file, as an interval log of HdrHistogram
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct SiteArgs {
    /// The description of the site; loadtest/sites/factory.toml is one, with comments
    pub file: PathBuf,
    /// Measured seconds, instead of those in the file
    #[arg(long, value_parser = positive)]
    pub seconds: Option<f64>,
    /// Write the latencies of each second to this file, as an interval log of HdrHistogram
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    #[command(flatten)]
    pub target: TargetArgs,
}
