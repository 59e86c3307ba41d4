//! What a shard does between two turns: go on, look for work a while, sleep in its ring, or sleep in its executor.
//!
//! A round trip through the executor costs 14 µs of CPU, so a shard that has had work lately sleeps inside the system
//! call that also submits (5 ms at most, then the executor gets a turn for other tasks of this thread). A shard that was
//! quiet for 20 ms sleeps in the executor, where idling costs nothing.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::clock::millis;
use super::config::IdlePolicy;
use super::shard::ShardDriver;
use crate::broker::Millis;
use crate::limits;
use crate::net::QuietNotice;

/// Long enough that a glommio timer is pending when it is first polled, so that the executor's reactor runs.
const EXECUTOR_TURN: Duration = Duration::from_nanos(250);

impl ShardDriver {
    /// Takes turns until the server stops.
    pub async fn run(&mut self) -> io::Result<()> {
        let Some(mut notice) = self.ring.take_notice() else {
            return Err(io::Error::other("a shard runs only once"));
        };
        let mut active_at = self.common.clock.elapsed();
        let mut executor_turn_at = self.now;
        loop {
            let worked = self.turn();
            if self.is_finished() {
                return self.ring.submit();
            }
            if worked {
                active_at = Duration::from_millis(self.now);
            }
            if self.now >= executor_turn_at + limits::EXECUTOR_TURN_INTERVAL_MS {
                self.ring.submit()?;
                glommio::timer::sleep(EXECUTOR_TURN).await;
                executor_turn_at = millis(self.common.clock.elapsed());
            }
            if self.has_work() {
                self.ring.submit()?;
                continue;
            }
            match self.common.idle {
                IdlePolicy::Park => {}
                IdlePolicy::Busy => {
                    self.ring.submit()?;
                    std::hint::spin_loop();
                    continue;
                }
                IdlePolicy::Spin(time) => {
                    let elapsed = self.common.clock.elapsed();
                    if worked {
                        active_at = elapsed;
                    }
                    if elapsed.saturating_sub(active_at) < time {
                        self.ring.submit()?;
                        std::hint::spin_loop();
                        continue;
                    }
                }
            }
            let quiet = self.now.saturating_sub(millis(active_at)) >= limits::QUIET_AFTER_MS;
            if quiet && self.stopping.is_none() {
                self.sleep_in_executor(&mut notice).await?;
                executor_turn_at = millis(self.common.clock.elapsed());
            } else {
                self.sleep_in_ring()?;
            }
        }
    }

    fn sleep_in_ring(&mut self) -> io::Result<()> {
        self.sampling.rest();
        if self.inbox.prepare_to_sleep() {
            let now = millis(self.common.clock.elapsed());
            let executor_turn = now + limits::EXECUTOR_TURN_INTERVAL_MS;
            let until = self.next_deadline().map_or(executor_turn, |deadline| deadline.min(executor_turn));
            self.ring.wait(now, until)?;
        }
        self.inbox.awake();
        Ok(())
    }

    async fn sleep_in_executor(&mut self, notice: &mut QuietNotice) -> io::Result<()> {
        self.sampling.rest();
        self.ring.set_notice(true);
        // Now, so that work which came before the notice is done, and work that comes after it is noticed.
        self.ring.submit()?;
        if self.inbox.prepare_to_sleep_in_executor() && !self.ring.has_completions() {
            match self.time_to_deadline() {
                Some(time) => {
                    let mut timer = pin!(glommio::timer::sleep(Duration::from_millis(time)));
                    poll_fn(|context| match notice.poll_ready(context) {
                        Poll::Ready(()) => Poll::Ready(()),
                        Poll::Pending => timer.as_mut().poll(context),
                    })
                    .await;
                }
                None => poll_fn(|context| notice.poll_ready(context)).await,
            }
        }
        self.ring.set_notice(false);
        self.inbox.awake();
        Ok(())
    }

    fn time_to_deadline(&self) -> Option<Millis> {
        let now = millis(self.common.clock.elapsed());
        self.next_deadline().map(|deadline| deadline.saturating_sub(now))
    }
}
