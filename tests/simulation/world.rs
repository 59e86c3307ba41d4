//! The whole of a run: shards, sockets and clients on one virtual clock, one random step after the other.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use ringmq::broker::{self, Event, Home, Incoming, Settings, Shard};
use ringmq::limits;
use ringmq::routing::ShardIndex;

use crate::client::{Client, Marker};
use crate::history::{History, Key, What};
use crate::link::{Link, Place};
use crate::node::{Item, Node};
use crate::operations;
use crate::random::Random;
use crate::settings::{self, Scenario};
use crate::wire::{self, Received, Version};

/// Something that the specification does not allow.
#[derive(Debug)]
pub struct Finding {
    pub rule: String,
    pub client: usize,
    pub key: Option<Key>,
}

impl Finding {
    pub fn new(rule: impl Into<String>, client: usize, key: Option<Key>) -> Self {
        Self { rule: rule.into(), client, key }
    }
}

/// Bytes by which an output may pass the bound of what waits for a client.
const OUTPUT_SLACK: usize = 128 * 1024;

/// A connection whose client has gone on to another one without closing it.
struct Orphan {
    link: usize,
    version: Version,
    buffer: Vec<u8>,
    connected: bool,
    taken_over: bool,
}

pub struct World {
    random: Random,
    pub history: History,
    settings: Rc<Settings>,
    scenario: Scenario,
    nodes: Vec<Node>,
    links: Vec<Link>,
    /// Indexes of the links that are not done with.
    active: Vec<usize>,
    clients: Vec<Client>,
    orphans: Vec<Orphan>,
    /// Goes up whenever anything moves.
    moved: u64,
}

impl World {
    pub fn new(seed: u64, shards: usize) -> Self {
        let mut random = Random::new(seed);
        let scenario = settings::scenario(&mut random);
        let settings = Rc::new(settings::settings(&mut random, scenario.tight));
        let nodes = (0..shards)
            .map(|own| Node::new(Shard::new(settings.clone(), ShardIndex(own as u8), shards, random.next(), 0)))
            .collect();
        let clients = (0..scenario.clients)
            .map(|index| {
                let version =
                    *random.pick(&[Version::V3_1, Version::V3_1_1, Version::V5_0, Version::V5_0, Version::V5_0]);
                let mut client = Client::new(index, version, version == Version::V3_1 && random.chance(50));
                client.window_unannounced = settings.receive_maximum;
                if version.is_5() && random.chance(30) {
                    client.packet_size_max = *random.pick(&[120, 300, 2000, 10_000]);
                }
                client
            })
            .collect();
        let history = History::default();
        Self {
            random,
            history,
            settings,
            scenario,
            nodes,
            links: Vec::new(),
            active: Vec::new(),
            clients,
            orphans: Vec::new(),
            moved: 0,
        }
    }

    /// Runs to the end; `scale` in percent shortens the run.
    pub fn run(&mut self, scale: usize) -> Result<(), Finding> {
        for phase in 1..=self.scenario.phases {
            for _ in 0..self.scenario.steps_per_phase * scale / 100 {
                self.history.step += 1;
                self.step()?;
            }
            let last = phase == self.scenario.phases;
            let all = last || self.random.chance(50);
            self.come_to_rest(all)?;
            if last || self.random.chance(30) {
                self.let_time_pass(25)?;
            }
        }
        self.look_at_what_is_retained()
    }

    fn step(&mut self) -> Result<(), Finding> {
        match self.random.below(1000) {
            0..420 => {
                let node = self.random.below(self.nodes.len());
                self.advance_node(node, false)
            }
            420..680 => {
                let client = self.random.below(self.clients.len());
                self.operate(client);
                Ok(())
            }
            680..860 => {
                let client = self.random.below(self.clients.len());
                self.read(client, false)
            }
            860..960 => {
                if !self.active.is_empty() {
                    let link = *self.random.pick(&self.active);
                    let count = 1 + self.random.below(20_000);
                    self.links[link].take_output(count);
                }
                Ok(())
            }
            960..970 => {
                self.break_connection();
                Ok(())
            }
            970..975 => self.read_orphans(),
            975..998 => {
                self.history.now += self.random.between(0, 30);
                Ok(())
            }
            998 => {
                self.history.now += self.random.between(100, 3000);
                Ok(())
            }
            _ => {
                if self.random.chance(20) {
                    self.history.now += self.random.between(5_000, 40_000);
                }
                Ok(())
            }
        }
    }

    // ---- clients ----

    fn operate(&mut self, index: usize) {
        let dice = self.random.below(1000);
        let client = &mut self.clients[index];
        let Some(connection) = &client.connection else {
            if dice < 300 {
                self.connect(index, false);
            }
            return;
        };
        let connected = connection.connected;
        match dice {
            0..8 if connected => {
                operations::disconnect(client, &mut self.random, &mut self.history);
                let link = connection_link(client);
                self.flush(index);
                self.links[link].finish();
                self.clients[index].lose_connection();
            }
            8..14 => self.reset(index),
            14..18 => self.abandon(index),
            18..22 if self.random.chance(self.scenario.never_reads * 10) => client.reading = !client.reading,
            _ => operations::operate(client, &mut self.random, &mut self.history),
        }
        self.flush(index);
    }

