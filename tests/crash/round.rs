//! One round: a fresh directory, clients with persistent sessions, traffic, and the server killed again and again.

mod cast;
mod full;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::{Broker, Program};
use crate::client::{Client, World};
use crate::figures::Figures;
use crate::publisher::Publisher;
use crate::random::Random;
use crate::record::Who;
use crate::subscriber::Subscriber;
use crate::{reader, verdict};

pub use full::Remedy;

pub struct Round {
    world: World,
    broker: Broker,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    /// Messages that may have been sent until the next kill.
    budget: usize,
    /// Phases of traffic; each ends with a kill.
    phases: usize,
    /// The server is left alone, and only the clients come and go.
    is_calm: bool,
    pub figures: Figures,
}

/// Messages of one phase: enough for mid-stream, few enough to wait for an absent client within the server's bounds.
const MESSAGES_PER_PHASE: usize = 2_500;
/// Times from the moment when all are at work to the kill.
const TRAFFIC_US: (u64, u64) = (2_000, 250_000);
/// The kill does not wait for them in so many of a hundred cases.
const EARLY_KILLS_PERCENT: u64 = 15;
const KILLS_IN_RECOVERY_PERCENT: u64 = 15;
const STOPS_PERCENT: u64 = 12;
/// Clients of a hundred that lose what the server sent last.
const CUT_OFF_PERCENT: u64 = 30;
/// No client gets anything new for so long: nothing will come any more. Also the longest time for all to be at work.
const PATIENCE: Duration = Duration::from_secs(20);
/// After the last start: what should not be sent again would be, within this time.
const LINGER: Duration = Duration::from_millis(100);
/// Looking at all messages for all subscribers takes its time.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const IDLE: Duration = Duration::from_micros(200);

impl Round {
    pub fn new(seed: u64, phases: usize, program: Program, directory: &Path) -> Self {
        let mut world = World::new(Random::new(seed));
        let publishers = cast::publishers(&mut world);
        let subscribers = cast::subscribers(publishers.len(), phases, &mut world);
        Self { phases, ..Self::with(world, publishers, subscribers, Broker::new(program, directory)) }
    }

    fn with(world: World, publishers: Vec<Publisher>, subscribers: Vec<Subscriber>, broker: Broker) -> Self {
        let figures = Figures::default();
        Self { world, broker, publishers, subscribers, budget: 0, phases: 0, is_calm: false, figures }
    }

    /// Without kills: what is found then is a mistake of the clients here, or a server that loses messages all by itself.
    pub fn calm(self) -> Self {
        Self { is_calm: true, ..self }
    }

    /// Plays it to its end, or to the first fault, and tells what is wrong.
    pub fn play(&mut self) -> Result<(), String> {
        let played = self.play_phases();
        self.conclude(played)
    }

    fn conclude(&mut self, played: Result<(), String>) -> Result<(), String> {
        self.figures.count(&self.world.record, &self.subscribers);
        match played {
            Err(why) => Err(format!("{why}\n{}", self.tell())),
            Ok(()) if !self.world.record.faults.is_empty() => Err(self.tell()),
            Ok(()) => Ok(()),
        }
    }

    /// What is wrong, and whom it happened to.
    fn tell(&self) -> String {
        let subscribers: Vec<String> = self.subscribers.iter().map(Subscriber::introduce).collect();
        format!("{}{}", self.world.record.tell(), subscribers.join("\n"))
    }

    fn play_phases(&mut self) -> Result<(), String> {
        self.start()?;
        for _ in 0..self.phases {
            self.budget += MESSAGES_PER_PHASE;
            self.traffic()?;
            if !self.world.record.faults.is_empty() {
                return Ok(());
            }
            self.kill_and_start()?;
        }
        self.drain()?;
        verdict::judge(&mut self.world.record, &self.subscribers);
        if !self.world.record.faults.is_empty() {
            return Ok(());
        }
        // What was settled stays settled.
        self.kill_and_start()?;
        self.drain()?;
        let until = Instant::now() + LINGER;
        self.drive(|round| Instant::now() >= until && round.is_everybody_open())
    }

    fn kill_and_start(&mut self) -> Result<(), String> {
        if self.is_calm {
            self.world.phase += 1;
            return Ok(());
        }
        self.end()?;
        self.start()
    }

    /// Starts the server, sometimes with a kill before it is there, and looks at what is retained.
    fn start(&mut self) -> Result<(), String> {
        let shards = self.world.random.between(1, 3) as usize;
        while !self.is_calm && self.world.random.chance(KILLS_IN_RECOVERY_PERCENT) {
            self.broker.spawn(shards);
            thread::sleep(Duration::from_micros(self.world.random.between(0, 60_000)));
            self.broker.kill();
            self.figures.kills_in_recovery += 1;
        }
        self.broker.spawn(shards);
        let (address, recovery) = self.broker.wait_until_ready()?;
        self.world.record.note_change(Who::Broker, "is ready with shards:", shards as u32);
        self.figures.recoveries.push(recovery);
        let found = reader::read(address, &mut self.world.record)?;
        let topics: Vec<String> =
            self.publishers.iter().flat_map(Publisher::retained_topics).map(String::from).collect();
        reader::judge(&topics, &found, &mut self.world.record);
        self.figures.retained_checked += topics.len();
        (self.world.phase, self.world.address) = (self.world.phase + 1, Some(address));
        Ok(())
    }

