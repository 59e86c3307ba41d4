//! The `$SYS` topics: what the server has measured, as retained messages under mosquitto's names, and its own under
//! `$SYS/broker/ringmq`.
//!
//! A thread of its own takes a snapshot at each interval and has the first shard publish what has changed, in parts. It works whether
//! there is an administration or not, and ends with the server.

mod load;
mod tree;

use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use tokio::runtime;

use super::server_handle::ServerHandle;
use crate::limits::SYS_TOPICS_PER_TURN;
use tree::Tree;

/// The running thread. Dropping it stops it.
#[derive(Debug)]
pub struct SysTopics {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SysTopics {
    /// Publishes at once, and then again and again after `interval`.
    pub fn start(server: ServerHandle, interval: Duration) -> io::Result<Self> {
        let (stop, stopped) = crossbeam_channel::bounded(0);
        // It has nothing to wait for but answers of shards, so it needs no driver.
        let runtime = runtime::Builder::new_current_thread().build()?;
        let live = move || runtime.block_on(publish(&server, interval, &stopped));
        let thread = Builder::new().name("sys".into()).spawn(live)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for SysTopics {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the $SYS topics ended in a failure");
        }
    }
}

/// Until the server ends, or the other end of `stopped` is dropped.
async fn publish(server: &ServerHandle, interval: Duration, stopped: &Receiver<()>) {
    let mut tree = Tree::default();
    loop {
        let Ok(snapshot) = server.metrics().await else { return };
        let mut changed = tree.update(&snapshot);
        while !changed.is_empty() {
            let rest = changed.split_off(changed.len().min(SYS_TOPICS_PER_TURN));
            let part = std::mem::replace(&mut changed, rest);
            let published = server.ask(0, move |driver| {
                for (topic, payload) in &part {
                    driver.shard.publish_own(topic, payload.as_bytes(), driver.now);
                }
            });
            if published.await.is_err() {
                return;
            }
        }
        if stopped.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
