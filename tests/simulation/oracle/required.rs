//! What must have been delivered when everything is at rest.

use super::deliveries::Deliveries;
use super::messages::Life;
use super::sessions::Subscription;
use super::{Case, Figures, QUEUE_DROPS};
use crate::history::{Message, NEVER, Order};
use crate::world::Finding;

/// Every message that the broker took is with every subscriber that certainly subscribed before it was sent, and still
/// does at the first rest afterwards.
pub fn check(case: &Case<'_>, deliveries: &Deliveries, figures: &mut Figures) -> Result<(), Finding> {
    for (key, life) in &case.messages.lives {
        let message = &case.history.messages[key];
        if life.accepted == NEVER {
            continue;
        }
        let Some(rest) = case.rest_after(life.accepted) else { continue };
        for client in case.sessions.subscriptions.keys().copied() {
            let must: Vec<&Subscription> = case
                .sessions
                .of(client)
                .iter()
                .filter(|s| s.share.is_none() && s.certainly_covers(life.sent, rest) && s.matches(&message.topic))
                .filter(|s| !(s.no_local && key.client() == client))
                .collect();
            let Some(qos) = must.iter().map(|s| s.qos).max() else { continue };
            if !is_due(case, client, message, life, qos.min(message.qos), rest) {
                continue;
            }
            figures.required += 1;
            figures.required_over_crashes += usize::from(case.disturbances.crashed(life.accepted, rest));
            let delivered =
                deliveries.of(*key).any(|seen| seen.client == client && seen.order < rest && !seen.shared_only());
            if !delivered {
                let rule = format!("it was not delivered to c{client} by {rest}, whose subscriptions are {must:?}");
                return Err(Finding::new(rule, client, Some(*key)));
            }
        }
    }
    Ok(())
}

impl super::deliveries::Seen {
    /// It can only have come as to a member of a group.
    pub fn shared_only(&self) -> bool {
        self.shared && !self.live && !self.replayed
    }
}

/// Whether nothing excuses that `client` lacks the message at `rest`.
fn is_due(case: &Case<'_>, client: usize, message: &Message, life: &Life, qos: u8, rest: Order) -> bool {
    let Some(online) = case.sessions.online(client, rest) else { return false };
    if qos == 0 && !online.covers(life.sent, rest) {
        return false;
    }
    !is_excused(case, client, message, life, rest)
}

/// An expiry that passed, a size that the client does not take, a drop that the broker reported.
pub fn is_excused(case: &Case<'_>, client: usize, message: &Message, life: &Life, rest: Order) -> bool {
    let expired =
        message.expiry_s.is_some_and(|expiry| case.time(rest) + 1000 >= life.sent_time + u64::from(expiry) * 1000);
    expired || case.too_large(client, size_max(message), rest) || case.dropped(client, life.sent, rest, &QUEUE_DROPS)
}

/// No PUBLISH with this message is larger, in bytes.
pub fn size_max(message: &Message) -> usize {
    let properties: usize = message
        .properties
        .iter()
        .map(|(_, value)| match value {
            crate::wire::Value::Pair(name, value) => 5 + name.len() + value.len(),
            crate::wire::Value::Text(text) => 3 + text.len(),
            crate::wire::Value::Binary(bytes) => 3 + bytes.len(),
            _ => 5,
        })
        .sum();
    // Fixed header, topic, packet identifier, expiry, alias and some subscription identifiers.
    5 + 2 + message.topic.len() + 2 + 3 + 5 + 3 + 6 * 5 + properties + message.payload.len()
}
