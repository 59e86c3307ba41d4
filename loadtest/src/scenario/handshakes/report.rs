//! What handshakes cost.

use super::Counts;
use crate::cli::HandshakesArgs;
use crate::measure::latency::{Latencies, Summary};
use crate::mqtt::Version;
use crate::report::{grouped, percentiles};
use crate::scenario::meter::Cost;

#[derive(Debug, serde::Serialize)]
pub struct HandshakesReport {
    scenario: &'static str,
    mqtt: Version,
    #[serde(skip)]
    transport: &'static str,
    at_a_time: usize,
    seconds: f64,
    /// Without TLS these are connections without it.
    pub full: Option<Kind>,
    pub resumed: Option<Kind>,
    pub failed: bool,
}

/// Handshakes of one kind. "Cores" are CPU seconds per second.
#[derive(Debug, serde::Serialize)]
pub struct Kind {
    made: u64,
    /// The part of them that was resumed.
    resumed_part: f64,
    /// Version, cipher suite and key exchange.
    agreed: Option<String>,
    per_second: f64,
    /// As many as the broker would make with all of one core, if they cost what these did.
    per_core: Option<f64>,
    broker_cpu_us: Option<f64>,
    broker_cores: Option<f64>,
    generator_cpu_us: f64,
    generator_cores: f64,
    generator_was_bottleneck: bool,
    /// From the start of the TCP connection to CONNACK.
    latency: Option<Summary>,
    /// Attempts that failed and were repeated.
    failures: u64,
    first_failure: Option<String>,
}

impl Kind {
    pub fn new(
        cost: &Cost,
        counts: Counts,
        latencies: &Latencies,
        failures: u64,
        first_failure: Option<String>,
    ) -> Self {
        let made = counts.made;
        let broker_cpu_us = cost.broker_us_per(made);
        Self {
            made,
            resumed_part: counts.resumed as f64 / made.max(1) as f64,
            agreed: counts.agreed,
            per_second: cost.per_second(made),
            per_core: broker_cpu_us.map(|us| 1e6 / us),
            broker_cpu_us,
            broker_cores: cost.broker_cores(),
            generator_cpu_us: cost.own_us_per(made),
            generator_cores: cost.own_cores(),
            generator_was_bottleneck: cost.was_bottleneck(),
            latency: latencies.summary(),
            failures,
            first_failure,
        }
    }

    fn print(&self, name: &str) {
        let agreed = self.agreed.as_ref().map_or(String::new(), |agreed| format!(", {agreed}"));
        println!("  {name:<11} {} per second{agreed}", grouped(self.per_second));
        if name == "resumed" {
            println!("              {:.1} % of them were resumed", self.resumed_part * 100.0);
        }
        if let (Some(cpu_us), Some(cores), Some(per_core)) = (self.broker_cpu_us, self.broker_cores, self.per_core) {
            println!(
                "    broker    {cpu_us:.1} µs CPU each, {cores:.2} cores; {} per second of a core",
                grouped(per_core)
            );
        }
        println!("    generator {:.1} µs CPU each, {:.2} cores", self.generator_cpu_us, self.generator_cores);
        if self.generator_was_bottleneck {
            println!(
                "              THE GENERATOR LIMITED THE RATE: what each costs the broker counts, not how many there were"
            );
        }
        if let Some(latency) = &self.latency {
            println!("    to CONNACK {}", percentiles(latency));
        }
        if let Some(first_failure) = &self.first_failure {
            println!("    failures  {} attempts, first: {first_failure}", self.failures);
        }
    }
}

impl HandshakesReport {
    pub fn new(args: &HandshakesArgs) -> Self {
        Self {
            scenario: "handshakes",
            mqtt: args.target.mqtt,
            transport: args.target.transport.name(),
            at_a_time: args.at_a_time,
            seconds: args.seconds,
            full: None,
            resumed: None,
            failed: false,
        }
    }

    /// A run with failures has failed, and so has one without anything to show.
    pub fn judge(&mut self) {
        let is_bad = |kind: &Kind| kind.failures > 0 || kind.made == 0;
        self.failed = [&self.full, &self.resumed].into_iter().flatten().any(is_bad);
    }

    pub fn print(&self) {
        println!("connections over {}, {} at a time", self.transport, self.at_a_time);
        if let Some(kind) = &self.full {
            kind.print(if kind.agreed.is_some() { "full" } else { "made" });
        }
        if let Some(kind) = &self.resumed {
            kind.print("resumed");
        }
        if self.failed {
            println!("FAILED");
        }
    }
}
