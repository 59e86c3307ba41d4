//! Scenarios about what a broker keeps on disk.

use super::values::{at_least_one, payload_bytes, positive};
use super::{LoadArgs, TargetArgs, TurnsArgs};
use crate::mqtt::Version;
use clap::Args;

#[derive(Clone, Debug, Args)]
#[command(mut_arg("qos", |qos| qos.default_value("1").value_parser(clap::value_parser!(u8).range(1..=2))))]
pub struct DurableArgs {
    #[arg(long, default_value_t = 200, value_parser = at_least_one)]
    pub publishers: usize,
    /// Sessions that outlive their connections; with fewer of them than publishers, each gets the messages of several, with
    /// more, several get each message
    #[arg(long, default_value_t = 200, value_parser = at_least_one)]
    pub subscribers: usize,
    /// The sessions wait while their clients are away
    #[arg(long)]
    pub offline: bool,
    /// Then the clients come back and fetch everything
    #[arg(long, requires = "offline")]
    pub drain: bool,
    /// Print a line for each of so many seconds, and let the time series have these intervals
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub every: Option<f64>,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub struct RecoveryArgs {
    /// Retained messages, each on a topic of its own
    #[arg(long, default_value_t = 1_000_000, value_parser = at_least_one)]
    pub retained: usize,
    /// Messages that wait for sessions whose clients are away
    #[arg(long, default_value_t = 1_000_000, value_parser = at_least_one)]
    pub queued: usize,
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub sessions: usize,
    #[arg(long, default_value_t = 240, value_parser = payload_bytes)]
    pub payload: usize,
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    pub publishers: usize,
    /// Messages of each publisher without an acknowledgement
    #[arg(long, default_value_t = 100, value_parser = at_least_one)]
    pub window: usize,
    /// MQTT version of all connections
    #[arg(long, value_enum, default_value = "3.1.1")]
    pub mqtt: Version,
    /// Seconds without any arrival after which what is missing counts as lost
    #[arg(long, default_value_t = 5.0, hide_short_help = true)]
    pub patience: f64,
    #[command(flatten)]
    pub turns: TurnsArgs,
}
