//! Traces of a running server: the packets of one client, or the publishes to some topics, of all shards that have any.

use super::question::Ended;
use super::server_handle::ServerHandle;
use crate::broker::trace::{TooManyTracers, TraceSubject, TracedPacket, TracerId};

/// A trace that runs until it is dropped, or not asked for a while.
#[derive(Debug)]
pub struct Trace {
    server: ServerHandle,
    /// With their shards.
    tracers: Vec<(usize, TracerId)>,
}

/// What has passed since a trace was asked last.
#[derive(Debug, Default)]
pub struct Passed {
    /// Each with its shard, in the order of their times.
    pub packets: Vec<(usize, TracedPacket)>,
    /// Packets for which there was no room.
    pub left_out: u64,
}

/// Why there is nothing more to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    #[error(transparent)]
    TooMany(#[from] TooManyTracers),
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error("the trace was not read for too long")]
    Abandoned,
}

impl ServerHandle {
    /// Begins a trace; it is in force when this returns.
    pub async fn trace(&self, subject: TraceSubject) -> Result<Trace, TraceError> {
        let shards = match &subject {
            TraceSubject::Client(client_id) => {
                let home = self.home_of(client_id);
                home..home + 1
            }
            TraceSubject::Topic(_) => 0..self.shards(),
        };
        // Those that have begun end with it if another does not.
        let mut trace = Trace { server: self.clone(), tracers: Vec::new() };
        for shard in shards {
            let subject = subject.clone();
            let begun = self.ask(shard, move |driver| driver.shard.begin_trace(subject, driver.now)).await?;
            trace.tracers.push((shard, begun?));
        }
        Ok(trace)
    }

    /// Microseconds since 1970 of a time of the server's clock in nanoseconds.
    pub fn wall_us(&self, at_ns: u64) -> u64 {
        self.common.clock.wall_at_zero_ms() * 1_000 + at_ns / 1_000
    }
}

impl Trace {
    /// What has passed since the last call.
    pub async fn passed(&mut self) -> Result<Passed, TraceError> {
        let mut passed = Passed::default();
        for &(shard, id) in &self.tracers {
            let traced = self.server.ask(shard, move |driver| driver.shard.take_traced(id, driver.now)).await?;
            let traced = traced.ok_or(TraceError::Abandoned)?;
            passed.packets.extend(traced.packets.into_iter().map(|packet| (shard, packet)));
            passed.left_out += traced.left_out;
        }
        passed.packets.sort_by_key(|(_, packet)| packet.at_ns);
        Ok(passed)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        for &(shard, id) in &self.tracers {
            // It is asked at once; nobody waits for the answer.
            drop(self.server.ask(shard, move |driver| driver.shard.end_trace(id)));
        }
    }
}
