//! What a run found, as text for people and JSON for programs.

pub mod figures;
pub mod files;
pub mod html;
pub mod origin;
pub mod progress_line;
pub mod side_by_side;
pub mod time_series;

use crate::cli::TargetArgs;
use crate::faults::Faults;
use crate::measure::kernel::KernelMemory;
use crate::measure::latency::{Point, Summary};
use crate::mqtt::Version;
use anyhow::Context;
use origin::Origin;
use serde_json::Value;
use side_by_side::{SideBySide, Subject};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use time_series::TimePoint;

/// The result of a scenario that moves messages. Units are in the names; "cores" are CPU seconds per second.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    pub scenario: &'static str,
    pub title: String,
    pub mqtt: Version,
    pub qos: u8,
    pub payload_bytes: usize,
    pub window: Option<usize>,
    pub rate: Option<f64>,
    pub publishers: usize,
    pub subscribers: usize,
    pub connect_seconds: f64,
    /// Length of the measured interval.
    pub seconds: f64,
    pub published: u64,
    /// Copies that arrived in the measured interval.
    pub delivered: u64,
    pub delivered_per_second: f64,
    pub latency: Option<Summary>,
    /// Only at a fixed rate.
    pub send_delay: Option<Summary>,
    pub broker: Option<BrokerReport>,
    pub kernel: Option<KernelReport>,
    pub generator: GeneratorReport,
    pub faults: Faults,
    pub first_fault: Option<String>,
    pub failed: bool,
    pub time_series: Vec<TimePoint>,
    /// Latency by percentile.
    pub distribution: Vec<Point>,
}

/// The broker's processes in the measured interval.
#[derive(Debug, serde::Serialize)]
pub struct BrokerReport {
    pub cpu_us_per_message: f64,
    pub cpu_cores: f64,
    /// Time in which its threads could run and others had the CPU.
    pub waiting_cores: f64,
    /// Part of the time in which its busiest thread had work.
    pub busiest_thread: f64,
    /// Context switches to wait for something.
    pub voluntary_switches_per_message: f64,
    /// Context switches because another thread was to run.
    pub involuntary_switches_per_message: f64,
    /// To disk; `None` where the system does not tell.
    pub written_bytes_per_message: Option<f64>,
    pub rss_bytes: u64,
    pub pss_bytes: u64,
    /// Before the first connection.
    pub rss_bytes_before: u64,
    pub pss_bytes_before: u64,
}

/// The kernel's memory, of the whole machine, before the first connection and at the end of the measured interval.
#[derive(Debug, serde::Serialize)]
pub struct KernelReport {
    pub before: KernelMemory,
    pub after: KernelMemory,
}

/// This program in the measured interval.
#[derive(Debug, serde::Serialize)]
pub struct GeneratorReport {
    /// Those that drive connections.
    pub threads: usize,
    pub cpu_us_per_message: f64,
    pub cpu_cores: f64,
    pub waiting_cores: f64,
    pub busiest_thread: f64,
    /// The rate is the generator's limit, not the broker's. CPU per message still is the broker's.
    pub was_bottleneck: bool,
}

/// A process that waits for a CPU longer than this part of the time was disturbed.
const DISTURBED: f64 = 0.05;

impl Report {
    pub fn print(&self) {
        let pace = match (self.window, self.rate) {
            (Some(window), _) => format!("window {window}"),
            (None, rate) => format!("{} messages/s", grouped(rate.unwrap_or(0.0))),
        };
        println!("{}, QoS {}, {} B, {pace}", self.title, self.qos, self.payload_bytes);
        println!("  delivered   {} messages/s for {:.1} s", grouped(self.delivered_per_second), self.seconds);
        if let Some(latency) = &self.latency {
            println!("  latency     {}", percentiles(latency));
        }
        if let Some(delay) = &self.send_delay {
            println!("  send delay  {}", percentiles(delay));
        }
        if let Some(broker) = &self.broker {
            broker.print();
        }
        if let Some(kernel) = &self.kernel {
            kernel.print();
        }
        self.generator.print();
        println!("  faults      {}", self.faults);
        if let Some(first_fault) = &self.first_fault {
            println!("              first: {first_fault}");
        }
        if self.failed {
            println!("FAILED");
        }
    }
}

impl BrokerReport {
    pub fn print(&self) {
        println!(
            "  broker      {:.3} µs CPU per message, {:.2} cores{}",
            self.cpu_us_per_message,
            self.cpu_cores,
            waited(self.waiting_cores)
        );
        println!(
            "              {:.4} voluntary and {:.4} involuntary context switches per message",
            self.voluntary_switches_per_message, self.involuntary_switches_per_message
        );
        println!(
            "              RSS {:.1} MiB ({:.1} before), PSS {:.1} MiB",
            mebibytes(self.rss_bytes),
            mebibytes(self.rss_bytes_before),
            mebibytes(self.pss_bytes)
        );
        if let Some(bytes) = self.written_bytes_per_message.filter(|bytes| *bytes > 0.0) {
            println!("              {} bytes written to disk per message", grouped(bytes));
        }
    }
}