    /// Hands what the client has written to its socket.
    fn flush(&mut self, index: usize) {
        if let Some(connection) = &mut self.clients[index].connection {
            for (bytes, marker) in connection.written.drain(..) {
                self.links[connection.link].write(&bytes, marker);
                self.moved += 1;
            }
        }
    }

    /// Opens a connection to any shard, unless the client's last one is on its way between shards: whoever holds it could
    /// still take the new one over.
    fn connect(&mut self, index: usize, gently: bool) {
        let undecided = self.active.iter().any(|link| {
            let link = &self.links[*link];
            link.client == index && matches!(link.place, Place::Moving(_) | Place::Accepting(_))
        });
        if undecided {
            return;
        }
        let link = self.links.len();
        let number = link as u32 + 1;
        let shard = self.random.below(self.nodes.len());
        self.links.push(Link::new(index, number, shard, &mut self.random));
        self.active.push(link);
        let client = &mut self.clients[index];
        client.reading = true;
        operations::connect(client, &mut self.random, &mut self.history, number, link, gently);
        self.flush(index);
    }

    fn reset(&mut self, index: usize) {
        let Some(connection) = &self.clients[index].connection else { return };
        let (number, link) = (connection.number, connection.link);
        self.break_link(link);
        self.history.record(index, number, What::Reset);
        self.clients[index].lose_connection();
    }

    fn break_link(&mut self, link: usize) {
        let link = &mut self.links[link];
        link.reset(&mut self.random);
        if matches!(link.place, Place::Accepting(_)) {
            link.place = Place::Gone;
        }
    }

    /// The client connects again without closing: the broker has to notice.
    fn abandon(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let Some(connection) = &mut client.connection else { return };
        if !matches!(self.links[connection.link].place, Place::Open(..)) {
            return;
        }
        self.orphans.push(Orphan {
            link: connection.link,
            version: client.version,
            buffer: std::mem::take(&mut connection.buffer),
            connected: connection.connected,
            taken_over: connection.disconnect_received,
        });
        let number = connection.number;
        self.history.record(index, number, What::Reset);
        client.lose_connection();
        self.connect(index, false);
    }

    fn break_connection(&mut self) {
        if self.active.is_empty() || !self.random.chance(self.scenario.breaks) {
            return;
        }
        let link = *self.random.pick(&self.active);
        let client = self.links[link].client;
        if self.clients[client].connection.as_ref().is_some_and(|connection| connection.link == link) {
            self.reset(client);
        } else if !self.orphans.iter().any(|orphan| orphan.link == link) {
            self.break_link(link);
        }
    }

    fn read(&mut self, index: usize, all: bool) -> Result<(), Finding> {
        let client = &mut self.clients[index];
        let Some(connection) = &client.connection else { return Ok(()) };
        if !client.reading {
            return Ok(());
        }
        let number = connection.number;
        let link = &mut self.links[connection.link];
        let available = link.to_client.len();
        let count = if all || self.random.chance(50) { available } else { self.random.below(available + 1) };
        let bytes: Vec<u8> = link.to_client.drain(..count).collect();
        let ended = link.to_client_ended && link.to_client.is_empty();
        self.moved += u64::from(count > 0) + u64::from(ended);
        client.receive(&bytes, &mut self.history).map_err(|rule| Finding::new(rule, index, None))?;
        self.flush(index);
        if ended {
            self.history.record(index, number, What::Closed);
            self.clients[index].lose_connection();
        }
        Ok(())
    }

    /// Reads connections that were given up; the last thing a 5.0 client hears there is who took its place.
    fn read_orphans(&mut self) -> Result<(), Finding> {
        for orphan in &mut self.orphans {
            let link = &mut self.links[orphan.link];
            self.moved += u64::from(!link.to_client.is_empty());
            orphan.buffer.extend(link.to_client.drain(..));
            let client = link.client;
            let fail = |rule: String| Finding::new(rule, client, None);
            while let Some((packet, size)) = wire::scan(orphan.version, &orphan.buffer).map_err(fail)? {
                if orphan.taken_over {
                    return Err(fail(format!("{packet:?} after DISCONNECT")));
                }
                match packet {
                    Received::ConnAck { .. } => orphan.connected = true,
                    Received::Disconnect { code: 0x8E | 0x8D } => orphan.taken_over = true,
                    Received::Disconnect { code } => {
                        return Err(fail(format!("DISCONNECT {code:#04x} at a take-over")));
                    }
                    _ => {}
                }
                orphan.buffer.drain(..size);
            }
            let is_told = link.cut || !orphan.connected || !orphan.version.is_5() || orphan.taken_over;
            if link.to_client_ended && !is_told {
                return Err(fail("a connection was taken over without DISCONNECT 0x8E".into()));
            }
        }
        let links = &self.links;
        self.orphans.retain(|orphan| !links[orphan.link].to_client_ended);
        Ok(())
    }

