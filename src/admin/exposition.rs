//! `/metrics`: the same figures for Prometheus, in its text format or in that of OpenMetrics 1.0, whichever is asked for.
//!
//! The two differ in three things here: the media type, the name of a counter's family (OpenMetrics leaves `_total` to its samples),
//! and the line that ends the page. Names and label values come from closed lists, so nothing needs to be escaped.

use std::fmt::{Display, Write};

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::answer::Failure;
use super::families;
use crate::latency::Latency;
use crate::runtime::ServerHandle;

const OPENMETRICS: &str = "application/openmetrics-text";
const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets of times, in nanoseconds: 1, 2.5 and 5 of each power of ten from 10 µs to 10 s.
const BUCKETS_NS: [u64; 19] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

pub async fn metrics(State(server): State<ServerHandle>, headers: HeaderMap) -> Result<Response, Failure> {
    let snapshot = server.metrics().await.map_err(|_| Failure::ENDED)?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    // Prometheus names OpenMetrics only if it wants it, and then before all else.
    let is_openmetrics = accept.contains(OPENMETRICS);
    let mut page = Page::new(is_openmetrics);
    families::write(&mut page, &snapshot);
    let media_type = if is_openmetrics { OPENMETRICS_TYPE } else { PROMETHEUS_TYPE };
    Ok(([(header::CONTENT_TYPE, media_type)], page.finish()).into_response())
}

/// Labels with their values.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// The text, family after family.
pub struct Page {
    text: String,
    is_openmetrics: bool,
}

/// One family, to which samples are added.
pub struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
    suffix: &'static str,
}

impl Page {
    pub fn new(is_openmetrics: bool) -> Self {
        Self { text: String::new(), is_openmetrics }
    }

    /// A number that only grows; `name` is without `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        let of_family = if self.is_openmetrics { "" } else { "_total" };
        self.begin(name, of_family, "counter", help);
        Family { page: self, name, suffix: "_total" }
    }

    /// A level.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.begin(name, "", "gauge", help);
        Family { page: self, name, suffix: "" }
    }

    /// Times; `name` ends in `_seconds`.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.begin(name, "", "histogram", help);
        Family { page: self, name, suffix: "" }
    }

    pub fn finish(mut self) -> String {
        if self.is_openmetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn begin(&mut self, name: &str, suffix: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
    }
}

impl Family<'_> {
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line(self.suffix, labels, None, value);
    }

    /// All buckets of times since the start.
    pub fn times(&mut self, labels: Labels<'_>, latency: &Latency) {
        let times = &latency.all;
        for bound_ns in BUCKETS_NS {
            let bound = seconds(bound_ns as f64);
            self.line("_bucket", labels, Some(&bound), times.count_up_to(bound_ns));
        }
        self.line("_bucket", labels, Some("+Inf"), times.count());
        self.line("_sum", labels, None, seconds(times.mean_ns() * times.count() as f64));
        self.line("_count", labels, None, times.count());
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let text = &mut self.page.text;
        let _ = write!(text, "{}{suffix}", self.name);
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut separator = '{';
        for (label, value) in labels {
            let _ = write!(text, "{separator}{label}=\"{value}\"");
            separator = ',';
        }
        if separator == ',' {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

/// Nanoseconds as seconds. OpenMetrics wants a bucket's bound to be written as a float.
fn seconds(ns: f64) -> String {
    format!("{:?}", ns / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_named_by_the_format() {
        let written = |is_openmetrics| {
            let mut page = Page::new(is_openmetrics);
            page.counter("ringmq_x", "Help.").sample(&[("shard", "0"), ("reason", "a")], 3);
            page.finish()
        };
        assert_eq!(
            written(false),
            "# HELP ringmq_x_total Help.\n# TYPE ringmq_x_total counter\nringmq_x_total{shard=\"0\",reason=\"a\"} 3\n"
        );
        assert_eq!(
            written(true),
            "# HELP ringmq_x Help.\n# TYPE ringmq_x counter\nringmq_x_total{shard=\"0\",reason=\"a\"} 3\n# EOF\n"
        );
    }

    #[test]
    fn buckets_are_cumulative() {
        let mut latency = Latency::default();
        for time_ns in [5_000, 70_000, 70_000, 20_000_000_000] {
            latency.all.record(time_ns);
        }
        let mut page = Page::new(false);
        page.histogram("t_seconds", "Help.").times(&[("shard", "0")], &latency);
        let text = page.finish();
        for line in [
            "t_seconds_bucket{shard=\"0\",le=\"1e-5\"} 1",
            "t_seconds_bucket{shard=\"0\",le=\"5e-5\"} 1",
            "t_seconds_bucket{shard=\"0\",le=\"0.0001\"} 3",
            "t_seconds_bucket{shard=\"0\",le=\"10.0\"} 3",
            "t_seconds_bucket{shard=\"0\",le=\"+Inf\"} 4",
            "t_seconds_count{shard=\"0\"} 4",
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\nnot in\n{text}");
        }
    }
}
