//! What a site found.

use crate::faults::Faults;
use crate::measure::latency::Summary;
use crate::measure::memory::Memory;
use crate::mqtt::Version;
use crate::report::{grouped, mebibytes, percentiles};
use crate::scenario::meter::Cost;

#[derive(Debug, serde::Serialize)]
pub struct SiteReport {
    pub scenario: &'static str,
    pub title: String,
    pub mqtt: Version,
    pub publishers: usize,
    pub subscribers: usize,
    /// Messages published per second.
    pub rate: f64,
    pub seconds: f64,
    pub delivered: u64,
    pub delivered_per_second: f64,
    pub latency: Option<Summary>,
    pub send_delay: Option<Summary>,
    pub parts: Vec<Part>,
    pub broker: Option<Broker>,
    pub generator_cpu_us_per_message: f64,
    pub others: Others,
    pub faults: Faults,
    pub first_fault: Option<String>,
    pub failed: bool,
}

/// The messages of one group of publishers.
#[derive(Debug, serde::Serialize)]
pub struct Part {
    pub name: String,
    pub latency: Option<Summary>,
    pub send_delay: Option<Summary>,
}

#[derive(Debug, serde::Serialize)]
pub struct Broker {
    pub cpu_us_per_message: f64,
    pub cpu_cores: f64,
    pub rss_bytes: u64,
    pub rss_bytes_before: u64,
}

/// Clients without messages.
#[derive(Debug, serde::Serialize)]
pub struct Others {
    pub clients: usize,
    pub reconnects: u64,
    /// Attempts that failed and were repeated.
    pub failures: u64,
    /// Connections that the broker ended once they were in.
    pub ended: u64,
    pub first_failure: Option<String>,
}

impl Broker {
    pub fn new(cost: &Cost, delivered: u64, before: Option<Memory>, now: Option<Memory>) -> Option<Self> {
        let (before, now) = before.zip(now)?;
        Some(Self {
            cpu_us_per_message: cost.broker_us_per(delivered)?,
            cpu_cores: cost.broker_ns? as f64 / 1e9 / cost.seconds,
            rss_bytes: now.rss_bytes,
            rss_bytes_before: before.rss_bytes,
        })
    }
}

impl SiteReport {
    pub fn print(&self) {
        println!(
            "{}: {} publishers, {} subscribers, {} other clients, {} messages/s published",
            self.title,
            grouped(self.publishers as f64),
            grouped(self.subscribers as f64),
            grouped(self.others.clients as f64),
            grouped(self.rate)
        );
        println!("  delivered   {} messages/s for {:.1} s", grouped(self.delivered_per_second), self.seconds);
        println!("  latency");
        let width = self.parts.iter().map(|part| part.name.len()).max().unwrap_or(0).max(8);
        for part in &self.parts {
            let latency = part.latency.as_ref().map_or("nobody receives it".into(), percentiles);
            println!("    {:<width$}  {latency}", part.name);
        }
        if let Some(latency) = &self.latency {
            println!("    {:<width$}  {}", "all", percentiles(latency));
        }
        if let Some(delay) = &self.send_delay {
            println!("  send delay  {}", percentiles(delay));
        }
        if let Some(broker) = &self.broker {
            println!(
                "  broker      {:.3} µs CPU per message, {:.2} cores, RSS {:.1} MiB ({:.1} before)",
                broker.cpu_us_per_message,
                broker.cpu_cores,
                mebibytes(broker.rss_bytes),
                mebibytes(broker.rss_bytes_before)
            );
        }
        println!("  generator   {:.3} µs CPU per message", self.generator_cpu_us_per_message);
        if self.others.clients > 0 {
            println!(
                "  others      {} reconnects, {} attempts failed, {} connections ended by the broker",
                grouped(self.others.reconnects as f64),
                self.others.failures,
                self.others.ended
            );
        }
        if let Some(first_failure) = &self.others.first_failure {
            println!("              first: {first_failure}");
        }
        println!("  faults      {}", self.faults);
        if let Some(first_fault) = &self.first_fault {
            println!("              first: {first_fault}");
        }
        if self.failed {
            println!("FAILED");
        }
    }
}
