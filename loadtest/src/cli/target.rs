//! The broker, and what every scenario has.

use super::TransportArgs;
use super::values::at_least_one;
use crate::mqtt::Version;
use clap::Args;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

const DIAL_CONCURRENCY: usize = 64;

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
    /// Also write the results as a page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Connections being opened at a time
    #[arg(long, default_value_t = DIAL_CONCURRENCY, hide_short_help = true, value_parser = at_least_one)]
    pub dial_concurrency: usize,
    /// Seconds without any arrival after which what is missing counts as lost
    #[arg(long, default_value_t = 5.0, hide_short_help = true)]
    pub patience: f64,
    #[command(flatten)]
    pub transport: TransportArgs,
}

impl TargetArgs {
    /// A broker on this machine, and all else as it is where nothing is said.
    pub fn of_loopback(port: u16, mqtt: Version, patience: f64) -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port,
            mqtt,
            broker_pid: None,
            source_addresses: None,
            cpus: None,
            json: None,
            html: None,
            dial_concurrency: DIAL_CONCURRENCY,
            patience,
            transport: TransportArgs::default(),
        }
    }

    /// How long to wait for an answer that must come: longer than for a message that may be lost, because a kernel
    /// repeats a lost SYN only after one second and then three.
    pub fn answer_patience(&self) -> Duration {
        Duration::from_secs_f64(self.patience.max(4.0))
    }
}
