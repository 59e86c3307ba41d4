//! What a storm did to others, and how long it took.

use crate::engine::worker::{Outcome, Part};
use crate::faults::Faults;
use crate::measure::latency::Summary;
use crate::mqtt::Version;
use crate::report::time_series::TimePoint;
use crate::report::{duration, grouped, percentiles};

#[derive(Debug, serde::Serialize)]
pub struct StormReport {
    pub scenario: &'static str,
    pub mqtt: Version,
    pub qos: u8,
    pub payload_bytes: usize,
    pub pairs: usize,
    pub rate: f64,
    pub connects_per_second: Option<f64>,
    pub established: Established,
    pub storm: Storm,
    /// Of the steady traffic, as all that follows; it begins with the quiet phase.
    pub time_series: Vec<TimePoint>,
    pub faults: Faults,
    pub first_fault: Option<String>,
    pub failed: bool,
}

/// Latency of the steady traffic, by the phase in which a message was due. The storm's lasts until all clients are in, and
/// at least half a second.
#[derive(Debug, serde::Serialize)]
pub struct Established {
    pub quiet: Option<Summary>,
    pub storm: Option<Summary>,
    pub after: Option<Summary>,
    /// In the storm.
    pub p99_us: Option<f64>,
    /// In the storm, against the quiet phase.
    pub p99_ratio: Option<f64>,
    /// The generator's own part of the storm's latencies.
    pub storm_send_delay: Option<Summary>,
}

/// The clients that came back.
#[derive(Debug, serde::Serialize)]
pub struct Storm {
    pub clients: usize,
    pub all_in: bool,
    /// From the first reset connection to the last SUBACK.
    pub seconds_until_all_in: Option<f64>,
    #[serde(skip)]
    pub connects_per_second: Option<f64>,
    /// Attempts that failed and were repeated.
    pub failures: u64,
    /// Connections that the broker ended once they were in.
    pub ended: u64,
    pub first_failure: Option<String>,
    /// From the first attempt of a client to its CONNACK.
    pub latency: Option<Summary>,
}

impl Established {
    pub fn new(outcome: &Outcome) -> Self {
        let summary = |phase: usize| outcome.parts[phase].latencies.summary();
        let (quiet, storm, after) = (summary(0), summary(1), summary(2));
        let Part { send_delays, .. } = &outcome.parts[1];
        Self {
            quiet,
            storm,
            after,
            p99_us: storm.map(|storm| storm.p99_us),
            p99_ratio: storm.zip(quiet).map(|(storm, quiet)| storm.p99_us / quiet.p99_us),
            storm_send_delay: send_delays.summary(),
        }
    }
}

impl StormReport {
    pub fn print(&self) {
        let Self { storm, established, .. } = self;
        println!(
            "storm of {} clients beside {} pairs, QoS {}, {} B, {} messages/s",
            grouped(storm.clients as f64),
            self.pairs,
            self.qos,
            self.payload_bytes,
            grouped(self.rate)
        );
        match (storm.seconds_until_all_in, self.connects_per_second) {
            (Some(seconds), Some(rate)) => println!("  all in      after {seconds:.2} s, {} per second", grouped(rate)),
            _ => println!("  all in      never"),
        }
        if let Some(latency) = &storm.latency {
            println!("  to CONNACK  {}", percentiles(latency));
        }
        println!("  failures    {} attempts, {} connections ended by the broker", storm.failures, storm.ended);
        if let Some(first_failure) = &storm.first_failure {
            println!("              first: {first_failure}");
        }
        println!("  latency of the steady traffic");
        let phases = [("quiet", established.quiet), ("storm", established.storm), ("after", established.after)];
        for (name, summary) in phases {
            println!("    {name:<9} {}", summary.as_ref().map_or("no messages".into(), percentiles));
        }
        if let (Some(ratio), Some(delay)) = (established.p99_ratio, &established.storm_send_delay) {
            println!("  storm/quiet {ratio:.1} (p99); send delay in the storm p99 {}", duration(delay.p99_us));
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
