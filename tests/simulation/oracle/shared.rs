//! Shared subscriptions (section 4.8.2): each message goes to one member of each group, and to one only.

use std::collections::BTreeMap;

use super::deliveries::{Deliveries, Seen};
use super::messages::Life;
use super::required::is_excused;
use super::sessions::Subscription;
use super::{Case, Figures};
use crate::history::{Key, Message, NEVER, Order};
use crate::world::Finding;

pub fn check(case: &Case<'_>, deliveries: &Deliveries, figures: &mut Figures) -> Result<(), Finding> {
    for (key, life) in &case.messages.lives {
        let message = &case.history.messages[key];
        let copies: Vec<&Seen> = deliveries.of(*key).filter(|seen| seen.shared).collect();
        if !message.topic.starts_with("s/") {
            continue;
        }
        let rest = case.rest_after(if life.accepted == NEVER { life.sent_last } else { life.accepted });
        let groups_ever = groups(case, message, life, NEVER).len();
        check_copies(case, *key, message, life, &copies, groups_ever)?;
        let Some(rest) = rest else { continue };
        if life.accepted == NEVER {
            continue;
        }
        let groups = groups(case, message, life, rest);
        let due = groups.values().filter(|members| is_due(case, message, life, members, rest)).count();
        figures.shared += due;
        let got = copies.iter().filter(|seen| seen.order < rest).count();
        if got < due {
            let names: Vec<_> = groups.keys().collect();
            let rule = format!("{got} members got it of {due} groups among {names:?} that certainly have members");
            let client = groups.values().flatten().map(|member| member.client).next().unwrap_or(0);
            return Err(Finding::new(rule, client, Some(*key)));
        }
    }
    Ok(())
}

type Groups<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Subscription>>;

/// The groups that may get the message, with all who may have been members.
fn groups<'a>(case: &'a Case<'_>, message: &Message, life: &Life, rest: Order) -> Groups<'a> {
    let mut groups = Groups::new();
    for subscription in case.sessions.subscriptions.values().flatten() {
        if let Some(share) = &subscription.share
            && subscription.matches(&message.topic)
            && subscription.may_cover(life.sent, rest)
        {
            groups.entry((share, &subscription.filter)).or_default().push(subscription);
        }
    }
    groups
}

/// Not more copies than groups, but for what the publisher sent again and what went on from a member that was lost.
fn check_copies(
    case: &Case<'_>,
    key: Key,
    message: &Message,
    life: &Life,
    copies: &[&Seen],
    groups: usize,
) -> Result<(), Finding> {
    let times = if message.qos == 1 { life.times.max(1) } else { 1 };
    let losses = copies
        .iter()
        .filter(|seen| seen.qos == 1)
        .filter(|seen| case.sessions.connections_of(seen.client).any(|c| c.connect < seen.order && c.end < NEVER))
        .count();
    // A member's session that is not kept cannot tell after a restart that it had the message; and one that has handed it on to a
    // member that gets it at once may have it again.
    let last = copies.iter().map(|seen| seen.order).max().unwrap_or(life.sent);
    let may_repeat = life.times > 1 || key.is_will() || copies.iter().any(|seen| seen.qos < 2);
    let restarts = if may_repeat { case.disturbances.restarts(life.sent, last) } else { 0 };
    let limit = groups * (times + restarts) + losses;
    // Plain deliveries that could as well be shared ones do not count.
    let certain = copies.iter().filter(|seen| !seen.live && !seen.replayed).count();
    if certain > limit {
        let rule = format!("{certain} members got it, of {groups} groups and with {losses} losses");
        return Err(Finding::new(rule, copies[0].client, Some(key)));
    }
    Ok(())
}

/// One of the members must have it.
fn is_due(case: &Case<'_>, message: &Message, life: &Life, members: &[&Subscription], rest: Order) -> bool {
    if members.iter().any(|member| is_excused(case, member.client, message, life, rest)) {
        return false;
    }
    let certain = |member: &&&Subscription| {
        member.certainly_covers(life.sent, rest) && case.sessions.online(member.client, rest).is_some()
    };
    let unbroken = |member: &&&Subscription| {
        case.sessions.online(member.client, rest).is_some_and(|connection| connection.covers(life.sent, rest))
    };
    // A session that ends hands its messages on, but not in a crash.
    let may_end = !case.disturbances.crashed(life.sent, rest);
    let qos = members.iter().map(|member| member.qos.min(message.qos)).min().unwrap_or(0);
    match qos {
        0 => members.iter().all(|member| certain(&member) && unbroken(&member)),
        1 => {
            members.iter().any(|member| certain(&member))
                && members
                    .iter()
                    .all(|member| certain(&member) || (may_end && member.session_ended && member.may_until < rest))
                && members.iter().all(|member| member.qos.min(message.qos) == 1)
        }
        _ => members.iter().all(|member| certain(&member)),
    }
}
