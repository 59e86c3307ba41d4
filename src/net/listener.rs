//! Listening sockets, one per shard on the same address.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel completes before they are accepted; it lowers this to net.core.somaxconn.
pub(super) const BACKLOG: i32 = 65_535;

/// The sockets of one address, one for each shard; the kernel spreads connections over them (SO_REUSEPORT).
#[derive(Debug)]
pub struct Listener {
    /// With the port that was chosen, if 0 was asked for.
    pub address: SocketAddr,
    pub sockets: Vec<OwnedFd>,
}

/// Takes `address` with `count` sockets. With port 0 the first one chooses and the others share it.
pub fn bind_shared(address: SocketAddr, count: usize) -> io::Result<Listener> {
    claim(address)?;
    let first = bind(address)?;
    let address = first.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut sockets: Vec<OwnedFd> = vec![first.into()];
    for _ in 1..count {
        sockets.push(bind(address)?.into());
    }
    Ok(Listener { address, sockets })
}

impl Listener {
    /// From now on the kernel completes connections.
    pub fn listen(&self) -> io::Result<()> {
        // Another server may have taken the address as long as nobody listened.
        claim(self.address)?;
        for socket in &self.sockets {
            socket2::SockRef::from(socket).listen(BACKLOG)?;
        }
        Ok(())
    }
}

/// Fails if anybody listens there already. With SO_REUSEPORT a second server of the same user would not fail: it would
/// silently get a part of the connections.
fn claim(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = socket(address)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket(address)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit it: no system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Each address family is configured on its own: [::] and 0.0.0.0 can both be listened on.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_becomes_one_port_for_all() {
        let listener = bind_shared("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_ne!(listener.address.port(), 0);
        for socket in &listener.sockets {
            let local = socket2::SockRef::from(socket).local_addr().unwrap().as_socket();
            assert_eq!(local, Some(listener.address));
        }
    }

    #[test]
    fn a_taken_port_is_an_error_even_with_reuse_port() {
        let listener = bind_shared("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        listener.listen().unwrap();
        let error = bind_shared(listener.address, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn of_two_that_took_an_address_one_listens() {
        let first = bind_shared("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let second = bind_shared(first.address, 2).unwrap();
        second.listen().unwrap();
        assert_eq!(first.listen().unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn accepted_sockets_send_without_delay() {
        let listener = bind_shared("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        listener.listen().unwrap();
        let _client = std::net::TcpStream::connect(listener.address).unwrap();
        let (accepted, _) = socket2::SockRef::from(&listener.sockets[0]).accept().unwrap();
        assert!(accepted.tcp_nodelay().unwrap());
    }
}
