//! What the broker must, and what it may, believe of each client at each moment: connections, sessions, subscriptions.
//!
//! Between a request and its answer both the old and the new state are possible, and after a connection that broke
//! while a request was on its way both stay possible until something settles it. Each subscription has therefore two
//! intervals: in the inner one it is certainly in force, outside the outer one it is certainly not.

use std::collections::BTreeMap;

use super::disturbances::Disturbances;
use super::filter;
use crate::history::{Connecting, Entry, History, NEVER, Order, Time, What};
use crate::world::Finding;

#[derive(Clone, Debug)]
pub struct Connection {
    pub client: usize,
    pub number: u32,
    pub connecting: Connecting,
    pub connect: Order,
    pub connect_time: Time,
    pub connected: Order,
    pub connected_time: Time,
    pub session_present: Option<bool>,
    /// The first moment at which it may have ended for the broker.
    pub end: Order,
    pub end_time: Time,
    /// The moment from which it certainly had ended for the broker.
    pub server_end: Order,
    pub server_end_time: Time,
    pub server_end_reason: String,
    pub disconnect: Option<(u8, Option<u32>)>,
    pub disconnect_arrived: Order,
}

impl Connection {
    /// Accepted before `from` and open beyond `until`.
    pub fn covers(&self, from: Order, until: Order) -> bool {
        self.connected < from && self.end > until
    }

    /// Session expiries that may be in force after its end, in seconds. A DISCONNECT is not acknowledged: after a crash it may
    /// never have come.
    fn expiries(&self, crashed: bool) -> Vec<u32> {
        let own = self.connecting.session_expiry_s;
        match self.disconnect {
            Some((_, Some(changed)))
                if crashed || self.disconnect_arrived == NEVER || self.disconnect_arrived > self.server_end =>
            {
                vec![own, changed]
            }
            Some((_, Some(changed))) => vec![changed],
            _ => vec![own],
        }
    }
}

/// One filter of one SUBSCRIBE.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub client: usize,
    pub connection: u32,
    /// Counts the sessions of this client.
    pub session: u32,
    pub share: Option<String>,
    pub filter: String,
    pub qos: u8,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: u8,
    pub id: Option<u32>,
    pub may_from: Order,
    pub certain_from: Order,
    pub certain_until: Order,
    pub may_until: Order,
    /// It is over because its session is.
    pub session_ended: bool,
    /// There was none with this filter, for certain.
    pub new: bool,
    packet_id: u16,
}

impl Subscription {
    pub fn matches(&self, topic: &str) -> bool {
        filter::matches(&self.filter, topic)
    }

    pub fn may_cover(&self, from: Order, until: Order) -> bool {
        self.may_from < until && self.may_until > from
    }

    pub fn certainly_covers(&self, from: Order, until: Order) -> bool {
        self.certain_from < from && self.certain_until > until
    }
}

#[derive(Default)]
pub struct Sessions {
    pub connections: BTreeMap<u32, Connection>,
    pub subscriptions: BTreeMap<usize, Vec<Subscription>>,
    /// For each client where its sessions begin, for certain; ascending.
    pub begins: BTreeMap<usize, Vec<Order>>,
}

impl Sessions {
    pub fn of(&self, client: usize) -> &[Subscription] {
        self.subscriptions.get(&client).map_or(&[], Vec::as_slice)
    }

    pub fn connections_of(&self, client: usize) -> impl Iterator<Item = &Connection> {
        self.connections.values().filter(move |connection| connection.client == client)
    }

    /// The connection on which `client` is online at `moment`, for certain.
    pub fn online(&self, client: usize, moment: Order) -> Option<&Connection> {
        self.connections_of(client).find(|connection| connection.covers(moment, moment))
    }

