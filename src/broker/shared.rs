//! Shared subscriptions (section 4.8.2), also for clients before 5.0: each message of a group goes to one member, and to
//! another one if that member goes away before it has acknowledged.

use std::rc::Rc;

use rand::RngCore;

use super::deliver::Terms;
use super::home::hash;
use super::publication::Publication;
use super::{DropReason, Message, PeerMessage, Shard};
use crate::codec::topic::Filter;
use crate::limits::{SHARED_HOPS_MAX, SHARED_READERS_ASKED_MAX};
use crate::routing::{Choice, GroupId, MemberState, SessionKey, ShardIndex, Strategy, Subscription};
use crate::session::{Awaits, Delivery, GroupName};

impl Shard {
    /// Delivers to one member of a group, here or on another shard. `is_sent_here`: another shard has chosen this one.
    pub(super) fn deliver_to_group(
        &mut self,
        group: GroupId,
        publication: &Publication<'_>,
        hops: u8,
        is_sent_here: bool,
    ) {
        match self.choose_member(group, publication.topic, publication.publisher_hash, is_sent_here) {
            Choice::Local(key, subscription) => {
                let (share, filter) = self.index.group_name(group);
                let name = Rc::new(GroupName { share: share.into(), filter: filter.into() });
                self.send_or_queue(key, publication, member_terms(publication, &subscription, &name));
            }
            Choice::Shard(shard) if hops < SHARED_HOPS_MAX => {
                let (share, filter) = self.index.group_name(group);
                let name = GroupName { share: share.into(), filter: filter.into() };
                self.send_to_group(shard, name, Message::clone(publication.message()), hops);
            }
            // The shard that chose this one did not know yet that its members have left.
            Choice::Nobody if is_sent_here => self.deliver_to_group(group, publication, hops, false),
            // It has members, then, and none of them may read the topic.
            Choice::Nobody if self.index.group_counts(group).1 > 0 => self.count_unreadable(),
            Choice::Shard(_) | Choice::Nobody => self.count_drop(None, DropReason::NoMember),
        }
    }

    /// Leaves the choice of a member to another shard.
    fn send_to_group(&mut self, shard: ShardIndex, name: GroupName, message: Message, hops: u8) {
        let group = self.index.group(&name.share, &name.filter);
        let is_durable = group.is_some_and(|group| self.index.group_is_durable_elsewhere(group));
        let ticket = if is_durable || self.durability.is_part() { self.ticket_for_peer() } else { 0 };
        let GroupName { share, filter } = name;
        self.send_to_peer(shard, PeerMessage::PublishShared { share, filter, message, hops, ticket });
    }

    /// Delivers a message that was a group's already to one of its members.
    pub(super) fn publish_to_group(&mut self, name: &GroupName, message: &Rc<Message>, hops: u8) {
        match self.index.group(&name.share, &name.filter) {
            Some(group) => self.deliver_to_group(group, &Publication::from_message(message), hops, false),
            None => self.count_drop(None, DropReason::NoMember),
        }
    }

    /// A message that another shard has sent here for one of the group's members.
    pub(super) fn handle_publish_shared(&mut self, name: &GroupName, message: Message, hops: u8) {
        let message = Rc::new(message);
        match self.index.group(&name.share, &name.filter) {
            Some(group) => self.deliver_to_group(group, &Publication::from_message(&message), hops + 1, true),
            None => self.count_drop(None, DropReason::NoMember),
        }
    }

    fn choose_member(&mut self, group: GroupId, topic: &str, publisher_hash: u64, local_only: bool) -> Choice {
        let strategy = self.settings.shared_strategy;
        let topic_hash = if strategy == Strategy::HashTopic { hash(&self.settings, topic) } else { 0 };
        let random = self.random.next_u64();
        let sessions = &self.sessions;
        let mut state = |key: SessionKey| match sessions.get(key.0) {
            Some(session) => MemberState { connected: session.connection.is_some(), pending: session.pending() as u32 },
            None => MemberState { connected: false, pending: 0 },
        };
        let choice = self.index.choose(group, strategy, publisher_hash, topic_hash, random, local_only, &mut state);
        match choice {
            Choice::Local(key, _) if !self.may_be_chosen(key, topic) => {
                self.choose_other_member(group, topic, random, local_only)
            }
            choice => choice,
        }
    }

    /// The member that was chosen may not read the topic: another one of this shard that may, or the next shard's affair.
    #[cold]
    fn choose_other_member(&self, group: GroupId, topic: &str, random: u64, local_only: bool) -> Choice {
        let members = self.index.group_members(group);
        let start = random as usize % members.len().max(1);
        let in_turn = members.iter().cycle().skip(start).take(members.len().min(SHARED_READERS_ASKED_MAX));
        let is_connected = |key: SessionKey| self.session(key).is_some_and(|session| session.connection.is_some());
        let readers = in_turn.filter(|(key, _)| self.may_be_chosen(*key, topic));
        match readers.max_by_key(|(key, _)| is_connected(*key)) {
            Some((key, subscription)) => Choice::Local(*key, *subscription),
            None if local_only => Choice::Nobody,
            None => self.index.group_shard_after(group).map_or(Choice::Nobody, Choice::Shard),
        }
    }

