//! What hours of traffic did to the broker.

use crate::faults::Faults;
use crate::measure::latency::{Point, Summary};
use crate::mqtt::Version;
use crate::report::{duration, grouped, mebibytes, percentiles};

#[derive(Debug, serde::Serialize)]
pub struct SoakReport {
    pub scenario: &'static str,
    pub mqtt: Version,
    pub qos: u8,
    pub payload_bytes: usize,
    pub pairs: usize,
    pub rate: f64,
    pub seconds: f64,
    pub published: u64,
    pub delivered: u64,
    pub latency: Option<Summary>,
    /// Growth of the broker's resident set, by a straight line through all samples but the first.
    pub rss_bytes_per_hour: Option<f64>,
    pub churn: Churn,
    pub samples: Vec<Sample>,
    pub faults: Faults,
    pub first_fault: Option<String>,
    pub failed: bool,
    /// Latency by percentile.
    pub distribution: Vec<Point>,
}

#[derive(Debug, serde::Serialize)]
pub struct Churn {
    pub clients: usize,
    pub reconnects: u64,
    /// Attempts that failed and were repeated.
    pub failures: u64,
    /// Connections that the broker ended once they were in.
    pub ended: u64,
    pub first_failure: Option<String>,
}

/// One line of the report while it runs.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Sample {
    pub seconds: f64,
    pub delivered_per_second: f64,
    /// Of what arrived in the run's intervals that ended since the line before: of a second, or shorter in a short run.
    pub p99_us: Option<f64>,
    pub faults: u64,
    pub rss_bytes: Option<u64>,
}

impl Sample {
    pub const HEADING: &str = "      time   messages/s          p99    faults      RSS MiB   MiB per hour";

    /// Prints the newest sample with the slope up to it.
    pub fn print_last(samples: &[Self]) {
        let Some(sample) = samples.last() else { return };
        let minutes = sample.seconds / 60.0;
        let p99 = sample.p99_us.map_or("-".into(), duration);
        let rss = sample.rss_bytes.map_or("-".into(), |bytes| format!("{:.1}", mebibytes(bytes)));
        let slope = slope_per_hour(samples).map_or("-".into(), |slope| format!("{:+.2}", slope / 1_048_576.0));
        println!(
            "{minutes:>6.1} min {:>12} {p99:>12} {:>9} {rss:>12} {slope:>14}",
            grouped(sample.delivered_per_second),
            sample.faults
        );
    }
}

/// Bytes per hour by least squares, without the first sample: memory grows while the broker warms up. `None` before there
/// are three to lay a line through.
pub fn slope_per_hour(samples: &[Sample]) -> Option<f64> {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .skip(1)
        .filter_map(|sample| Some((sample.seconds / 3_600.0, sample.rss_bytes? as f64)))
        .collect();
    if points.len() < 3 {
        return None;
    }
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let together: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (spread > 0.0).then(|| together / spread)
}

impl SoakReport {
    pub fn print(&self) {
        println!(
            "soak of {} pairs for {:.1} minutes, QoS {}, {} B, {} messages/s",
            self.pairs,
            self.seconds / 60.0,
            self.qos,
            self.payload_bytes,
            grouped(self.rate)
        );
        println!("  delivered   {} of {}", grouped(self.delivered as f64), grouped(self.published as f64));
        if let Some(latency) = &self.latency {
            println!("  latency     {}", percentiles(latency));
        }
        let churn = &self.churn;
        println!(
            "  churn       {} reconnects of {} clients, {} attempts failed, {} connections ended by the broker",
            grouped(churn.reconnects as f64),
            churn.clients,
            churn.failures,
            churn.ended
        );
        if let Some(first_failure) = &churn.first_failure {
            println!("              first: {first_failure}");
        }
        if let Some(slope) = self.rss_bytes_per_hour {
            println!("  broker      RSS grows by {:+.2} MiB per hour", slope / 1_048_576.0);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(hours: f64, rss_bytes: u64) -> Sample {
        let seconds = hours * 3_600.0;
        Sample { seconds, delivered_per_second: 0.0, p99_us: None, faults: 0, rss_bytes: Some(rss_bytes) }
    }

    #[test]
    fn the_slope_is_that_of_a_line_after_the_first_sample() {
        let mut samples = vec![sample(0.0, 7), sample(1.0, 1_000), sample(2.0, 1_500)];
        assert_eq!(slope_per_hour(&samples), None);
        samples.push(sample(3.0, 2_000));
        assert!((slope_per_hour(&samples).unwrap() - 500.0).abs() < 1e-6);
    }
}
