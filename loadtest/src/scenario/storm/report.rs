//! What a storm did to others, and how long it took.

use crate::engine::worker::{Outcome, Part};
use crate::faults::Faults;
use crate::measure::latency::{Latencies, Summary};
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
    #[serde(flatten)]
    pub latency: Phases,
    /// In the storm.
    pub p99_us: Option<f64>,
    /// In the storm, against the quiet phase.
    pub p99_ratio: Option<f64>,
    /// The generator's own part of the storm's latencies.
    pub storm_send_delay: Option<Summary>,
    /// From when a message was written to the publisher's socket to when it had arrived at the subscriber's: the same latency
    /// without what the generator, which the storm keeps busy, waited for a CPU.
    pub between_sockets: Phases,
    /// The 99th percentile of that in the storm, against the quiet phase.
    pub between_sockets_p99_ratio: Option<f64>,
}

/// The same in each phase.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Phases {
    pub quiet: Option<Summary>,
    pub storm: Option<Summary>,
    pub after: Option<Summary>,
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
        let latency = Phases::of(outcome, |part| &part.latencies);
        let between_sockets = Phases::of(outcome, |part| &part.between_sockets);
        Self {
            latency,
            p99_us: latency.storm.map(|storm| storm.p99_us),
            p99_ratio: latency.p99_ratio(),
            storm_send_delay: outcome.parts[1].send_delays.summary(),
            between_sockets,
            between_sockets_p99_ratio: between_sockets.p99_ratio(),
        }
    }
}

impl Phases {
    fn of(outcome: &Outcome, which: fn(&Part) -> &Latencies) -> Self {
        let summary = |phase: usize| which(&outcome.parts[phase]).summary();
        Self { quiet: summary(0), storm: summary(1), after: summary(2) }
    }

    /// Storm against quiet.
    fn p99_ratio(&self) -> Option<f64> {
        Some(self.storm?.p99_us / self.quiet?.p99_us)
    }

    fn print(&self) {
        for (name, summary) in [("quiet", self.quiet), ("storm", self.storm), ("after", self.after)] {
            println!("    {name:<9} {}", summary.as_ref().map_or("no messages".into(), percentiles));
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
        established.latency.print();
        if let (Some(ratio), Some(delay)) = (established.p99_ratio, &established.storm_send_delay) {
            println!("    storm/quiet {ratio:.1} (p99); send delay in the storm p99 {}", duration(delay.p99_us));
        }
        println!("  of that between the sockets, without what this program waited for a CPU");
        established.between_sockets.print();
        if let Some(ratio) = established.between_sockets_p99_ratio {
            println!("    storm/quiet {ratio:.1} (p99)");
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
