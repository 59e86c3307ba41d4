//! A small broker of MQTT 3.1.1, QoS 0 and 1, that does one thing wrong.

mod packets;

use packets::{Connect, filters, frame, publish, read_packet};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the broker does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// One copy of a message.
    Drop,
    Duplicate,
    Flip,
    /// The first value of each topic stays the retained one.
    KeepOld,
    /// CONNACK refuses the first attempt of one client.
    RefuseConnect,
    /// CONNACK always says that there was no session.
    ForgetSession,
    RefuseSubscribe,
    /// PUBLISH and PINGREQ of one client stay unanswered.
    Ignore,
    /// The connection of one client ends after its SUBACK.
    End,
}

/// Which copy of a message to the client in question the fault is done to, counted from zero.
const DOCTORED: u64 = 3;

#[derive(Default)]
struct State {
    clients: HashMap<String, Client>,
    retained: BTreeMap<String, Message>,
    /// Copies to the client that the fault is done to.
    copies: u64,
    refused: HashSet<String>,
    turn: usize,
}

struct Client {
    filters: Vec<(String, u8)>,
    socket: Option<TcpStream>,
    next_packet_id: u16,
    /// Packets for a client that is away.
    waiting: Vec<u8>,
}

#[derive(Clone)]
struct Message {
    topic: String,
    payload: Vec<u8>,
    qos: u8,
}

/// A broker whose fault concerns clients whose identifier contains `whom`.
#[derive(Clone, Copy)]
pub struct SmallBroker {
    fault: Fault,
    whom: &'static str,
}

