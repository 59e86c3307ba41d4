//! Whether every shard takes its turns, seen from another thread.
//!
//! A shard counts its turns. One that has nothing to do sleeps without a turn, so it is sent a question whose answer does not
//! matter: to be asked wakes it, and a shard that wakes takes a turn. One that hangs gets no second question.

use std::time::Duration;

use super::counters::ShardCounters;
use super::mailbox::Mail;
use super::question::Question;
use super::server_handle::ServerHandle;

/// Watches the turns of all shards. Made by [`ServerHandle::pulse`].
#[derive(Debug)]
pub struct Pulse {
    server: ServerHandle,
    shards: Vec<Seen>,
}

/// What was seen of one shard.
#[derive(Clone, Copy, Debug)]
struct Seen {
    turns: u64,
    /// Since the start of the server.
    at: Duration,
    is_asked: bool,
}

impl ServerHandle {
    /// A look at the shards' turns that begins now.
    pub fn pulse(&self) -> Pulse {
        let at = self.common.clock.elapsed();
        let seen = |shard: &ShardCounters| Seen { turns: shard.turns.get(), at, is_asked: false };
        Pulse { shards: self.common.counters.iter().map(seen).collect(), server: self.clone() }
    }
}

impl Pulse {
    /// For each shard, how long ago it was last seen to have taken a turn: zero for one that has since the last look. Never waits.
    /// Each shard that answered is asked again, so that also one that sleeps will have taken a turn by the next look.
    pub fn take(&mut self) -> Vec<Duration> {
        let now = self.server.common.clock.elapsed();
        for (shard, seen) in self.shards.iter_mut().enumerate() {
            let turns = self.server.common.counters[shard].turns.get();
            if turns != seen.turns {
                *seen = Seen { turns, at: now, is_asked: false };
            }
            if !seen.is_asked {
                seen.is_asked = true;
                self.server.common.mailboxes.push_and_wake(shard, Mail::Question(Question::idle()));
            }
        }
        self.shards.iter().map(|seen| now.saturating_sub(seen.at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::broker::Settings;
    use crate::runtime::{RuntimeConfig, Server, ShardCount};
    use std::sync::mpsc::channel;
    use std::thread::yield_now;

    fn server(shards: usize) -> Server {
        Server::start(RuntimeConfig {
            listeners: vec![std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()],
            shards: ShardCount::Exactly(shards),
            settings: Settings { persistence: false, ..Settings::default() },
            ..RuntimeConfig::default()
        })
        .unwrap()
    }

    #[test]
    fn shards_that_sleep_are_woken_and_seen() {
        let server = server(2);
        let mut pulse = server.handle().pulse();
        let mut seen = [0; 2];
        // Nobody is connected: nothing but the look itself has them take turns.
        while seen.iter().any(|&times| times < 3) {
            for (seen, since) in seen.iter_mut().zip(pulse.take()) {
                *seen += usize::from(since.is_zero());
            }
            yield_now();
        }
        server.stop();
    }

    #[test]
    fn a_shard_that_hangs_is_the_only_one_not_seen() {
        let server = server(2);
        let (hangs, has_hung) = channel();
        let (release, released) = channel::<()>();
        let question = server.handle().ask(1, move |_| {
            let _ = hangs.send(());
            let _ = released.recv();
        });
        has_hung.recv().unwrap();
        let mut pulse = server.handle().pulse();
        let mut turns_of_other = 0;
        while turns_of_other < 20 {
            let since = pulse.take();
            turns_of_other += usize::from(since[0].is_zero());
            assert!(!since[1].is_zero());
            yield_now();
        }
        drop(release);
        drop(question);
        while !pulse.take()[1].is_zero() {
            yield_now();
        }
        server.stop();
    }
}