    pub fn build(history: &History, disturbances: &Disturbances) -> Result<Self, Finding> {
        let mut sessions = Self::default();
        sessions.collect_connections(history);
        let clients: Vec<usize> = {
            let mut all: Vec<usize> = sessions.connections.values().map(|connection| connection.client).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        for client in clients {
            let mut walk = Walk {
                sessions: &mut sessions,
                disturbances,
                client,
                state: State::None,
                last: None,
                current: 0,
                number: 0,
                list: Vec::new(),
                unsubscribing: BTreeMap::new(),
            };
            for (order, entry) in history.of_client(client) {
                walk.step(order, entry)?;
            }
            let list = walk.list;
            sessions.subscriptions.insert(client, list);
        }
        Ok(sessions)
    }

    fn collect_connections(&mut self, history: &History) {
        for (order, entry) in history.entries.iter().enumerate() {
            if let What::Connect(connecting) = &entry.what {
                let connection = Connection {
                    client: entry.client,
                    number: entry.connection,
                    connecting: connecting.clone(),
                    connect: order,
                    connect_time: entry.time,
                    connected: NEVER,
                    connected_time: Time::MAX,
                    session_present: None,
                    end: NEVER,
                    end_time: Time::MAX,
                    server_end: NEVER,
                    server_end_time: Time::MAX,
                    server_end_reason: String::new(),
                    disconnect: None,
                    disconnect_arrived: NEVER,
                };
                self.connections.insert(entry.connection, connection);
                continue;
            }
            let Some(connection) = self.connections.get_mut(&entry.connection) else { continue };
            let mut end = |moment: Order, seen: Order| {
                if moment < connection.end {
                    connection.end = moment;
                    connection.end_time = history.entries[seen].time;
                }
            };
            match &entry.what {
                What::Connected { session_present } => {
                    connection.connected = order;
                    connection.connected_time = entry.time;
                    connection.session_present = *session_present;
                }
                What::Reset | What::Closed | What::ServerDisconnect => end(order, order),
                What::Disconnect { code, session_expiry_s } => {
                    end(order, order);
                    connection.disconnect = Some((*code, *session_expiry_s));
                }
                What::DisconnectArrived => connection.disconnect_arrived = order,
                What::ServerEnded { since, reason } => {
                    // A turn may begin long before anything that it does is seen: only what was seen before bounds its time.
                    end(*since, since.saturating_sub(1));
                    connection.server_end = order;
                    connection.server_end_time = entry.time;
                    connection.server_end_reason = reason.clone();
                }
                _ => {}
            }
        }
    }
}

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    None,
    Maybe,
    Certain,
}

struct Walk<'a> {
    sessions: &'a mut Sessions,
    disturbances: &'a Disturbances,
    client: usize,
    state: State,
    /// The last connection that was accepted.
    last: Option<u32>,
    /// The last CONNECT.
    current: u32,
    number: u32,
    list: Vec<Subscription>,
    unsubscribing: BTreeMap<(u32, u16), (Order, Vec<String>)>,
}

