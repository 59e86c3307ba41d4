//! Signals, for the command line; a program that embeds the server handles its own.

use std::io;
use std::thread;

use crossbeam_channel::Receiver;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT, by its number. A second signal of the kind ends the process at once.
    Stop(i32),
    /// SIGHUP: read the configuration again.
    Reload,
}

/// Yields what the process is asked for. Further signals while a reload waits to be read ask for nothing more.
pub fn watch() -> io::Result<Receiver<Request>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (sender, receiver) = crossbeam_channel::bounded(2);
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                let _ = sender.try_send(Request::Reload);
                continue;
            }
            if let Err(error) =
                signal_hook::flag::register_conditional_default(signal, std::sync::Arc::new(true.into()))
            {
                tracing::warn!(%error, "a second signal will not end the process");
            }
            let _ = sender.send(Request::Stop(signal));
            return;
        }
    })?;
    Ok(receiver)
}