impl SmallBroker {
    /// Starts one on a port of its own, which is returned; it ends with the test's process.
    pub fn start(fault: Fault, whom: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (broker, state) = (Self { fault, whom }, Arc::new(Mutex::new(State::default())));
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                thread::spawn(move || broker.serve(socket, &state));
            }
        });
        port
    }

    fn has(&self, fault: Fault, client_id: &str) -> bool {
        self.fault == fault && client_id.contains(self.whom)
    }

    /// Answers one client until it goes.
    fn serve(&self, mut socket: TcpStream, state: &Mutex<State>) -> Option<()> {
        socket.set_nodelay(true).unwrap();
        let (_, body) = read_packet(&mut socket)?;
        let Connect { client_id, is_clean } = Connect::parse(&body);
        let mut locked = state.lock().unwrap();
        if self.has(Fault::RefuseConnect, &client_id) && locked.refused.insert(client_id.clone()) {
            return socket.write_all(&[0x20, 2, 0, 3]).ok();
        }
        if is_clean {
            locked.clients.remove(&client_id);
        }
        let session_present = locked.clients.contains_key(&client_id) && !self.has(Fault::ForgetSession, &client_id);
        let client = locked.clients.entry(client_id.clone()).or_insert(Client {
            filters: vec![],
            socket: None,
            next_packet_id: 0,
            waiting: Vec::new(),
        });
        client.socket = Some(socket.try_clone().unwrap());
        let waiting = std::mem::take(&mut client.waiting);
        drop(locked);
        socket.write_all(&[0x20, 2, u8::from(session_present), 0]).ok()?;
        socket.write_all(&waiting).ok()?;
        self.serve_packets(&mut socket, &client_id, state);
        let mut locked = state.lock().unwrap();
        // Only if the client has not come back on another connection meanwhile.
        let port = |socket: &TcpStream| socket.peer_addr().map(|address| address.port()).ok();
        let client = locked.clients.get_mut(&client_id)?;
        if client.socket.as_ref().map(port) == Some(port(&socket)) {
            client.socket = None;
            if is_clean {
                locked.clients.remove(&client_id);
            }
        }
        Some(())
    }

    fn serve_packets(&self, socket: &mut TcpStream, client_id: &str, state: &Mutex<State>) -> Option<()> {
        loop {
            let (first_byte, body) = read_packet(socket)?;
            match first_byte >> 4 {
                3 => {
                    let (message, packet_id, retain) = publish(first_byte, &body);
                    self.publish(&message, retain, &mut state.lock().unwrap());
                    if let Some([high, low]) = packet_id.filter(|_| !self.has(Fault::Ignore, client_id)) {
                        socket.write_all(&[0x40, 2, high, low]).ok()?;
                    }
                }
                8 => self.subscribe(&body, socket, client_id, &mut state.lock().unwrap())?,
                10 => {
                    let gone = filters(&body[2..], false);
                    let mut locked = state.lock().unwrap();
                    locked
                        .clients
                        .get_mut(client_id)?
                        .filters
                        .retain(|(filter, _)| !gone.iter().any(|(g, _)| g == filter));
                    socket.write_all(&[0xB0, 2, body[0], body[1]]).ok()?;
                }
                12 if self.has(Fault::Ignore, client_id) => {}
                12 => socket.write_all(&[0xD0, 0]).ok()?,
                4 => {}
                _ => return None,
            }
        }
    }

    fn subscribe(&self, body: &[u8], socket: &mut TcpStream, client_id: &str, state: &mut State) -> Option<()> {
        let asked = filters(&body[2..], true);
        let is_refused = self.has(Fault::RefuseSubscribe, client_id);
        let mut answer = vec![body[0], body[1]];
        answer.extend(asked.iter().map(|(_, qos)| if is_refused { 0x80 } else { *qos }));
        socket.write_all(&frame(0x90, &answer)).ok()?;
        if self.has(Fault::End, client_id) {
            socket.shutdown(Shutdown::Both).ok()?;
        }
        let retained: Vec<(Message, u8)> = asked
            .iter()
            .flat_map(|(filter, qos)| {
                let matched = state.retained.values().filter(move |message| matches(filter, &message.topic));
                matched.map(move |message| (message.clone(), *qos))
            })
            .collect();
        state.clients.get_mut(client_id)?.filters.extend(asked);
        for (message, qos) in retained {
            self.send(client_id, &message, qos, true, state);
        }
        Some(())
    }

    fn publish(&self, message: &Message, retain: bool, state: &mut State) {
        let is_kept = self.fault == Fault::KeepOld && state.retained.contains_key(&message.topic);
        match (retain, message.payload.is_empty()) {
            (true, true) => drop(state.retained.remove(&message.topic)),
            (true, false) if !is_kept => drop(state.retained.insert(message.topic.clone(), message.clone())),
            _ => {}
        }
        let mut members: Vec<(String, u8)> = Vec::new();
        let mut receivers: Vec<(String, u8)> = Vec::new();
        for (client_id, client) in &state.clients {
            for (filter, qos) in &client.filters {
                let share = filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
                match share {
                    Some((_, filter)) if matches(filter, &message.topic) => members.push((client_id.clone(), *qos)),
                    None if matches(filter, &message.topic) => receivers.push((client_id.clone(), *qos)),
                    _ => {}
                }
            }
        }
        if !members.is_empty() {
            members.sort();
            state.turn += 1;
            receivers.push(members.swap_remove(state.turn % members.len()));
        }
        for (client_id, qos) in receivers {
            self.send(&client_id, message, qos, false, state);
        }
    }

    /// Sends a copy of a message; if it is the one for that, with the fault.
    fn send(&self, client_id: &str, message: &Message, qos: u8, retain: bool, state: &mut State) {
        let mut fault = Fault::None;
        if client_id.contains(self.whom) {
            fault = if state.copies == DOCTORED { self.fault } else { Fault::None };
            state.copies += 1;
        }
        let Some(client) = state.clients.get_mut(client_id) else { return };
        let qos = qos.min(message.qos);
        let mut body = (message.topic.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(message.topic.as_bytes());
        if qos > 0 {
            client.next_packet_id = client.next_packet_id % u16::MAX + 1;
            body.extend_from_slice(&client.next_packet_id.to_be_bytes());
        }
        body.extend_from_slice(&message.payload);
        if fault == Fault::Flip {
            *body.last_mut().unwrap() ^= 4;
        }
        let packet = frame(0x30 | qos << 1 | u8::from(retain), &body);
        let times = match fault {
            Fault::Drop => 0,
            Fault::Duplicate => 2,
            _ => 1,
        };
        match &mut client.socket {
            // A client that has just gone gets nothing.
            Some(socket) => drop(socket.write_all(&packet.repeat(times))),
            None => client.waiting.extend(packet.repeat(times)),
        }
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    match (filter.split_once('/'), topic.split_once('/')) {
        _ if filter == "#" => true,
        (Some((level, filter)), Some((name, topic))) if level == "+" || level == name => matches(filter, topic),
        (None, None) => filter == "+" || filter == topic,
        _ => false,
    }
}
