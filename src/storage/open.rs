//! Opens the store of a directory and tells the log how that goes.

use std::time::Duration;

use tracing::{info, warn};

use super::{Files, Lock, StorageConfig, StorageError, show};
use crate::broker::Recovered;
use crate::store::{Findings, RecoveryProgress, Store, StoreConfig};

/// Time between lines about the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// A store that is open, its lock, and what was in it.
pub struct Opened {
    pub store: Store<Files>,
    pub lock: Lock,
    pub recovered: Recovered,
}

/// Locks the directory and reads what is there. `elapsed` tells the time.
pub fn open(
    config: &StorageConfig,
    store: StoreConfig,
    elapsed: impl Fn() -> Duration,
) -> Result<Opened, StorageError> {
    let lock = Lock::create(&config.dir)?;
    let dir = lock.dir().to_owned();
    let files = Files::new(&dir).map_err(|error| StorageError::Unusable { dir: dir.clone(), error })?;
    let began = elapsed();
    let mut told_at = began;
    let mut progress = |progress: RecoveryProgress| {
        if elapsed() >= told_at + PROGRESS_INTERVAL {
            told_at = elapsed();
            let percent = progress.bytes_read * 100 / progress.bytes_total.max(1);
            info!("recovering: {percent} % of {}", show::size(progress.bytes_total));
        }
    };
    let opened = Store::open(files, store, &mut progress);
    let opened = opened.map_err(|error| StorageError::Store { dir: dir.clone(), error })?;
    tell(&opened.findings, &opened.recovered, &dir.display().to_string(), elapsed().saturating_sub(began));
    Ok(Opened { store: opened.store, lock, recovered: opened.recovered })
}

fn tell(findings: &Findings, recovered: &Recovered, dir: &str, time: Duration) {
    if findings.is_new {
        info!("{dir}: a new store");
        return;
    }
    if findings.torn_bytes > 0 {
        warn!(
            "{dir}: the last group was not written to its end, {} bytes are left out; nobody was told that they are kept",
            show::count(findings.torn_bytes)
        );
    }
    if findings.incomplete_sections > 0 {
        info!(
            "{dir}: {} parts of publishes are left out whose other parts were not written; nobody was told that they are kept",
            show::count(findings.incomplete_sections)
        );
    }
    if findings.dangling > 0 {
        warn!(
            "{dir}: {} entries are left out whose messages are not there: see `ringmq store check`",
            show::count(findings.dangling)
        );
    }
    let waiting: u64 = recovered
        .sessions
        .iter()
        .map(|session| session.in_flight.len() as u64 + session.queue.len() as u64 + session.spilled)
        .sum();
    let subscriptions: usize = recovered.sessions.iter().map(|session| session.subscriptions.len()).sum();
    info!(
        "recovered {} sessions with {} subscriptions and {} messages, {} retained messages, from {} in {}",
        show::count(recovered.sessions.len() as u64),
        show::count(subscriptions as u64),
        show::count(waiting),
        show::count(recovered.retained.len() as u64),
        show::size(findings.bytes_read),
        show::seconds(time),
    );
}
