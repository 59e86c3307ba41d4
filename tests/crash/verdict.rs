//! What is missing at the end: messages that were acknowledged to their publishers and did not come to their subscribers.

use std::collections::HashMap;

use crate::record::{MessageId, Record};
use crate::subscriber::Subscriber;

/// A message, and whom it is missing at.
pub type Missing = (MessageId, String);

/// What was promised and has not come, at most `count_max` of it.
pub fn missing(record: &Record, subscribers: &[Subscriber], count_max: usize) -> Vec<Missing> {
    let mut missing = Vec::new();
    let acknowledged = record.messages.iter().enumerate().filter(|(_, message)| message.acknowledged.is_some());
    // Those without a payload cannot be told from each other: the retained messages show them.
    for (id, message) in acknowledged.filter(|(_, message)| message.size > 0) {
        // Of each share group: whether a member was promised the message, and how often it came to any of them.
        let mut groups: HashMap<&str, (bool, u32)> = HashMap::new();
        for subscriber in subscribers {
            let times = subscriber.received.get(&id).map_or(0, |reception| reception.times);
            for subscription in subscriber.subscriptions.iter().filter(|one| one.matches(message)) {
                let is_promised = subscription.is_promised(message);
                if let Some(group) = subscription.share().0 {
                    let group = groups.entry(group).or_default();
                    *group = (group.0 || is_promised, group.1 + times);
                } else if is_promised && times == 0 {
                    missing.push((id, format!("{:?}", subscriber.client.who())));
                }
            }
        }
        let lacking = groups.into_iter().filter(|(_, group)| *group == (true, 0));
        missing.extend(lacking.map(|(group, _)| (id, format!("the share group {group}"))));
        if missing.len() >= count_max {
            break;
        }
    }
    missing
}

/// Turns what is missing into faults, and finds QoS 2 messages that two members of a share group got.
pub fn judge(record: &mut Record, subscribers: &[Subscriber]) {
    for (id, whom) in missing(record, subscribers, usize::MAX) {
        record.fault("lost", Some(id), format!("message {id} was acknowledged and did not come to {whom}"));
    }
    let mut takers: HashMap<(&str, MessageId), u32> = HashMap::new();
    for subscriber in subscribers {
        for subscription in &subscriber.subscriptions {
            let Some(group) = subscription.share().0 else { continue };
            let of_group = |id: MessageId| subscription.matches(&record.messages[id]);
            for (&id, reception) in subscriber.received.iter().filter(|(id, _)| of_group(**id)) {
                *takers.entry((group, id)).or_default() += if reception.qos == 2 { reception.times } else { 0 };
            }
        }
    }
    for ((group, id), _) in takers.into_iter().filter(|(_, times)| *times > 1) {
        record.fault(
            "twice",
            Some(id),
            format!("message {id} came to two members of the share group {group} at QoS 2"),
        );
    }
}