impl KernelReport {
    pub fn print(&self) {
        let growth = |after: u64, before: u64| (after as f64 - before as f64) / 1_048_576.0;
        println!(
            "  kernel      {:+.1} MiB TCP buffers, {:+.1} MiB slab (the whole machine's, both ends)",
            growth(self.after.tcp_bytes, self.before.tcp_bytes),
            growth(self.after.slab_bytes, self.before.slab_bytes)
        );
    }
}

impl GeneratorReport {
    pub fn print(&self) {
        let threads = if self.threads == 1 {
            String::new()
        } else {
            format!(" of {} threads, the busiest {:.2}", self.threads, self.busiest_thread)
        };
        println!(
            "  generator   {:.3} µs CPU per message, {:.2} cores{threads}{}{}",
            self.cpu_us_per_message,
            self.cpu_cores,
            waited(self.waiting_cores),
            if self.was_bottleneck { "; IT WAS THE BOTTLENECK, the broker could do more" } else { "" },
        );
    }
}

/// A result with where it comes from.
#[derive(serde::Serialize)]
struct Document<'a, R> {
    #[serde(flatten)]
    report: &'a R,
    /// "tcp", "tls", "ws" or "wss".
    transport: &'static str,
    origin: Origin,
}

/// Writes the result of a scenario to the files that were asked for.
pub fn write_files(target: &TargetArgs, report: &impl serde::Serialize) -> anyhow::Result<()> {
    let document = Document { report, transport: target.transport.name(), origin: Origin::now() };
    if let Some(path) = &target.json {
        write_json(path, &document)?;
    }
    if let Some(path) = &target.html {
        let result = serde_json::to_value(&document)?;
        let (title, name) = (title_of(&result), "this run".to_owned());
        let subjects = vec![Subject { name, rounds: vec![result] }];
        html::write(path, &[SideBySide { title, subjects, baseline: 0 }])?;
    }
    Ok(())
}

/// What a result is of: its title with the settings of its messages, or the name of its scenario.
fn title_of(result: &Value) -> String {
    let text = |field: &str| result[field].as_str().unwrap_or_default();
    let mut title = if text("title").is_empty() { text("scenario") } else { text("title") }.to_owned();
    if let Some(transport) = result["transport"].as_str().filter(|transport| *transport != "tcp") {
        title += &format!(" over {transport}");
    }
    if let Some(qos) = result["qos"].as_u64() {
        title += &format!(", QoS {qos}");
    }
    if let Some(bytes) = result["payload_bytes"].as_u64() {
        title += &format!(", {bytes} B");
    }
    if let Some(window) = result["window"].as_u64() {
        title += &format!(", window {window}");
    }
    if let Some(rate) = result["rate"].as_f64() {
        title += &format!(", {} messages/s", grouped(rate));
    }
    title
}

/// Writes a result as JSON.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut writer = BufWriter::new(file);
    serde_json::to_writer_pretty(&mut writer, value).with_context(|| format!("cannot write {}", path.display()))?;
    writer.flush().with_context(|| format!("cannot write {}", path.display()))
}

/// A number with separators for thousands, without decimals.
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// A remark if a process waited for a CPU noticeably often.
pub fn waited(cores: f64) -> String {
    if cores > DISTURBED { format!(" (waited for a CPU {:.0} % of the time)", cores * 100.0) } else { String::new() }
}

pub fn percentiles(summary: &Summary) -> String {
    let Summary { p50_us, p99_us, p999_us, p9999_us, max_us, .. } = summary;
    format!(
        "p50 {}  p99 {}  p99.9 {}  p99.99 {}  max {}",
        duration(*p50_us),
        duration(*p99_us),
        duration(*p999_us),
        duration(*p9999_us),
        duration(*max_us)
    )
}

/// Microseconds in the unit that needs the fewest digits.
pub fn duration(microseconds: f64) -> String {
    match microseconds {
        ..1_000.0 => format!("{microseconds:.1} µs"),
        ..1_000_000.0 => format!("{:.2} ms", microseconds / 1e3),
        _ => format!("{:.2} s", microseconds / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, expected) in [(0.4, "0"), (999.0, "999"), (1_000.0, "1,000"), (1_234_567.8, "1,234,568")] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn durations_take_the_unit_that_fits() {
        assert_eq!(duration(12.34), "12.3 µs");
        assert_eq!(duration(12_340.0), "12.34 ms");
        assert_eq!(duration(2_500_000.0), "2.50 s");
    }
}
