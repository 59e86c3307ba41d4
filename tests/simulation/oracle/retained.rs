//! Retained messages (sections 3.3.1.3 and 3.8.3.1): what a new subscription brings, and what it may not bring any more.

use std::collections::BTreeMap;

use super::deliveries::Deliveries;
use super::required::size_max;
use super::sessions::Subscription;
use super::{Case, Figures, QUEUE_DROPS};
use crate::history::{Key, NEVER, Order, What};
use crate::world::Finding;

/// A publish with RETAIN.
struct Write {
    /// `None` forgets the retained message.
    key: Option<Key>,
    sent: Order,
    /// It had its effect before this, or never will have.
    resolved: Order,
    certain: bool,
    /// It may have forgotten what was there, and not have been kept itself: better none than a stale one.
    may_forget: bool,
}

pub fn check(case: &Case<'_>, deliveries: &Deliveries, figures: &mut Figures) -> Result<(), Finding> {
    let writes = writes(case);
    check_stale(case, deliveries, &writes)?;
    for subscription in case.sessions.subscriptions.values().flatten() {
        let brings = match subscription.retain_handling {
            0 => true,
            1 => subscription.new,
            _ => false,
        };
        if brings && subscription.share.is_none() && subscription.certain_from != NEVER {
            check_brought(case, deliveries, &writes, subscription, figures)?;
        }
    }
    Ok(())
}

type Writes<'a> = BTreeMap<&'a str, Vec<Write>>;

fn writes<'a>(case: &'a Case<'_>) -> Writes<'a> {
    let mut writes = Writes::new();
    for (key, life) in &case.messages.lives {
        let message = &case.history.messages[key];
        if message.retain {
            let last = if key.is_will() { life.accepted } else { life.sent_last };
            let resolved = if last == NEVER { NEVER } else { case.rest_after(last).unwrap_or(NEVER) };
            // Nobody is told that one of QoS 0 is kept.
            let is_kept = message.qos > 0 || !case.disturbances.may_lose(life.sent, resolved);
            let certain = life.accepted != NEVER && is_kept;
            let may_forget = message.qos == 0 && case.disturbances.had_fault(life.sent, resolved);
            let write = Write { key: Some(*key), sent: life.sent, resolved, certain, may_forget };
            writes.entry(&message.topic).or_default().push(write);
        }
    }
    for (order, entry) in case.history.entries.iter().enumerate() {
        if let What::Clear { topic } = &entry.what {
            let resolved = case.rest_after(order).unwrap_or(NEVER);
            let certain = case.sessions.connections[&entry.connection].end > resolved
                && !case.disturbances.may_lose(order, resolved);
            writes.entry(topic).or_default().push(Write {
                key: None,
                sent: order,
                resolved,
                certain,
                may_forget: true,
            });
        }
    }
    writes
}

/// A replay of what was replaced before its subscription, or an earlier one of the session, was asked for: what that brought
/// may have waited in the session.
fn check_stale(case: &Case<'_>, deliveries: &Deliveries, writes: &Writes<'_>) -> Result<(), Finding> {
    for seen in deliveries.seen.iter().filter(|seen| seen.replayed && !seen.live && !seen.shared) {
        let topic = &case.history.messages[&seen.key].topic;
        let list = &writes[topic.as_str()];
        let asked = case
            .sessions
            .of(seen.client)
            .iter()
            .filter(|s| s.share.is_none() && s.retain_handling != 2 && s.session == seen.session)
            .filter(|s| s.matches(topic) && s.may_from < seen.order)
            .map(|s| s.may_from)
            .min()
            .unwrap_or(seen.order);
        let Some(own) = list.iter().find(|write| write.key == Some(seen.key)) else { continue };
        if let Some(newer) = list.iter().find(|w| w.certain && w.sent > own.resolved && w.resolved < asked) {
            let rule = format!("a retained message that {:?} had replaced", newer.key);
            return Err(Finding::new(rule, seen.client, Some(seen.key)));
        }
    }
    Ok(())
}

/// The subscription brought the retained message of each topic that certainly had one, and had the same all the time. What
/// comes live after the request, because an earlier subscription of the session matches, need not come twice.
fn check_brought(
    case: &Case<'_>,
    deliveries: &Deliveries,
    writes: &Writes<'_>,
    subscription: &Subscription,
    figures: &mut Figures,
) -> Result<(), Finding> {
    let client = subscription.client;
    let asked = subscription.may_from;
    let before = case.disturbances.rest_before(asked);
    let Some((before, after)) = before.zip(case.rest_after(subscription.certain_from)) else { return Ok(()) };
    let Some(connection) = case.sessions.online(client, after) else { return Ok(()) };
    if connection.number != subscription.connection || subscription.certain_until < after {
        return Ok(());
    }
    for (topic, list) in writes {
        let settled = list.iter().all(|write| write.resolved <= before || write.sent > after);
        if !subscription.matches(topic) || !settled {
            continue;
        }
        let old: Vec<&Write> = list.iter().filter(|write| write.resolved <= before).collect();
        let candidates: Vec<&Write> = old
            .iter()
            .copied()
            .filter(|write| !old.iter().any(|later| later.certain && later.sent > write.resolved))
            .collect();
        if candidates.is_empty() || !candidates.iter().any(|write| write.certain) {
            continue;
        }
        let excused = candidates.iter().any(|write| {
            let Some(key) = write.key else { return true };
            let message = &case.history.messages[&key];
            write.may_forget
                || message.expiry_s.is_some()
                || connection.connecting.packet_size_max < size_max(message)
                || (subscription.no_local && key.client() == client)
        });
        if excused || case.dropped(client, asked, after, &QUEUE_DROPS) {
            continue;
        }
        figures.retained += 1;
        let brought = candidates.iter().filter_map(|write| write.key).any(|key| {
            deliveries
                .of(key)
                .any(|seen| seen.client == client && !seen.shared_only() && seen.order > asked && seen.order < after)
        });
        if !brought {
            let keys: Vec<_> = candidates.iter().map(|write| write.key).collect();
            let rule = format!("{subscription:?} did not bring the retained message of {topic:?}, one of {keys:?}");
            return Err(Finding::new(rule, client, candidates[0].key));
        }
    }
    Ok(())
}