    #[inline]
    fn may_be_chosen(&self, key: SessionKey, topic: &str) -> bool {
        self.session(key).is_some_and(|session| session.may_still_receive(topic))
    }

    /// Tells the other shards how many members this one has in a group.
    pub(super) fn announce_group(&mut self, share: &str, filter: &str) {
        if self.shards == 1 {
            return;
        }
        let group = self.index.group(share, filter);
        let (connected, total) = group.map_or((0, 0), |group| self.index.group_counts(group));
        let durable = self.durability.announced.contains(&hash(&self.settings, &format!("$share/{share}/{filter}")));
        self.interest_sequence += 1;
        let sequence = self.interest_sequence;
        for shard in self.other_shards() {
            let (share, filter) = (share.into(), filter.into());
            self.send_to_peer(shard, PeerMessage::GroupInterest { share, filter, connected, total, durable, sequence });
        }
    }

    /// A session has got its connection: it counts as a connected member of its groups.
    pub(super) fn return_to_groups(&mut self, key: SessionKey) {
        for name in self.groups_of(key) {
            self.index.set_connected(&name.share, &name.filter, key, true);
            self.announce_group(&name.share, &name.filter);
        }
    }

    /// A session has lost its connection: other members get what it has not been sent, and what of QoS 1 it has not
    /// acknowledged, if one of them is connected.
    pub(super) fn leave_groups_for_now(&mut self, key: SessionKey) {
        let names = self.groups_of(key);
        if names.is_empty() {
            return;
        }
        for name in &names {
            self.index.set_connected(&name.share, &name.filter, key, false);
            self.announce_group(&name.share, &name.filter);
        }
        if self.session(key).is_none_or(|session| session.flow.is_none()) {
            return;
        }
        let began_ticket = self.begin_ticket();
        let Some(flow) = self.session_mut(key).and_then(|session| session.flow.as_mut()) else { return };
        let candidates = flow.in_flight.iter().filter_map(|(packet_id, slot)| {
            let delivery = slot.content.delivery()?;
            let moves = slot.awaits == Awaits::PubAck && delivery.group.is_some();
            moves.then_some((packet_id, delivery.clone()))
        });
        let in_flight: Vec<_> = candidates.collect();
        let queued = flow.queue.extract(|delivery| delivery.group.is_some());
        for (packet_id, delivery) in in_flight {
            if self.move_to_other_member(key, &delivery) {
                self.settle(key, packet_id);
            }
        }
        for delivery in queued {
            self.counters.leave_queue(delivery.message.size());
            if self.move_to_other_member(key, &delivery) {
                self.held_bytes -= delivery.message.release();
                self.forget_entry(key, delivery.entry);
            } else if let Some(session) = self.sessions.get_mut(key.0) {
                self.counters.enter_queue(delivery.message.size());
                session.flow_mut().queue.push(delivery);
            }
        }
        if began_ticket {
            self.end_ticket(false);
        }
    }

    fn move_to_other_member(&mut self, key: SessionKey, delivery: &Delivery) -> bool {
        let Some(name) = delivery.group.clone() else { return false };
        let Some(group) = self.index.group(&name.share, &name.filter) else { return false };
        if !self.index.group_is_attended(group) {
            return false;
        }
        let message = &delivery.message;
        match self.choose_member(group, message.topic(), message.publisher_hash, false) {
            Choice::Local(chosen, _) if chosen == key => false,
            Choice::Local(chosen, subscription) => {
                let publication = Publication::from_message(message);
                let terms = member_terms(&publication, &subscription, &name);
                self.send_or_queue(chosen, &publication, terms);
                true
            }
            Choice::Shard(shard) => {
                self.send_to_group(shard, GroupName::clone(&name), Message::clone(message), 0);
                true
            }
            Choice::Nobody => false,
        }
    }

    fn groups_of(&self, key: SessionKey) -> Vec<GroupName> {
        let Some(session) = self.session(key) else { return Vec::new() };
        let shared = session.subscriptions.iter().filter(|filter| filter.starts_with("$share/"));
        let parsed = shared.filter_map(|whole| Filter::parse(whole, usize::MAX, usize::MAX).ok());
        parsed
            .filter_map(|filter| Some(GroupName { share: filter.share?.into(), filter: filter.filter.into() }))
            .collect()
    }
}

/// What a member's subscription makes of a message of the group.
fn member_terms<'a>(
    publication: &Publication<'_>,
    subscription: &'a Subscription,
    name: &'a Rc<GroupName>,
) -> Terms<'a> {
    Terms {
        qos: publication.qos.min(subscription.options.qos),
        retain: publication.retain && subscription.options.retain_as_published,
        subscription_ids: subscription.ids(),
        group: Some(name),
        several: false,
    }
}
