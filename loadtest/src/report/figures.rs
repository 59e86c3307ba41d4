//! The figures of results that are compared: where each is in a scenario's JSON, and how it is shown. A scenario has those
//! that its JSON has.

use super::grouped;
use serde_json::Value;

/// A number in results.
#[derive(Debug, PartialEq, Eq)]
pub struct Figure {
    pub label: &'static str,
    /// RFC 6901.
    pub pointer: &'static str,
    pub decimals: usize,
}

const fn figure(label: &'static str, pointer: &'static str, decimals: usize) -> Figure {
    Figure { label, pointer, decimals }
}

/// All figures, in the order in which they are shown. The first that a scenario has is its main one.
pub const FIGURES: &[Figure] = &[
    figure("broker CPU, µs per message", "/broker/cpu_us_per_message", 3),
    figure("delivered per second", "/delivered_per_second", 0),
    figure("acknowledged per second", "/acknowledged_per_second", 0),
    figure("latency p50, µs", "/latency/p50_us", 1),
    figure("latency p99, µs", "/latency/p99_us", 1),
    figure("latency p99.9, µs", "/latency/p999_us", 1),
    figure("latency p99.99, µs", "/latency/p9999_us", 1),
    figure("latency max, µs", "/latency/max_us", 0),
    figure("send delay p99, µs", "/send_delay/p99_us", 1),
    figure("bytes written per message", "/broker/written_bytes_per_message", 0),
    figure("bytes per connection", "/broker/bytes_per_connection", 0),
    figure("connects per second", "/connects_per_second", 0),
    figure("broker CPU, µs per connect", "/broker/cpu_us_per_connect", 1),
    figure("full handshakes: broker CPU, µs each", "/full/broker_cpu_us", 1),
    figure("full handshakes per second", "/full/per_second", 0),
    figure("full handshakes per second of a core", "/full/per_core", 0),
    figure("full handshakes: latency p99, µs", "/full/latency/p99_us", 0),
    figure("full handshakes: generator CPU, µs each", "/full/generator_cpu_us", 1),
    figure("resumed handshakes: broker CPU, µs each", "/resumed/broker_cpu_us", 1),
    figure("resumed handshakes per second", "/resumed/per_second", 0),
    figure("resumed handshakes per second of a core", "/resumed/per_core", 0),
    figure("resumed handshakes: latency p99, µs", "/resumed/latency/p99_us", 0),
    figure("resumed handshakes: generator CPU, µs each", "/resumed/generator_cpu_us", 1),
    figure("resumed handshakes: part that was resumed", "/resumed/resumed_part", 3),
    figure("seconds until all are back", "/storm/seconds_until_all_in", 2),
    figure("established p99, µs", "/established/p99_us", 1),
    figure("established p99 while quiet, µs", "/established/quiet/p99_us", 1),
    figure("established p99, storm to quiet", "/established/p99_ratio", 2),
    figure("established p99 between the sockets, µs", "/established/between_sockets/storm/p99_us", 1),
    figure("established p99 between the sockets while quiet, µs", "/established/between_sockets/quiet/p99_us", 1),
    figure("established p99 between the sockets, storm to quiet", "/established/between_sockets_p99_ratio", 2),
    figure("broker CPU, µs per ping", "/pings/cpu_us_per_ping", 2),
    figure("broker CPU, µs per delivery", "/deliveries/cpu_us_per_message", 2),
    figure("subscribes per second", "/subscribes_per_second", 0),
    figure("broker CPU, µs per subscribe", "/broker/cpu_us_per_subscribe", 2),
    figure("bytes per subscription", "/broker/bytes_per_subscription", 0),
    figure("broker CPU, µs per publish not matching", "/not_matching/cpu_us_per_publish", 2),
    figure("broker CPU, µs per publish matching", "/matching/cpu_us_per_publish", 2),
    figure("broker CPU, µs per unsubscribe", "/unsubscribed/cpu_us_per_unsubscribe", 2),
    figure("retained: published per second", "/published/messages_per_second", 0),
    figure("retained: delivered per second", "/retained/messages_per_second", 0),
    figure("retained: broker CPU, µs per message", "/retained/cpu_us_per_message", 3),
    figure("retained: bytes per message", "/retained/bytes_per_message", 0),
    figure("seconds to drain", "/drained/seconds", 2),
    figure("drained per second", "/drained/messages_per_second", 0),
    figure("seconds to recover", "/recovery/seconds", 3),
    figure("CPU seconds to recover", "/recovery/cpu_seconds", 3),
    figure("bytes on disk", "/recovery/bytes_on_disk", 0),
    figure("RSS after loading, bytes", "/recovery/rss_bytes_loaded", 0),
    figure("RSS after recovery, bytes", "/recovery/rss_bytes", 0),
    figure("bytes per slow consumer", "/broker/bytes_per_slow_consumer", 0),
    figure("dropped for slow consumers", "/slow/dropped", 0),
    figure("RSS growth, bytes per hour", "/rss_bytes_per_hour", 0),
    figure("idle broker, cores", "/broker/idle_cores", 4),
    figure("broker, cores", "/broker/cpu_cores", 2),
    figure("broker waited for a CPU, cores", "/broker/waiting_cores", 2),
    figure("broker, voluntary switches per message", "/broker/voluntary_switches_per_message", 4),
    figure("broker, involuntary switches per message", "/broker/involuntary_switches_per_message", 4),
    figure("broker RSS, bytes", "/broker/rss_bytes", 0),
    figure("broker PSS, bytes", "/broker/pss_bytes", 0),
    figure("broker RSS before, bytes", "/broker/rss_bytes_before", 0),
    figure("generator CPU, µs per message", "/generator/cpu_us_per_message", 3),
    figure("generator's busiest thread", "/generator/busiest_thread", 2),
];

impl Figure {
    /// The figure of each round that has it.
    pub fn values(&self, rounds: &[Value]) -> Vec<f64> {
        rounds.iter().filter_map(|round| round.pointer(self.pointer)?.as_f64()).collect()
    }

    pub fn show(&self, value: f64) -> String {
        match (self.decimals, value < 0.0) {
            (0, false) => grouped(value),
            (0, true) => format!("-{}", grouped(-value)),
            (decimals, _) => format!("{value:.decimals$}"),
        }
    }
}

/// The middle value, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn labels_and_pointers_name_one_figure_each() {
        let labels: HashSet<_> = FIGURES.iter().map(|figure| figure.label).collect();
        let pointers: HashSet<_> = FIGURES.iter().map(|figure| figure.pointer).collect();
        assert_eq!((labels.len(), pointers.len()), (FIGURES.len(), FIGURES.len()));
    }

    #[test]
    fn values_are_shown_with_their_decimals_and_sign() {
        let shown = |decimals, value| figure("", "", decimals).show(value);
        assert_eq!([shown(0, 12_345.6), shown(0, -1_500.0), shown(2, -0.125)], ["12,346", "-1,500", "-0.12"]);
    }
}
