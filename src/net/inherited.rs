//! Listening sockets that whoever started the process has opened (sd_listen_fds(3)).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use socket2::{Socket, Type};

/// A socket that listens already. It stays open as long as this value, also while nobody accepts from it.
#[derive(Debug)]
pub struct InheritedSocket {
    socket: Socket,
    address: InheritedAddress,
    name: String,
}

/// Where it listens, getsockname(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InheritedAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why an inherited socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    #[error("it is no listening stream socket: it must come of ListenStream= with Accept=no")]
    NotListening,
    #[error("it takes IPv4 and IPv6 at once: set BindIPv6Only=ipv6-only, and a ListenStream= for each of the two")]
    BothFamilies,
    #[error("its address is neither TCP nor a file: give it a path, or an address and a port")]
    Address,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl InheritedSocket {
    /// Takes a socket over, with the name that it was given (`FileDescriptorName=` of systemd.socket(5)).
    pub fn new(socket: OwnedFd, name: String) -> Result<Self, InheritedError> {
        let socket = Socket::from(socket);
        if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
            return Err(InheritedError::NotListening);
        }
        let local = socket.local_addr()?;
        let address = match (local.as_socket(), local.as_pathname()) {
            (Some(address), _) => InheritedAddress::Tcp(address),
            (None, Some(path)) => InheritedAddress::Unix(path.to_owned()),
            (None, None) => return Err(InheritedError::Address),
        };
        if let InheritedAddress::Tcp(address) = &address {
            // Addresses of IPv4 clients would come as IPv6 ones, which rules for IPv4 do not fit.
            if address.is_ipv6() && !socket.only_v6()? {
                return Err(InheritedError::BothFamilies);
            }
            socket.set_tcp_nodelay(true)?;
        }
        // With O_NONBLOCK the ring would report EAGAIN instead of waiting.
        socket.set_nonblocking(false)?;
        Ok(Self { socket, address, name })
    }

    pub fn address(&self) -> &InheritedAddress {
        &self.address
    }

    /// Another descriptor of the same socket; all of them accept from one queue.
    pub fn share(&self) -> io::Result<OwnedFd> {
        Ok(self.socket.try_clone()?.into())
    }
}

impl fmt::Display for InheritedSocket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.address, self.name.escape_default())
    }
}

impl fmt::Display for InheritedAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(out),
            Self::Unix(path) => path.display().fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    fn inherit(socket: impl Into<OwnedFd>) -> Result<InheritedSocket, InheritedError> {
        InheritedSocket::new(socket.into(), "ringmq.socket".into())
    }

    #[test]
    fn it_knows_where_it_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = inherit(listener).unwrap();
        assert_eq!(socket.address(), &InheritedAddress::Tcp(address));
        assert_eq!(socket.to_string(), format!("{address} (ringmq.socket)"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mqtt.sock");
        let socket = inherit(UnixListener::bind(&path).unwrap()).unwrap();
        assert_eq!(socket.address(), &InheritedAddress::Unix(path));
    }

    #[test]
    fn one_that_cannot_be_used_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(matches!(inherit(connected), Err(InheritedError::NotListening)));
        assert!(matches!(inherit(UdpSocket::bind("127.0.0.1:0").unwrap()), Err(InheritedError::NotListening)));
        if let Ok(both) = TcpListener::bind("[::]:0") {
            assert!(matches!(inherit(both), Err(InheritedError::BothFamilies)));
        }
    }
}
