//! What publishers and subscribers have in common: a connection that comes and goes, and a session that must stay.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::link::Link;
use crate::random::Random;
use crate::record::{Record, Tick, Who};
use crate::wire::{self, Connect, Properties, Received, Value, Version, property};

/// What all clients act on.
pub struct World {
    pub random: Random,
    pub record: Record,
    /// Where the server is; `None` while it is down.
    pub address: Option<SocketAddr>,
    /// Starts of the server so far.
    pub phase: usize,
    /// The server may close connections of 3.1.1: so it refuses, which this version has no other word for.
    pub may_close: bool,
    /// The round is at its end: everybody comes back and takes what is left.
    pub is_draining: bool,
}

impl World {
    pub fn new(random: Random) -> Self {
        Self { random, record: Record::new(), address: None, phase: 0, may_close: false, is_draining: false }
    }
}

pub struct Client {
    who: Who,
    pub version: Version,
    client_id: String,
    receive_maximum: Option<u16>,
    link: Option<Link>,
    is_open: bool,
    /// A CONNACK has come: from then on the server has promised to keep the session.
    has_session: bool,
    /// It ends its session: it connects with Clean Start until a CONNACK comes.
    renews: bool,
    /// When it sent its last CONNECT.
    pub connected: Tick,
    pub is_wanted: bool,
    connect_at: Instant,
}

/// What a connection brings.
pub enum News {
    /// CONNACK.
    Opened {
        session_present: bool,
        /// The session before has ended.
        is_renewed: bool,
    },
    Packet(Received),
}

/// Server shutting down.
const SERVER_SHUTTING_DOWN: u8 = 0x8B;
/// Longest time between the server's start and a client's return.
const RETURN_TIME_MAX_US: u64 = 30_000;

impl Client {
    pub fn new(who: Who, version: Version, receive_maximum: Option<u16>) -> Self {
        let client_id = match who {
            Who::Publisher(index) => format!("publisher-{index}"),
            Who::Subscriber(index) => format!("subscriber-{index}"),
            Who::Broker | Who::Reader => "reader".into(),
        };
        Self {
            who,
            version,
            client_id,
            receive_maximum,
            link: None,
            is_open: false,
            has_session: false,
            renews: false,
            connected: 0,
            is_wanted: true,
            connect_at: Instant::now(),
        }
    }

    pub fn who(&self) -> Who {
        self.who
    }

    /// CONNACK has come on this connection.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    pub fn has_link(&self) -> bool {
        self.link.is_some()
    }

    pub fn send(&mut self, bytes: &[u8]) {
        if let Some(link) = &mut self.link {
            link.send(bytes);
        }
    }

    /// Whether much is waiting for the socket: who publishes should stop.
    pub fn is_blocked(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.unsent() > 0)
    }

    /// Connects if that is wanted, sends, and reads at most `bytes_max`.
    pub fn turn(&mut self, world: &mut World, bytes_max: usize) -> Vec<News> {
        self.connect(world);
        let Some(link) = &mut self.link else { return Vec::new() };
        let mut news = Vec::new();
        // What came before the end counts.
        let is_over = link.receive(bytes_max).and_then(|()| link.flush()).is_err();
        loop {
            let packet = match self.link.as_mut().map(Link::next_packet) {
                Some(Ok(Some(packet))) => packet,
                Some(Err(why)) => {
                    world.record.fault("protocol", None, format!("{:?}: {why}", self.who));
                    self.close(world);
                    return news;
                }
                _ => break,
            };
            self.take(packet, world, &mut news);
        }
        if is_over {
            let is_refusal = world.may_close && !self.version.is_5();
            if world.address.is_some() && !is_refusal && self.link.is_some() {
                world.record.fault("connection", None, format!("{:?}: the server ended the connection", self.who));
            }
            self.close(world);
        }
        news
    }

    /// Lets the connection fall, as when the power goes.
    pub fn close(&mut self, world: &mut World) {
        if self.link.take().is_some() {
            world.record.note_change(self.who, "has no connection any more", 0u32);
        }
        self.is_open = false;
        let delay_us = world.random.between(0, RETURN_TIME_MAX_US);
        self.connect_at = Instant::now() + Duration::from_micros(delay_us);
    }

    /// Ends the session, and begins another one with the next connection.
    pub fn renew(&mut self, world: &mut World) {
        self.renews = true;
        self.close(world);
    }

    /// Leaves in order, and keeps the session.
    pub fn disconnect(&mut self, world: &mut World) {
        if let Some(link) = &mut self.link {
            link.send(&wire::disconnect(self.version, 0, None));
            // It may have ended already.
            let _ = link.flush();
        }
        self.close(world);
    }

    fn connect(&mut self, world: &mut World) {
        if self.link.is_some() || !self.is_wanted || Instant::now() < self.connect_at {
            return;
        }
        let Some(mut link) = world.address.and_then(|address| Link::open(address, self.version).ok()) else { return };
        let mut properties: Properties = Vec::new();
        if self.version.is_5() {
            properties.push((property::SESSION_EXPIRY, Value::Four(u32::MAX)));
            properties.extend(self.receive_maximum.map(|maximum| (property::RECEIVE_MAXIMUM, Value::Two(maximum))));
        }
        link.send(&wire::connect(&Connect {
            version: self.version,
            client_id: self.client_id.clone(),
            clean_start: self.renews,
            keep_alive_s: 0,
            will: None,
            properties,
        }));
        self.connected = world.record.note_change(self.who, "sends CONNECT, clean start", self.renews);
        self.link = Some(link);
    }

    fn take(&mut self, packet: Received, world: &mut World, news: &mut Vec<News>) {
        match packet {
            Received::ConnAck { session_present, code: 0, .. } if !self.is_open => {
                self.is_open = true;
                world.record.note_change(self.who, "gets CONNACK, session present", session_present);
                let is_renewed = std::mem::take(&mut self.renews);
                if self.has_session && !is_renewed && !session_present {
                    world.record.fault("session", None, format!("{:?}: the server has no session any more", self.who));
                }
                if is_renewed && session_present {
                    world.record.fault("session", None, format!("{:?}: a session is present after all", self.who));
                }
                // Before 5.0 a session that begins clean ends with its connection.
                self.has_session = !is_renewed || self.version.is_5();
                news.push(News::Opened { session_present, is_renewed });
            }
            Received::Disconnect { code: SERVER_SHUTTING_DOWN } => {
                world.record.note_change(self.who, "gets DISCONNECT", SERVER_SHUTTING_DOWN);
            }
            packet if self.is_open && !matches!(packet, Received::ConnAck { .. } | Received::Disconnect { .. }) => {
                news.push(News::Packet(packet));
            }
            packet => {
                world.record.fault("protocol", None, format!("{:?} got an unexpected {packet:?}", self.who));
            }
        }
    }
}
