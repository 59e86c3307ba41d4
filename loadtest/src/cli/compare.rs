//! Two brokers in turns.

use super::values::at_least_one;
use clap::Args;
use std::path::PathBuf;

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
