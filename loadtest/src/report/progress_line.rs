//! One line on the terminal that changes while a run goes on; nothing where standard error is not a terminal.

use std::io::{IsTerminal, Write, stderr};

/// Replaces the line.
pub fn say(text: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
        // A line that cannot be shown is no reason to end a measurement.
        let _ = stderr().flush();
    }
}

pub fn clear() {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}
