//! Two brokers against each other under the same load.
//!
//! A machine changes with time: other work, temperature, neighbours. So the brokers take turns, A B A B, each round on a
//! freshly started process, and what counts is the median. One broker runs at a time, on CPUs of its own.

use crate::cli::CompareArgs;
use crate::{cpus, report};
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// One of the brokers.
#[derive(Debug)]
struct Broker {
    name: String,
    command: String,
}

/// A figure of the results: where it is in the JSON of a scenario, and how it is shown.
struct Figure {
    label: &'static str,
    pointer: &'static str,
    decimals: usize,
}

const FIGURES: &[Figure] = &[
    Figure { label: "broker CPU, µs per message", pointer: "/broker/cpu_us_per_message", decimals: 3 },
    Figure { label: "delivered per second", pointer: "/delivered_per_second", decimals: 0 },
    Figure { label: "latency p50, µs", pointer: "/latency/p50_us", decimals: 1 },
    Figure { label: "latency p99, µs", pointer: "/latency/p99_us", decimals: 1 },
    Figure { label: "latency p99.9, µs", pointer: "/latency/p999_us", decimals: 1 },
    Figure { label: "latency max, µs", pointer: "/latency/max_us", decimals: 0 },
    Figure { label: "bytes per connection", pointer: "/broker/bytes_per_connection", decimals: 0 },
    Figure { label: "connects per second", pointer: "/connects_per_second", decimals: 0 },
    Figure { label: "broker CPU, µs per connect", pointer: "/broker/cpu_us_per_connect", decimals: 1 },
    Figure { label: "broker CPU, µs per ping", pointer: "/pings/cpu_us_per_ping", decimals: 2 },
    Figure { label: "idle broker, cores", pointer: "/broker/idle_cores", decimals: 4 },
    Figure { label: "broker, cores", pointer: "/broker/cpu_cores", decimals: 2 },
    Figure { label: "broker waited for a CPU, cores", pointer: "/broker/waiting_cores", decimals: 2 },
    Figure { label: "broker RSS, bytes", pointer: "/broker/rss_bytes", decimals: 0 },
    Figure { label: "generator CPU, µs per message", pointer: "/generator/cpu_us_per_message", decimals: 3 },
    Figure { label: "generator's busiest thread", pointer: "/generator/busiest_thread", decimals: 2 },
];

/// Runs all rounds and tells whether every one passed.
pub fn run(args: &CompareArgs) -> anyhow::Result<bool> {
    let brokers = [Broker::parse(&args.a)?, Broker::parse(&args.b)?];
    let mut results: [Vec<Value>; 2] = [Vec::new(), Vec::new()];
    let mut passed = true;
    for round in 1..=args.rounds {
        for (broker, results) in brokers.iter().zip(&mut results) {
            let result = measure(broker, args).with_context(|| format!("{} in round {round}", broker.name))?;
            let failed = result["failed"] == Value::Bool(true);
            passed &= !failed;
            println!("round {round}  {:<16} {}", broker.name, one_line(&result));
            results.push(result);
        }
    }
    print_table(&brokers, &results, &args.scenario);
    if let Some(path) = &args.json {
        let document = serde_json::json!({
            "scenario": args.scenario,
            "a": { "name": brokers[0].name, "command": brokers[0].command, "rounds": results[0] },
            "b": { "name": brokers[1].name, "command": brokers[1].command, "rounds": results[1] },
            "medians": medians(&results),
        });
        report::write_json(path, &document)?;
    }
    if !passed {
        println!("FAILED: see the rounds with faults");
    }
    Ok(passed)
}

impl Broker {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, command) = text.split_once('=').context("a broker is given as NAME=COMMAND")?;
        ensure!(!name.is_empty() && command.contains("{port}"), "{text:?} is not NAME=COMMAND with {{port}} in it");
        Ok(Self { name: name.into(), command: command.into() })
    }
}