    /// Until a random moment in mid-stream.
    fn traffic(&mut self) -> Result<(), String> {
        let before: Vec<usize> = self.publishers.iter().map(Publisher::completed).collect();
        let patience = if self.world.random.chance(EARLY_KILLS_PERCENT) {
            Duration::from_micros(self.world.random.between(0, 60_000))
        } else {
            PATIENCE
        };
        let deadline = Instant::now() + patience;
        self.drive(|round| {
            let mut all = round.publishers.iter().zip(&before);
            let is_at_work = all.all(|(publisher, before)| publisher.completed() > *before);
            (is_at_work && round.is_everybody_open()) || Instant::now() >= deadline
        })?;
        let (shortest, longest) = TRAFFIC_US;
        let end = Instant::now() + Duration::from_micros(self.world.random.between(shortest, longest));
        self.drive(|round| Instant::now() >= end || round.world.record.messages.len() >= round.budget)
    }

    /// Ends the server: the power goes, or an operator stops it.
    fn end(&mut self) -> Result<(), String> {
        self.broker.check()?;
        // From here on nobody wonders about a connection that ends.
        self.world.address = None;
        self.budget = self.world.record.messages.len();
        if self.world.random.chance(STOPS_PERCENT) {
            self.world.record.note_change(Who::Broker, "gets SIGTERM", 0u32);
            self.broker.ask_to_stop();
            while !self.broker.has_stopped()? {
                self.turn();
            }
            self.figures.stops += 1;
        } else {
            self.broker.kill();
            self.world.record.note_change(Who::Broker, "gets SIGKILL", 0u32);
            self.figures.kills += 1;
        }
        for client in clients(&mut self.publishers, &mut self.subscribers) {
            if self.world.random.chance(CUT_OFF_PERCENT) {
                client.close(&mut self.world);
            }
        }
        // The others still read what had been sent.
        let deadline = Instant::now() + PATIENCE;
        while clients(&mut self.publishers, &mut self.subscribers).any(|client| client.has_link()) {
            self.turn();
            if Instant::now() > deadline {
                return Err("a connection outlives the server".into());
            }
        }
        Ok(())
    }

    /// Everybody comes back, no message is new, and all exchanges come to their end, or nothing comes any more.
    fn drain(&mut self) -> Result<(), String> {
        self.world.is_draining = true;
        self.budget = 0;
        let (mut last, mut looked_at) = ((self.world.record.tick(), Instant::now()), Instant::now());
        self.drive(|round| {
            let tick = round.world.record.tick();
            if tick != last.0 {
                last = (tick, Instant::now());
                return false;
            }
            if looked_at.elapsed() < LOOK_INTERVAL {
                return false;
            }
            looked_at = Instant::now();
            let is_settled = round.publishers.iter().all(|one| one.client.is_open() && one.outstanding() == 0)
                && round.subscribers.iter().all(Subscriber::is_settled);
            let is_complete = is_settled && verdict::missing(&round.world.record, &round.subscribers, 1).is_empty();
            is_complete || last.1.elapsed() > PATIENCE
        })?;
        for publisher in self.publishers.iter().filter(|publisher| publisher.outstanding() > 0) {
            let text = format!("{:?}: {} exchanges do not end", publisher.client.who(), publisher.outstanding());
            self.world.record.fault("exchange", publisher.oldest(), text);
        }
        for subscriber in self.subscribers.iter().filter(|subscriber| !subscriber.is_settled()) {
            let text = format!("{:?}: {}", subscriber.client.who(), subscriber.state());
            self.world.record.fault("exchange", subscriber.unreleased(), text);
        }
        Ok(())
    }

    /// Lets all clients work until something holds.
    fn drive(&mut self, mut until: impl FnMut(&Self) -> bool) -> Result<(), String> {
        while !until(self) {
            self.turn();
            self.broker.check()?;
        }
        Ok(())
    }

    fn turn(&mut self) {
        let before = self.world.record.tick();
        for publisher in &mut self.publishers {
            let may_publish = self.world.record.messages.len() < self.budget;
            publisher.turn(&mut self.world, may_publish);
        }
        for subscriber in &mut self.subscribers {
            subscriber.turn(&mut self.world);
        }
        if self.world.record.tick() == before {
            thread::sleep(IDLE);
        }
    }

    fn is_everybody_open(&self) -> bool {
        let publishers = self.publishers.iter().map(|publisher| &publisher.client);
        let mut all = publishers.chain(self.subscribers.iter().map(|subscriber| &subscriber.client));
        all.all(|client| client.is_open() || !client.is_wanted)
    }
}

fn clients<'a>(
    publishers: &'a mut [Publisher],
    subscribers: &'a mut [Subscriber],
) -> impl Iterator<Item = &'a mut Client> {
    let publishers = publishers.iter_mut().map(|publisher| &mut publisher.client);
    publishers.chain(subscribers.iter_mut().map(|subscriber| &mut subscriber.client))
}
