//! Latencies in a histogram whose values are exact to three digits.

use hdrhistogram::Histogram;

/// Latencies of one thread and one interval; those of several are added up.
#[derive(Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

/// Longer ones are counted as this long: ten minutes.
const LATENCY_MAX_NS: u64 = 600_000_000_000;

/// Points of the distribution between a percentile and the next that is twice as rare: as in HdrHistogram's own plots.
const POINTS_PER_HALVING: u32 = 5;

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

    /// The histogram, in nanoseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// The usual points of the distribution; `None` when nothing was recorded.
    pub fn summary(&self) -> Option<Summary> {
        let at = |quantile| microseconds(self.histogram.value_at_quantile(quantile));
        (!self.histogram.is_empty()).then(|| Summary {
            count: self.histogram.len(),
            mean_us: self.histogram.mean() / 1_000.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            p9999_us: at(0.9999),
            max_us: microseconds(self.histogram.max()),
        })
    }

    /// The whole distribution, ever finer towards its end, which is the maximum.
    pub fn distribution(&self) -> Vec<Point> {
        let steps = self.histogram.iter_quantiles(POINTS_PER_HALVING);
        let points = steps.map(|step| Point {
            quantile: step.quantile_iterated_to(),
            us: microseconds(step.value_iterated_to().min(self.histogram.max())),
            count: step.count_since_last_iteration(),
        });
        points.collect()
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1_000.0
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

/// One point of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Point {
    /// The part of all latencies that is at most `us`; 1 at the maximum.
    pub quantile: f64,
    pub us: f64,
    /// Latencies between the point before and this one.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_goes_beyond_the_summary_to_the_maximum_and_counts_each_latency_once() {
        let mut latencies = Latencies::new();
        // The rarer the longer, as latencies are.
        (1..=100_000).for_each(|rank| latencies.record(10_000_000_000 / rank));
        let points = latencies.distribution();
        assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 100_000);
        assert!(points.is_sorted_by(|left, right| left.quantile < right.quantile && left.us <= right.us));
        assert!(points.iter().filter(|point| point.quantile > 0.9999).count() > 5, "{points:?}");
        let last = points.last().unwrap();
        assert_eq!((last.quantile, last.us), (1.0, latencies.summary().unwrap().max_us));
    }

    #[test]
    fn nothing_recorded_is_nothing_told() {
        assert!(Latencies::new().summary().is_none());
        assert_eq!(Latencies::new().distribution(), []);
    }
}