/// A broker that runs. It ends with this value, also when a measurement fails.
struct Running {
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // A broker that is gone already is as good as one that stops now.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let deadline = Instant::now() + STOP_PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// RabbitMQ takes ten seconds on a machine with nothing else to do.
const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Starts a broker, runs the scenario in a process of its own, and stops the broker.
fn measure(broker: &Broker, args: &CompareArgs) -> anyhow::Result<Value> {
    let port = free_port()?;
    let mut running = start(broker, port, &args.broker_cpus)?;
    let json = JsonFile::new();
    let mut load = Command::new(std::env::current_exe()?);
    load.args(&args.scenario).arg("--port").arg(port.to_string());
    load.arg("--broker-pid").arg(running.child.id().to_string()).arg("--json").arg(&json.path);
    if !args.verbose {
        load.stdout(Stdio::null());
    }
    let status = cpus::pinned(&args.load_cpus, || load.status())??;
    if let Some(status) = running.child.try_wait()? {
        bail!("the broker ended during the measurement with {status}");
    }
    let text = std::fs::read_to_string(&json.path)
        .with_context(|| format!("the scenario ended with {status} and without a result"))?;
    Ok(serde_json::from_str(&text)?)
}

/// Starts a broker on its CPUs and waits until it accepts connections. `exec` makes the shell's process the broker's, so
/// that its CPU is what is measured.
fn start(broker: &Broker, port: u16, cpu_list: &str) -> anyhow::Result<Running> {
    let command = format!("exec {}", broker.command.replace("{port}", &port.to_string()));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(&command).stdin(Stdio::null()).stdout(Stdio::null());
    let child = cpus::pinned(cpu_list, || shell.spawn())?.with_context(|| format!("cannot start {command}"))?;
    let mut running = Running { child };
    let deadline = Instant::now() + START_PATIENCE;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Some(status) = running.child.try_wait()? {
            bail!("{command:?} ended with {status}");
        }
        ensure!(Instant::now() < deadline, "{command:?} does not listen on port {port}");
        thread::sleep(Duration::from_millis(20));
    }
    // What a broker does once after its start is not part of the measurement.
    thread::sleep(Duration::from_millis(300));
    Ok(running)
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Where a scenario's process leaves its result; gone with this value.
struct JsonFile {
    path: PathBuf,
}

impl JsonFile {
    fn new() -> Self {
        Self { path: std::env::temp_dir().join(format!("ringmq-load-{}.json", std::process::id())) }
    }
}

impl Drop for JsonFile {
    fn drop(&mut self) {
        // There is no file when the scenario failed early.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn one_line(result: &Value) -> String {
    let shown = FIGURES.iter().filter_map(|figure| {
        let value = result.pointer(figure.pointer)?.as_f64()?;
        Some(format!("{} {}", figure.label, figure.show(value)))
    });
    let shown: Vec<String> = shown.take(4).collect();
    let failed = if result["failed"] == Value::Bool(true) { "  FAILED" } else { "" };
    format!("{}{failed}", shown.join("  "))
}

fn print_table(brokers: &[Broker; 2], results: &[Vec<Value>; 2], scenario: &[String]) {
    let [a, b] = brokers;
    println!("\nmedians of {} rounds: {}", results[0].len(), scenario.join(" "));
    println!("{:<32} {:>18} {:>18}     ratio   range", "", a.name, b.name);
    for figure in FIGURES {
        let values = results.each_ref().map(|rounds| figure.values(rounds));
        let [Some(a), Some(b)] = values.each_ref().map(|values| median(values)) else { continue };
        let ratio = if b == 0.0 { String::new() } else { format!("{:.3}", a / b) };
        let ranges = values.each_ref().map(|values| figure.range(values));
        let (a, b) = (figure.show(a), figure.show(b));
        println!("{:<32} {a:>18} {b:>18} {ratio:>9}   {}", figure.label, ranges.join(" / "));
    }
}

/// The medians of both brokers and their ratio, by the figures' places in the results.
fn medians(results: &[Vec<Value>; 2]) -> Value {
    let figures = FIGURES.iter().filter_map(|figure| {
        let [a, b] = results.each_ref().map(|rounds| median(&figure.values(rounds)));
        let (a, b) = a.zip(b)?;
        let ratio = (b != 0.0).then_some(a / b);
        Some((figure.pointer.into(), serde_json::json!({ "a": a, "b": b, "ratio": ratio })))
    });
    Value::Object(figures.collect())
}

impl Figure {
    fn values(&self, rounds: &[Value]) -> Vec<f64> {
        rounds.iter().filter_map(|round| round.pointer(self.pointer)?.as_f64()).collect()
    }

    fn show(&self, value: f64) -> String {
        if self.decimals == 0 { report::grouped(value) } else { format!("{value:.*}", self.decimals) }
    }

    fn range(&self, values: &[f64]) -> String {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{}..{}", self.show(least), self.show(most))
    }
}

fn median(values: &[f64]) -> Option<f64> {
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

    #[test]
    fn a_broker_needs_a_name_and_a_port() {
        let broker = Broker::parse("mine=./mine --set a=b {port}").unwrap();
        assert_eq!((broker.name.as_str(), broker.command.as_str()), ("mine", "./mine --set a=b {port}"));
        for bad in ["mine", "=x {port}", "mine=x"] {
            assert!(Broker::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn medians_leave_out_what_a_scenario_does_not_tell() {
        let round = |rate: f64| serde_json::json!({ "delivered_per_second": rate });
        let medians = medians(&[vec![round(10.0), round(30.0), round(20.0)], vec![round(40.0)]]);
        assert_eq!(medians, serde_json::json!({ "/delivered_per_second": { "a": 20.0, "b": 40.0, "ratio": 0.5 } }));
    }
}
