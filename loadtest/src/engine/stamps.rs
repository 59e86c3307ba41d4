//! When the kernel had received what is read: SO_TIMESTAMPNS of socket(7).
//!
//! The stamp is made when a segment arrives, before it waits for the one who reads. It tells the broker's part of a latency apart from
//! that of a generator which has to wait for a CPU.

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use std::io::{self, IoSliceMut};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

/// A socket whose segments are stamped.
#[derive(Debug)]
pub struct Stamps {
    /// Room for the message that brings a stamp.
    control: Vec<u8>,
    /// Of the last segment that was read: how long ago it had arrived then. Nothing if it has no stamp, as may be at first.
    waited: Duration,
}

impl Stamps {
    pub fn switch_on(socket: &TcpStream) -> io::Result<Self> {
        setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self { control: nix::cmsg_space!(TimeSpec), waited: Duration::ZERO })
    }

    /// Reads once, as read(2).
    pub fn read(&mut self, socket: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        let mut parts = [IoSliceMut::new(into)];
        let control = Some(&mut *self.control);
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, control, MsgFlags::empty())?;
        let stamp = message.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
            _ => None,
        });
        let length = message.bytes;
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.waited = stamp.map_or(Duration::ZERO, |stamp| since_epoch.saturating_sub(stamp));
        Ok(length)
    }

    /// How long what was read last had waited.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    #[test]
    fn what_nobody_reads_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (receiver, _) = listener.accept().unwrap();
        let mut stamps = Stamps::switch_on(&receiver).unwrap();
        let mut bytes = [0; 16];
        // The kernel begins to stamp a little after the first socket of the machine wants it (net_enable_timestamp).
        let waited = (0..100).find_map(|_| {
            sender.write_all(b"early").unwrap();
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(stamps.read(&receiver, &mut bytes).unwrap(), 5);
            assert_eq!(&bytes[..5], b"early");
            Some(stamps.waited()).filter(|waited| !waited.is_zero())
        });
        assert!(waited.is_some_and(|waited| waited >= Duration::from_millis(15)), "{waited:?}");
        drop(sender);
        assert_eq!(stamps.read(&receiver, &mut bytes).unwrap(), 0);
    }
}
