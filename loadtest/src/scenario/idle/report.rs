//! What the idle scenario found, as text for people and JSON for programs.

use crate::cli::IdleArgs;
use crate::faults::Faults;
use crate::mqtt::Version;
use crate::report::{KernelReport, grouped, mebibytes};

/// The result of the idle scenario. Units are in the names; "cores" are CPU seconds per second.
#[derive(Debug, serde::Serialize)]
pub struct IdleReport {
    scenario: &'static str,
    mqtt: Version,
    connections: usize,
    processes: usize,
    subscribed: bool,
    connect_seconds: f64,
    connects_per_second: f64,
    pub broker: Option<Broker>,
    kernel: Option<KernelReport>,
    /// The broker's memory while the connections were opened.
    memory_series: Vec<MemoryPoint>,
    pub pings: Option<Exchanges>,
    pub deliveries: Option<Exchanges>,
    faults: Faults,
    first_fault: Option<String>,
    pub failed: bool,
}

#[derive(Debug, serde::Serialize)]
pub struct Broker {
    /// Growth of the resident set; memory of the kernel, such as socket buffers, is not in it.
    pub bytes_per_connection: f64,
    pub rss_bytes_before: u64,
    /// With all connections open and nothing sent yet.
    pub rss_bytes: u64,
    /// After the pings and messages.
    pub rss_bytes_after: u64,
    pub pss_bytes_before: u64,
    /// With all connections open and nothing sent yet.
    pub pss_bytes: u64,
    pub cpu_us_per_connect: f64,
    /// CPU seconds per second while nothing is sent.
    pub idle_cores: f64,
}

/// The broker's memory with so many connections.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct MemoryPoint {
    pub connections: usize,
    pub rss_bytes: u64,
    pub pss_bytes: u64,
    /// Since the first connection was begun.
    pub seconds: f64,
}

/// Pings or messages, and what they cost. For pings at a fixed rate, what the broker used is beyond idling.
#[derive(Debug, serde::Serialize)]
pub struct Exchanges {
    pub sent: u64,
    pub answered: u64,
    pub seconds: f64,
    pub per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us_per_ping: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us_per_message: Option<f64>,
    pub generator_cpu_us: f64,
}

/// No broker needs so little for a connection.
const KEPT_BYTES: f64 = 32.0;

impl IdleReport {
    pub fn new(
        args: &IdleArgs,
        connect_seconds: f64,
        broker: Option<Broker>,
        kernel: Option<KernelReport>,
        memory_series: Vec<MemoryPoint>,
    ) -> Self {
        Self {
            scenario: "idle",
            mqtt: args.target.mqtt,
            connections: args.connections,
            processes: args.processes,
            subscribed: args.subscribe,
            connect_seconds,
            connects_per_second: args.connections as f64 / connect_seconds,
            broker,
            kernel,
            memory_series,
            pings: None,
            deliveries: None,
            faults: Faults::default(),
            first_fault: None,
            failed: false,
        }
    }

    /// Adds what went wrong in a phase.
    pub fn note(&mut self, faults: &Faults, first_fault: Option<String>) {
        self.faults.add(faults);
        self.first_fault = self.first_fault.take().or(first_fault);
        self.failed |= faults.any();
    }

    pub fn print(&self) {
        let subscribed = if self.subscribed { " with one subscription each" } else { "" };
        println!("{} idle connections{subscribed}", grouped(self.connections as f64));
        println!("  connected   in {:.2} s, {} per second", self.connect_seconds, grouped(self.connects_per_second));
        if let Some(broker) = &self.broker {
            broker.print();
        }
        if let Some(kernel) = &self.kernel {
            kernel.print();
        }
        for point in &self.memory_series {
            let (connections, rss) = (grouped(point.connections as f64), mebibytes(point.rss_bytes));
            println!("              {connections:>9} connections after {:.1} s: RSS {rss:.1} MiB", point.seconds);
        }
        if let Some(pings) = &self.pings {
            pings.print("pings");
        }
        if let Some(deliveries) = &self.deliveries {
            deliveries.print("messages");
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

impl Broker {
    fn print(&self) {
        println!(
            "  broker      {} bytes per connection, RSS {:.1} MiB ({:.1} before, {:.1} at the end)",
            grouped(self.bytes_per_connection),
            mebibytes(self.rss_bytes),
            mebibytes(self.rss_bytes_before),
            mebibytes(self.rss_bytes_after)
        );
        if self.bytes_per_connection < KEPT_BYTES {
            println!("              (it had kept that memory from before: start it anew to measure bytes)");
        }
        println!(
            "              PSS {:.1} MiB ({:.1} before)",
            mebibytes(self.pss_bytes),
            mebibytes(self.pss_bytes_before)
        );
        println!(
            "              {:.1} µs CPU per connect, {:.4} cores when idle",
            self.cpu_us_per_connect, self.idle_cores
        );
    }
}

impl Exchanges {
    fn print(&self, what: &str) {
        let broker = self.cpu_us_per_ping.or(self.cpu_us_per_message);
        let broker = broker.map_or(String::new(), |cpu| format!(", {cpu:.2} µs broker CPU each"));
        println!(
            "  {what:<11} {} of {} in {:.2} s, {} per second{broker}, {:.2} µs generator CPU",
            grouped(self.answered as f64),
            grouped(self.sent as f64),
            self.seconds,
            grouped(self.per_second),
            self.generator_cpu_us
        );
    }
}
