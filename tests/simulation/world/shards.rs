//! The shards' part of a run: turns, sockets as the runtime serves them, and what the shards put out.

use std::net::{Ipv4Addr, SocketAddr};

use ringmq::access::{Address, Denial, Grant, ListenerId, ListenerPolicy, Verdict};
use ringmq::broker::{self, CloseReason, Event, Home, Incoming};
use ringmq::limits;
use ringmq::routing::ShardIndex;

use super::{Finding, World};
use crate::client::Marker;
use crate::history::{Order, What};
use crate::link::{Link, Place};
use crate::node::{Item, Outgoing};

/// Bytes by which an output may pass the bound of what waits for a client.
const OUTPUT_SLACK: usize = 128 * 1024;

impl World {
    /// Pushes on, polls on, or begins a turn. `all` does the whole of it.
    pub(super) fn advance_node(&mut self, own: usize, all: bool) -> Result<(), Finding> {
        if self.nodes[own].outbox.is_empty() && !self.nodes[own].polling {
            self.begin_turn(own, all)?;
            if !all {
                return Ok(());
            }
        }
        loop {
            let length = self.nodes[own].outbox.len();
            let count = if all { length } else { self.random.below(length + 2).min(length) };
            for outgoing in self.nodes[own].outbox.drain(..count).collect::<Vec<_>>() {
                self.push(own, outgoing)?;
            }
            if !self.nodes[own].outbox.is_empty() {
                return Ok(());
            }
            self.poll_outputs(own)?;
            self.nodes[own].poll_mail();
            if self.nodes[own].outbox.is_empty() {
                self.nodes[own].polling = false;
                return Ok(());
            }
            if !all {
                return Ok(());
            }
        }
    }

    fn push(&mut self, own: usize, outgoing: Outgoing) -> Result<(), Finding> {
        self.moved += 1;
        match outgoing {
            Outgoing::ToStore(batch) => {
                let Some(storage) = &mut self.storage else {
                    return Err(Finding::new("a batch for a store that there is not", 0, None));
                };
                storage.queue.push_back((own, batch));
            }
            Outgoing::ToShard(to, Item::Peer(_, message)) => self.nodes[to].inbox.push_back(Item::Peer(own, message)),
            Outgoing::ToShard(to, item) => self.nodes[to].inbox.push_back(item),
        }
        Ok(())
    }

    fn begin_turn(&mut self, own: usize, all: bool) -> Result<(), Finding> {
        self.nodes[own].turn_began = self.history.entries.len();
        let inbox_first = self.random.chance(50);
        if inbox_first {
            self.take_inbox(own, all)?;
        }
        self.take_sockets(own, all)?;
        if !inbox_first {
            self.take_inbox(own, all)?;
        }
        self.take_verdicts(own, all);
        let now = self.broker_now();
        let shard = &mut self.nodes[own].shard;
        let due = shard.next_deadline().is_some_and(|deadline| deadline <= now);
        let busy = shard.has_work();
        self.moved += u64::from(busy);
        if due || busy || self.random.chance(2) {
            shard.handle_timeout(now);
        }
        self.nodes[own].poll_mail();
        self.nodes[own].polling = true;
        Ok(())
    }

    fn take_inbox(&mut self, own: usize, all: bool) -> Result<(), Finding> {
        if !all && self.history.step < self.nodes[own].inbox_waits_until {
            return Ok(());
        }
        let now = self.broker_now();
        let length = self.nodes[own].inbox.len();
        let count = if all || self.random.chance(50) { length } else { self.random.below(length + 1) };
        for _ in 0..count {
            self.moved += 1;
            match self.nodes[own].inbox.pop_front() {
                Some(Item::Peer(from, message)) => {
                    let from = ShardIndex(from as u8);
                    self.nodes[own].shard.handle_peer(from, message, now);
                }
                Some(Item::Report(report)) => self.nodes[own].shard.handle_report(report, now),
                Some(Item::Link(link)) => self.open(own, link),
                None => break,
            }
        }
        Ok(())
    }

