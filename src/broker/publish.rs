//! PUBLISH from a client, and the way of any message to those who want it.

use std::rc::Rc;

use bytes::Bytes;

use super::message::STAMP_SHARD_SHIFT;
use super::publication::Publication;
use super::{ConnectionId, Millis, PeerMessage, Shard};
use crate::codec::encode::{self, AckKind};
use crate::codec::properties::write_forwardable;
use crate::codec::{Ack, AckProperties, Publish, Qos, ReasonCode, Version, Violation};
use crate::routing::{Matches, SessionKey};

impl Shard {
    /// PUBLISH (section 3.3). `shared` is what the packet's bytes are a part of, if they may be kept by reference.
    pub(super) fn handle_publish(
        &mut self,
        id: ConnectionId,
        key: SessionKey,
        packet: &Publish<'_>,
        shared: Option<&Bytes>,
    ) {
        self.counters.publishes_received += 1;
        if let Err(violation) = self.check_publish(packet) {
            return self.fail(id, violation);
        }
        let alias_topic: Rc<str>;
        let topic = match packet.properties.topic_alias {
            None => packet.topic,
            Some(alias) => match self.resolve_alias(id, alias, packet.topic) {
                Ok(topic) => {
                    alias_topic = topic;
                    &alias_topic
                }
                Err(violation) => return self.fail(id, violation),
            },
        };
        let Some(session) = self.session(key) else { return };
        let publisher_hash = session.client_hash;
        if packet.qos == Qos::ExactlyOnce {
            let unreleased = session.flow.as_ref().map_or(&[][..], |flow| &flow.unreleased);
            if unreleased.contains(&packet.packet_id) {
                // A repetition: it was published when it first came ([MQTT-4.3.3-10]).
                return self.acknowledge(id, AckKind::PubRec, packet.packet_id, ReasonCode::Success, None);
            }
            // Before 5.0 a client cannot know a bound; the number of packet identifiers is one.
            let unreleased_max = match self.connection(id).map(|connection| connection.version) {
                Some(Version::V5_0) => self.settings.receive_maximum,
                _ => u16::MAX,
            };
            if unreleased.len() >= usize::from(unreleased_max) {
                return self.fail(id, Violation::ReceiveMaximumExceeded);
            }
        }
        if self.settings.payload_format_checked
            && packet.properties.payload_is_utf8
            && simdutf8::basic::from_utf8(packet.payload).is_err()
        {
            return self.refuse_payload_format(id, packet);
        }

        let mut rewritten = Vec::new();
        let properties = if packet.properties.forwardable {
            packet.properties.block
        } else {
            write_forwardable(packet.properties.block, &mut rewritten);
            &rewritten
        };
        let mut publication = Publication::new(topic, properties, packet.payload, shared);
        publication.qos = packet.qos;
        publication.retain = packet.retain;
        publication.expires_at = self.expiry_of(packet.properties.message_expiry_s);
        publication.publisher = Some(key);
        publication.publisher_hash = publisher_hash;
        publication.stamp = self.next_stamp();
        let matched = self.route(&publication);

        let reason = if matched { ReasonCode::Success } else { ReasonCode::NoMatchingSubscribers };
        match packet.qos {
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce => self.acknowledge(id, AckKind::PubAck, packet.packet_id, reason, None),
            Qos::ExactlyOnce => {
                if let Some(session) = self.session_mut(key) {
                    session.flow_mut().unreleased.push(packet.packet_id);
                }
                self.acknowledge(id, AckKind::PubRec, packet.packet_id, reason, None);
            }
        }
    }

    /// Rules that depend on what the server has announced.
    #[inline]
    fn check_publish(&self, packet: &Publish<'_>) -> Result<(), Violation> {
        if packet.qos > self.settings.maximum_qos {
            return Err(Violation::QosAboveMaximum);
        }
        if packet.retain && !self.settings.retain_available {
            return Err(Violation::RetainNotAvailable);
        }
        if packet.properties.subscription_id.is_some() {
            return Err(Violation::SubscriptionIdentifierFromClient);
        }
        self.check_topic_bounds(packet.topic)
    }

