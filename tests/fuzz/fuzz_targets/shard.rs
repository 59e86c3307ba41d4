//! Whole shards under arbitrary operations: nothing panics, no output passes its bound, and when all connections are
//! gone and all sessions with them, nothing is held any more.
#![no_main]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use ringmq::access::{Address, ListenerId};
use ringmq::broker::{ConnectionId, Incoming, PeerMessage, QueuePolicy, Settings, Shard, Transmit};
use ringmq::routing::ShardIndex;

const SHARDS: usize = 2;
const CONNECTIONS_MAX: usize = 8;
const OUTPUT_MAX: usize = 512 * 1024;

/// Packets that are worth having whole: the fuzzer's own bytes rarely get past a CONNECT.
const PACKETS: [&[u8]; 14] = [
    b"\x10\x10\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x03one",
    b"\x10\x15\x00\x04MQTT\x05\x00\x00\x00\x05\x11\x00\x00\x00\x09\x00\x03one",
    b"\x10\x0F\x00\x04MQTT\x04\x02\x00\x05\x00\x03two",
    b"\x10\x0F\x00\x04MQTT\x04\x00\x00\x00\x00\x03two",
    b"\x10\x18\x00\x04MQTT\x05\x06\x00\x00\x00\x00\x03six\x00\x00\x01a\x00\x02by",
    b"\x82\x07\x00\x01\x00\x00\x01a\x02",
    b"\x82\x07\x00\x02\x00\x00\x01#\x01",
    b"\x82\x10\x00\x03\x00\x00\x0A$share/g/a\x02",
    b"\x82\x06\x00\x04\x00\x01a\x01",
    b"\x31\x05\x00\x01a\x00x",
    b"\x34\x07\x00\x01a\x00\x05\x00y",
    b"\x62\x02\x00\x05",
    b"\xA2\x06\x00\x06\x00\x00\x01a",
    b"\xE0\x00",
];

struct Socket {
    shard: usize,
    id: ConnectionId,
    sending: Option<Transmit>,
}

struct Rig {
    now: u64,
    shards: Vec<Shard>,
    mailboxes: Vec<VecDeque<(ShardIndex, PeerMessage)>>,
    /// By transport.
    sockets: Vec<Option<Socket>>,
}

fuzz_target!(|input: &[u8]| {
    let Some((first, mut rest)) = input.split_first() else { return };
    let settings = Rc::new(Settings {
        queued_messages_max: 4,
        in_flight_max: 2,
        receive_maximum: 3,
        session_expiry_max_s: 3600,
        session_expiry_v3_s: 3600,
        queue_qos0: first & 1 == 1,
        queue_policy: [QueuePolicy::DropNewest, QueuePolicy::DropOldest, QueuePolicy::Disconnect]
            [usize::from(first / 2) % 3],
        ..Settings::default()
    });
    let shard = |own| Shard::new(settings.clone(), ShardIndex(own), SHARDS, u64::from(own), 0);
    let mut rig = Rig {
        now: 0,
        shards: (0..SHARDS as u8).map(shard).collect(),
        mailboxes: (0..SHARDS).map(|_| VecDeque::new()).collect(),
        sockets: Vec::new(),
    };
    while let Some((operation, more)) = rest.split_first() {
        rest = rig.operate(*operation, more);
        rig.poll();
    }
    rig.wind_up();
});

impl Rig {
    /// Does one thing; returns what it has not used of `input`.
    fn operate<'a>(&mut self, operation: u8, input: &'a [u8]) -> &'a [u8] {
        let Some((argument, rest)) = input.split_first() else { return &[] };
        let which = usize::from(*argument);
        match operation % 8 {
            0 => self.connect(which % SHARDS),
            1 | 2 => self.receive(which, PACKETS[which / CONNECTIONS_MAX % PACKETS.len()]),
            3 => {
                let (length, rest) =
                    rest.split_first().map_or((0, rest), |(length, rest)| (usize::from(*length), rest));
                let (bytes, rest) = rest.split_at(length.min(rest.len()));
                self.receive(which, bytes);
                return rest;
            }
            4 => self.sent(which),
            5 => self.close(which),
            6 => self.deliver(which % SHARDS, 1 + which / SHARDS % 4),
            _ => self.wait(1 << (which % 14)),
        }
        rest
    }

    fn connect(&mut self, shard: usize) {
        if self.sockets.iter().flatten().count() < CONNECTIONS_MAX {
            let transport = self.sockets.len() as u32;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
            let incoming = Incoming { transport, address: Address::Ip(address), listener: ListenerId::default(), certificate: None, over_limit: false };
            let id = self.shards[shard].handle_connected(incoming, self.now);
            self.sockets.push(Some(Socket { shard, id, sending: None }));
        }
    }

    /// The transport of the `which`th connection that is open.
    fn open(&self, which: usize) -> Option<usize> {
        let open: Vec<usize> = (0..self.sockets.len()).filter(|index| self.sockets[*index].is_some()).collect();
        (!open.is_empty()).then(|| open[which % open.len()])
    }

    fn receive(&mut self, which: usize, bytes: &[u8]) {
        if let Some(socket) = self.open(which).and_then(|index| self.sockets[index].as_ref()) {
            self.shards[socket.shard].handle_received(socket.id, bytes, self.now);
        }
    }

    fn sent(&mut self, which: usize) {
        if let Some(socket) = self.open(which).and_then(|index| self.sockets[index].as_mut())
            && let Some(transmit) = socket.sending.take()
        {
            self.shards[socket.shard].handle_sent(socket.id, transmit.output, self.now);
        }
    }

    fn close(&mut self, which: usize) {
        if let Some(socket) = self.open(which).and_then(|index| self.sockets[index].take()) {
            self.shards[socket.shard].handle_closed(socket.id, self.now);
        }
    }

    fn deliver(&mut self, to: usize, count: usize) {
        for _ in 0..count {
            let Some((from, message)) = self.mailboxes[to].pop_front() else { return };
            self.shards[to].handle_peer(from, message, self.now);
        }
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        for shard in &mut self.shards {
            shard.handle_timeout(self.now);
        }
    }

    fn poll(&mut self) {
        for own in 0..SHARDS {
            while let Some((to, message)) = self.shards[own].poll_peer() {
                self.mailboxes[usize::from(to.0)].push_back((ShardIndex(own as u8), message));
            }
            while let Some(transmit) = self.shards[own].poll_transmit() {
                assert!(!transmit.output.is_empty() && transmit.output.len() <= OUTPUT_MAX);
                let socket = self.sockets[transmit.transport as usize].as_mut().expect("the connection is open");
                assert!(socket.id == transmit.connection && socket.sending.is_none());
                socket.sending = Some(transmit);
            }
            while let Some((id, transport)) = self.shards[own].poll_close() {
                let socket = self.sockets[transport as usize].take().expect("the connection is open");
                assert!(socket.id == id);
            }
            while self.shards[own].poll_event().is_some() {}
        }
    }

    /// Closes everything and lets all sessions expire.
    fn wind_up(&mut self) {
        while self.open(0).is_some() {
            self.close(0);
        }
        for _ in 0..64 {
            self.wait(3_600_000);
            self.poll();
            for to in 0..SHARDS {
                self.deliver(to, usize::MAX);
            }
            self.poll();
        }
        for shard in &self.shards {
            let counters = shard.counters();
            assert_eq!((shard.connection_count(), counters.sessions, counters.subscriptions), (0, 0, 0));
            assert_eq!(counters.held_bytes, 0, "bytes held for nobody");
        }
    }
}
