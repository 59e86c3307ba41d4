//! One shard of RingMQ, driven as the runtime drives it, with sockets that take everything at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use ringmq::access::{Address, ListenerId};
use ringmq::broker::{ConnectionId, Incoming, Millis, Settings, Shard};
use ringmq::routing::ShardIndex;

use crate::clients::Broker;

/// The clock stands still: nothing in a benchmark waits for time.
const NOW: Millis = 1_000_000;

pub struct OneShard {
    pub shard: Shard,
    connections: Vec<ConnectionId>,
}

impl OneShard {
    /// A shard without bounds on what the benchmarks fill, for `connections` connections.
    pub fn new(connections: usize) -> Self {
        let settings = Settings {
            subscriptions_max: usize::MAX,
            retained_messages_max: usize::MAX,
            retained_bytes_max: usize::MAX,
            shard_bytes_max: usize::MAX,
            sessions_max: usize::MAX,
            ..Settings::default()
        };
        let shard = Shard::new(Rc::new(settings), ShardIndex(0), 1, 7, NOW);
        Self { shard, connections: Vec::with_capacity(connections) }
    }
}

impl Broker for OneShard {
    fn open(&mut self) -> u32 {
        let transport = self.connections.len() as u32;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        let incoming = Incoming {
            transport,
            address: Address::Ip(address),
            listener: ListenerId::default(),
            certificate: None,
            over_limit: false,
        };
        let id = self.shard.handle_connected(incoming, NOW);
        self.connections.push(id);
        transport
    }

    fn receive(&mut self, connection: u32, bytes: &[u8]) {
        self.shard.handle_received(self.connections[connection as usize], bytes, NOW);
    }

    fn transmit(&mut self, mut each: impl FnMut(u32, &[u8])) {
        assert!(self.shard.poll_peer().is_none(), "there is no other shard");
        while let Some(transmit) = self.shard.poll_transmit() {
            let bytes = transmit.output.as_contiguous().expect("no payload is large enough to be sent by reference");
            each(transmit.transport, bytes);
            self.shard.handle_sent(transmit.connection, transmit.output, NOW);
        }
        assert!(self.shard.poll_close().is_none(), "nobody is to be disconnected");
        while self.shard.poll_event().is_some() {}
    }
}
