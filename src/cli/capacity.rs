//! `ringmq capacity`: what a load would need, with the formulas.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::{EXIT_CONFIGURATION, output};
use crate::capacity::{Estimate, Line, Load, estimate};

#[derive(Debug, Args)]
pub struct CapacityOptions {
    /// Clients that are connected
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000))]
    connections: u64,
    /// Messages that are published, a second, by all clients together
    #[arg(long, value_name = "R", default_value_t = 0.0, value_parser = figure)]
    rate: f64,
    /// Bytes of a payload
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = clap::value_parser!(u64).range(0..=268_435_455))]
    payload: u64,
    /// Clients that get each message, on average
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = figure)]
    fanout: f64,
    /// QoS of publishing and of subscribing
    #[arg(long, value_name = "QOS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// All connections have TLS
    #[arg(long)]
    tls: bool,
    /// Bytes of a topic name
    #[arg(long, value_name = "BYTES", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=65_535))]
    topic: u64,
    /// Seconds between two pings of a client; 0 is none
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=65_535))]
    keep_alive: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the estimate: exit code 0, or 2 for a load that cannot be.
pub fn run(options: &CapacityOptions) -> ExitCode {
    if options.fanout > options.connections.max(1) as f64 {
        eprintln!(
            "ringmq capacity: --fanout {} is more than --connections {}: nobody else can get a message",
            options.fanout, options.connections
        );
        return ExitCode::from(EXIT_CONFIGURATION);
    }
    let estimate = estimate(Load {
        connections: options.connections,
        messages_per_s: options.rate,
        payload_bytes: options.payload,
        receivers: options.fanout,
        qos: options.qos,
        topic_bytes: options.topic,
        keep_alive_s: options.keep_alive,
        is_tls: options.tls,
    });
    let text = if options.json {
        serde_json::to_string_pretty(&estimate).unwrap_or_default() + "\n"
    } else {
        to_text(&estimate)
    };
    output::print(text.as_bytes())
}

/// A number from 0 to 10^12: more would be a mistake, and sums stay exact.
fn figure(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1e12).contains(&number) => Ok(number),
        _ => Err("a number from 0 to 1e12 is wanted".into()),
    }
}

fn to_text(estimate: &Estimate) -> String {
    let mut text = String::new();
    for (title, lines) in [("Memory", &estimate.memory), ("Cores", &estimate.cores), ("Network", &estimate.network)] {
        let _ = writeln!(text, "{title}");
        for line in lines {
            let (name, value) = shown(line);
            let _ = writeln!(text, "  {name:<18} {value:>12}   {}", line.formula);
        }
        text.push('\n');
    }
    let count = estimate.shards;
    let _ = match count {
        1 => writeln!(text, "Give it 1 core, with one shard."),
        _ => writeln!(text, "Give it {count} cores, each with a shard."),
    };
    text.push_str(
        "Measured on a virtual machine over loopback; the sources are in src/capacity/constants.rs. Measure\n",
    );
    text.push_str("your own with ringmq-load before you buy.\n");
    text
}

fn shown(line: &Line) -> (String, String) {
    let value = line.value;
    for (suffix, value) in [
        ("_bits_per_s", format!("{:.3} Mbit/s", value / 1e6)),
        ("_bytes", bytes(value)),
        ("_core_s", format!("{value:.1} core s")),
        ("_per_s", format!("{value:.0} /s")),
        ("_cores", format!("{value:.3}")),
    ] {
        if let Some(name) = line.name.strip_suffix(suffix) {
            return (name.replace('_', " "), value);
        }
    }
    (line.name.replace('_', " "), format!("{value}"))
}

fn bytes(value: f64) -> String {
    let gib = f64::from(1 << 30);
    if value >= gib { format!("{:.3} GiB", value / gib) } else { format!("{:.1} MiB", value / f64::from(1 << 20)) }
}
