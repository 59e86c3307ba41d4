//! The whole of a run: shards, sockets and clients on one virtual clock, one random step after the other.

mod rest;
mod restart;
mod shards;
mod storage;
mod twin;

use std::rc::Rc;

use ringmq::broker::{Millis, Settings};

use crate::client::{Client, QUOTA_EXCEEDED, SERVER_SHUTTING_DOWN};
use crate::fake_disk::FakeDisk;
use crate::history::{History, Key, Time, What};
use crate::link::{Link, Place};
use crate::node::Node;
use crate::operations;
use crate::random::Random;
use crate::settings::{self, Scenario};
use crate::storage::Storage;
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

/// A connection whose client has gone on to another one without closing it.
#[derive(Clone)]
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
    /// How many shards the broker has, from its next start on.
    shards: usize,
    nodes: Vec<Node>,
    disk: FakeDisk,
    /// `None` without durability, and before the first start.
    storage: Option<Storage>,
    /// When the broker's clock was 0.
    clock_began: Time,
    /// The store has said that something is durable: from then on it must be found again.
    store_exists: bool,
    /// Until this step the disk fails.
    fault_until: Option<u64>,
    /// Bytes that fit on the disk, while it is full.
    room: Option<u64>,
    links: Vec<Link>,
    /// Indexes of the links that are not done with.
    active: Vec<usize>,
    clients: Vec<Client>,
    orphans: Vec<Orphan>,
    /// Goes up whenever anything moves.
    moved: u64,
    /// What each write of the store could have left, if anybody wants to know.
    writes: Option<Vec<Write>>,
}

pub use twin::Write;

impl World {
    pub fn new(seed: u64, shards: usize) -> Self {
        let mut random = Random::new(seed);
        let scenario = settings::scenario(&mut random);
        Self::with(random, shards, scenario)
    }

    pub fn with(mut random: Random, shards: usize, scenario: Scenario) -> Self {
        let settings = Rc::new(settings::settings(&mut random, &scenario));
        let clients = (0..scenario.clients)
            .map(|index| {
                let version =
                    *random.pick(&[Version::V3_1, Version::V3_1_1, Version::V5_0, Version::V5_0, Version::V5_0]);
                let mut client = Client::new(index, version, version == Version::V3_1 && random.chance(50));
                client.is_lasting = random.chance(scenario.lasting);
                client.padding_max = scenario.padding_max;
                client.window_unannounced = settings.receive_maximum;
                client.packet_id_max = if scenario.durability.is_some() { 16 } else { 40 };
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
            shards,
            nodes: Vec::new(),
            disk: FakeDisk::new(),
            storage: None,
            clock_began: 0,
            store_exists: false,
            fault_until: None,
            room: None,
            links: Vec::new(),
            active: Vec::new(),
            clients,
            orphans: Vec::new(),
            moved: 0,
            writes: None,
        }
    }

    /// Runs to the end; `scale` in percent shortens the run.
    pub fn run(&mut self, scale: usize) -> Result<(), Finding> {
        self.start()?;
        for phase in 1..=self.scenario.phases {
            for _ in 0..self.scenario.steps_per_phase * scale / 100 {
                self.history.step += 1;
                self.step()?;
                self.disturb()?;
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

    /// What decides how the broker behaves in this run, for people to read.
    pub fn temper(&self) -> String {
        format!("{:?}\n{:?}", self.scenario, self.settings)
    }

    /// The time that the broker is told.
    fn broker_now(&self) -> Millis {
        self.history.now - self.clock_began
    }

    fn step(&mut self) -> Result<(), Finding> {
        if self.storage.is_some() && self.random.chance(10) {
            return self.advance_storage(false);
        }
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
            860..945 => {
                if !self.active.is_empty() {
                    let link = *self.random.pick(&self.active);
                    let count = 1 + self.random.below(20_000);
                    self.links[link].take_output(count);
                }
                Ok(())
            }
            945..960 => self.hurry(),
            960..965 => {
                let wait = self.random.between(20, 400);
                let node = self.random.below(self.nodes.len());
                self.nodes[node].inbox_waits_until = self.history.step + wait;
                Ok(())
            }
            965..970 => {
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

    /// One client gets all that is sent to it and acts at once, while others and messages between shards may wait.
    fn hurry(&mut self) -> Result<(), Finding> {
        let client = self.random.below(self.clients.len());
        for _ in 0..1 + self.random.below(4) {
            let Some(connection) = &self.clients[client].connection else { return Ok(()) };
            let link = connection.link;
            if let Place::Open(shard, _) | Place::Accepting(shard) = self.links[link].place {
                self.advance_node(shard, false)?;
                if self.random.chance(50) {
                    self.advance_storage(false)?;
                }
            }
            self.links[link].take_output(usize::MAX);
            self.read(client, true)?;
            self.operate(client);
        }
        Ok(())
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
        let shard = self.random.below(self.shards);
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
                    Received::ConnAck { code, .. } => orphan.connected = code == 0,
                    Received::Disconnect { code: 0x8E | 0x8D } => orphan.taken_over = true,
                    Received::Disconnect { code: QUOTA_EXCEEDED | SERVER_SHUTTING_DOWN } if self.history.refusals => {
                        orphan.taken_over = true;
                    }
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
}

fn connection_link(client: &Client) -> usize {
    client.connection.as_ref().map_or(0, |connection| connection.link)
}
