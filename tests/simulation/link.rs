//! A socket with a client at one end and a shard at the other: bytes on their way, in order, until it breaks.

use std::collections::VecDeque;

use ringmq::broker::{ConnectionId, Transmit};

use crate::client::Marker;
use crate::history::Time;
use crate::random::Random;

/// Who has the server's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This shard accepted it and waits for the CONNECT.
    Accepting(usize),
    /// In the inbox of this shard.
    Moving(usize),
    Open(usize, ConnectionId),
    Gone,
}

pub struct Link {
    pub client: usize,
    /// Number of the connection over the whole run; the transport and the client's port, too.
    pub number: u32,
    pub place: Place,
    /// What the accepting shard has read.
    pub accepted: Vec<u8>,
    pub to_server: VecDeque<u8>,
    /// After `to_server` comes the end of the stream.
    pub to_server_ended: bool,
    /// Where in the stream to the server a message ends.
    pub markers: VecDeque<(u64, Marker)>,
    pub written: u64,
    pub arrived: u64,
    pub to_client: VecDeque<u8>,
    pub to_client_ended: bool,
    /// Bytes that the socket's send buffer may hold.
    capacity: usize,
    /// The output that the socket is taking, and how much it has.
    pub sending: Option<(Transmit, usize)>,
    /// Somebody is asked about its client: what has come is kept until the verdict.
    pub waits: bool,
    /// When the connection ended for the server.
    pub server_ended_at: Option<Time>,
    /// The server closed it before its output was taken.
    pub cut: bool,
}

impl Link {
    pub fn new(client: usize, number: u32, shard: usize, random: &mut Random) -> Self {
        Self {
            client,
            number,
            place: Place::Accepting(shard),
            accepted: Vec::new(),
            to_server: VecDeque::new(),
            to_server_ended: false,
            markers: VecDeque::new(),
            written: 0,
            arrived: 0,
            to_client: VecDeque::new(),
            to_client_ended: false,
            capacity: *random.pick(&[1, 100, 4096, 65_536]),
            sending: None,
            waits: false,
            server_ended_at: None,
            cut: false,
        }
    }

    /// The same bytes on their way, without a broker's end: the client may still get all that it was sent.
    pub fn twin(&self) -> Self {
        let mut to_client = self.to_client.clone();
        if let Some((transmit, taken)) = &self.sending {
            to_client.extend(transmit.output.slices().flatten().skip(*taken));
        }
        Self {
            accepted: Vec::new(),
            to_server: VecDeque::new(),
            markers: VecDeque::new(),
            to_client,
            sending: None,
            ..*self
        }
    }

    /// The client writes.
    pub fn write(&mut self, bytes: &[u8], marker: Option<Marker>) {
        self.to_server.extend(bytes);
        self.written += bytes.len() as u64;
        if let Some(marker) = marker {
            self.markers.push_back((self.written, marker));
        }
    }

    /// Takes up to `count` bytes that reached the server.
    pub fn take_arrived(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.to_server.len());
        self.arrived += count as u64;
        self.to_server.drain(..count).collect()
    }

    /// The client, or the network, breaks the connection: what was on its way to the client is lost, and of what was on
    /// its way to the server any part.
    pub fn reset(&mut self, random: &mut Random) {
        let kept = random.below(self.to_server.len() + 1);
        self.to_server.truncate(kept);
        self.to_server_ended = true;
        self.to_client.clear();
        self.to_client_ended = true;
        self.capacity = usize::MAX;
    }

    /// The broker goes down: what was on its way to it is lost, and of what was on its way to the client any part.
    pub fn crash(&mut self, random: &mut Random) {
        self.take_output(random.below(1 << 16));
        let kept = if random.chance(30) { usize::MAX } else { random.below(self.to_client.len() + 1) };
        self.to_client.truncate(kept);
        self.to_client_ended = true;
        self.to_server.clear();
        self.markers.clear();
        self.sending = None;
        self.place = Place::Gone;
        self.cut = true;
    }

    /// The client ends its side in order: everything written arrives.
    pub fn finish(&mut self) {
        self.to_server_ended = true;
        self.to_client.clear();
        self.to_client_ended = true;
        self.capacity = usize::MAX;
    }

    /// The socket takes up to `count` bytes of the output, within its capacity unless all is asked for.
    pub fn take_output(&mut self, count: usize) -> bool {
        let Some((transmit, taken)) = &mut self.sending else { return false };
        let capacity = if count == usize::MAX { count } else { self.capacity };
        let room = capacity.saturating_sub(self.to_client.len()).min(count);
        let count = room.min(transmit.output.len() - *taken);
        if !self.to_client_ended {
            let mut skipped = *taken;
            let mut left = count;
            for slice in transmit.output.slices() {
                let skip = skipped.min(slice.len());
                skipped -= skip;
                let part = &slice[skip..];
                let part = &part[..part.len().min(left)];
                left -= part.len();
                self.to_client.extend(part);
            }
        }
        *taken += count;
        count > 0
    }

    pub fn output_taken(&self) -> bool {
        self.sending.as_ref().is_some_and(|(transmit, taken)| *taken == transmit.output.len())
    }
}
