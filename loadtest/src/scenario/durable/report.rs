//! What keeping messages costs.

use crate::cli::DurableArgs;
use crate::engine::worker::Outcome;
use crate::faults::Faults;
use crate::measure::latency::{Point, Summary};
use crate::mqtt::Version;
use crate::report::time_series::TimePoint;
use crate::report::{BrokerReport, GeneratorReport, KernelReport, duration, grouped, mebibytes, percentiles};
use crate::watch::Measured;

#[derive(Debug, serde::Serialize)]
pub struct DurableReport {
    pub scenario: &'static str,
    pub title: String,
    pub mqtt: Version,
    pub qos: u8,
    pub payload_bytes: usize,
    pub window: Option<usize>,
    pub rate: Option<f64>,
    pub publishers: usize,
    pub subscribers: usize,
    pub offline: bool,
    pub connect_seconds: f64,
    /// Length of the measured interval.
    pub seconds: f64,
    pub published: u64,
    pub acknowledged: u64,
    pub acknowledged_per_second: f64,
    /// From sending to PUBACK or PUBREC.
    pub latency: Option<Summary>,
    /// Only at a fixed rate.
    pub send_delay: Option<Summary>,
    pub broker: Option<BrokerReport>,
    pub kernel: Option<KernelReport>,
    pub generator: GeneratorReport,
    pub drained: Option<Drained>,
    pub faults: Faults,
    pub first_fault: Option<String>,
    pub failed: bool,
    pub time_series: Vec<TimePoint>,
    /// Latency by percentile.
    pub distribution: Vec<Point>,
    /// Whether the course is printed.
    #[serde(skip)]
    has_lines: bool,
}

/// What the absent clients got when they came back.
#[derive(Debug, serde::Serialize)]
pub struct Drained {
    pub messages: u64,
    /// From the first connect to the last message.
    pub seconds: f64,
    pub messages_per_second: f64,
    #[serde(skip)]
    pub first_fault: Option<String>,
}

impl DurableReport {
    pub fn new(
        args: &DurableArgs,
        title: String,
        connect_seconds: f64,
        measured: Measured,
        outcome: &Outcome,
        faults: Faults,
        mut drained: Option<Drained>,
    ) -> Self {
        let of_drain = drained.as_mut().and_then(|drained| drained.first_fault.take());
        Self {
            scenario: "durable",
            title,
            mqtt: args.target.mqtt,
            qos: args.load.qos,
            payload_bytes: args.load.payload,
            window: args.load.rate.is_none().then_some(args.load.window),
            rate: args.load.rate,
            publishers: args.publishers,
            subscribers: args.subscribers,
            offline: args.offline,
            connect_seconds,
            seconds: measured.seconds,
            published: measured.published,
            acknowledged: measured.delivered,
            acknowledged_per_second: measured.delivered as f64 / measured.seconds,
            latency: measured.latencies.summary(),
            send_delay: outcome.send_delays.summary(),
            distribution: measured.latencies.distribution(),
            broker: measured.broker,
            kernel: measured.kernel,
            generator: measured.generator,
            drained,
            faults,
            first_fault: outcome.first_fault.clone().or(of_drain),
            failed: faults.any() || measured.delivered == 0,
            time_series: measured.time_series,
            has_lines: args.every.is_some(),
        }
    }

    pub fn print(&self) {
        let pace = match (self.window, self.rate) {
            (Some(window), _) => format!("window {window}"),
            (None, rate) => format!("{} messages/s", grouped(rate.unwrap_or(0.0))),
        };
        println!("{}, QoS {}, {} B, {pace}", self.title, self.qos, self.payload_bytes);
        if self.has_lines {
            println!("      time   messages/s          p50          p99        p99.9          max   RSS MiB");
            self.time_series.iter().for_each(print_line);
        }
        println!("  acknowledged {} messages/s for {:.1} s", grouped(self.acknowledged_per_second), self.seconds);
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
        if let Some(drained) = &self.drained {
            println!(
                "  drained     {} messages in {:.2} s, {} per second",
                grouped(drained.messages as f64),
                drained.seconds,
                grouped(drained.messages_per_second)
            );
        }
        println!("  faults      {}", self.faults);
        if let Some(first_fault) = &self.first_fault {
            println!("              first: {first_fault}");
        }
        if self.failed {
            println!("FAILED");
        }
    }
}

fn print_line(point: &TimePoint) {
    let show = |latency: Option<f64>| latency.map_or("-".into(), duration);
    println!(
        "{:>8.1} s {:>12} {:>12} {:>12} {:>12} {:>12} {:>9}",
        point.seconds,
        grouped(point.delivered_per_second),
        show(point.p50_us),
        show(point.p99_us),
        show(point.p999_us),
        show(point.max_us),
        point.load.broker_rss_bytes.map_or("-".into(), |bytes| format!("{:.1}", mebibytes(bytes)))
    );
}
