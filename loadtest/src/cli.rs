//! The command line.

use crate::message::PAYLOAD_BYTES_MIN;
use crate::mqtt::Version;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Loads an MQTT broker and tells what it costs: latency, broker CPU per message, bytes per connection, and every fault.
#[derive(Debug, Parser)]
#[command(name = "ringmq-load", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publishers with one subscriber each
    Pairs(PairsArgs),
    /// One topic from few publishers to many subscribers
    FanOut(FanOutArgs),
    /// Many publishers to few subscribers with a wildcard
    FanIn(FanInArgs),
    /// A share group: each message to one of its members
    Shared(SharedArgs),
    /// A tree of topics with wildcard subscribers
    Tree(TreeArgs),
    /// Connections that do nothing: bytes and, with --pings, CPU for each
    Idle(IdleArgs),
    /// Two brokers in turns, A B A B, each scenario on fresh ones; medians and ratios
    Compare(CompareArgs),
}

/// The broker and where to write results.
#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// Host name or address of the broker
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    #[arg(long, short, default_value_t = 1883)]
    pub port: u16,
    /// MQTT version of all connections
    #[arg(long, value_enum, default_value = "3.1.1")]
    pub mqtt: Version,
    /// Process of the broker, for its CPU and memory; it must run on this machine
    #[arg(long, value_name = "PID")]
    pub broker_pid: Option<u32>,
    /// Loopback addresses 127.0.0.1 and following to connect from [default: the kernel's choice
    /// up to 1,000 connections, then one for each 20,000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=250))]
    pub source_addresses: Option<u32>,
    /// CPUs for this program, such as 1 or 2-3,6
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<String>,
    /// Also write the results to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Connections being opened at a time
    #[arg(long, default_value_t = 64, hide_short_help = true, value_parser = at_least_one)]
    pub dial_concurrency: usize,
    /// Seconds without any arrival after which what is missing counts as lost
    #[arg(long, default_value_t = 5.0, hide_short_help = true)]
    pub patience: f64,
}

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

#[derive(Clone, Debug, Args)]
pub struct PairsArgs {
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub pairs: usize,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct FanOutArgs {
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub publishers: usize,
    #[arg(long, default_value_t = 500, value_parser = at_least_one)]
    pub subscribers: usize,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct FanInArgs {
    #[arg(long, default_value_t = 500, value_parser = at_least_one)]
    pub publishers: usize,
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub subscribers: usize,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct SharedArgs {
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub publishers: usize,
    /// Subscribers of the share group
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub members: usize,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct TreeArgs {
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub sites: usize,
    /// Lines of each site
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    pub lines: usize,
    /// Devices of each line; each is a publisher with four topics
    #[arg(long, default_value_t = 4, value_parser = at_least_one)]
    pub devices: usize,
    /// Subscribers whose filters never match
    #[arg(long, default_value_t = 500)]
    pub bystanders: usize,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct IdleArgs {
    #[arg(long, default_value_t = 15_000, value_parser = at_least_one)]
    pub connections: usize,
    /// One subscription for each connection, to a topic of its own
    #[arg(long)]
    pub subscribe: bool,
    /// QoS of the subscriptions
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Then let each connection send a keep-alive ping once in so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub pings: Option<f64>,
    /// Keep-alive told to the broker, seconds; zero switches it off
    #[arg(long, default_value_t = 600)]
    pub keep_alive: u16,
    /// Seconds of quiet before memory is read, and again to measure the CPU of idling
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    pub settle: f64,
    /// Measured seconds of pings
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub seconds: f64,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// Times each broker is started and measured
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    pub rounds: usize,
    /// One broker, as NAME=COMMAND; {port} in the command becomes a free port
    #[arg(long, value_name = "NAME=COMMAND")]
    pub a: String,
    /// The other broker
    #[arg(long, value_name = "NAME=COMMAND")]
    pub b: String,
    /// CPUs of the broker
    #[arg(long, default_value = "0", value_name = "LIST")]
    pub broker_cpus: String,
    /// CPUs of this program
    #[arg(long, default_value = "1", value_name = "LIST")]
    pub load_cpus: String,
    /// Write all rounds and the medians to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Show the full result of each round
    #[arg(long, short)]
    pub verbose: bool,
    /// The scenario with its options, without --port and --broker-pid
    #[arg(last = true, required = true)]
    pub scenario: Vec<String>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(value) => Ok(value),
        Err(error) => Err(format!("{error}")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if value > 0.0 && f64::is_finite(value) => Ok(value),
        _ => Err("must be a number above zero".into()),
    }
}

/// The Remaining Length of a packet bounds it from above; the topic takes some of that.
fn payload_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(value) if (PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(&value) => Ok(value),
        _ => Err(format!("must be a number from {PAYLOAD_BYTES_MIN} to {PAYLOAD_BYTES_MAX}")),
    }
}

const PAYLOAD_BYTES_MAX: usize = 256 * 1_024 * 1_024 - 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bounds_are_checked() {
        for bad in [
            ["pairs", "--payload", "31"],
            ["pairs", "--window", "0"],
            ["pairs", "--qos", "3"],
            ["pairs", "--rate", "0"],
        ] {
            assert!(Cli::try_parse_from(["ringmq-load"].iter().chain(&bad)).is_err(), "{bad:?}");
        }
    }
}
