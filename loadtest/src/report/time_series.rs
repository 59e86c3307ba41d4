//! The course of a run, one point for each interval.

use crate::measure::intervals::Interval;

/// One interval. Latencies are those of the messages that arrived in it.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct TimePoint {
    /// The end of the interval, since measuring began.
    pub seconds: f64,
    pub delivered_per_second: f64,
    pub p50_us: Option<f64>,
    pub p99_us: Option<f64>,
    pub p999_us: Option<f64>,
    pub max_us: Option<f64>,
    /// Faults that showed in it. What never arrived shows in the last one, and so does what went wrong in the warm-up.
    pub faults: u64,
    #[serde(flatten)]
    pub load: Load,
}

/// What the processes used in an interval, where that was looked at. "Cores" are CPU seconds per second.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Load {
    pub broker_cpu_cores: Option<f64>,
    /// At the end of the interval.
    pub broker_rss_bytes: Option<u64>,
    pub generator_cpu_cores: Option<f64>,
}

impl TimePoint {
    pub fn new(seconds: f64, interval: &Interval, load: Load) -> Self {
        let latency = interval.latencies.summary();
        Self {
            seconds,
            delivered_per_second: interval.delivered_per_second,
            p50_us: latency.map(|summary| summary.p50_us),
            p99_us: latency.map(|summary| summary.p99_us),
            p999_us: latency.map(|summary| summary.p999_us),
            max_us: latency.map(|summary| summary.max_us),
            faults: interval.faults,
            load,
        }
    }
}
