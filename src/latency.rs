//! How long things take: histograms of one writer, and what is read from them. No clock: times are arguments.

use hdrhistogram::Histogram;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::limits::LATENCY_PERIOD_MS;

/// Times below this are not told apart, in nanoseconds: a clock read takes a tenth of it.
const TIME_NS_MIN: u64 = 256;
/// Longer times count as this long, in nanoseconds.
const TIME_NS_MAX: u64 = 60_000_000_000;
/// Within 1 % of the time.
const SIGNIFICANT_DIGITS: u8 = 2;

/// Times of one kind, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u32>);

impl Default for Times {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(TIME_NS_MIN, TIME_NS_MAX, SIGNIFICANT_DIGITS);
        Self(histogram.expect("these bounds are possible"))
    }
}

impl Times {
    #[inline]
    pub fn record(&mut self, time_ns: u64) {
        self.0.saturating_record(time_ns);
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that this part of all do not exceed, `quantile` from 0 to 1, no more than [`max_ns`](Self::max_ns); 0 without any.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        // The histogram answers with the end of a bucket, which may be beyond all times in it.
        self.0.value_at_quantile(quantile).min(self.max_ns())
    }

    /// The longest, as it was measured, rounded up to what is told apart; 0 without any.
    pub fn max_ns(&self) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.max().max(TIME_NS_MIN) }
    }

    pub fn mean_ns(&self) -> f64 {
        self.0.mean()
    }

    /// How many took so long or less, as far as the histogram tells them apart.
    pub fn count_up_to(&self, time_ns: u64) -> u64 {
        self.0.count_between(0, time_ns)
    }

    pub fn add(&mut self, other: &Self) {
        // It fails only for times above the bound, which nobody records.
        let _ = self.0.add(&other.0);
    }

    fn clear(&mut self) {
        self.0.reset();
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut times = serializer.serialize_struct("Times", 8)?;
        times.serialize_field("count", &self.count())?;
        times.serialize_field("mean_ns", &(self.mean_ns() as u64))?;
        for (name, quantile) in QUANTILES {
            times.serialize_field(name, &self.quantile_ns(quantile))?;
        }
        times.serialize_field("max_ns", &self.max_ns())?;
        times.end()
    }
}

const QUANTILES: [(&str, f64); 5] =
    [("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99), ("p999_ns", 0.999), ("p9999_ns", 0.9999)];

/// One kind of times: since the start, and lately.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latency {
    /// Of the present period of `LATENCY_PERIOD_MS` and the one before: what somebody looks at who looks now.
    pub recent: Times,
    /// Since the start.
    pub all: Times,
}

impl Latency {
    pub fn add(&mut self, other: &Self) {
        self.recent.add(&other.recent);
        self.all.add(&other.all);
    }
}

/// The same while it is measured.
#[derive(Debug, Default)]
pub struct Recorder {
    present: Times,
    previous: Times,
    /// Of all periods that are over.
    earlier: Times,
    /// Number of the present period.
    period: u64,
}

impl Recorder {
    /// Takes a time that was measured at `now_ms`.
    #[inline]
    pub fn record(&mut self, time_ns: u64, now_ms: u64) {
        if now_ms / LATENCY_PERIOD_MS != self.period {
            self.turn_over(now_ms / LATENCY_PERIOD_MS);
        }
        self.present.record(time_ns);
    }

    #[cold]
    fn turn_over(&mut self, period: u64) {
        self.earlier.add(&self.present);
        std::mem::swap(&mut self.present, &mut self.previous);
        self.present.clear();
        if period != self.period + 1 {
            self.previous.clear();
        }
        self.period = period;
    }

    pub fn read(&mut self, now_ms: u64) -> Latency {
        if now_ms / LATENCY_PERIOD_MS != self.period {
            self.turn_over(now_ms / LATENCY_PERIOD_MS);
        }
        let mut recent = self.previous.clone();
        recent.add(&self.present);
        let mut all = self.earlier.clone();
        all.add(&self.present);
        Latency { recent, all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_recent_for_two_periods_and_counted_for_ever() {
        let mut recorder = Recorder::default();
        recorder.record(1_000, 5);
        for (period, recent) in [(0, 1), (1, 1), (2, 0), (9, 0)] {
            let latency = recorder.read(period * LATENCY_PERIOD_MS);
            assert_eq!((latency.recent.count(), latency.all.count()), (recent, 1), "period {period}");
        }
        recorder.record(1_000, 10 * LATENCY_PERIOD_MS);
        let latency = recorder.read(17 * LATENCY_PERIOD_MS);
        assert_eq!((latency.recent.count(), latency.all.count()), (0, 2), "both periods were quiet");
    }

    #[test]
    fn times_are_told_within_a_percent_and_bounded() {
        let mut times = Times::default();
        for time_ns in [0, 1, 5_000, 3_000_000, u64::MAX] {
            times.record(time_ns);
        }
        assert_eq!(times.count(), 5);
        let near = |found: u64, wanted: u64| found.abs_diff(wanted) <= wanted / 100 + TIME_NS_MIN;
        assert!(near(times.quantile_ns(0.5), 5_000), "{}", times.quantile_ns(0.5));
        assert!(near(times.quantile_ns(0.8), 3_000_000), "{}", times.quantile_ns(0.8));
        assert!(near(times.max_ns(), TIME_NS_MAX), "{}", times.max_ns());
        assert_eq!(times.count_up_to(1_000_000), 3);
        let mut short = Times::default();
        assert_eq!((short.quantile_ns(0.5), short.max_ns()), (0, 0));
        short.record(3);
        assert!((1..=TIME_NS_MIN).contains(&short.quantile_ns(0.5)) && short.max_ns() == TIME_NS_MIN);
    }
}
