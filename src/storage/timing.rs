//! How long commits take.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::show;
use crate::store::Stats;

/// Commits are told apart up to this time, in microseconds; longer ones count as this long.
const TIME_US_MAX: u64 = 60_000_000;
const SIGNIFICANT_DIGITS: u8 = 2;

/// Commit times of a period.
#[derive(Debug)]
pub struct Timing {
    times_us: Histogram<u64>,
    /// What the store had counted when the period began.
    before: Stats,
}

impl Timing {
    pub fn new() -> Self {
        let times_us = Histogram::new_with_max(TIME_US_MAX, SIGNIFICANT_DIGITS).expect("these bounds are possible");
        Self { times_us, before: Stats::default() }
    }

    pub fn record(&mut self, time: Duration) {
        self.times_us.saturating_record(time.as_micros() as u64);
    }

    pub fn max_us(&self) -> u64 {
        self.times_us.max()
    }

    /// Figures of the period that ends now; `None` if nothing was written in it.
    pub fn summary(&self, stats: &Stats) -> Option<impl fmt::Display + use<>> {
        let groups = stats.groups_written - self.before.groups_written;
        let milliseconds = |quantile| self.times_us.value_at_quantile(quantile) as f64 / 1_000.0;
        (groups > 0).then(|| {
            format!(
                "{} groups, {}, {} syncs, commit p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms; {} facts elided, {} cleaned, {} of {} hold",
                show::count(groups),
                show::size(stats.bytes_written - self.before.bytes_written),
                show::count(stats.syncs - self.before.syncs),
                milliseconds(0.5),
                milliseconds(0.99),
                self.times_us.max() as f64 / 1_000.0,
                show::count(stats.records_elided - self.before.records_elided),
                show::size(stats.bytes_relocated - self.before.bytes_relocated),
                // What holds is estimated.
                show::size(stats.bytes_live.min(stats.bytes)),
                show::size(stats.bytes),
            )
        })
    }

    /// Begins a new period.
    pub fn restart(&mut self, stats: Stats) {
        self.times_us.reset();
        self.before = stats;
    }
}
