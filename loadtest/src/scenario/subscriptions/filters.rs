//! The filters, each for a device of its own in a large tree, so that no topic matches two; and asking for them.

use crate::cli::{FilterKind, SubscriptionsArgs};
use crate::engine::requests::{Expects, Requests};
use crate::mqtt::scan::Packet;
use crate::mqtt::{Version, encode};
use crate::scenario::device_tree::DeviceTree;
use anyhow::{bail, ensure};
use std::ops::Range;

/// All filters by number; those of a connection follow each other. None is kept: there may be millions.
#[derive(Debug)]
pub struct Filters {
    tree: DeviceTree,
    kind: FilterKind,
    connections: usize,
    per_connection: usize,
}

impl Filters {
    pub fn new(prefix: &str, args: &SubscriptionsArgs) -> Self {
        let tree = DeviceTree { prefix: prefix.into(), lines_per_site: 50, devices_per_line: 100 };
        let (connections, per_connection) = (args.connections, args.subscriptions);
        Self { tree, kind: args.kind, connections, per_connection }
    }

    pub fn total(&self) -> usize {
        self.connections * self.per_connection
    }

    /// The connection that has a filter.
    pub fn connection_of(&self, number: usize) -> usize {
        number / self.per_connection
    }

    pub fn filter(&self, number: usize) -> String {
        let device = self.tree.device(number);
        let kind = match self.kind {
            FilterKind::Mixed => [FilterKind::Exact, FilterKind::Plus, FilterKind::Hash][number % 3],
            kind => kind,
        };
        match kind {
            FilterKind::Hash => format!("{device}/#"),
            // Above the device or below it: an index has different work with the two.
            FilterKind::Plus if number.is_multiple_of(2) => format!("{device}/+"),
            FilterKind::Plus => format!("{}/command", device.replace("/line/", "/+/")),
            FilterKind::Exact | FilterKind::Mixed => format!("{device}/command"),
        }
    }

    /// The topic that a filter matches and no other one does.
    pub fn topic(&self, number: usize) -> String {
        format!("{}/command", self.tree.device(number))
    }

    /// A topic on the same line that none matches.
    pub fn unmatched_topic(&self, number: usize) -> String {
        let device = self.tree.device(number);
        let (line, _) = device.rsplit_once('/').expect("a device has a line above it");
        format!("{line}/spare-{number}/command")
    }
}

/// The filters of each connection that were not asked for yet.
#[derive(Debug)]
struct Rest {
    ranges: Vec<Range<usize>>,
    per_packet: usize,
}

impl Rest {
    fn new(filters: &Filters, args: &SubscriptionsArgs) -> Self {
        let each = filters.per_connection;
        let ranges = (0..filters.connections).map(|connection| connection * each..(connection + 1) * each).collect();
        Self { ranges, per_packet: args.per_packet }
    }

    fn take(&mut self, connection: usize) -> Option<Range<usize>> {
        let range = &mut self.ranges[connection];
        let taken = range.start..range.end.min(range.start + self.per_packet);
        range.start = taken.end;
        (!taken.is_empty()).then_some(taken)
    }
}

/// Asks for all filters.
#[derive(Debug)]
pub struct Subscribing<'a> {
    filters: &'a Filters,
    rest: Rest,
    version: Version,
    qos: u8,
}

impl<'a> Subscribing<'a> {
    pub fn new(filters: &'a Filters, args: &SubscriptionsArgs) -> Self {
        Self { filters, rest: Rest::new(filters, args), version: args.target.mqtt, qos: args.qos }
    }
}

impl Requests for Subscribing<'_> {
    fn encode(&mut self, connection: usize, packet_id: u16, out: &mut Vec<u8>) -> Option<Expects> {
        let numbers = self.rest.take(connection)?;
        let filters = numbers.map(|number| self.filters.filter(number));
        encode::subscribe(out, self.version, packet_id, filters, self.qos);
        Some(Expects::PacketId)
    }

    fn judge(&mut self, _: usize, packet: &Packet<'_>) -> anyhow::Result<()> {
        let Packet::SubAck { reasons, .. } = packet else { bail!("{packet:?} instead of a SUBACK") };
        let refusal = reasons.iter().find(|&&reason| reason != self.qos);
        ensure!(refusal.is_none(), "SUBACK answers {:#04x} to QoS {}", refusal.unwrap_or(&0), self.qos);
        Ok(())
    }
}

/// Gives all filters up.
#[derive(Debug)]
pub struct Unsubscribing<'a> {
    filters: &'a Filters,
    rest: Rest,
    version: Version,
}

impl<'a> Unsubscribing<'a> {
    pub fn new(filters: &'a Filters, args: &SubscriptionsArgs) -> Self {
        Self { filters, rest: Rest::new(filters, args), version: args.target.mqtt }
    }
}

impl Requests for Unsubscribing<'_> {
    fn encode(&mut self, connection: usize, packet_id: u16, out: &mut Vec<u8>) -> Option<Expects> {
        let numbers = self.rest.take(connection)?;
        encode::unsubscribe(out, self.version, packet_id, numbers.map(|number| self.filters.filter(number)));
        Some(Expects::PacketId)
    }

    fn judge(&mut self, _: usize, packet: &Packet<'_>) -> anyhow::Result<()> {
        let Packet::UnsubAck { reasons, .. } = packet else { bail!("{packet:?} instead of an UNSUBACK") };
        // "No subscription existed" (0x11) is a success to the protocol, but each of these did exist.
        ensure!(reasons.iter().all(|&reason| reason == 0), "UNSUBACK answers {reasons:02x?}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::filter::matches;

    #[test]
    fn each_filter_matches_its_own_topic_and_no_other() {
        for kind in [FilterKind::Exact, FilterKind::Plus, FilterKind::Hash, FilterKind::Mixed] {
            let tree = DeviceTree { prefix: "p".into(), lines_per_site: 2, devices_per_line: 3 };
            let filters = Filters { tree, kind, connections: 4, per_connection: 5 };
            for number in 0..filters.total() {
                let filter = filters.filter(number);
                for other in 0..filters.total() {
                    assert_eq!(matches(&filter, &filters.topic(other)), number == other, "{filter}");
                    assert!(!matches(&filter, &filters.unmatched_topic(other)), "{filter}");
                }
            }
        }
    }

    #[test]
    fn all_filters_of_a_connection_are_taken_once() {
        let mut rest = Rest { ranges: vec![0..5, 5..10], per_packet: 2 };
        let taken: Vec<usize> = std::iter::from_fn(|| rest.take(1)).flatten().collect();
        assert_eq!(taken, [5, 6, 7, 8, 9]);
    }
}
