//! A round in which the store runs out of room, and gets some again.

use std::time::Instant;

use super::{PATIENCE, Round};
use crate::broker::Broker;
use crate::client::World;
use crate::publisher::Publisher;
use crate::random::Random;
use crate::subscriber::{Habits, Presence, Subscriber, Subscription};
use crate::wire::Version;
use crate::{reader, verdict};

/// More than fits, whatever the store adds to a message.
const MESSAGES_MAX: usize = 60_000;
const MESSAGE_SIZE: usize = 1_000;
/// Messages that are accepted again before the round goes on.
const ACCEPTED_AGAIN: usize = 50;
const TOPIC: &str = "full/it";

/// How room comes back.
pub enum Remedy<'a> {
    /// Somebody deletes something else.
    Delete(&'a dyn Fn()),
    /// The absent subscriber fetches what waits for it.
    Fetch,
}

impl Round {
    /// Two publishers, one of them with 5.0 and its reason codes, and a subscriber that is away.
    pub fn filling(seed: u64, broker: Broker) -> Self {
        let mut world = World { may_close: true, ..World::new(Random::new(seed)) };
        let publishers = [Version::V5_0, Version::V3_1_1].into_iter().enumerate();
        let publishers =
            publishers.map(|(index, version)| Publisher::filling(index, version, TOPIC, MESSAGE_SIZE)).collect();
        let habits = Habits { presence: Presence::AwayUntil(usize::MAX), renewal: None, read: None, answer_us_max: 0 };
        let subscriber = Subscriber::new(0, vec![Subscription::new("full/#", 2)], habits, &mut world);
        Self::with(world, publishers, vec![subscriber], broker)
    }

    /// Fills the store until it refuses, looks whether the server lives on, makes room, and lets it go on by itself; then a kill, and nothing that was
    /// acknowledged may be missing.
    pub fn play_full(&mut self, remedy: Remedy<'_>) -> Result<(), String> {
        let played = self.play_full_phases(remedy);
        self.conclude(played)
    }

    fn play_full_phases(&mut self, remedy: Remedy<'_>) -> Result<(), String> {
        self.start()?;
        self.drive(|round| round.subscribers[0].subscriptions[0].since.is_some())?;
        self.budget = MESSAGES_MAX;
        self.drive(|round| round.refused() > 0 || round.world.record.messages.len() >= MESSAGES_MAX)?;
        if self.refused() == 0 {
            return Err(format!("{MESSAGES_MAX} messages were taken: the store is never full"));
        }
        self.budget = 0;
        self.drive(|round| round.publishers[0].outstanding() == 0)?;
        if !self.broker.log_text().contains("does not accept") {
            return Err(format!("the log does not tell: {}", self.broker.log_text()));
        }
        self.look_at_others()?;
        self.end()?;
        self.start()?;
        self.look_at_others()?;

        match remedy {
            Remedy::Delete(delete) => delete(),
            Remedy::Fetch => self.world.is_draining = true,
        }
        // A client of 3.1.1 is not told; it connects again and repeats what was not acknowledged.
        self.publishers[1].client.close(&mut self.world);
        let (acknowledged, deadline) = (self.acknowledged(), Instant::now() + PATIENCE);
        self.budget = usize::MAX;
        self.drive(|round| round.acknowledged() >= acknowledged + ACCEPTED_AGAIN || Instant::now() > deadline)?;
        if self.acknowledged() < acknowledged + ACCEPTED_AGAIN {
            return Err(format!("the server does not accept again: {}", self.broker.log_text()));
        }
        self.end()?;
        self.start()?;
        self.drain()?;
        verdict::judge(&mut self.world.record, &self.subscribers);
        Ok(())
    }

    /// Clients with clean sessions work as ever.
    fn look_at_others(&mut self) -> Result<(), String> {
        let address = self.world.address.ok_or("the server is down")?;
        reader::read(address, &mut self.world.record).map(drop)
    }

    fn refused(&self) -> usize {
        self.world.record.messages.iter().filter(|message| message.is_refused).count()
    }

    fn acknowledged(&self) -> usize {
        self.world.record.messages.iter().filter(|message| message.acknowledged.is_some()).count()
    }
}
