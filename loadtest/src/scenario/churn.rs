//! Clients that come and go all the time beside what is measured, and others that just stay.

use crate::engine::fleet::Fleet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Reconnects the first clients of a fleet one after the other until told to stop: by turns with DISCONNECT, and with a
/// reset of the connection. The others only have to stay.
pub fn run(fleet: &mut Fleet<'_>, clients: usize, per_second: f64, stop: &AtomicBool) -> anyhow::Result<u64> {
    // The measured traffic goes first where both share a CPU.
    rustix::process::nice(19)?;
    let (started, mut reconnects) = (Instant::now(), 0_u64);
    while !stop.load(Ordering::Relaxed) {
        let due = (started.elapsed().as_secs_f64() * per_second) as u64;
        while clients > 0 && reconnects < due {
            let index = (reconnects % clients as u64) as usize;
            reconnects += 1;
            // One that is still on its way in will be back soon enough.
            if !fleet.is_ready(index) {
                continue;
            }
            if reconnects.is_multiple_of(2) {
                fleet.reset(index)?;
            } else {
                fleet.disconnect(index);
            }
            fleet.enqueue(index);
        }
        fleet.turn(Duration::from_millis(20))?;
    }
    Ok(reconnects)
}
