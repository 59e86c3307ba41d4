//! Brokers in turns, and results beside each other.

use super::values::at_least_one;
use clap::Args;
use std::path::PathBuf;

/// Brokers that take turns.
#[derive(Clone, Debug, Args)]
pub struct TurnsArgs {
    /// A broker to compare; {port} in the command becomes a free port, {directory} a fresh directory. Once for each broker
    #[arg(long = "broker", value_name = "NAME=COMMAND", required = true)]
    pub brokers: Vec<String>,
    /// The broker that the others are divided by [default: the last one]
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// Times each broker is started and measured
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    pub rounds: usize,
    /// CPUs of the broker
    #[arg(long, default_value = "0", value_name = "LIST")]
    pub broker_cpus: String,
    /// CPUs of this program
    #[arg(long, default_value = "1", value_name = "LIST")]
    pub load_cpus: String,
    /// Write all rounds and the medians to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write all rounds and the medians as a page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    #[command(flatten)]
    pub turns: TurnsArgs,
    /// The scenarios of this file, one after another, and one table in the end
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    pub suite: Option<PathBuf>,
    /// Show the full result of each round
    #[arg(long, short)]
    pub verbose: bool,
    /// The scenario with its options, without --port and --broker-pid
    #[arg(last = true, required_unless_present = "suite")]
    pub scenario: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Results that --json has written, of scenarios or of `compare`
    #[arg(value_name = "JSON", required = true)]
    pub files: Vec<PathBuf>,
    /// The run that the others are divided by, by its name in the table [default: the last one]
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// Also write a page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}
