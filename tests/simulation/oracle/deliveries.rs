//! Each delivery by itself, and each client's deliveries in their order: only what was published, unaltered, to those
//! who subscribed, in the right quality, not too often and in order.

use std::collections::{BTreeMap, BTreeSet};

use super::sessions::Subscription;
use super::{Case, Figures, QUEUE_DROPS};
use crate::history::{Delivery, Entry, Key, Message, NEVER, Order, What};
use crate::wire::{Properties, Value, property};
use crate::world::Finding;

/// A delivery that is not a repetition, with all that it may be.
#[derive(Clone, Debug)]
pub struct Seen {
    pub order: Order,
    pub client: usize,
    pub session: u32,
    pub key: Key,
    pub qos: u8,
    /// Forwarded when it was published.
    pub live: bool,
    /// Sent because of a new subscription.
    pub replayed: bool,
    /// As a member of a group.
    pub shared: bool,
}

#[derive(Default)]
pub struct Deliveries {
    pub seen: Vec<Seen>,
    /// Positions in `seen`.
    pub by_key: BTreeMap<Key, Vec<usize>>,
}

/// What a client's session remembers of what it got.
#[derive(Default)]
struct Memory {
    session: u32,
    by_packet_id: BTreeSet<(u16, Key)>,
    /// Highest sequence of a publisher on a topic at published and received QoS.
    highest: BTreeMap<(u32, String, u8, u8), u32>,
    highest_live: BTreeMap<(u32, String, u8, u8), u32>,
    highest_retained: BTreeMap<(u32, String, u8, u8), u32>,
    live: BTreeMap<Key, usize>,
    total: BTreeMap<Key, usize>,
    at_qos_2: BTreeMap<Key, usize>,
    at_qos_1: BTreeMap<Key, AtQos1>,
    replayed_by_topic: BTreeMap<String, usize>,
}

/// A message at QoS 1.
#[derive(Default)]
struct AtQos1 {
    /// The CONNECT of the connection that last brought it.
    connect: Order,
    /// So often it may still come again, since it came before a crash.
    repetitions: usize,
}

impl Memory {
    /// A retained message that was replayed may not have been kept: an older one may come after it.
    fn crash(&mut self) {
        self.highest = self.highest_live.clone();
        self.highest_retained.clear();
    }

    /// At QoS 1 a message goes out before it is kept that it has: after a crash it may go out again, and as if for the first
    /// time.
    fn repeats_over_crash(&mut self, case: &Case<'_>, entry: &Entry, key: Key, delivery: &Delivery) -> bool {
        if delivery.qos != 1 {
            return false;
        }
        let connect = case.sessions.connections[&entry.connection].connect;
        let brought = self.at_qos_1.entry(key).or_insert(AtQos1 { connect, repetitions: 0 });
        if brought.connect != connect {
            let crashed = case.disturbances.crashed(brought.connect, connect);
            let before = self.total.get(&key).copied().unwrap_or(0);
            *brought = AtQos1 { connect, repetitions: if crashed { before } else { 0 } };
        }
        let repeats = brought.repetitions > 0;
        brought.repetitions -= usize::from(repeats);
        repeats
    }
}

impl Deliveries {
    pub fn of(&self, key: Key) -> impl Iterator<Item = &Seen> {
        self.by_key.get(&key).into_iter().flatten().map(|index| &self.seen[*index])
    }

    pub fn check(case: &Case<'_>, figures: &mut Figures) -> Result<Self, Finding> {
        let mut deliveries = Self::default();
        let mut memories: BTreeMap<usize, Memory> = BTreeMap::new();
        for (order, entry) in case.history.entries.iter().enumerate() {
            let memory = memories.entry(entry.client).or_default();
            match &entry.what {
                What::Crashed => memories.values_mut().for_each(Memory::crash),
                What::Connect(_) => {
                    let begins = case.sessions.begins.get(&entry.client);
                    if begins.is_some_and(|begins| begins.binary_search(&order).is_ok()) {
                        *memory = Memory { session: memory.session + 1, ..Memory::default() };
                    }
                }
                What::Delivery(delivery) => {
                    figures.deliveries += 1;
                    let fail = |rule: String| Finding::new(rule, entry.client, delivery.key);
                    let Some(key) = delivery.key else {
                        check_clear(case, entry.client, order, delivery).map_err(fail)?;
                        continue;
                    };
                    let message = case.history.messages.get(&key).ok_or_else(|| fail("nobody published it".into()))?;
                    check_content(case, order, key, message, delivery).map_err(fail)?;
                    let mut seen = explain(case, entry.client, order, key, message, delivery).map_err(fail)?;
                    seen.session = memory.session;
                    let is_new = memory.by_packet_id.insert((delivery.packet_id, key));
                    let again = delivery.dup && !is_new && delivery.qos == 1;
                    if delivery.known || again {
                        continue;
                    }
                    if !memory.repeats_over_crash(case, entry, key, delivery) {
                        check_count(case, memory, &seen, message).map_err(fail)?;
                        check_order(case, memory, &seen, message).map_err(fail)?;
                    }
                    deliveries.by_key.entry(key).or_default().push(deliveries.seen.len());
                    deliveries.seen.push(seen);
                }
                _ => {}
            }
        }
        Ok(deliveries)
    }
}

