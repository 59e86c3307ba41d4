//! Enhanced authentication (section 4.12): AUTH packets between CONNECT and CONNACK, and re-authentication later.

use super::connect::Refused;
use super::{CloseReason, ConnectionId, Shard};
use crate::access::{AuthenticationExchange, AuthenticationStep, Grant};
use crate::codec::encode;
use crate::codec::frame::Frame;
use crate::codec::{Auth, Connect, ReasonCode, UserProperties, Violation};
use crate::connection::{Authentication, Connection, Phase};
use crate::routing::SessionKey;

impl Shard {
    /// A CONNECT has named a method: the exchange begins, or is refused with 0x8C ([MQTT-4.12.0-1]).
    pub(super) fn begin_authentication(
        &mut self,
        id: ConnectionId,
        packet: &Connect<'_>,
        method: &str,
        frame: Frame<'_>,
    ) {
        let Some(listener) = self.connection(id).map(|connection| connection.listener) else { return };
        let mut methods = self.authentication_methods.iter();
        let Some(known) = methods.find(|known| known.name() == method && known.serves(listener)) else {
            let why = "the server does not know this authentication method";
            return self.refuse(id, Refused { reason: ReasonCode::BadAuthenticationMethod, why });
        };
        let exchange = known.begin(packet.client_id, packet.user_name);
        self.enter_phase(id, Phase::Authenticating);
        let Some(connection) = self.connection_mut(id) else { return };
        let identity = connection.identity.get_or_insert_default();
        identity.authentication = Some(Authentication { method: method.into(), exchange: None });
        self.hold_connect(id, frame);
        self.step(id, exchange, packet.properties.authentication_data);
    }

    /// AUTH while the handshake is under way.
    pub(super) fn handle_auth(&mut self, id: ConnectionId, packet: &Auth<'_>) {
        match self.exchange_for(id, packet, ReasonCode::ContinueAuthentication) {
            Ok(exchange) => self.step(id, exchange, packet.data),
            Err(violation) => self.fail(id, violation),
        }
    }

    /// AUTH from a client that is connected: it begins a re-authentication (0x19), or continues one.
    pub(super) fn handle_reauthentication(&mut self, id: ConnectionId, packet: &Auth<'_>) {
        if packet.reason == ReasonCode::ReAuthenticate {
            return match self.begin_reauthentication(id, packet) {
                Ok(exchange) => self.step(id, exchange, packet.data),
                Err(violation) => self.fail(id, violation),
            };
        }
        self.handle_auth(id, packet);
    }

    fn begin_reauthentication(
        &mut self,
        id: ConnectionId,
        packet: &Auth<'_>,
    ) -> Result<Box<dyn AuthenticationExchange>, Violation> {
        let connection = self.connection(id).ok_or(Violation::AuthUnexpected)?;
        let authentication = connection.authentication().ok_or(Violation::AuthUnexpected)?;
        if packet.method != Some(&authentication.method) {
            return Err(Violation::AuthenticationMethodChanged);
        }
        let mut methods = self.authentication_methods.iter();
        let method = methods.find(|known| known.name() == &*authentication.method && known.serves(connection.listener));
        let client_id =
            connection.session().and_then(|key: SessionKey| self.session(key)).map(|session| &*session.client_id);
        let method = method.ok_or(Violation::AuthUnexpected)?;
        Ok(method.begin(client_id.unwrap_or_default(), None))
    }

    /// The exchange that an AUTH continues.
    fn exchange_for(
        &mut self,
        id: ConnectionId,
        packet: &Auth<'_>,
        expected: ReasonCode,
    ) -> Result<Box<dyn AuthenticationExchange>, Violation> {
        let connection = self.connection_mut(id).ok_or(Violation::AuthUnexpected)?;
        let authentication = connection.authentication_mut().ok_or(Violation::AuthUnexpected)?;
        if packet.method != Some(&authentication.method) {
            return Err(Violation::AuthenticationMethodChanged);
        }
        if packet.reason != expected {
            return Err(Violation::AuthUnexpected);
        }
        authentication.exchange.take().ok_or(Violation::AuthUnexpected)
    }

    fn step(&mut self, id: ConnectionId, mut exchange: Box<dyn AuthenticationExchange>, data: Option<&[u8]>) {
        let step = exchange.step(data);
        let Some(connection) = self.connection_mut(id) else { return };
        let is_connected = matches!(connection.phase, Phase::Open(_));
        match step {
            AuthenticationStep::Continue(data) => {
                if let Some(authentication) = connection.authentication_mut() {
                    authentication.exchange = Some(exchange);
                }
                self.write_auth(id, ReasonCode::ContinueAuthentication, Some(&data));
            }
            AuthenticationStep::Success { user_name, data } if is_connected => {
                if connection.identity.as_ref().and_then(|it| it.proved.as_deref()) != user_name.as_deref() {
                    let why = "re-authentication must not change the user";
                    return self.close(id, CloseReason::ByServer(ReasonCode::NotAuthorized), Some(why));
                }
                self.write_auth(id, ReasonCode::Success, data.as_deref());
            }
            AuthenticationStep::Success { user_name, data } => {
                self.finish_authentication(id, user_name, data.as_deref());
            }
            AuthenticationStep::Failure(reason) if is_connected => {
                self.close(id, CloseReason::ByServer(reason), Some("re-authentication failed"));
            }
            AuthenticationStep::Failure(reason) => {
                self.refuse(id, Refused { reason, why: "authentication failed" });
            }
        }
    }

    /// The exchange before CONNACK has ended well: the CONNECT that waited for it goes on.
    fn finish_authentication(&mut self, id: ConnectionId, user_name: Option<Box<str>>, data: Option<&[u8]>) {
        let Some(connection) = self.connection_mut(id) else { return };
        let listener = connection.listener;
        let Some(identity) = connection.identity.as_mut() else { return };
        identity.proved.clone_from(&user_name);
        let certificate = identity.certificate.clone();
        let is_user = self.listener(listener).policy.certificate_is_user;
        let user_name = certificate.filter(|_| is_user).or(user_name);
        self.resume_connect(id, |shard, packet| {
            shard.let_in(id, packet, Grant { user_name, ..Grant::default() }, data);
        });
    }

    fn write_auth(&mut self, id: ConnectionId, reason: ReasonCode, data: Option<&[u8]>) {
        let method = self.connection(id).and_then(Connection::authentication).map(|known| known.method.clone());
        self.write(id, |connection, out| {
            let user_properties = UserProperties::default();
            let packet = Auth { reason, method: method.as_deref(), data, reason_string: None, user_properties };
            encode::auth(out, &packet, connection.packet_size_max);
        });
    }
}
