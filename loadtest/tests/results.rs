//! What a run leaves behind: JSON, and the interval log of HdrHistogram.

// Here the broker is honest; its faults are for another test.
#[allow(dead_code)]
mod broker;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::{Fault, serve};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

/// A run of one second against an honest broker, which is a thread of this process; all its files are in `directory`.
fn run(directory: &Path, options: &[&str]) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || serve(&listener, Fault::None));
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq-load"))
        .current_dir(directory)
        .args(["pairs", "--pairs", "3", "--seconds", "1", "--warmup", "0.1", "--json", "run.json", "--port", &port])
        .args(["--broker-pid", &std::process::id().to_string()])
        .args(options)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&std::fs::read(directory.join("run.json")).unwrap()).unwrap()
}

/// The numbers of a field in a list of objects.
fn numbers(list: &Value, field: &str) -> Vec<f64> {
    let points = list.as_array().unwrap().iter();
    points.map(|point| point[field].as_f64().unwrap_or_else(|| panic!("{field} in {point}"))).collect()
}

#[test]
fn json_tells_the_course_the_distribution_and_the_origin() {
    let directory = tempfile::tempdir().unwrap();
    let result = run(directory.path(), &["--rate", "3000", "--threads", "2"]);
    assert_eq!(result["generator"]["threads"], 2);

    let course = &result["time_series"];
    let seconds = numbers(course, "seconds");
    assert_eq!(seconds.len(), 10, "{course}");
    assert!((seconds[9] - 1.0).abs() < 1e-9 && seconds.is_sorted(), "{seconds:?}");
    assert!(numbers(course, "broker_rss_bytes").iter().all(|&bytes| bytes > 0.0));
    assert!(numbers(course, "delivered_per_second").iter().any(|&rate| rate > 0.0));
    let worst = numbers(course, "max_us").into_iter().fold(0.0, f64::max);

    let latency = &result["latency"];
    assert_eq!(latency["count"], 3_000, "each message of the measured second is in the histogram once");
    assert_eq!(latency["max_us"].as_f64().unwrap(), worst, "the worst of all intervals is the worst of all");
    let distribution = &result["distribution"];
    assert_eq!(numbers(distribution, "count").iter().sum::<f64>(), 3_000.0);
    assert_eq!(numbers(distribution, "us").last().copied(), latency["max_us"].as_f64());

    for pointer in ["/broker/pss_bytes", "/broker/voluntary_switches_per_message", "/kernel/after/slab_bytes"] {
        assert!(result.pointer(pointer).and_then(Value::as_f64).unwrap() > 0.0, "{pointer} in {result}");
    }
    let command: Vec<&str> =
        result["origin"]["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(&command[1..3], ["pairs", "--pairs"]);
    assert_eq!(result["origin"]["generator_version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_hdr_log_holds_each_latency_once() {
    let directory = tempfile::tempdir().unwrap();
    let result = run(directory.path(), &["--rate", "3000", "--hdr", "run.hlog"]);
    let text = std::fs::read(directory.path().join("run.hlog")).unwrap();
    let (mut total, mut intervals) = (Histogram::<u64>::new(3).unwrap(), 0);
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(&text) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let histogram: Histogram<u64> = deserializer.deserialize(&mut &bytes[..]).unwrap();
            assert!((interval.max() - histogram.max() as f64 / 1e6).abs() < 0.001, "milliseconds");
            total.add(histogram).unwrap();
            intervals += 1;
        }
    }
    assert_eq!((intervals, total.len()), (10, 3_000));
    assert_eq!(total.max() as f64 / 1e3, result["latency"]["max_us"].as_f64().unwrap());
}
