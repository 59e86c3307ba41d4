//! Who is let in: what the listener's policy decides here, and what somebody off the shard is asked.

use zeroize::Zeroizing;

use super::event::for_log;
use super::permissions::Listener;
use super::{CloseReason, ConnectionId, Event, Millis, Shard};
use crate::access::{Denial, Grant, ListenerId, ListenerPolicy, Login, Password, Verdict};
use crate::codec::frame::Frame;
use crate::codec::{Connect, ReasonCode};
use crate::connection::Phase;
use crate::limits::USER_NAME_LENGTH_MAX;

impl Shard {
    /// What the listeners demand of their clients, by [`ListenerId`](crate::access::ListenerId). Clients that are there stay; from now on they may do what the
    /// new policy says. Without this call the first listener lets everybody in, and no other one anybody.
    pub fn set_listeners(&mut self, listeners: Vec<ListenerPolicy>, now: Millis) {
        self.now = now;
        let listeners: Vec<Listener> = listeners.into_iter().map(Listener::new).collect();
        let earlier = std::mem::replace(&mut self.listeners, listeners);
        let known = earlier.len().max(self.listeners.len()) as u16;
        let changed = (0..known).map(ListenerId).filter(|id| {
            let earlier = earlier.get(usize::from(id.0));
            earlier.is_none_or(|earlier| earlier.policy != self.listener(*id).policy)
        });
        // Most reloads change nothing here, and there may be a million clients.
        let changed: Vec<ListenerId> = changed.collect();
        let concerned = self.connections.iter().filter(|(_, connection)| changed.contains(&connection.listener));
        let concerned: Vec<_> = concerned
            .filter_map(|(slot, it)| Some((ConnectionId { slot, generation: it.generation }, it.session()?)))
            .collect();
        for (id, key) in concerned {
            self.grant_permissions(id, key);
            self.install_meter(id);
        }
    }

    /// A client on which somebody must decide; the verdict goes to [`Shard::handle_verdict`].
    pub fn poll_login(&mut self) -> Option<(ConnectionId, Login)> {
        while let Some((id, login)) = self.logins.pop_front() {
            // The others went away meanwhile.
            if self.connection(id).is_some_and(|connection| connection.phase == Phase::Authenticating) {
                return Some((id, login));
            }
        }
        None
    }

    /// The decision on a client that [`Shard::poll_login`] gave; one on a client that has gone is ignored.
    pub fn handle_verdict(&mut self, id: ConnectionId, verdict: Verdict, now: Millis) {
        self.now = now;
        let Some(connection) = self.connection_mut(id) else { return };
        if connection.phase != Phase::Authenticating {
            return;
        }
        let Some(identity) = connection.identity.as_mut().filter(|identity| identity.is_asked) else { return };
        identity.is_asked = false;
        self.resume_connect(id, |shard, packet| match verdict {
            Verdict::Allowed(grant) => shard.let_in(id, packet, grant, None),
            Verdict::Denied(denial) => shard.deny(id, packet, denial),
        });
        self.release(id);
    }

    /// Decides on a client that names no authentication method, or has it decided.
    pub(super) fn log_in(&mut self, id: ConnectionId, packet: &Connect<'_>, frame: Frame<'_>) {
        let Some(connection) = self.connection(id) else { return };
        let (listener, address) = (connection.listener, connection.address());
        let certificate = connection.identity.as_ref().and_then(|identity| identity.certificate.clone());
        let policy = &self.listener(listener).policy;
        let user_name = packet.user_name.map(Box::from);
        if policy.certificate_is_user && certificate.is_some() {
            return self.let_in(id, packet, Grant { user_name: certificate, ..Grant::default() }, None);
        }
        let is_believed = user_name.is_none() || !policy.is_asked;
        if policy.allow_anonymous && is_believed {
            return self.let_in(id, packet, Grant { user_name, ..Grant::default() }, None);
        }
        if !policy.is_asked {
            return self.deny(id, packet, Denial::Anonymous);
        }
        let password = packet.password.map(|password| Password(Zeroizing::new(password.into())));
        let client_id = packet.client_id.into();
        self.logins.push_back((id, Login { listener, address, client_id, user_name, password, certificate }));
        self.hold_connect(id, frame);
        self.enter_phase(id, Phase::Authenticating);
        let Some(connection) = self.connection_mut(id) else { return };
        connection.is_halted = true;
        connection.identity.get_or_insert_default().is_asked = true;
    }

    /// The client is let in with what it was granted.
    pub(super) fn let_in(&mut self, id: ConnectionId, packet: &Connect<'_>, grant: Grant, data: Option<&[u8]>) {
        let Grant { user_name, rules, valid_for_ms } = grant;
        if user_name.as_ref().is_some_and(|name| name.len() > USER_NAME_LENGTH_MAX) {
            return self.deny(id, packet, Denial::Credentials);
        }
        // Bans may have come while somebody was asked, and this name may be another than that of the CONNECT.
        if self.is_banned(packet.client_id, user_name.as_deref()) {
            return self.deny(id, packet, Denial::Banned);
        }
        if user_name.as_deref().is_some_and(|name| !self.enter_user(id, packet.client_id, name)) {
            return self.deny(id, packet, Denial::Quota);
        }
        let valid_until = valid_for_ms.map(|valid_for_ms| self.now.saturating_add(valid_for_ms));
        let Some(connection) = self.connection_mut(id) else { return };
        if user_name.is_some() || rules.is_some() || valid_until.is_some() {
            let identity = connection.identity.get_or_insert_default();
            identity.user_name = user_name.map(Into::into);
            identity.rules = rules;
            identity.valid_until = valid_until;
        }
        self.admit(id, packet, data);
    }

    pub(super) fn deny(&mut self, id: ConnectionId, packet: &Connect<'_>, denial: Denial) {
        self.counters.connects_refused += 1;
        self.counters.denied[denial as usize] += 1;
        let Some(address) = self.connection(id).map(|connection| connection.address()) else { return };
        let (client_id, user_name) = (for_log(packet.client_id), packet.user_name.map(for_log));
        self.event(Event::Denied { client_id, address, user_name, denial });
        self.write_refusal(id, denial.reason(), why(denial));
        self.close(id, CloseReason::Denied(denial), None);
    }
}

/// What the client is told: nothing that helps who guesses.
fn why(denial: Denial) -> &'static str {
    match denial.reason() {
        ReasonCode::BadUserNameOrPassword => "the user name or the password is wrong",
        ReasonCode::ServerUnavailable => "the server cannot find out who the client is",
        ReasonCode::ServerBusy => "too many clients are connecting",
        ReasonCode::Banned => "the client is banned",
        ReasonCode::QuotaExceeded => "there are too many connections of this client's",
        _ => "the client is not authorized",
    }
}
