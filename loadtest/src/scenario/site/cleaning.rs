//! Removing what a site has retained, by empty payloads [MQTT-3.3.1-6].

use crate::cli::TargetArgs;
use crate::engine::dial::{Client, dial};
use crate::engine::requests::{Drive, Expects, Requests};
use crate::mqtt::Version;
use crate::mqtt::encode::PublishTemplate;
use crate::mqtt::scan::Packet;
use crate::run::dial_options;
use anyhow::ensure;
use std::time::Duration;

struct Cleaning<'a> {
    rest: std::slice::Iter<'a, String>,
    version: Version,
}

impl Requests for Cleaning<'_> {
    fn encode(&mut self, _: usize, packet_id: u16, out: &mut Vec<u8>) -> Option<Expects> {
        let topic = self.rest.next()?;
        PublishTemplate::new(self.version, topic, 1, true, 0).append(out, packet_id);
        Some(Expects::PacketId)
    }

    fn judge(&mut self, _: usize, packet: &Packet<'_>) -> anyhow::Result<()> {
        ensure!(matches!(packet, Packet::PubAck { reason: 0..0x80, .. }), "{packet:?} instead of a PUBACK");
        Ok(())
    }
}

/// Removes the retained messages of these topics, over a connection of its own.
pub fn run(topics: &[String], target: &TargetArgs, prefix: &str) -> anyhow::Result<()> {
    if topics.is_empty() {
        return Ok(());
    }
    let client = Client { client_id: format!("{}-clean", prefix.replace('/', "-")), filters: Vec::new() };
    let mut links = dial(&[client], &dial_options(target, 1, 0, 0)?)?;
    let patience = Duration::from_secs_f64(target.patience.max(1.0));
    let drive = Drive { version: target.mqtt, window: 100, patience };
    drive.run(&mut links, &mut Cleaning { rest: topics.iter(), version: target.mqtt }, |_| {})?;
    Ok(())
}
