//! Scenarios that move messages by groups of publishers and subscribers.

use super::values::at_least_one;
use super::{LoadArgs, TargetArgs};
use clap::Args;

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
    #[arg(long, default_value_t = 200, value_parser = at_least_one)]
    pub subscribers: usize,
    /// Filters of each subscriber: exact, with +, with #, and with both; they overlap only between subscribers
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub filters: usize,
    /// More subscribers, whose filters never match
    #[arg(long, default_value_t = 0)]
    pub bystanders: usize,
    /// Another seed puts the filters elsewhere in the tree
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}
