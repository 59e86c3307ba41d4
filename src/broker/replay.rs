//! Retained messages for a new subscription, from all shards, one batch at a time, as fast as the client takes them.
//!
//! A replay begins when the subscription is in force on every shard. From then on every publish reaches the subscriber
//! live; whatever was published before has reached its partition's mailbox before our request does (see
//! [`PeerMessage::class`](super::PeerMessage::class)). So nothing falls between the two. What comes by both ways is recognised by its
//! stamp, because the live copy always arrives first; it waits behind the replay.

use std::rc::Rc;

use super::batch::Progress;
use super::deliver::{Terms, delivery};
use super::publication::Publication;
use super::{DropReason, Message, PeerMessage, Shard};
use crate::routing::{SessionKey, ShardIndex, Subscription};
use crate::session::{Delivery, Replay};

impl Shard {
    /// Begins to fetch retained messages for a subscription, once the interest up to `sequence` is in force.
    pub(super) fn start_replay(&mut self, key: SessionKey, filter: &str, subscription: Subscription, sequence: u64) {
        self.replay_number = self.replay_number.wrapping_add(1);
        let number = self.replay_number;
        let Some(session) = self.session_mut(key) else { return };
        let replays = session.replays.get_or_insert_default();
        replays.active.retain(|replay| *replay.filter != *filter);
        replays.active.push_back(Replay {
            number,
            filter: filter.into(),
            subscription,
            sequence,
            shard: 0,
            after: None,
            requested: false,
        });
        if sequence > self.interest_in_force {
            self.waiting_replays.push_back((sequence, key));
        } else {
            self.advance_replay(key);
        }
    }

    /// The subscription was replaced ([MQTT-3.8.4-3]): what its replay still brings comes on the new one's terms.
    pub(super) fn replace_replay_terms(&mut self, key: SessionKey, filter: &str, subscription: Subscription) {
        let Some(replays) = self.session_mut(key).and_then(|session| session.replays.as_mut()) else { return };
        for replay in replays.active.iter_mut().filter(|replay| *replay.filter == *filter) {
            replay.subscription = subscription;
        }
    }

    /// The subscription has gone; its retained messages are not wanted any more.
    pub(super) fn cancel_replay(&mut self, key: SessionKey, filter: &str) {
        let Some(replays) = self.session_mut(key).and_then(|session| session.replays.as_mut()) else { return };
        replays.active.retain(|replay| *replay.filter != *filter);
        self.finish_replays(key);
    }

    /// Replays whose interest has come into force begin.
    pub(super) fn start_waiting_replays(&mut self) {
        while let Some((_, key)) =
            self.waiting_replays.pop_front_if(|(sequence, _)| *sequence <= self.interest_in_force)
        {
            self.advance_replay(key);
        }
    }

    /// Asks for the next retained messages, if the client has room and nothing is asked for already.
    pub(super) fn advance_replay(&mut self, key: SessionKey) {
        let in_force = self.interest_in_force;
        if !self.has_room(key) {
            return;
        }
        let (own, shards) = (self.own, self.shards);
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let Some(replay) = session.replays.as_mut().and_then(|replays| replays.active.front_mut()) else { return };
        if replay.requested || replay.sequence > in_force || usize::from(replay.shard) >= shards {
            return;
        }
        replay.requested = true;
        let shard = ShardIndex(replay.shard);
        if shard == own {
            self.local_replays.push_back(key);
        } else {
            let request = PeerMessage::RetainedRequest {
                session: key,
                replay: replay.number,
                filter: replay.filter.clone(),
                after: replay.after.clone(),
            };
            self.send_to_peer(shard, request);
        }
    }

    /// One turn's work for each session that waits for this shard's own retained messages.
    pub(super) fn run_local_replays(&mut self) {
        for _ in 0..self.local_replays.len() {
            let Some(key) = self.local_replays.pop_front() else { return };
            let replay = self.sessions.get(key.0).and_then(|session| session.replays.as_ref()?.active.front());
            let Some(replay) = replay.filter(|replay| replay.requested && replay.shard == self.own.0) else { continue };
            let (number, filter, after) = (replay.number, replay.filter.clone(), replay.after.clone());
            let found = self.search_retained(&filter, after.as_deref());
            self.handle_retained_batch(key, number, found.messages, found.after);
        }
    }

