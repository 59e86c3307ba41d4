//! Queues that are longer than a session may have in memory: their ends are on disk only, and come back as the client takes them.

use std::rc::Rc;

use super::batch::{Progress, ReadRequest};
use super::report::Loaded;
use super::{DropReason, Shard};
use crate::routing::SessionKey;
use crate::session::{Delivery, GroupName};

impl Shard {
    /// Whether a further message of the session's queue is left to the store alone: what is behind such a message is, too. A
    /// message of a group is not, because it may have to move to another member at once.
    pub(super) fn must_spill(&self, key: SessionKey, delivery: &Delivery) -> bool {
        if delivery.group.is_some() || !self.is_kept(key, delivery.qos) {
            return false;
        }
        let size = delivery.message.size();
        let is_shard_full = self.held_bytes + size > self.settings.shard_bytes_max;
        match self.session(key).and_then(|session| session.flow.as_ref()) {
            Some(flow) => {
                let is_over = !flow.queue.is_empty() && flow.queue.bytes() + size > self.settings.queue_memory_max;
                flow.spilled.messages > 0 || is_over || is_shard_full
            }
            None => is_shard_full,
        }
    }

    /// Leaves a message to the store.
    pub(super) fn spill(&mut self, key: SessionKey, mut delivery: Delivery) {
        self.keep_entry(key, &mut delivery, Progress::Spilled);
        let Some(session) = self.session_mut(key) else { return };
        let spilled = &mut session.flow_mut().spilled;
        spilled.messages += 1;
        spilled.bytes += delivery.message.size() as u64;
        self.counters.enter_queue(delivery.message.size());
        self.request_spilled(key);
    }

    /// Asks for what is on disk, when the client has taken half of what is in memory.
    pub(super) fn request_spilled(&mut self, key: SessionKey) {
        let bytes_max = self.settings.queue_memory_max;
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let (store_id, generation) = (session.store_id, session.generation);
        let Some(flow) = session.flow.as_mut().filter(|_| session.connection.is_some()) else { return };
        let spilled = &mut flow.spilled;
        if spilled.messages == 0 || spilled.requested || flow.queue.bytes() > bytes_max / 2 {
            return;
        }
        spilled.requested = true;
        let bytes_max = (bytes_max / 2).max(1);
        self.request_read(ReadRequest { session: store_id, key, generation, bytes_max });
    }

    /// Messages have come back from the disk.
    pub(super) fn handle_loaded(&mut self, loaded: Loaded) {
        let Loaded { key, generation, entries, expired, is_last: _ } = loaded;
        let Some(session) = self.sessions.get_mut(key.0).filter(|session| session.generation == generation) else {
            return;
        };
        let flow = session.flow_mut();
        self.counters.leave_flow(Some(flow));
        let spilled = &mut flow.spilled;
        spilled.requested = false;
        spilled.messages = spilled.messages.saturating_sub(entries.len() as u64 + expired);
        for (entry, message) in entries {
            let delivery = Delivery {
                message: Rc::new(message),
                qos: entry.qos,
                retain: entry.retain,
                subscription_ids: entry.subscription_ids,
                group: entry.group.map(Rc::<GroupName>::new),
                entry: entry.number,
            };
            let held = delivery.message.hold();
            self.held_bytes += held;
            let Some(session) = self.session_mut(key) else { return };
            let flow = session.flow_mut();
            flow.spilled.bytes = flow.spilled.bytes.saturating_sub(delivery.message.size() as u64);
            flow.queue.push(delivery);
        }
        if let Some(flow) = self.session_mut(key).and_then(|session| session.flow.as_mut())
            && flow.spilled.messages == 0
        {
            // Those that expired on disk were counted there with their messages.
            flow.spilled.bytes = 0;
        }
        let flow = self.sessions.get(key.0).and_then(|session| session.flow.as_deref());
        self.counters.enter_flow(flow);
        for _ in 0..expired {
            self.count_drop(Some(key), DropReason::Expired);
        }
        self.pump(key);
    }
}
