//! PUBLISH from a client, and the way of any message to those who want it.

use std::rc::Rc;

use bytes::Bytes;

use super::batch::StoreOp;
use super::message::STAMP_SHARD_SHIFT;
use super::own::is_own;
use super::publication::Publication;
use super::{CloseReason, ConnectionId, Gate, Millis, PeerMessage, STORE_KEYS, Shard};
use crate::codec::encode::{self, AckKind};
use crate::codec::properties::write_forwardable;
use crate::codec::{Ack, AckProperties, Publish, Qos, ReasonCode, Version, Violation};
use crate::routing::{Matches, SessionKey};
use crate::session::Unreleased;

/// Which messages are routed while the store does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admit {
    /// Those that need not be kept.
    IfKeepable,
    /// All: nobody could be told, or send it again.
    Always,
}

/// What became of a message.
pub(super) struct Routed {
    /// Somebody wants it.
    pub matched: bool,
    /// It has a ticket, that the caller ends.
    pub began_ticket: bool,
}

impl Shard {
    /// PUBLISH (section 3.3). `shared` is what the packet's bytes are a part of, if they may be kept by reference.
    pub(super) fn handle_publish(
        &mut self,
        id: ConnectionId,
        key: SessionKey,
        packet: &Publish<'_>,
        shared: Option<&Bytes>,
    ) {
        self.counters.publishes_received.count(packet.qos, packet.payload);
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
            if unreleased.iter().any(|known| known.packet_id == packet.packet_id) {
                // A repetition: it was published when it first came ([MQTT-4.3.3-10]).
                return self.acknowledge_in_turn(id, AckKind::PubRec, packet.packet_id);
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
        let is_restricted = session.permissions.is_some();
        if is_own(topic) || (is_restricted && !self.may_publish(key, topic)) {
            return self.refuse_to_publish(id, key, topic, packet);
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
        let before = self.durability.kept;
        // Were it durable before an earlier one of this session, and that one lost in a crash, their order would be, too.
        let follows = packet.qos == Qos::ExactlyOnce && self.last_ticket_is_incomplete(key);
        let began_ticket = follows && self.begin_ticket();
        let Some(routed) = self.route(&publication, Admit::IfKeepable) else {
            if began_ticket {
                self.end_ticket(false);
            }
            return self.refuse_to_keep(id, packet);
        };
        if packet.qos == Qos::ExactlyOnce {
            self.note_unreleased(key, packet, before);
        }
        let gate = if packet.qos == Qos::AtMostOnce { Gate::OPEN } else { self.gate_since(before) };
        if began_ticket || routed.began_ticket {
            self.end_ticket(follows);
        }
        let reason = if routed.matched { ReasonCode::Success } else { ReasonCode::NoMatchingSubscribers };
        match packet.qos {
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce => self.acknowledge_when(gate, id, AckKind::PubAck, packet.packet_id, reason),
            Qos::ExactlyOnce => self.acknowledge_when(gate, id, AckKind::PubRec, packet.packet_id, reason),
        }
    }

    /// From here on a publish with this packet identifier is a repetition, also after a crash, if the message itself is kept.
    fn note_unreleased(&mut self, key: SessionKey, packet: &Publish<'_>, kept_before: u64) {
        let (session, packet_id) = (self.store_id(key), packet.packet_id);
        let is_message_kept = self.durability.kept != kept_before || self.durability.has_parts();
        // One that found nothing to remove would, repeated, remove what was retained after it.
        let kept = session != 0 && (is_message_kept || packet.retain);
        if kept {
            self.keep(StoreOp::Unreleased { session, packet_id });
        }
        let ticket = self.durability.ticket();
        if let Some(session) = self.session_mut(key) {
            let flow = session.flow_mut();
            flow.unreleased.push(Unreleased { packet_id, kept });
            flow.last_ticket = if kept { ticket } else { flow.last_ticket };
        }
    }

    fn last_ticket_is_incomplete(&self, key: SessionKey) -> bool {
        let flow = self.session(key).and_then(|session| session.flow.as_ref());
        flow.is_some_and(|flow| self.durability.is_incomplete(flow.last_ticket))
    }

    /// The store does not accept, and the message would have to be kept: a 5.0 client is told so; an older one, which cannot
    /// be told, loses its connection, and sends the message again over its next one.
    fn refuse_to_keep(&mut self, id: ConnectionId, packet: &Publish<'_>) {
        self.count_bound(&self.client_id_of(id), STORE_KEYS);
        let is_told = self.connection(id).is_some_and(|connection| connection.version == Version::V5_0);
        let kind = if packet.qos == Qos::AtLeastOnce { AckKind::PubAck } else { AckKind::PubRec };
        if is_told {
            self.acknowledge_when(Gate::OPEN, id, kind, packet.packet_id, ReasonCode::QuotaExceeded);
        } else {
            self.close(id, CloseReason::ByServer(ReasonCode::QuotaExceeded), None);
        }
    }

    /// Rules that depend on what the server has announced.
    #[inline]
    pub(super) fn check_publish(&self, packet: &Publish<'_>) -> Result<(), Violation> {
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
        let kind = match packet.qos {
            Qos::AtMostOnce => return self.fail(id, Violation::PayloadNotUtf8),
            Qos::AtLeastOnce => AckKind::PubAck,
            Qos::ExactlyOnce => AckKind::PubRec,
        };
        let reason = ReasonCode::PayloadFormatInvalid;
        if self.connection(id).is_some_and(|connection| connection.answers > 0) {
            return self.acknowledge_when(Gate::OPEN, id, kind, packet.packet_id, reason);
        }
        let why = Some("the payload is declared UTF-8 (Payload Format Indicator 1) and is not");
        self.acknowledge(id, kind, packet.packet_id, reason, why);
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

    /// Sends a message to all who want it, here and on other shards, and keeps it if it is to be retained. `None` if it would have to
    /// be kept and cannot be, and is for that not to be routed.
    pub(super) fn route(&mut self, publication: &Publication<'_>, admit: Admit) -> Option<Routed> {
        let mut matches = std::mem::take(&mut self.matches);
        self.index.matches(publication.topic, &mut matches);
        let mut began_ticket = false;
        if self.settings.persistence && publication.qos > Qos::AtMostOnce {
            let concerns_others = publication.retain
                || !matches.durable_shards.is_empty()
                || matches.groups.iter().any(|group| self.index.group_is_durable_elsewhere(*group));
            if !self.durability.accepting && admit == Admit::IfKeepable {
                let is_kept = concerns_others
                    || !matches.groups.is_empty()
                    || matches.local.iter().any(|it| self.store_id(it.session) != 0);
                if is_kept {
                    self.matches = matches;
                    return None;
                }
            }
            began_ticket = concerns_others && self.begin_ticket();
        }
        if self.tracing.is_some() {
            self.trace_publication(publication);
        }
        self.deliver_to_matches(publication, &matches);
        for shard in matches.shards.iter() {
            let ticket = if matches.durable_shards.contains(shard) { self.ticket_for_peer() } else { 0 };
            self.send_to_peer(shard, PeerMessage::Publish { message: publication.message_for_peer(), ticket });
        }
        for group in &matches.groups {
            self.deliver_to_group(*group, publication, 0, false);
        }
        let matched = !matches.local.is_empty() || !matches.shards.is_empty() || !matches.groups.is_empty();
        self.matches = matches;
        if publication.retain {
            self.retain(publication.message());
        }
        Some(Routed { matched, began_ticket })
    }

    /// Delivers to this shard's subscribers, members of groups excepted.
    pub(super) fn deliver_to_matches(&mut self, publication: &Publication<'_>, matches: &Matches) {
        if self.tracing.is_some() && self.deliver_traced(publication, matches) {
            return;
        }
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

    /// Names a publish over all shards, in the order of this shard; and other things that need a name.
    pub(super) fn next_stamp(&mut self) -> u64 {
        u64::from(self.own.0) << STAMP_SHARD_SHIFT | self.next_counter()
    }

    /// Ascends on this shard, over restarts, too.
    pub(super) fn next_counter(&mut self) -> u64 {
        self.stamp += 1;
        self.stamp
    }
}
