//! What a site found.

use crate::faults::Faults;
use crate::measure::latency::{Point, Summary};
use crate::mqtt::Version;
use crate::report::time_series::TimePoint;
use crate::report::{BrokerReport, GeneratorReport, KernelReport, grouped, percentiles};

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
    pub broker: Option<BrokerReport>,
    pub kernel: Option<KernelReport>,
    pub generator: GeneratorReport,
    pub others: Others,
    pub faults: Faults,
    pub first_fault: Option<String>,
    pub failed: bool,
    pub time_series: Vec<TimePoint>,
    /// Latency by percentile, of all parts.
    pub distribution: Vec<Point>,
}

/// The messages of one group of publishers.
#[derive(Debug, serde::Serialize)]
pub struct Part {
    pub name: String,
    pub latency: Option<Summary>,
    pub send_delay: Option<Summary>,
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
            broker.print();
        }
        if let Some(kernel) = &self.kernel {
            kernel.print();
        }
        self.generator.print();
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
