//! Rest: everybody comes online, reads and acknowledges, until nothing moves any more; then nothing may be left over.

use ringmq::limits;

use super::{Finding, World};
use crate::client::Client;
use crate::history::What;
use crate::operations;
use crate::wire::Version;

impl World {
    /// Brings everybody online (or, unless `all`, most), lets everything be read and acknowledged, and waits until nothing moves.
    pub(super) fn come_to_rest(&mut self, all: bool) -> Result<(), Finding> {
        let absent: Vec<bool> =
            self.clients.iter().map(|client| client.connection.is_none() && !all && self.random.chance(40)).collect();
        for client in &mut self.clients {
            client.reading = true;
        }
        self.end_fault();
        if self.history.refusals {
            // A store that had no room looks for it from time to time only.
            self.history.now += limits::STORE_SPARE_RETRY_MS;
        }
        let mut quiet = 0;
        for _ in 0..20_000 {
            self.history.step += 1;
            let before = self.moved;
            for (index, absent) in absent.iter().enumerate() {
                if self.clients[index].connection.is_none() && !absent {
                    self.connect(index, true);
                }
                self.read(index, true)?;
                let client = &mut self.clients[index];
                client.write_acks(client.acks.len(), self.history.now);
                operations::keep_alive(client, &self.history);
                self.flush(index);
            }
            self.read_orphans()?;
            for node in 0..self.nodes.len() {
                self.advance_node(node, true)?;
            }
            self.advance_storage(true)?;
            for link in &self.active {
                self.moved += u64::from(self.links[*link].take_output(usize::MAX));
            }
            quiet = if self.moved == before { quiet + 1 } else { 0 };
            if quiet >= 3 {
                return self.check_rest(&absent);
            }
        }
        let stuck = self.clients.iter().find(|client| !client.is_settled()).map_or(0, |client| client.index);
        let work: Vec<_> = self
            .nodes
            .iter()
            .map(|node| (node.shard.has_work(), node.inbox.len(), node.shard.next_deadline()))
            .collect();
        let unfinished = self.clients.get(stuck).map(Client::unfinished);
        let rule = format!(
            "the broker does not come to rest: work, inbox and deadline of its shards are {work:?}, unfinished at the \
             client is {unfinished:?}"
        );
        Err(Finding::new(rule, stuck, None))
    }

    fn check_rest(&mut self, absent: &[bool]) -> Result<(), Finding> {
        for (client, absent) in self.clients.iter().zip(absent) {
            if client.connection.is_none() && !absent {
                return Err(Finding::new("a client cannot connect", client.index, None));
            }
            if client.connection.is_some() && !client.is_settled() {
                let rule = format!("stuck at rest: {}", client.unfinished());
                return Err(Finding::new(rule, client.index, None));
            }
        }
        // A client that stays away has taken nothing over.
        let forgotten = self.orphans.iter().filter(|orphan| absent[self.links[orphan.link].client]).count();
        if let Some(orphan) = self.orphans.iter().find(|orphan| !absent[self.links[orphan.link].client]) {
            let client = self.links[orphan.link].client;
            return Err(Finding::new("a connection that was taken over is not closed", client, None));
        }
        let open: usize = self.nodes.iter().map(|node| node.shard.connection_count()).sum();
        let expected = self.clients.iter().filter(|client| client.connection.is_some()).count() + forgotten;
        if open != expected {
            return Err(Finding::new(format!("{open} connections at the shards, but {expected} clients"), 0, None));
        }
        let held: u64 = self.nodes.iter().map(|node| node.shard.counters().held_bytes).sum();
        if forgotten == 0 && !absent.contains(&true) && held > 0 {
            return Err(Finding::new(format!("{held} bytes are held though everybody has everything"), 0, None));
        }
        for node in &self.nodes {
            let (counted, found) = (node.shard.counters(), node.shard.recounted());
            if counted != found {
                return Err(Finding::new(format!("a shard counts {counted:?}, but there are {found:?}"), 0, None));
            }
        }
        if let Some(storage) = &self.storage {
            let stats = storage.stats();
            if !storage.is_at_rest() {
                return Err(Finding::new(format!("the store still has something to write: {stats:?}"), 0, None));
            }
            if forgotten == 0 && !absent.contains(&true) && stats.entries > 0 {
                let rule = format!("the store keeps messages though everybody has everything: {stats:?}");
                return Err(Finding::new(rule, 0, None));
            }
        }
        self.history.refusals = false;
        self.history.record(usize::MAX, 0, What::Quiescent);
        Ok(())
    }

    /// Virtual seconds with nothing but keep-alives and what becomes due.
    pub(super) fn let_time_pass(&mut self, seconds: usize) -> Result<(), Finding> {
        for _ in 0..seconds {
            self.history.now += 1000;
            self.come_to_rest(true)?;
        }
        Ok(())
    }

    pub(super) fn look_at_what_is_retained(&mut self) -> Result<(), Finding> {
        for version in [Version::V3_1_1, Version::V5_0] {
            let index = self.clients.len();
            let mut client = Client::new(index, version, true);
            client.must_clean = true;
            self.clients.push(client);
            self.come_to_rest(true)?;
            operations::subscribe_to_all(&mut self.clients[index], &mut self.history);
            self.flush(index);
            self.come_to_rest(true)?;
        }
        Ok(())
    }
}