    /// Retained messages have come from a shard.
    pub(super) fn handle_retained_batch(
        &mut self,
        key: SessionKey,
        number: u32,
        messages: Vec<Rc<Message>>,
        after: Option<Box<str>>,
    ) {
        let shards = self.shards;
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let Some(replay) = session.replays.as_mut().and_then(|replays| replays.active.front_mut()) else { return };
        if replay.number != number {
            return;
        }
        replay.requested = false;
        if after.is_none() {
            replay.shard += 1;
        }
        replay.after = after;
        let (subscription, is_done) = (replay.subscription, usize::from(replay.shard) >= shards);
        for message in &messages {
            self.deliver_retained(key, message, subscription);
        }
        if is_done {
            if let Some(replays) = self.session_mut(key).and_then(|session| session.replays.as_mut()) {
                replays.active.retain(|replay| replay.number != number);
            }
            self.finish_replays(key);
        }
        self.advance_replay(key);
    }

    fn deliver_retained(&mut self, key: SessionKey, message: &Rc<Message>, subscription: Subscription) {
        let Some(session) = self.session(key) else { return };
        let session_hash = session.client_hash;
        let Some(replays) = session.replays.as_ref() else { return };
        let is_own = session_hash == message.publisher_hash;
        if is_own && subscription.options.no_local {
            return;
        }
        if replays.held_stamps.contains(&message.stamp) {
            self.counters.retained_superseded += 1;
            return;
        }
        if let Some(replays) = self.session_mut(key).and_then(|session| session.replays.as_mut()) {
            let older = replays.release_older(message);
            self.send_held(key, older);
        }
        let terms = Terms {
            qos: message.qos.min(subscription.options.qos),
            retain: true,
            subscription_ids: subscription.ids(),
            group: None,
            several: false,
        };
        self.send_or_queue(key, &Publication::from_message(message), terms);
    }

    /// A replay has ended: what was held back for it, and for no other, goes out before anything newer of its topics does.
    fn finish_replays(&mut self, key: SessionKey) {
        let Some(session) = self.session_mut(key) else { return };
        let Some(replays) = session.replays.as_mut() else { return };
        let free = replays.release();
        if replays.active.is_empty() {
            session.replays = None;
        }
        self.send_held(key, free);
    }

    fn send_held(&mut self, key: SessionKey, deliveries: impl IntoIterator<Item = Delivery>) {
        for held in deliveries {
            self.held_bytes -= held.message.release();
            let terms = Terms {
                qos: held.qos,
                retain: held.retain,
                subscription_ids: &held.subscription_ids,
                group: held.group.as_ref(),
                several: false,
            };
            self.send_or_queue(key, &Publication::from_message(&held.message), terms);
            // It has a new entry now, behind those of the retained messages that went before it.
            self.forget_entry(key, held.entry);
        }
    }

    /// A live message must not overtake the retained messages of a subscription that matches its topic.
    pub(super) fn must_wait_for_retained(&self, key: SessionKey, topic: &str) -> bool {
        let replays = self.session(key).and_then(|session| session.replays.as_ref());
        replays.is_some_and(|replays| replays.wait_for(topic))
    }

    /// Keeps a live message until the retained ones have come, within the bounds of the client's queue.
    pub(super) fn hold_behind_retained(&mut self, key: SessionKey, publication: &Publication<'_>, terms: Terms<'_>) {
        let mut delivery = delivery(publication, terms);
        let size = delivery.message.size();
        let is_over_shard_bound = self.held_bytes + size > self.settings.shard_bytes_max;
        let (messages_max, bytes_max) = (self.settings.queued_messages_max, self.settings.queued_bytes_max);
        let Some(replays) = self.session_mut(key).and_then(|session| session.replays.as_mut()) else { return };
        if is_over_shard_bound {
            return self.count_drop(Some(key), DropReason::ShardFull);
        }
        if replays.held.len() >= messages_max || replays.held_bytes + size > bytes_max {
            return self.count_drop(Some(key), DropReason::QueueFullNewest);
        }
        self.keep_entry(key, &mut delivery, Progress::Queued);
        self.held_bytes += delivery.message.hold();
        if let Some(replays) = self.session_mut(key).and_then(|session| session.replays.as_mut()) {
            replays.hold(delivery);
        }
    }
}