/// An empty payload: somebody must have published one to this topic.
fn check_clear(case: &Case<'_>, client: usize, order: Order, delivery: &Delivery) -> Result<(), String> {
    let published = case.history.entries[..order]
        .iter()
        .any(|entry| matches!(&entry.what, What::Clear { topic } if *topic == delivery.topic));
    if !published || !delivery.payload.is_empty() {
        return Err("a payload that nobody published".into());
    }
    let subscribed = case.sessions.of(client).iter().any(|s| s.may_from < order && s.matches(&delivery.topic));
    if subscribed { Ok(()) } else { Err("it matches no subscription".into()) }
}

fn check_content(
    case: &Case<'_>,
    order: Order,
    key: Key,
    message: &Message,
    delivery: &Delivery,
) -> Result<(), String> {
    let life = case.messages.lives.get(&key).ok_or("nobody sent it")?;
    if life.sent > order {
        return Err("it was delivered before it was sent".into());
    }
    if life.refused < NEVER && life.times == 1 {
        return Err("it was refused, and delivered".into());
    }
    if message.payload != delivery.payload {
        return Err("its payload was altered".into());
    }
    if message.topic != delivery.topic {
        return Err(format!("its topic was altered: {:?}", delivery.topic));
    }
    let is_5 = case.sessions.connections_of(case.history.entries[order].client).any(|c| c.connecting.version.is_5());
    let forwarded = sorted(&message.properties);
    let received = sorted(&delivery.properties);
    if is_5 && forwarded != received {
        return Err(format!("its properties were altered: {forwarded:?} {received:?}"));
    }
    let expiry = delivery.properties.iter().find(|(id, _)| *id == property::MESSAGE_EXPIRY);
    match (message.expiry_s, expiry) {
        (None, Some(_)) => return Err("it has an expiry that its publisher did not give".into()),
        (Some(_), None) if is_5 => return Err("it lost its expiry".into()),
        (Some(given), Some((_, Value::Four(left)))) => {
            let waited = (case.time(order) - life.sent_time).div_ceil(1000) as u32;
            if *left > given || left.saturating_add(waited).saturating_add(1) < given {
                return Err(format!("an expiry of {given} s became {left} s after at most {waited} s"));
            }
            // All that passed between its acknowledgement and the connection that brought it.
            let connection = &case.sessions.connections[&case.history.entries[order].connection];
            let passed = connection.connect_time.saturating_sub(case.time(life.accepted)) / 1000;
            if u64::from(*left) + passed > u64::from(given) + 1 && !delivery.dup && life.times == 1 {
                return Err(format!("an expiry of {given} s became {left} s after at least {passed} s"));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Forwarded properties with user properties in their order and the rest in any.
fn sorted(properties: &Properties) -> Properties {
    let changing = [property::MESSAGE_EXPIRY, property::TOPIC_ALIAS, property::SUBSCRIPTION_ID];
    let mut list: Properties = properties.iter().filter(|(id, _)| !changing.contains(id)).cloned().collect();
    list.sort_by_key(|(id, _)| *id);
    list
}

/// Which subscriptions can have brought this delivery.
fn explain(
    case: &Case<'_>,
    client: usize,
    order: Order,
    key: Key,
    message: &Message,
    delivery: &Delivery,
) -> Result<Seen, String> {
    let sent = case.messages.lives[&key].sent;
    let is_5 = case.sessions.connections_of(client).any(|c| c.connecting.version.is_5());
    let ids: BTreeSet<u32> = delivery
        .properties
        .iter()
        .filter_map(|(_, value)| match value {
            Value::Variable(id) => Some(*id),
            _ => None,
        })
        .collect();
    let all: Vec<&Subscription> =
        case.sessions.of(client).iter().filter(|s| s.matches(&message.topic) && s.may_cover(sent, order)).collect();
    if all.is_empty() {
        return Err("it matches no subscription that was in force after it was sent".into());
    }
    let ids_are = |expected: &BTreeSet<u32>| !is_5 || *expected == ids;
    let own = key.client() == client;
    let shared = all.iter().filter(|s| s.share.is_some()).any(|s| {
        delivery.qos == message.qos.min(s.qos)
            && ids_are(&s.id.into_iter().collect())
            && delivery.retain == (message.retain && s.retain_as_published)
    });
    let plain: Vec<&Subscription> = all.iter().copied().filter(|s| s.share.is_none()).collect();
    // What an earlier version of the subscription asked for may come on the terms of its replacement.
    let versions = case.sessions.of(client).iter().filter(|s| s.share.is_none() && s.may_from < order);
    let asked: BTreeSet<&str> = versions.filter(|s| s.retain_handling != 2).map(|s| s.filter.as_str()).collect();
    let replayed = delivery.retain
        && message.retain
        && plain.iter().any(|s| {
            asked.contains(s.filter.as_str())
                && delivery.qos == message.qos.min(s.qos)
                && ids_are(&s.id.into_iter().collect())
        });
    let must = |s: &Subscription| s.certainly_covers(sent, order) && !(s.no_local && own);
    let mut by_filter: BTreeMap<&str, Vec<&Subscription>> = BTreeMap::new();
    for subscription in &plain {
        by_filter.entry(&subscription.filter).or_default().push(subscription);
    }
    let groups: Vec<(bool, Vec<&Subscription>)> =
        by_filter.into_values().map(|versions| (versions.iter().any(|s| must(s)), versions)).collect();
    let mut chosen = Vec::new();
    let live = combinations(&groups, &mut chosen, &mut |set| {
        let takes: Vec<&&Subscription> = set.iter().filter(|s| !(s.no_local && own && !key.is_will())).collect();
        let id_set = |list: &[&&Subscription]| list.iter().filter_map(|s| s.id).collect::<BTreeSet<u32>>();
        let every: Vec<&&Subscription> = set.iter().collect();
        let max = |list: &[&&Subscription]| list.iter().map(|s| s.qos).max();
        !takes.is_empty()
            && [&takes, &every].iter().any(|list| max(list).is_some_and(|qos| delivery.qos == message.qos.min(qos)))
            && (ids_are(&id_set(&takes)) || ids_are(&id_set(&every)))
            && delivery.retain == (message.retain && every.iter().any(|s| s.retain_as_published))
    });
    if !(live || replayed || shared) {
        return Err(format!(
            "its QoS {}, RETAIN {} or subscription identifiers {ids:?} fit no set of the subscriptions {all:#?}",
            delivery.qos, delivery.retain
        ));
    }
    Ok(Seen { order, client, session: 0, key, qos: delivery.qos, live, replayed, shared })
}

/// Tries every choice of at most one version for each filter, none only where none must be in force.
fn combinations<'a>(
    groups: &[(bool, Vec<&'a Subscription>)],
    chosen: &mut Vec<&'a Subscription>,
    fits: &mut dyn FnMut(&[&'a Subscription]) -> bool,
) -> bool {
    let Some(((must, versions), rest)) = groups.split_first() else { return fits(chosen) };
    if !must && combinations(rest, chosen, fits) {
        return true;
    }
    for version in versions {
        chosen.push(version);
        let found = combinations(rest, chosen, fits);
        chosen.pop();
        if found {
            return true;
        }
    }
    false
}

fn check_count(case: &Case<'_>, memory: &mut Memory, seen: &Seen, message: &Message) -> Result<(), String> {
    if seen.shared {
        return Ok(());
    }
    let life = &case.messages.lives[&seen.key];
    let once = if message.qos == 1 { life.times.max(1) } else { 1 };
    let live_limit = once + repetitions_over_restarts(case, seen, message);
    let subscribes = case
        .sessions
        .of(seen.client)
        .iter()
        .filter(|s| s.share.is_none() && s.retain_handling != 2 && s.matches(&message.topic))
        .filter(|s| s.may_from < seen.order && s.may_until > life.sent && s.session == seen.session)
        .count();
    let replay_limit = if message.retain { subscribes } else { 0 };
    let total = memory.total.entry(seen.key).or_default();
    *total += 1;
    if *total > live_limit + replay_limit {
        return Err(format!(
            "it was delivered {total} times, at most {live_limit} live and {replay_limit} retained are right"
        ));
    }
    if seen.qos == 2 {
        let exactly = memory.at_qos_2.entry(seen.key).or_default();
        *exactly += 1;
        if *exactly > once + replay_limit {
            return Err(format!("it was delivered {exactly} times at QoS 2, over crashes, too"));
        }
    }
    if seen.live && !seen.replayed {
        let live = memory.live.entry(seen.key).or_default();
        *live += 1;
        if *live > live_limit {
            return Err(format!("it was delivered {live} times, at most {live_limit} are right"));
        }
    }
    if seen.replayed && !seen.live {
        let count = memory.replayed_by_topic.entry(message.topic.clone()).or_default();
        *count += 1;
        let subscribes = case
            .sessions
            .of(seen.client)
            .iter()
            .filter(|s| s.share.is_none() && s.retain_handling != 2 && s.matches(&message.topic))
            .filter(|s| s.may_from < seen.order && s.session == seen.session)
            .count();
        if *count > subscribes {
            return Err(format!("{count} retained messages of one topic for {subscribes} subscriptions"));
        }
    }
    Ok(())
}

/// How often it may have been published again because the broker had forgotten that it was, with a crash or since nobody who is
/// kept wanted it: a message that its publisher did not release, or a will. To a subscriber at QoS 2 it goes when it is kept that it
/// goes, and so never again at QoS 2.
fn repetitions_over_restarts(case: &Case<'_>, seen: &Seen, message: &Message) -> usize {
    let life = &case.messages.lives[&seen.key];
    let is_published_again = seen.key.is_will() || (message.qos == 2 && life.times > 1);
    if is_published_again { case.disturbances.restarts(life.sent, seen.order) } else { 0 }
}

/// A client that wants none of its own messages live may still be sent them as retained ones, as an earlier version of the
/// subscription asked.
fn may_lack_live_copies(case: &Case<'_>, seen: &Seen, message: &Message) -> bool {
    let own = seen.key.client() == seen.client;
    own && case.sessions.of(seen.client).iter().any(|s| s.no_local && s.matches(&message.topic))
}

/// Section 4.6, and for retained messages: none that is older than a retained one that the client already had. A
/// message of QoS 1 that its publisher sent again may come again, after later ones. Where the queue was full, the retained
/// copy of a message that was dropped may come before older ones.
fn check_order(case: &Case<'_>, memory: &mut Memory, seen: &Seen, message: &Message) -> Result<(), String> {
    if seen.shared || seen.key.is_will() {
        return Ok(());
    }
    let flow = (seen.key.publisher, message.topic.clone(), message.qos, seen.qos);
    let sequence = seen.key.sequence;
    // To a client that never had another subscription to the topic, nothing newer may have come before, retained or not.
    let subscribed =
        case.sessions.of(seen.client).iter().filter(|s| s.may_from < seen.order && s.matches(&message.topic));
    let is_only = subscribed.count() == 1;
    // What was sent before the SUBACK may have been on its way because of an earlier subscription, without being in order with
    // what the new one brings.
    let sent = case.messages.lives[&seen.key].sent;
    let is_in_force =
        case.sessions.of(seen.client).iter().any(|s| s.certainly_covers(sent, seen.order) && s.matches(&message.topic));
    // What was forgotten with a crash, because nobody who is kept wanted it then, its publisher sends again.
    let life = &case.messages.lives[&seen.key];
    let is_forgotten = !is_in_force && case.disturbances.restarts(sent, life.sent_last) > 0;
    let may_repeat = seen.qos < 2 && repetitions_over_restarts(case, seen, message) > 0;
    // What was refused, and the refusal lost, too.
    let may_be_refused = case.disturbances.had_fault(sent, life.sent_last);
    let sent_again = life.times > 1 && (message.qos == 1 || is_forgotten || may_repeat || may_be_refused);
    // A crash ends the wait of live messages for the retained ones of a new subscription: what is kept of both comes as it may.
    let crashed_since_asked = || {
        let mut subscriptions = case.sessions.of(seen.client).iter().filter(|s| s.matches(&message.topic));
        subscriptions.any(|s| case.disturbances.crashed(s.may_from, seen.order))
    };
    let newest = match seen.replayed {
        true if is_only => &memory.highest,
        true => &memory.highest_retained,
        false if is_in_force && !may_lack_live_copies(case, seen, message) => &memory.highest,
        false => &memory.highest_live,
    };
    if let Some(newest) = newest.get(&flow)
        && sequence < *newest
        && !sent_again
        && !(seen.replayed && crashed_since_asked())
        && !case.dropped(seen.client, sent, seen.order, &QUEUE_DROPS)
    {
        let kind = if seen.replayed { "a retained" } else { "a live" };
        return Err(format!("{kind} message came after number {newest} of the same publisher, topic and QoS"));
    }
    let raise = |map: &mut BTreeMap<_, u32>| {
        let highest = map.entry(flow.clone()).or_insert(0);
        *highest = (*highest).max(sequence);
    };
    raise(&mut memory.highest);
    if !seen.replayed {
        raise(&mut memory.highest_live);
    }
    if message.retain {
        raise(&mut memory.highest_retained);
    }
    Ok(())
}
