//! `ringmq ctl top`: a view of a running server, drawn again and again.

use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;

use super::client::{Client, Failure};
use super::table::{bytes, count, figures, number, printable, shown, table, time};
use crate::config::Value;

/// Subscribers that are shown: what is left of a terminal of 40 lines.
const SLOW_SHOWN: usize = 8;
/// The stages in the order in which a message goes through them.
const LATENCIES: [&str; 5] =
    ["received_to_routed", "routed_to_queued", "queued_to_written", "written_to_acknowledged", "loop_lag"];

#[derive(Debug, Args)]
pub struct TopOptions {
    /// Time between two views
    #[arg(long, value_name = "TIME", default_value = "1s")]
    interval: String,
    /// Ends after so many views; without it, it goes on until it is interrupted
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// Draws until interrupted, or until whoever reads it stops reading.
pub fn run(client: &Client, options: &TopOptions, as_json: bool) -> Result<String, Failure> {
    let interval = Value::Untyped(options.interval.clone())
        .duration(Duration::from_millis(100)..=Duration::from_secs(3_600))
        .map_err(|problem| Failure::Usage(format!("--interval: {}: {}", problem.problem, problem.remedy)))?;
    let mut output = std::io::stdout();
    let is_terminal = output.is_terminal();
    let mut before = client.get("/api/v1/metrics")?;
    let mut left = options.count;
    while left != Some(0) {
        std::thread::sleep(interval);
        let now = client.get("/api/v1/metrics")?;
        let view = if as_json {
            now.to_string() + "\n"
        } else {
            let ready = client.get_whatever("/ready")?;
            let slow = client.get(&format!("/api/v1/slow?limit={SLOW_SHOWN}"))?;
            view(&before, &now, &ready, &slow)
        };
        // To the upper left, and what is left of the view before is erased line by line: nothing flickers (ECMA-48, CUP, EL, ED).
        let view = match is_terminal && !as_json {
            true => format!("\x1b[H{}\x1b[J", view.replace('\n', "\x1b[K\n")),
            false => view,
        };
        match output.write_all(view.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            written => written.map_err(|error| Failure::Output(error.to_string()))?,
        }
        before = now;
        left = left.map(|left| left - 1);
    }
    Ok(String::new())
}

fn view(before: &Json, now: &Json, ready: &Json, slow: &Json) -> String {
    let elapsed_s = number(&now["time_ms"]).saturating_sub(number(&before["time_ms"])).max(1) as f64 / 1_000.0;
    [
        head(now, ready),
        rates(&before["total"], &now["total"], elapsed_s),
        drops(now, before),
        latencies(now),
        shards(before, now, elapsed_s),
        slowest(slow),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn head(now: &Json, ready: &Json) -> String {
    let total = &now["total"];
    let reasons = ready["reasons"].as_array().into_iter().flatten().map(|it| shown(&it["message"]));
    let reasons = reasons.collect::<Vec<_>>().join(", ");
    let ready = if reasons.is_empty() { "ready".into() } else { format!("NOT READY: {reasons}") };
    let up = time(number(&now["uptime_ms"]) / 1_000);
    let of_transport = total["connections"]["by_transport"].as_object().into_iter().flatten();
    let of_transport: Vec<String> = of_transport
        .filter(|(_, count)| number(count) > 0)
        .map(|(transport, count)| format!("{} {}", printable(transport), shown(count)))
        .collect();
    let connections = if of_transport.is_empty() { "none".into() } else { of_transport.join(", ") };
    format!("RingMQ {}  up {up}  {ready}\nconnections: {connections}\n", shown(&now["version"]))
        + &format!(
            "sessions: {} connected, {} away   subscriptions: {}   retained: {}   queued: {} ({})   in flight: {}\n",
            shown(&total["sessions"]["connected"]),
            shown(&total["sessions"]["away"]),
            shown(&total["subscriptions"]["count"]),
            shown(&total["retained"]["messages"]),
            shown(&total["queued"]["messages"]),
            bytes(number(&total["queued"]["bytes"])),
            shown(&total["in_flight"]),
        )
}

fn rates(before: &Json, now: &Json, elapsed_s: f64) -> String {
    // A server that was started again counts from 0.
    let rate = |of: &dyn Fn(&Json) -> u64| of(now).saturating_sub(of(before)) as f64 / elapsed_s;
    let messages = |publishes: &Json| ["qos0", "qos1", "qos2"].iter().map(|qos| number(&publishes[*qos])).sum::<u64>();
    let packets =
        |by_type: &Json| by_type.as_object().into_iter().flatten().map(|(_, it)| number(&it["packets"])).sum();
    let rows = [
        [
            "messages".into(),
            count(rate(&|it| messages(&it["publishes_received"]))),
            count(rate(&|it| messages(&it["publishes_sent"]))),
        ],
        [
            "packets".into(),
            count(rate(&|it| packets(&it["packets_received"]))),
            count(rate(&|it| packets(&it["packets_sent"]))),
        ],
        [
            "bytes".into(),
            bytes(rate(&|it| number(&it["bytes_received"])) as u64),
            bytes(rate(&|it| number(&it["bytes_sent"])) as u64),
        ],
        ["connections".into(), count(rate(&|it| number(&it["connections"]["accepted"]))), String::new()],
    ];
    figures(["EACH SECOND", "IN", "OUT"], rows)
}

/// Messages that somebody did not get, by reason: since the start, and since the view before.
fn drops(now: &Json, before: &Json) -> String {
    let (now, before) = (&now["total"]["drops"], &before["total"]["drops"]);
    let dropped = now.as_object().into_iter().flatten().filter(|(_, count)| number(count) > 0);
    let rows = dropped.map(|(reason, count)| {
        let more = number(count).saturating_sub(number(&before[reason]));
        [printable(reason), shown(count), format!("+{more}")]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() { String::new() } else { figures(["DROPPED", "ALL", "NOW"], rows) }
}

fn latencies(now: &Json) -> String {
    let measured = |name: &str| &now["total"]["latency"][name]["recent"];
    let mut rows: Vec<_> = LATENCIES.iter().map(|name| percentiles(name, measured(name))).collect();
    rows.extend((!now["store"].is_null()).then(|| percentiles("commit", &now["store"]["commit"]["recent"])));
    figures(["LATENCY", "COUNT", "P50", "P99", "P99.9", "MAX"], rows)
}

fn percentiles(name: &str, recent: &Json) -> [String; 6] {
    let of = |field: &str| match number(&recent["count"]) {
        0 => "-".into(),
        _ => duration(number(&recent[field])),
    };
    [name.replace('_', " "), shown(&recent["count"]), of("p50_ns"), of("p99_ns"), of("p999_ns"), of("max_ns")]
}

fn shards(before: &Json, now: &Json, elapsed_s: f64) -> String {
    let of = |shards: &Json| shards["shards"].as_array().cloned().unwrap_or_default();
    let (before, now) = (of(before), of(now));
    let rows = now.iter().enumerate().map(|(shard, it)| {
        let earlier = before.get(shard).unwrap_or(&Json::Null);
        let sum =
            |it: &Json, name: &str| ["qos0", "qos1", "qos2"].iter().map(|qos| number(&it[name][*qos])).sum::<u64>();
        let rate = |name: &str| count(sum(it, name).saturating_sub(sum(earlier, name)) as f64 / elapsed_s);
        let states = it["connections"]["by_state"].as_object().into_iter().flatten();
        let lag = &it["latency"]["loop_lag"]["recent"];
        [
            shard.to_string(),
            states.map(|(_, count)| number(count)).sum::<u64>().to_string(),
            rate("publishes_received"),
            rate("publishes_sent"),
            shown(&it["queued"]["messages"]),
            shown(&it["in_flight"]),
            shown(&it["mailbox"]["depth"]),
            duration(number(&lag["p99_ns"])),
            duration(number(&lag["max_ns"])),
        ]
    });
    figures(["SHARD", "CONNECTIONS", "IN/S", "OUT/S", "QUEUED", "IN FLIGHT", "MAILBOX", "LAG P99", "LAG MAX"], rows)
}

fn slowest(slow: &Json) -> String {
    let clients = slow["clients"].as_array().cloned().unwrap_or_default();
    let rows: Vec<_> = clients
        .iter()
        .map(|it| [bytes(number(&it["waiting_bytes"])), shown(&it["session"]["dropped"]), shown(&it["client_id"])])
        .collect();
    if rows.is_empty() { String::new() } else { table(["WAITING", "DROPPED", "SLOWEST SUBSCRIBERS"], rows) }
}

/// A short time with three digits: `1.25 ms`.
fn duration(ns: u64) -> String {
    let (value, unit) = match ns as f64 {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    let digits = match value {
        value if value >= 100.0 || unit == "ns" => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_times_have_three_digits() {
        let shown = [0, 999, 1_250, 12_345, 123_456, 7_000_000, 2_500_000_000].map(duration);
        assert_eq!(shown, ["0 ns", "999 ns", "1.25 µs", "12.3 µs", "123 µs", "7.00 ms", "2.50 s"]);
    }

    #[test]
    fn a_view_shows_rates_and_what_was_dropped() {
        let metrics = |time_ms: u64, sent: u64, dropped: u64| {
            let counts = json!({
                "publishes_received": { "qos0": 0 }, "publishes_sent": { "qos0": sent, "qos1": sent }, "bytes_sent": 0,
                "drops": { "expired": 0, "queue_full_newest": dropped }
            });
            json!({ "version": "1", "time_ms": time_ms, "total": counts, "shards": [counts], "store": null })
        };
        let slow =
            json!({ "clients": [{ "waiting_bytes": 2_048, "session": { "dropped": 4 }, "client_id": "a\u{1b}[2J" }] });
        let view = view(&metrics(1_000, 10, 1), &metrics(3_000, 2_010, 4), &json!({ "reasons": [] }), &slow);
        assert!(view.contains("messages       0  2.0k\n"), "{view}");
        assert!(view.contains("queue_full_newest    4   +3\n"), "{view}");
        assert!(!view.contains("expired"), "{view}");
        assert!(view.contains("2.0 KiB  4        a\\u{1b}[2J\n"), "{view}");
    }

    #[test]
    fn a_view_of_nothing_is_a_view() {
        assert!(view(&Json::Null, &Json::Null, &Json::Null, &Json::Null).contains("LATENCY"));
    }
}
