//! What subscriptions cost.

use crate::cli::FilterKind;
use crate::faults::Faults;
use crate::measure::latency::Summary;
use crate::mqtt::Version;
use crate::report::{grouped, mebibytes, percentiles};
use crate::scenario::meter::Cost;

#[derive(Debug, serde::Serialize)]
pub struct SubscriptionsReport {
    pub scenario: &'static str,
    pub mqtt: Version,
    pub connections: usize,
    pub subscriptions: usize,
    pub kind: FilterKind,
    pub per_packet: usize,
    pub qos: u8,
    pub payload_bytes: usize,
    pub subscribe_seconds: f64,
    pub subscribes_per_second: f64,
    /// From SUBSCRIBE to SUBACK, of each packet.
    pub packet_latency: Option<Summary>,
    pub generator_cpu_us_per_subscribe: f64,
    pub broker: Option<Broker>,
    pub not_matching: Option<Published>,
    pub matching: Option<Published>,
    pub unsubscribed: Option<Unsubscribed>,
    pub faults: Faults,
    pub first_fault: Option<String>,
    pub failed: bool,
}

#[derive(Debug, serde::Serialize)]
pub struct Broker {
    pub cpu_us_per_subscribe: f64,
    /// Growth of the resident set after the connections were there.
    pub bytes_per_subscription: f64,
    pub rss_bytes_connected: u64,
    pub rss_bytes: u64,
}

#[derive(Debug, serde::Serialize)]
pub struct Published {
    pub published: u64,
    pub per_second: f64,
    pub cpu_us_per_publish: Option<f64>,
    pub generator_cpu_us_per_publish: f64,
    /// To PUBACK where nobody receives it, otherwise to its arrival.
    pub latency: Option<Summary>,
}

#[derive(Debug, serde::Serialize)]
pub struct Unsubscribed {
    pub seconds: f64,
    pub per_second: f64,
    pub cpu_us_per_unsubscribe: Option<f64>,
    pub rss_bytes: Option<u64>,
    /// What the broker still has more than before subscribing.
    pub kept_bytes_per_subscription: Option<f64>,
}

impl Published {
    pub fn new(cost: &Cost, published: u64, latency: Option<Summary>) -> Self {
        Self {
            published,
            per_second: cost.per_second(published),
            cpu_us_per_publish: cost.broker_us_per(published),
            generator_cpu_us_per_publish: cost.own_us_per(published),
            latency,
        }
    }

    fn print(&self, label: &str) {
        let cpu = self.cpu_us_per_publish.map_or(String::new(), |cpu| format!(", {cpu:.3} µs broker CPU each"));
        let own = self.generator_cpu_us_per_publish;
        println!("  {label:<11} {} publishes/s{cpu}, {own:.3} µs generator CPU", grouped(self.per_second));
        if let Some(latency) = &self.latency {
            println!("              {}", percentiles(latency));
        }
    }
}

impl SubscriptionsReport {
    pub fn print(&self) {
        println!(
            "{} subscriptions ({}) of {} connections, {} in a packet, QoS {}",
            grouped(self.subscriptions as f64),
            self.kind,
            grouped(self.connections as f64),
            self.per_packet,
            self.qos
        );
        println!(
            "  subscribed  in {:.2} s, {} per second",
            self.subscribe_seconds,
            grouped(self.subscribes_per_second)
        );
        if let Some(broker) = &self.broker {
            println!(
                "  broker      {:.2} µs CPU and {} bytes per subscription, RSS {:.1} MiB ({:.1} before)",
                broker.cpu_us_per_subscribe,
                grouped(broker.bytes_per_subscription),
                mebibytes(broker.rss_bytes),
                mebibytes(broker.rss_bytes_connected)
            );
        }
        println!("  generator   {:.2} µs CPU per subscription", self.generator_cpu_us_per_subscribe);
        if let Some(published) = &self.not_matching {
            published.print("none match");
        }
        if let Some(published) = &self.matching {
            published.print("one matches");
        }
        if let Some(unsubscribed) = &self.unsubscribed {
            let cpu = unsubscribed.cpu_us_per_unsubscribe;
            let cpu = cpu.map_or(String::new(), |cpu| format!(", {cpu:.2} µs broker CPU each"));
            let kept = unsubscribed.kept_bytes_per_subscription;
            let kept = kept.map_or(String::new(), |kept| format!(", {} bytes each not given back", grouped(kept)));
            let (seconds, rate) = (unsubscribed.seconds, grouped(unsubscribed.per_second));
            println!("  unsubscribed in {seconds:.2} s, {rate} per second{cpu}{kept}");
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
