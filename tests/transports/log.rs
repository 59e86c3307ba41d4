//! What the server writes into its log.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use crate::rig::wait_until;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

static LINES: LazyLock<Lines> = LazyLock::new(|| {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    lines
});

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to keep the log of all servers of this process.
pub fn keep() {
    LazyLock::force(&LINES);
}

/// Waits for a line that has all of these.
#[track_caller]
pub fn wait_for(parts: &[&str]) {
    wait_until(&format!("no line with {parts:?}"), || {
        let lines = LINES.0.lock().unwrap();
        String::from_utf8_lossy(&lines).lines().any(|line| parts.iter().all(|part| line.contains(part)))
    });
}