    /// The configured bounds of a topic name; that it is a valid one was checked when it was decoded.
    pub(super) fn check_topic_bounds(&self, topic: &str) -> Result<(), Violation> {
        if topic.len() > self.settings.topic_length_max {
            return Err(Violation::TopicNameTooLong);
        }
        // A topic has at most as many separators as bytes; most are too short to be looked at.
        if topic.len() >= self.settings.topic_levels_max
            && memchr::memchr_iter(b'/', topic.as_bytes()).count() >= self.settings.topic_levels_max
        {
            return Err(Violation::TopicNameTooManyLevels);
        }
        Ok(())
    }

    fn resolve_alias(&mut self, id: ConnectionId, alias: u16, topic: &str) -> Result<Rc<str>, Violation> {
        if alias > self.settings.topic_alias_max {
            return Err(Violation::TopicAliasAboveMaximum);
        }
        let connection = self.connection_mut(id).ok_or(Violation::TopicAliasUnknown)?;
        if topic.is_empty() {
            let known = connection.aliases_in.as_ref().and_then(|aliases| aliases.get(alias));
            return known.ok_or(Violation::TopicAliasUnknown);
        }
        connection.aliases_in.get_or_insert_default().set(alias, topic);
        Ok(topic.into())
    }

    fn refuse_payload_format(&mut self, id: ConnectionId, packet: &Publish<'_>) {
        let why = Some("the payload is declared UTF-8 (Payload Format Indicator 1) and is not");
        match packet.qos {
            Qos::AtMostOnce => self.fail(id, Violation::PayloadNotUtf8),
            Qos::AtLeastOnce => {
                self.acknowledge(id, AckKind::PubAck, packet.packet_id, ReasonCode::PayloadFormatInvalid, why);
            }
            Qos::ExactlyOnce => {
                self.acknowledge(id, AckKind::PubRec, packet.packet_id, ReasonCode::PayloadFormatInvalid, why);
            }
        }
    }

    /// Answers a packet of a QoS flow. Before 5.0 a reason cannot be told: an error is then no answer's business, and the plain
    /// acknowledgement goes out.
    pub(super) fn acknowledge(
        &mut self,
        id: ConnectionId,
        kind: AckKind,
        packet_id: u16,
        reason: ReasonCode,
        reason_string: Option<&str>,
    ) {
        self.write(id, |connection, out| {
            if connection.version < Version::V5_0 || reason == ReasonCode::Success {
                return encode::ack_success(out, kind, packet_id);
            }
            let reason_string = reason_string.filter(|_| connection.problem_information);
            let properties = AckProperties { reason_string, ..AckProperties::default() };
            let packet = Ack { packet_id, reason, properties };
            encode::ack(out, connection.version, kind, &packet, connection.packet_size_max);
        });
    }

    /// Sends a message to all who want it, here and on other shards, and keeps it if it is to be retained. True if anybody
    /// wants it.
    pub(super) fn route(&mut self, publication: &Publication<'_>) -> bool {
        let mut matches = std::mem::take(&mut self.matches);
        self.index.matches(publication.topic, &mut matches);
        self.deliver_to_matches(publication, &matches);
        for shard in matches.shards.iter() {
            self.send_to_peer(shard, PeerMessage::Publish(publication.message_for_peer()));
        }
        for group in &matches.groups {
            self.deliver_to_group(*group, publication, 0, false);
        }
        let matched = !matches.local.is_empty() || !matches.shards.is_empty() || !matches.groups.is_empty();
        self.matches = matches;
        if publication.retain {
            self.retain(publication.message());
        }
        matched
    }

    /// Delivers to this shard's subscribers, members of groups excepted.
    pub(super) fn deliver_to_matches(&mut self, publication: &Publication<'_>, matches: &Matches) {
        self.templates.next();
        let several = matches.local.len() > 1;
        for matched in &matches.local {
            let ids = matches.subscription_ids_of(matched);
            self.deliver(matched.session, publication, matched.options, ids, several);
        }
    }

    /// When a message with this Message Expiry Interval that is published now expires.
    pub(super) fn expiry_of(&self, message_expiry_s: Option<u32>) -> Option<Millis> {
        let interval_s = match (message_expiry_s, self.settings.message_expiry_max_s) {
            (Some(interval), Some(maximum)) => Some(interval.min(maximum)),
            (interval, maximum) => interval.or(maximum),
        };
        interval_s.map(|interval_s| self.now + u64::from(interval_s) * 1_000)
    }

    /// Names a publish over all shards, in the order of this shard.
    pub(super) fn next_stamp(&mut self) -> u64 {
        self.stamp += 1;
        u64::from(self.own.0) << STAMP_SHARD_SHIFT | self.stamp
    }
}