    // ---- shards ----

    /// Pushes on, polls on, or begins a turn. `all` does the whole of it.
    fn advance_node(&mut self, own: usize, all: bool) -> Result<(), Finding> {
        if self.nodes[own].outbox.is_empty() && !self.nodes[own].polling {
            self.begin_turn(own, all)?;
            if !all {
                return Ok(());
            }
        }
        loop {
            let length = self.nodes[own].outbox.len();
            let count = if all { length } else { self.random.below(length + 2).min(length) };
            for (to, item) in self.nodes[own].outbox.drain(..count).collect::<Vec<_>>() {
                self.moved += 1;
                let item = match item {
                    Item::Peer(_, message) => Item::Peer(own, message),
                    link => link,
                };
                self.nodes[to].inbox.push_back(item);
            }
            if !self.nodes[own].outbox.is_empty() {
                return Ok(());
            }
            self.poll_outputs(own)?;
            self.nodes[own].poll_peers();
            if self.nodes[own].outbox.is_empty() {
                self.nodes[own].polling = false;
                return Ok(());
            }
            if !all {
                return Ok(());
            }
        }
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
        let now = self.history.now;
        let shard = &mut self.nodes[own].shard;
        let due = shard.next_deadline().is_some_and(|deadline| deadline <= now);
        let busy = shard.has_work();
        self.moved += u64::from(busy);
        if due || busy || self.random.chance(2) {
            shard.handle_timeout(now);
        }
        self.nodes[own].poll_peers();
        self.nodes[own].polling = true;
        Ok(())
    }

    fn take_inbox(&mut self, own: usize, all: bool) -> Result<(), Finding> {
        let length = self.nodes[own].inbox.len();
        let count = if all || self.random.chance(50) { length } else { self.random.below(length + 1) };
        for _ in 0..count {
            self.moved += 1;
            match self.nodes[own].inbox.pop_front() {
                Some(Item::Peer(from, message)) => {
                    let from = ShardIndex(from as u8);
                    self.nodes[own].shard.handle_peer(from, message, self.history.now);
                }
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
        let now = self.history.now;
        let link = &mut self.links[index];
        let address = SocketAddr::from((Ipv4Addr::from(link.number), 1883));
        let incoming = Incoming { transport: link.number, address, over_limit: false };
        let id = self.nodes[own].shard.handle_connected(incoming, now);
        link.place = Place::Open(own, id);
        let bytes = std::mem::take(&mut link.accepted);
        // Its CONNECT takes over what the client has here: later bytes of that count for nothing.
        let client = link.client;
        let others: Vec<usize> = self.active.iter().copied().filter(|other| *other != index).collect();
        for other in others {
            if self.links[other].client == client && matches!(self.links[other].place, Place::Open(..)) {
                self.note_end(other, self.history.entries.len(), "taken over");
            }
        }
        self.nodes[own].shard.handle_received(id, &bytes, now);
        self.note_arrivals(index);
    }

    fn take_socket(&mut self, own: usize, index: usize, all: bool) {
        let now = self.history.now;
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

    fn note_end(&mut self, index: usize, since: usize, reason: impl Into<String>) {
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
            self.note_end(index, since, "closed");
        }
        while let Some(event) = self.nodes[own].shard.poll_event() {
            match event {
                Event::Closed { address: SocketAddr::V4(address), reason, .. } => {
                    let index = u32::from(*address.ip()) as usize - 1;
                    self.note_end(index, since, format!("{reason:?}"));
                }
                Event::Dropped { client_id, reason } => {
                    if let Some(client) = client_id.strip_prefix('c').and_then(|number| number.parse().ok()) {
                        self.history.record(client, 0, What::Dropped { reason: reason.name() });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    // ---- rest ----

    /// Brings everybody online (or, unless `all`, most), lets everything be read and acknowledged, and waits until nothing moves.
    fn come_to_rest(&mut self, all: bool) -> Result<(), Finding> {
        let absent: Vec<bool> =
            self.clients.iter().map(|client| client.connection.is_none() && !all && self.random.chance(40)).collect();
        for client in &mut self.clients {
            client.reading = true;
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
                client.write_acks(usize::MAX.min(client.acks.len()), self.history.now);
                operations::keep_alive(client, &self.history);
                self.flush(index);
            }
            self.read_orphans()?;
            for node in 0..self.nodes.len() {
                self.advance_node(node, true)?;
            }
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
        self.history.record(usize::MAX, 0, What::Quiescent);
        Ok(())
    }

    /// Virtual seconds with nothing but keep-alives and what becomes due.
    fn let_time_pass(&mut self, seconds: usize) -> Result<(), Finding> {
        for _ in 0..seconds {
            self.history.now += 1000;
            self.come_to_rest(true)?;
        }
        Ok(())
    }

    fn look_at_what_is_retained(&mut self) -> Result<(), Finding> {
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

fn connection_link(client: &Client) -> usize {
    client.connection.as_ref().map_or(0, |connection| connection.link)
}
