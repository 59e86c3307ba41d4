//! Scenarios about what a broker keeps on disk.

use super::values::{at_least_one, positive};
use super::{LoadArgs, TargetArgs};
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