    fn take_sockets(&mut self, own: usize, all: bool) -> Result<(), Finding> {
        let here = |link: &Link| match link.place {
            Place::Accepting(shard) | Place::Open(shard, _) => shard == own,
            _ => false,
        };
        let mut mine: Vec<usize> = self.active.iter().copied().filter(|link| here(&self.links[*link])).collect();
        self.random.shuffle(&mut mine);
        for link in mine {
            if all || self.random.chance(60) {
                match self.links[link].place {
                    Place::Accepting(_) => self.accept(own, link, all),
                    _ => self.take_socket(own, link, all),
                }
            }
        }
        let links = &self.links;
        self.active.retain(|link| links[*link].place != Place::Gone);
        Ok(())
    }

    fn accept(&mut self, own: usize, index: usize, all: bool) {
        let link = &mut self.links[index];
        let count = if all { usize::MAX } else { 1 + self.random.below(60) };
        let bytes = link.take_arrived(count);
        self.moved += u64::from(!bytes.is_empty());
        link.accepted.extend_from_slice(&bytes);
        match broker::home_of(&link.accepted, &self.settings, self.nodes.len()) {
            Home::NeedMore if link.to_server_ended && link.to_server.is_empty() => link.place = Place::Gone,
            Home::NeedMore => {}
            Home::Shard(home) if usize::from(home.0) != own => {
                link.place = Place::Moving(usize::from(home.0));
                self.nodes[own].handovers.push((usize::from(home.0), index));
                self.moved += 1;
            }
            _ => self.open(own, index),
        }
    }

    fn open(&mut self, own: usize, index: usize) {
        let now = self.broker_now();
        let link = &mut self.links[index];
        let address = SocketAddr::from((Ipv4Addr::from(link.number), 1883));
        let incoming = Incoming {
            transport: link.number,
            address: Address::Ip(address),
            listener: ListenerId::default(),
            certificate: None,
            over_limit: false,
        };
        let id = self.nodes[own].shard.handle_connected(incoming, now);
        link.place = Place::Open(own, id);
        let bytes = std::mem::take(&mut link.accepted);
        link.waits = self.scenario.verdicts.is_some();
        if !link.waits {
            self.note_take_over(index);
        }
        self.nodes[own].shard.handle_received(id, &bytes, now);
        self.note_arrivals(index);
    }

    /// The client of a link is let in, which takes over what it has here: later bytes of that count for nothing.
    fn note_take_over(&mut self, index: usize) {
        let client = self.links[index].client;
        let others: Vec<usize> = self.active.iter().copied().filter(|other| *other != index).collect();
        for other in others {
            let link = &self.links[other];
            if link.client == client && !link.waits && matches!(link.place, Place::Open(..)) {
                self.note_end(other, self.history.entries.len(), "taken over");
            }
        }
    }

    /// What the listener demands.
    pub(super) fn policy(&self) -> ListenerPolicy {
        let is_asked = self.scenario.verdicts.is_some();
        ListenerPolicy { allow_anonymous: !is_asked, is_asked, ..ListenerPolicy::default() }
    }

    /// Verdicts on clients that wait come, or not yet.
    fn take_verdicts(&mut self, own: usize, all: bool) {
        let Some(percent) = self.scenario.verdicts else { return };
        let now = self.broker_now();
        while !self.nodes[own].logins.is_empty() && (all || self.random.chance(percent)) {
            let Some(id) = self.nodes[own].logins.pop_front() else { return };
            self.moved += 1;
            if !all && self.random.chance(5) {
                self.nodes[own].shard.handle_verdict(id, Verdict::Denied(Denial::Unavailable), now);
                continue;
            }
            let waiting = self.active.iter().copied().find(|index| self.links[*index].place == Place::Open(own, id));
            if let Some(index) = waiting {
                self.note_take_over(index);
                self.links[index].waits = false;
            }
            self.nodes[own].shard.handle_verdict(id, Verdict::Allowed(Grant::default()), now);
            waiting.into_iter().for_each(|index| self.note_arrivals(index));
        }
    }

