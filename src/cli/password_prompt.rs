//! Asking for a password: twice and unseen at a terminal, one line of standard input otherwise.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use zeroize::Zeroizing;

/// Asks for a new password of the user.
///
/// # Errors
/// What went wrong, for a person: the two are not the same, or nothing can be read.
pub fn ask(user: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    if !io::stdin().is_terminal() {
        return read_line().map_err(|error| format!("standard input cannot be read: {error}"));
    }
    let unseen = |prompt: &str| ask_unseen(prompt).map_err(|error| format!("the terminal cannot be read: {error}"));
    let first = unseen(&format!("Password for {user:?}: "))?;
    let second = unseen("The same again: ")?;
    if first != second {
        return Err("the two passwords are not the same".into());
    }
    Ok(first)
}

fn ask_unseen(prompt: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let _unseen = Unseen::start()?;
    eprint!("{prompt}");
    io::stderr().flush()?;
    let line = read_line();
    // The newline that was typed was not shown.
    eprintln!();
    line
}

/// The terminal shows nothing of what is typed, until this is dropped or the process is told to end.
struct Unseen {
    before: Termios,
    signals: Handle,
}

impl Unseen {
    fn start() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let at_signal = before.clone();
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                // A terminal that stays silent would be a riddle to whoever uses it next.
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &at_signal);
                eprintln!();
                std::process::exit(128 + signal);
            }
        });
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &unseen)?;
        Ok(Self { before, signals: handle })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        self.signals.close();
    }
}

/// One line without its end.
fn read_line() -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::new());
    io::stdin().lock().read_until(b'\n', &mut line)?;
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    Ok(line)
}
