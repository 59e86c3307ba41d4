//! Signals, for the command line; a program that embeds the server handles its own.

use std::io;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Sleeps until the process is asked to end, and returns the signal: SIGTERM or SIGINT. A second signal of the kind ends
/// the process at once.
pub fn wait_for_signal() -> io::Result<i32> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let signal = signals.forever().next().unwrap_or(SIGTERM);
    signal_hook::flag::register_conditional_default(signal, std::sync::Arc::new(true.into()))?;
    Ok(signal)
}
