//! Signals, for the command line; a program that embeds the server handles its own.

use std::io;
use std::thread;

use crossbeam_channel::Receiver;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Yields when the process is asked to end: SIGTERM or SIGINT. A second signal of the kind ends the process at once.
pub fn watch() -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (sender, receiver) = crossbeam_channel::bounded(1);
    thread::Builder::new().name("signals".into()).spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        if let Err(error) = signal_hook::flag::register_conditional_default(signal, std::sync::Arc::new(true.into())) {
            tracing::warn!(%error, "a second signal will not end the process");
        }
        let _ = sender.send(signal);
    })?;
    Ok(receiver)
}
