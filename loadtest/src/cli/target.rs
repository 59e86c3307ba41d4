//! The broker, and what every scenario has.

use super::values::at_least_one;
use crate::mqtt::Version;
use clap::Args;
use std::path::PathBuf;

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