    fn take_socket(&mut self, own: usize, index: usize, all: bool) {
        let now = self.broker_now();
        let Place::Open(_, id) = self.links[index].place else { return };
        let pieces = if all { usize::MAX } else { 1 + self.random.below(6) };
        for _ in 0..pieces {
            let available = self.links[index].to_server.len();
            if available == 0 {
                break;
            }
            let count = match self.random.below(4) {
                0 => 1,
                1 => 1 + self.random.below(available.min(30)),
                2 => 1 + self.random.below(available),
                _ => available,
            };
            let bytes = self.links[index].take_arrived(count);
            self.nodes[own].shard.handle_received(id, &bytes, now);
            self.moved += 1;
            self.note_arrivals(index);
        }
        let link = &mut self.links[index];
        if link.output_taken()
            && let Some((transmit, _)) = link.sending.take()
        {
            self.nodes[own].shard.handle_sent(id, transmit.output, now);
            self.moved += 1;
        }
        let link = &mut self.links[index];
        if link.to_server_ended && link.to_server.is_empty() && (all || self.random.chance(40)) {
            self.nodes[own].shard.handle_closed(id, now);
            self.moved += 1;
            link.place = Place::Gone;
            link.to_client_ended = true;
            link.sending = None;
            self.note_end(index, self.history.entries.len(), "lost");
        }
    }

    fn note_arrivals(&mut self, index: usize) {
        let link = &mut self.links[index];
        if link.waits {
            return;
        }
        while let Some((end, marker)) = link.markers.front().copied()
            && end <= link.arrived
        {
            link.markers.pop_front();
            let what = match marker {
                Marker::Message(key) => What::Arrived { key },
                Marker::Disconnect => What::DisconnectArrived,
            };
            self.history.record(link.client, link.number, what);
        }
    }

    pub(super) fn note_end(&mut self, index: usize, since: usize, reason: impl Into<String>) {
        let link = &mut self.links[index];
        if link.server_ended_at.is_none() {
            link.server_ended_at = Some(self.history.now);
            self.history.record(link.client, link.number, What::ServerEnded { since, reason: reason.into() });
        }
    }

    fn poll_outputs(&mut self, own: usize) -> Result<(), Finding> {
        let since = self.nodes[own].turn_began;
        while let Some(transmit) = self.nodes[own].shard.poll_transmit() {
            self.moved += 1;
            let link = &mut self.links[transmit.transport as usize - 1];
            let client = link.client;
            if link.place != Place::Open(own, transmit.connection) {
                return Err(Finding::new("output for a connection that is gone", client, None));
            }
            if link.sending.is_some() || transmit.output.is_empty() {
                return Err(Finding::new("a second output on its way, or an empty one", client, None));
            }
            // What is past the bound was written by one read of the socket: acknowledgements of small packets.
            let bound = self.settings.queued_bytes_max + OUTPUT_SLACK;
            if transmit.output.len() > bound {
                let rule = format!("an output of {} bytes, more than {bound}", transmit.output.len());
                return Err(Finding::new(rule, client, None));
            }
            link.sending = Some((transmit, 0));
        }
        let mut closed = Vec::new();
        while let Some((id, transport)) = self.nodes[own].shard.poll_close() {
            self.moved += 1;
            let index = transport as usize - 1;
            if self.links[index].place != Place::Open(own, id) {
                return Err(Finding::new("a connection that is gone was closed", self.links[index].client, None));
            }
            let link = &mut self.links[index];
            link.place = Place::Gone;
            link.to_client_ended = true;
            let lingered = link.server_ended_at.is_some_and(|at| self.history.now >= at + limits::LINGER_MS);
            link.cut = link.sending.take().is_some() || lingered;
            closed.push(index);
        }
        self.poll_events(own, since)?;
        for index in closed {
            self.note_end(index, since, "closed");
        }
        while let Some((id, _)) = self.nodes[own].shard.poll_login() {
            self.moved += 1;
            self.nodes[own].logins.push_back(id);
        }
        // The runtime may have received more than it was to read: here it always has.
        while self.nodes[own].shard.poll_pause().is_some() {}
        Ok(())
    }

    pub(super) fn poll_events(&mut self, own: usize, since: Order) -> Result<(), Finding> {
        while let Some(event) = self.nodes[own].shard.poll_event() {
            match event {
                Event::Closed { address: Address::Ip(SocketAddr::V4(address)), reason, .. } => {
                    let index = u32::from(*address.ip()) as usize - 1;
                    if let CloseReason::Violation(_) = reason {
                        let rule = format!("a client that breaks no rule lost its connection: {reason:?}");
                        return Err(Finding::new(rule, self.links[index].client, None));
                    }
                    self.note_end(index, since, format!("{reason:?}"));
                }
                Event::Dropped { client_id, reason, .. } => {
                    if let Some(client) = client_id.strip_prefix('c').and_then(|number| number.parse().ok()) {
                        self.history.record(client, 0, What::Dropped { reason: reason.name() });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
