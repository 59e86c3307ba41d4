//! A shard's thread, from its executor to its last turn.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::clock;
use super::listening::Listeners;
use super::mailbox::{Inbox, Mail};
use super::shard::{Common, ShardDriver, report_failure};
use super::store_host::Kept;
use crate::net::{BufferRingConfig, SocketRing, WakeHandle};
use crate::routing::ShardIndex;

/// The executor takes a task off the CPU after this time. Ours gives it back by itself, so it is long: an executor whose
/// timer has run out before it polls its first task goes to sleep with that task runnable (glommio 0.9,
/// `run_task_queues`), which with a timer of 1 ms happens on a busy machine, and is a hang.
const PREEMPT_TIMER: Duration = Duration::from_secs(10);

/// However long a machine stands still, an executor that slept over a runnable task wakes after this time.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// glommio registers this much with each of three rings of an executor; the least it accepts.
const IO_MEMORY: usize = 64 * 1024;

/// Depth of glommio's rings; sockets do not go through them.
const RING_DEPTH: usize = 32;

/// What a shard's thread is started with.
pub struct Seed {
    pub index: ShardIndex,
    pub cpu: Option<usize>,
    pub buffers: BufferRingConfig,
    pub listeners: Listeners,
    pub inbox: Inbox,
    /// If there is a store.
    pub kept: Option<Kept>,
    pub common: Arc<Common>,
    /// Dropped with the thread, so that others notice its end.
    pub alive: crossbeam_channel::Sender<()>,
    /// Tells that the ring is there, or why not.
    pub ready: Sender<(ShardIndex, Result<WakeHandle, String>)>,
    /// Yields once when all rings are there and all shards have back what was kept for them; is cut off when the server does not start.
    pub go: Receiver<()>,
}

/// Starts the thread. It waits for `go` before its first turn.
pub fn spawn(seed: Seed) -> Result<ExecutorJoinHandle<()>, String> {
    // The thread pins itself: glommio's placement reads the machine's whole topology first, and does not understand that
    // of some virtual machines (a `physical_package_id` of -1).
    LocalExecutorBuilder::new(Placement::Unbound)
        .name(&format!("shard-{}", seed.index.0))
        .preempt_timer(PREEMPT_TIMER)
        .io_memory(IO_MEMORY)
        .ring_depth(RING_DEPTH)
        .spawn(move || live(seed))
        .map_err(text)
}

async fn live(seed: Seed) {
    let Seed { index, cpu, buffers, listeners, inbox, kept, common, alive, ready, go } = seed;
    let pinned = cpu.map_or(Ok(()), pin);
    let ring = pinned.and_then(|()| SocketRing::new(buffers)).and_then(|ring| Ok((ring.wake_handle()?, ring)));
    let (wake, ring) = match ring {
        Ok(ring) => ring,
        Err(error) => {
            let _ = ready.send((index, Err(error.to_string())));
            return;
        }
    };
    let mut driver = ShardDriver::new(index, ring, inbox, common.clone(), clock::seed());
    if let Some(kept) = kept {
        driver.restore(kept);
    }
    let _ = ready.send((index, Ok(wake)));
    drop(ready);
    glommio::spawn_local(async {
        loop {
            glommio::timer::sleep(HEARTBEAT).await;
        }
    })
    .detach();
    if go.recv().is_err() {
        return;
    }
    let farewell = Farewell { own: usize::from(index.0), common };
    driver.listen(listeners);
    if let Err(failure) = driver.run().await {
        report_failure(index, &failure);
    }
    drop(driver);
    drop(farewell);
    drop(alive);
}

/// Keeps this thread on one CPU, sched_setaffinity(2).
fn pin(cpu: usize) -> io::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    Ok(sched_setaffinity(None, &cpus)?)
}

/// Stops the other shards when this one ends, also by a panic: the sessions at home here would be gone, and a server that
/// answers for some clients only is worse than one that is restarted.
struct Farewell {
    own: usize,
    common: Arc<Common>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        for other in (0..self.common.counters.len()).filter(|&other| other != self.own) {
            self.common.mailboxes.push_and_wake(other, Mail::Stop);
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
