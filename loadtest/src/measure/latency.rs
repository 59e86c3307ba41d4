//! Latencies in a histogram whose values are exact to three digits.

use hdrhistogram::Histogram;

/// Latencies of one thread; those of several are added up at the end.
#[derive(Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

/// Longer ones are counted as this long: ten minutes.
const LATENCY_MAX_NS: u64 = 600_000_000_000;

impl Latencies {
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("the bounds are constants and valid");
        Self { histogram }
    }

    pub fn record(&mut self, latency_ns: u64) {
        self.histogram.saturating_record(latency_ns);
    }

    pub fn add(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all histograms have the same bounds");
    }

    /// The usual points of the distribution; `None` when nothing was recorded.
    pub fn summary(&self) -> Option<Summary> {
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        (!self.histogram.is_empty()).then(|| Summary {
            count: self.histogram.len(),
            mean_us: self.histogram.mean() / 1_000.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            p9999_us: at(0.9999),
            max_us: self.histogram.max() as f64 / 1_000.0,
        })
    }
}

/// Points of a distribution of latencies, microseconds.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Summary {
    pub count: u64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
}
