//! What the arrival of a message means: the first time or again, in order or not, asked for or not.

use super::Subscriber;
use crate::client::World;
use crate::record::MessageId;
use crate::wire::Publish;

/// How often a message was taken, and when last.
#[derive(Clone, Copy, Debug)]
pub struct Reception {
    pub qos: u8,
    pub times: u32,
    connection: u32,
}

impl Subscriber {
    pub(super) fn take_publish(&mut self, publish: &Publish, world: &mut World) {
        let who = self.client.who();
        let Some(id) = world.record.identify(&publish.topic, &publish.payload) else {
            let start = String::from_utf8_lossy(&publish.payload[..publish.payload.len().min(20)]).into_owned();
            let text = format!(
                "{who:?} got {} bytes on {}, which nobody sent: {start:?}",
                publish.payload.len(),
                publish.topic
            );
            return world.record.fault("altered", None, text);
        };
        let what = match (publish.qos, publish.dup) {
            (1, false) => "gets PUBLISH QoS 1, packet identifier",
            (1, true) => "gets PUBLISH QoS 1 DUP, packet identifier",
            (2, false) => "gets PUBLISH QoS 2, packet identifier",
            (2, true) => "gets PUBLISH QoS 2 DUP, packet identifier",
            _ => "gets PUBLISH QoS 0, packet identifier",
        };
        world.record.note(who, what, publish.packet_id, Some(id));
        self.check_asked_for(id, publish, world);
        match publish.qos {
            1 => {
                self.accept(id, publish, world);
                self.answer(0x40, publish.packet_id, Some(id), world);
            }
            2 => {
                match self.unreleased.insert(publish.packet_id, id) {
                    None => self.accept(id, publish, world),
                    // The same exchange again.
                    Some(before) if before == id => {}
                    Some(before) => {
                        let text = format!(
                            "{who:?} got message {id} with packet identifier {}, which message {before} has until its PUBREL",
                            publish.packet_id
                        );
                        world.record.fault("identifier", Some(id), text);
                    }
                }
                self.answer(0x50, publish.packet_id, Some(id), world);
            }
            _ => {}
        }
    }

    /// Some subscription that matches, and its QoS or the message's, whichever is lower.
    fn check_asked_for(&self, id: MessageId, publish: &Publish, world: &mut World) {
        let message = &world.record.messages[id];
        let mut asked_for = self.subscriptions.iter().filter(|one| one.matches(message));
        let is_asked_for = asked_for.any(|subscription| {
            let is_over = subscription.until.is_some_and(|until| until < message.first_sent);
            !is_over && publish.qos == message.qos.min(subscription.qos)
        });
        let has_wrong_flag = publish.retain && !message.retain;
        if !is_asked_for {
            let text = format!("{:?} got message {id} on {} at QoS {}", self.client.who(), publish.topic, publish.qos);
            world.record.fault("not asked for", Some(id), text);
        }
        if has_wrong_flag {
            world.record.fault(
                "retain flag",
                Some(id),
                format!("{:?} got message {id} as retained", self.client.who()),
            );
        }
    }

    /// A message that the client passes on to its application.
    fn accept(&mut self, id: MessageId, publish: &Publish, world: &mut World) {
        if publish.retain {
            // The copy that a new subscription gets; the live one is another.
            return;
        }
        let (who, connection) = (self.client.who(), self.connection);
        let message = &world.record.messages[id];
        if message.acknowledged.is_some_and(|acknowledged| acknowledged < self.renewed) {
            world.record.fault(
                "ended session",
                Some(id),
                format!("{who:?} got message {id}, which its last session had"),
            );
        }
        let message = &world.record.messages[id];
        if let Some(reception) = self.received.get_mut(&id) {
            reception.times += 1;
            // A message may come again when its acknowledgement can have been lost, or when it came to the server again.
            let is_excused = reception.connection != connection || (message.is_resent && message.qos == 1);
            reception.connection = connection;
            if publish.qos == 2 {
                world.record.fault("twice", Some(id), format!("{who:?} got message {id} twice at QoS 2"));
            } else if is_excused {
                self.qos_1_repeats += 1;
            } else {
                world.record.fault("twice", Some(id), format!("{who:?} got message {id} twice on one connection"));
            }
            return;
        }
        self.received.insert(id, Reception { qos: publish.qos, times: 1, connection });
        // Members of a group have no order among them; and what was sent before the subscription may come, repeated, after what
        // was sent later.
        let mut wanted = self.subscriptions.iter().filter(|one| one.matches(message));
        if !wanted.any(|one| one.share().0.is_none() && one.since.is_some_and(|since| since <= message.first_sent)) {
            return;
        }
        let number = message.number;
        let key = (message.publisher, message.topic.clone(), message.qos);
        let last = self.last_numbers.entry(key).or_insert(number);
        if *last > number {
            let text = format!("{who:?} got number {number} of {} (message {id}) after number {last}", message.topic);
            world.record.fault("order", Some(id), text);
        }
        *last = number;
    }
}
