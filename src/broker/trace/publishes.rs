//! Publishes to topics that are watched: as they come in, and what becomes of them for each client of this shard.

use super::{Direction, Fate, TracedPacket};
use crate::broker::publication::Publication;
use crate::broker::{ConnectionId, Counters, DropReason, Shard};
use crate::codec::encode::{self, PublishHead};
use crate::codec::properties::write_forwardable;
use crate::codec::{Publish, Qos, Version};
use crate::limits::TRACED_PACKET_SIZE_MAX;
use crate::routing::{Matches, SessionKey};

/// Packet identifier of a packet that is made for the trace: with QoS 1 and 2 it must not be 0.
const NO_PACKET_ID: u16 = 1;

impl Shard {
    /// A message is about to be routed that came in at this shard.
    #[cold]
    pub(in crate::broker) fn trace_publication(&mut self, publication: &Publication<'_>) {
        self.end_abandoned_traces();
        if self.watches_topic(publication.topic) {
            self.keep_made(
                publication,
                publication.publisher,
                Direction::In,
                publication.qos,
                publication.retain,
                None,
            );
        }
    }

    /// A client's message goes nowhere: its packet has been kept already for who watches the client, and is kept now for who watches the topic.
    #[cold]
    pub(in crate::broker) fn trace_refused(
        &mut self,
        id: ConnectionId,
        key: SessionKey,
        topic: &str,
        packet: &Publish<'_>,
        reason: DropReason,
    ) {
        self.end_abandoned_traces();
        let fate = Fate::Dropped(reason);
        let at_ns = self.traced_at_ns();
        if let Some(tracing) = &mut self.tracing {
            tracing.tell_fate(id, at_ns, fate);
        }
        if self.watches_topic(topic) {
            let mut properties = Vec::new();
            write_forwardable(packet.properties.block, &mut properties);
            let publication = Publication::new(topic, &properties, packet.payload, None);
            self.keep_made(&publication, Some(key), Direction::In, packet.qos, packet.retain, Some(fate));
        }
    }

    /// Delivers to this shard's subscribers and notes what became of it for each; false if nobody watches the topic: nothing is done then.
    #[cold]
    pub(in crate::broker) fn deliver_traced(&mut self, publication: &Publication<'_>, matches: &Matches) -> bool {
        if !self.watches_topic(publication.topic) {
            return false;
        }
        for matched in &matches.local {
            let ids = matches.subscription_ids_of(matched);
            let (key, options) = (matched.session, matched.options);
            if options.no_local && publication.publisher == Some(key) {
                continue;
            }
            let retain = publication.retain && options.retain_as_published;
            let before = self.counters;
            self.deliver(key, publication, options, ids, false);
            let fate = fate(&before, &self.counters);
            self.keep_made(
                publication,
                Some(key),
                Direction::Out,
                publication.qos.min(options.qos),
                retain,
                Some(fate),
            );
        }
        true
    }

    fn watches_topic(&self, topic: &str) -> bool {
        let tracing = self.tracing.as_ref();
        tracing.is_some_and(|tracing| tracing.tracers.iter().any(|tracer| tracer.watches_topic(topic)))
    }

    /// Keeps a PUBLISH that is made from the message.
    fn keep_made(
        &mut self,
        publication: &Publication<'_>,
        client: Option<SessionKey>,
        direction: Direction,
        qos: Qos,
        retain: bool,
        fate: Option<Fate>,
    ) {
        let head = PublishHead {
            version: Version::V5_0,
            dup: false,
            qos,
            retain,
            topic: publication.topic,
            packet_id: NO_PACKET_ID,
            message_expiry_s: None,
            topic_alias: None,
            subscription_ids: &[],
            properties: publication.properties,
            payload_len: publication.payload.len(),
        };
        let mut bytes = Vec::new();
        encode::publish_head(&mut bytes, &head);
        let room = TRACED_PACKET_SIZE_MAX.saturating_sub(bytes.len());
        bytes.extend_from_slice(publication.payload.get(..room).unwrap_or(publication.payload));
        bytes.truncate(TRACED_PACKET_SIZE_MAX);
        let connection = client.and_then(|key| self.session(key)?.connection);
        let packet = TracedPacket {
            at_ns: self.traced_at_ns(),
            direction,
            client_id: self.client_id_of_session(client),
            connection,
            address: self.traced_address(connection),
            version: Version::V5_0,
            bytes,
            size: head.packet_size(),
            fate,
            is_made: true,
        };
        if let Some(tracing) = &mut self.tracing {
            tracing.keep(packet, |tracer| tracer.watches_topic(publication.topic));
        }
    }
}

/// What became of one message for one client, by what it has changed.
fn fate(before: &Counters, after: &Counters) -> Fate {
    // One that pushed another out of the queue is in the queue itself.
    let is_queued = after.queued_messages > before.queued_messages
        || after.dropped(DropReason::QueueFullOldest) > before.dropped(DropReason::QueueFullOldest);
    if after.publishes_sent.total() > before.publishes_sent.total() {
        return Fate::Sent;
    }
    // In the window without being sent: it waits for the store.
    if is_queued || after.in_flight > before.in_flight {
        return Fate::Queued;
    }
    let dropped = DropReason::ALL.into_iter().find(|reason| after.dropped(*reason) > before.dropped(*reason));
    dropped.map_or(Fate::Held, Fate::Dropped)
}
