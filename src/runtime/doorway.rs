//! Where connections meet the guard: as soon as their own address is known, and when a ban is made.

use std::os::fd::AsFd;
use std::time::Duration;

use super::guard::{Ban, BanChange, Refusal};
use super::links::Link;
use super::listening::Listening;
use super::shard::ShardDriver;
use crate::access::{Address, BanSubject};
use crate::broker::{CloseReason, Event};
use crate::net::SocketId;
use crate::net::layers::LayerFailure;

/// Whether this is the client's own address, and not that of a proxy which has yet to say for whom it connects.
pub fn is_final(listening: &Listening, address: Address, has_proxy_header: bool) -> bool {
    let speaks_for_others = match (&listening.config.websocket, address) {
        (Some(websocket), Address::Ip(address)) => {
            let ip = address.ip().to_canonical();
            websocket.trusted_proxies.iter().any(|network| network.contains(&ip))
        }
        _ => false,
    };
    (has_proxy_header || listening.config.proxy_protocol.is_none()) && !speaks_for_others
}

impl ShardDriver {
    /// Closes a connection that has only just been accepted, with a reset: nothing is sent, and nothing is left of it in the
    /// kernel (TIME-WAIT, RFC 9293, section 3.6.1).
    pub(super) fn turn_away(&mut self, socket: &impl AsFd, address: Address, refusal: Refusal) {
        let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
        self.count_refusal(address, refusal);
    }

    /// A PROXY protocol header has named the client. False if the guard has refused it; then the connection is gone.
    pub(super) fn enter_after_proxy_header(&mut self, socket: SocketId) -> bool {
        let Link::Handshake(handshake) = self.links.get(socket.slot) else { return false };
        let (listener, address) = (handshake.arrival.listener, handshake.arrival.address);
        let is_final = self.listening(listener).is_some_and(|listening| is_final(&listening, address, true));
        !is_final || self.enter_at_last(socket)
    }

    /// Nobody else will say where the client comes from. False if the guard has refused it; then the connection is gone.
    pub(super) fn enter_at_last(&mut self, socket: SocketId) -> bool {
        let Some(Link::Handshake(handshake)) = self.links.get_mut(socket.slot) else { return false };
        if handshake.arrival.guest.is_some() {
            return true;
        }
        let address = handshake.arrival.address;
        match self.common.guard.enter(address, self.now) {
            Ok(guest) => {
                handshake.arrival.guest = Some(guest);
                true
            }
            Err(refusal) => {
                self.count_refusal(address, refusal);
                self.close(socket);
                false
            }
        }
    }

    pub(super) fn handle_ban(&mut self, change: BanChange) {
        let (subject, until) = match &change {
            BanChange::Made(subject, until) => (subject, *until),
            BanChange::Lifted(subject) => return self.shard.lift_ban(subject),
        };
        self.shard.ban(subject, until, self.now);
        let BanSubject::Address(network) = subject else { return };
        for slot in self.links.handshakes() {
            let Link::Handshake(handshake) = self.links.get(slot) else { continue };
            let Address::Ip(address) = handshake.arrival.address else { continue };
            // The address of a proxy that has not said for whom it connects is nobody's.
            let is_settled = handshake.arrival.guest.is_some();
            if is_settled
                && network.contains(&address.ip().to_canonical())
                && let Some(socket) = self.ring.current(slot)
            {
                self.count_refusal(handshake.arrival.address, Refusal::AddressBanned);
                self.close(socket);
            }
        }
    }

    /// What the guard must know of what the core reports.
    pub(super) fn guard_event(&mut self, event: &Event) {
        match event {
            Event::Connected { client_id, address, .. } => self.count_connect(client_id, *address),
            Event::Denied { denial, .. } => self.counters().refusals.add(denial.name()),
            Event::Closed { reason: CloseReason::HandshakeTimeout, .. } => {
                // Before it had a home it is counted there, too.
                self.counters().layer_failures.add(LayerFailure::HandshakeTimeout.name());
            }
            _ => {}
        }
    }

    /// Bans the client if it has connected once too often.
    fn count_connect(&mut self, client_id: &str, address: Address) {
        let Some(clients) = &mut self.flapping else { return };
        let Some(flapping) = clients.count(client_id, self.now) else { return };
        let reason = format!(
            "flapping: more than {} connects in {} s, the last from {address}",
            flapping.connects,
            flapping.window.as_secs_f32()
        );
        let ban = Ban { subject: BanSubject::ClientId(client_id.into()), left: Some(flapping.ban), reason };
        let made = self.common.guard.ban(&ban, self.now);
        let counters = &self.common.counters[usize::from(self.index.0)];
        counters.flapping_bans.add(u64::from(made.is_ok()));
        self.log.write_flapping(&ban, address, made, self.now, &counters.log_lines_suppressed);
    }

    fn count_refusal(&mut self, address: Address, refusal: Refusal) {
        let counters = &self.common.counters[usize::from(self.index.0)];
        counters.refusals.add(refusal.name());
        self.log.write_refusal(address, refusal, self.now, &counters.log_lines_suppressed);
    }
}
