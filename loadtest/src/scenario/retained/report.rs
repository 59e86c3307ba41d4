//! What retained messages cost.

use crate::cli::RetainedArgs;
use crate::faults::Faults;
use crate::measure::latency::{Latencies, Summary};
use crate::measure::memory::Memory;
use crate::mqtt::Version;
use crate::report::{duration, grouped};
use crate::scenario::meter::Cost;

#[derive(Debug, serde::Serialize)]
pub struct RetainedReport {
    pub scenario: &'static str,
    pub mqtt: Version,
    pub qos: u8,
    pub topics: usize,
    /// Messages published to each topic; the last one is retained.
    pub updates: usize,
    pub payload_bytes: usize,
    pub published: Published,
    pub retained: Replayed,
    /// What the broker still has for each message after it was removed.
    pub kept_bytes_per_message: Option<f64>,
    pub faults: Faults,
    pub first_fault: Option<String>,
    pub failed: bool,
}

#[derive(Debug, serde::Serialize)]
pub struct Published {
    pub messages_per_second: f64,
    pub cpu_us_per_message: Option<f64>,
    pub generator_cpu_us_per_message: f64,
    #[serde(skip)]
    pub bytes: Option<(f64, f64)>,
}

#[derive(Debug, serde::Serialize)]
pub struct Replayed {
    pub subscribers: usize,
    pub messages: u64,
    pub messages_per_second: f64,
    pub cpu_us_per_message: Option<f64>,
    pub generator_cpu_us_per_message: f64,
    /// From SUBSCRIBE to a subscriber's last message.
    pub until_complete: Option<Summary>,
    /// Growth of the broker's resident set for each retained message beyond its topic and payload.
    pub bytes_per_message: Option<f64>,
    /// The same with topic and payload.
    pub bytes_per_message_in_all: Option<f64>,
}

impl Published {
    pub fn new(args: &RetainedArgs, topics: &[String], cost: &Cost, memory: Option<(Memory, Memory)>) -> Self {
        let count = (args.topics * args.updates) as u64;
        let content: usize = topics.iter().map(|topic| topic.len() + args.payload).sum();
        let bytes = memory.map(|(before, now)| {
            let growth = now.rss_bytes as f64 - before.rss_bytes as f64;
            let each = args.topics as f64;
            ((growth - content as f64) / each, growth / each)
        });
        Self {
            messages_per_second: cost.per_second(count),
            cpu_us_per_message: cost.broker_us_per(count),
            generator_cpu_us_per_message: cost.own_us_per(count),
            bytes,
        }
    }
}

impl Replayed {
    pub fn new(subscribers: usize, messages: u64, latencies: &Latencies, cost: &Cost, published: &Published) -> Self {
        Self {
            subscribers,
            messages,
            messages_per_second: cost.per_second(messages),
            cpu_us_per_message: cost.broker_us_per(messages),
            generator_cpu_us_per_message: cost.own_us_per(messages),
            until_complete: latencies.summary(),
            bytes_per_message: published.bytes.map(|(beyond, _)| beyond),
            bytes_per_message_in_all: published.bytes.map(|(_, all)| all),
        }
    }
}

impl RetainedReport {
    pub fn print(&self) {
        let Self { published, retained, .. } = self;
        let cpu = |cpu: Option<f64>| cpu.map_or(String::new(), |cpu| format!(", {cpu:.3} µs broker CPU each"));
        println!(
            "{} retained messages of {} B, QoS {}, {} subscribers",
            grouped(self.topics as f64),
            self.payload_bytes,
            self.qos,
            grouped(retained.subscribers as f64)
        );
        println!(
            "  published   {} messages/s{}, {:.3} µs generator CPU",
            grouped(published.messages_per_second),
            cpu(published.cpu_us_per_message),
            published.generator_cpu_us_per_message
        );
        if let (Some(beyond), Some(all)) = (retained.bytes_per_message, retained.bytes_per_message_in_all) {
            println!("  broker      {all:.0} bytes per message, {beyond:.0} beyond its topic and payload");
        }
        println!(
            "  replayed    {} messages/s{}, {:.3} µs generator CPU",
            grouped(retained.messages_per_second),
            cpu(retained.cpu_us_per_message),
            retained.generator_cpu_us_per_message
        );
        if let Some(until) = &retained.until_complete {
            println!("  complete    p50 {}  max {} after SUBSCRIBE", duration(until.p50_us), duration(until.max_us));
        }
        if let Some(kept) = self.kept_bytes_per_message {
            println!("  removed     {kept:.0} bytes per message not given back");
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