impl Walk<'_> {
    fn step(&mut self, order: Order, entry: &Entry) -> Result<(), Finding> {
        match &entry.what {
            What::Connect(connecting) => {
                self.current = entry.connection;
                if connecting.clean_start {
                    self.doubt(order);
                }
            }
            What::Connected { session_present } => self.connected(order, entry.connection, *session_present)?,
            What::Reset | What::Closed | What::Disconnect { .. } | What::ServerEnded { .. }
                if entry.connection == self.current =>
            {
                self.ended(entry.connection);
            }
            What::Subscribe { packet_id, id, filters } => {
                for (whole, options) in filters {
                    self.subscribe(order, entry.connection, *packet_id, *id, whole, *options);
                }
            }
            What::SubAck { packet_id, codes } => {
                let mut codes = codes.iter();
                let connection = entry.connection;
                for index in 0..self.list.len() {
                    let subscription = &mut self.list[index];
                    let asked = subscription.connection == connection && subscription.packet_id == *packet_id;
                    if asked && subscription.certain_from == NEVER && subscription.may_until == NEVER {
                        let granted = codes.next().copied().unwrap_or(0x80);
                        // The broker cannot keep it now: nothing has changed.
                        if granted >= 0x80 {
                            subscription.may_until = order;
                            continue;
                        }
                        if granted != subscription.qos {
                            return Err(Finding::new("SUBACK grants another QoS than asked for", self.client, None));
                        }
                        subscription.certain_from = order;
                        let (share, filter, began) =
                            (subscription.share.clone(), subscription.filter.clone(), subscription.may_from);
                        self.replace(&share, &filter, began, order);
                    }
                }
            }
            What::Unsubscribe { packet_id, filters } => {
                self.unsubscribing.insert((entry.connection, *packet_id), (order, filters.clone()));
                for whole in filters {
                    let (share, filter) = filter::split(whole);
                    for subscription in &mut self.list {
                        if subscription.share.as_deref() == share && subscription.filter == filter {
                            subscription.certain_until = subscription.certain_until.min(order);
                        }
                    }
                }
            }
            What::UnsubAck { packet_id } => self.unsubscribed(order, entry.connection, *packet_id),
            _ => {}
        }
        Ok(())
    }

    fn connected(&mut self, order: Order, number: u32, session_present: Option<bool>) -> Result<(), Finding> {
        let connection = self.sessions.connections[&number].clone();
        let kept = self.kept(&connection);
        let clean = connection.connecting.clean_start;
        match session_present {
            Some(true) if clean || kept == State::None => {
                return Err(Finding::new("session present, but there can be none", self.client, None));
            }
            Some(false) if !clean && kept == State::Certain => {
                return Err(Finding::new("no session present, but there must be one", self.client, None));
            }
            _ => {}
        }
        let new = clean || session_present == Some(false) || kept == State::None;
        if new {
            self.number += 1;
            self.sessions.begins.entry(self.client).or_default().push(connection.connect);
            for subscription in &mut self.list {
                if subscription.may_from < connection.connect {
                    subscription.certain_until = subscription.certain_until.min(connection.connect);
                    if subscription.may_until == NEVER {
                        subscription.may_until = order;
                        subscription.session_ended = true;
                    }
                } else {
                    subscription.session = self.number;
                }
            }
        } else if kept == State::Maybe {
            let doubtful_from = self.last.map_or(0, |last| self.sessions.connections[&last].end);
            self.doubt(doubtful_from);
        }
        self.state = State::Certain;
        self.last = Some(number);
        Ok(())
    }

    /// Whether the session outlived the time until the CONNECT of `next`.
    fn kept(&self, next: &Connection) -> State {
        let Some(last) = self.last.map(|last| &self.sessions.connections[&last]) else { return self.state };
        if self.state != State::Certain {
            return self.state;
        }
        // A session of which the disk does not know when it lost its connection loses it when the broker starts.
        let crashes = self.disturbances.crashes_between(last.connect, next.connect);
        let gone_time = crashes.last().map_or(last.server_end_time, |crash| crash.restarted_time);
        if self.disturbances.may_undo(last.connect, last.connected) {
            return State::Maybe;
        }
        let mut outcomes = last.expiries(!crashes.is_empty()).into_iter().map(|expiry| {
            let lasts = u64::from(expiry) * 1000;
            if expiry == u32::MAX {
                State::Certain
            } else if last.server_end < next.connect && (expiry == 0 || next.connect_time > gone_time + lasts + 1500) {
                State::None
            } else if expiry > 0 && next.connected_time < last.end_time.saturating_add(lasts) {
                State::Certain
            } else {
                State::Maybe
            }
        });
        let first = outcomes.next().unwrap_or(State::Maybe);
        if outcomes.all(|outcome| outcome == first) { first } else { State::Maybe }
    }

    fn ended(&mut self, number: u32) {
        let Some(connection) = self.sessions.connections.get(&number) else { return };
        let (connect, end, clean) = (connection.connect, connection.end, connection.connecting.clean_start);
        let crashed = |since: Order| self.disturbances.crashed(since, NEVER);
        if connection.connected == NEVER {
            let lasting = |number: u32| {
                let connection = &self.sessions.connections[&number];
                connection.expiries(crashed(connection.connect)).iter().all(|expiry| *expiry == u32::MAX)
            };
            let harmless = !clean && lasting(number) && self.state == State::Certain && self.last.is_some_and(lasting);
            if !harmless {
                self.state = State::Maybe;
                self.doubt(connect);
            }
        } else if self.last == Some(number) && connection.expiries(crashed(connect)).contains(&0) {
            self.doubt(end);
        }
    }

    fn doubt(&mut self, from: Order) {
        for subscription in &mut self.list {
            subscription.certain_until = subscription.certain_until.min(from.max(subscription.may_from));
        }
    }

    fn subscribe(&mut self, order: Order, connection: u32, packet_id: u16, id: Option<u32>, whole: &str, options: u8) {
        let (share, filter) = filter::split(whole);
        let mut new = true;
        for other in &mut self.list {
            if other.share.as_deref() == share && other.filter == filter {
                other.certain_until = other.certain_until.min(order);
                new &= other.may_until <= order;
            }
        }
        self.list.push(Subscription {
            client: self.client,
            connection,
            session: self.number,
            share: share.map(String::from),
            filter: filter.to_string(),
            qos: options & 3,
            no_local: options & 4 != 0,
            retain_as_published: options & 8 != 0,
            retain_handling: options >> 4 & 3,
            id,
            may_from: order,
            certain_from: NEVER,
            certain_until: NEVER,
            may_until: NEVER,
            session_ended: false,
            new,
            packet_id,
        });
    }

    /// The subscription that began at `began` is in force at `order`: earlier ones with its filter are not.
    fn replace(&mut self, share: &Option<String>, filter: &str, began: Order, order: Order) {
        for other in &mut self.list {
            if other.share == *share && other.filter == filter && other.may_from < began {
                other.may_until = other.may_until.min(order);
            }
        }
    }

    fn unsubscribed(&mut self, order: Order, connection: u32, packet_id: u16) {
        let Some((began, filters)) = self.unsubscribing.remove(&(connection, packet_id)) else { return };
        for whole in &filters {
            let (share, filter) = filter::split(whole);
            for subscription in &mut self.list {
                if subscription.share.as_deref() == share
                    && subscription.filter == filter
                    && subscription.may_from < began
                {
                    subscription.may_until = subscription.may_until.min(order);
                }
            }
        }
    }
}
