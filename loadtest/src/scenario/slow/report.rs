//! What slow consumers did to the broker and to the others.

use crate::faults::Faults;
use crate::measure::latency::{Point, Summary};
use crate::mqtt::Version;
use crate::report::time_series::TimePoint;
use crate::report::{grouped, mebibytes, percentiles};

#[derive(Debug, serde::Serialize)]
pub struct SlowReport {
    pub scenario: &'static str,
    pub mqtt: Version,
    pub qos: u8,
    pub payload_bytes: usize,
    pub rate: f64,
    /// Those that read as fast as they can.
    pub subscribers: usize,
    pub published: u64,
    /// Of those.
    pub latency: Option<Summary>,
    pub send_delay: Option<Summary>,
    pub slow: Slow,
    pub broker: Option<Broker>,
    pub faults: Faults,
    pub first_fault: Option<String>,
    pub failed: bool,
    /// Of those that read, as the distribution.
    pub time_series: Vec<TimePoint>,
    /// Latency by percentile.
    pub distribution: Vec<Point>,
}

#[derive(Debug, serde::Serialize)]
pub struct Slow {
    pub consumers: usize,
    /// Of each; zero reads nothing.
    pub bytes_per_second: f64,
    pub received: u64,
    /// The part that came before they could catch up.
    pub received_slowly: u64,
    /// Never came: at QoS 0, or because the broker ended the connection.
    pub dropped: u64,
    /// Connections that the broker ended.
    pub disconnected: usize,
    pub first_end: Option<String>,
}

#[derive(Debug, serde::Serialize)]
pub struct Broker {
    pub rss_bytes_before: u64,
    pub rss_bytes_max: u64,
    /// Growth to the largest for each slow consumer.
    pub bytes_per_slow_consumer: f64,
    /// Once the slow ones have caught up.
    pub rss_bytes_after: u64,
}

impl Broker {
    pub fn new(before: Option<u64>, after: Option<u64>, course: &[TimePoint], slow: usize) -> Option<Self> {
        let (rss_bytes_before, rss_bytes_after) = before.zip(after)?;
        let rss_bytes_max =
            course.iter().filter_map(|point| point.load.broker_rss_bytes).max().unwrap_or(0).max(rss_bytes_after);
        let bytes_per_slow_consumer = (rss_bytes_max as f64 - rss_bytes_before as f64) / slow as f64;
        Some(Self { rss_bytes_before, rss_bytes_max, bytes_per_slow_consumer, rss_bytes_after })
    }
}

impl SlowReport {
    pub fn print(&self) {
        let Self { slow, .. } = self;
        let pace = match slow.bytes_per_second {
            0.0 => "do not read".into(),
            rate => format!("read {} B/s", grouped(rate)),
        };
        println!(
            "{} of {} subscribers {pace}, QoS {}, {} B, {} messages/s to each",
            slow.consumers,
            slow.consumers + self.subscribers,
            self.qos,
            self.payload_bytes,
            grouped(self.rate)
        );
        println!("  the others, {} messages each", grouped(self.published as f64));
        if let Some(latency) = &self.latency {
            println!("    latency   {}", percentiles(latency));
        }
        if let Some(delay) = &self.send_delay {
            println!("    sent late {}", percentiles(delay));
        }
        println!(
            "  slow ones   got {} of {}, {} of them before they caught up at the end",
            grouped(slow.received as f64),
            grouped((self.published * slow.consumers as u64) as f64),
            grouped(slow.received_slowly as f64)
        );
        println!(
            "              {} dropped by the broker, {} connections ended by it",
            grouped(slow.dropped as f64),
            slow.disconnected
        );
        if let Some(first_end) = &slow.first_end {
            println!("              first: {first_end}");
        }
        if let Some(broker) = &self.broker {
            println!(
                "  broker      RSS {:.1} MiB before, {:.1} at most, {:.1} in the end; {:.2} MiB for each slow one",
                mebibytes(broker.rss_bytes_before),
                mebibytes(broker.rss_bytes_max),
                mebibytes(broker.rss_bytes_after),
                broker.bytes_per_slow_consumer / 1_048_576.0
            );
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
