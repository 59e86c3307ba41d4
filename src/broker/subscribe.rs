//! SUBSCRIBE (section 3.8) and the SUBACK that leaves when every shard knows the filters.

use super::batch::StoreOp;
use super::event::for_log;
use super::home::hash;
use super::{ConnectionId, Event, PeerMessage, STORE_KEYS, Shard, WaitingSubAck};
use crate::codec::encode;
use crate::codec::topic::Filter;
use crate::codec::{AckProperties, ReasonCode, RetainHandling, SubAck, Subscribe, SubscriptionOptions, Violation};
use crate::connection::Phase;
use crate::routing::{SessionKey, Subscription};

/// Why a filter was not granted.
struct Refusal {
    reason: ReasonCode,
    why: &'static str,
}

impl Shard {
    pub(super) fn handle_subscribe(&mut self, id: ConnectionId, key: SessionKey, packet: &Subscribe<'_>) {
        let subscription_id = packet.properties.subscription_id.unwrap_or(0);
        if subscription_id != 0 && !self.settings.subscription_identifiers_available {
            return self.fail(id, Violation::SubscriptionIdentifierNotAvailable);
        }
        let bridge = self.connection(id).is_some_and(|connection| connection.bridge);
        let before = self.durability.kept;
        let mut reasons = Vec::with_capacity(packet.filters.len());
        let mut refused = None;
        let mut replays = Vec::new();
        for requested in &packet.filters {
            let subscription = Subscription {
                options: SubscriptionOptions {
                    qos: requested.options.qos.min(self.settings.maximum_qos),
                    no_local: requested.options.no_local || bridge,
                    retain_as_published: requested.options.retain_as_published || bridge,
                    ..requested.options
                },
                subscription_id,
            };
            match self.add_subscription(key, requested.filter, subscription) {
                Ok(is_new) => {
                    if !is_new {
                        self.replace_replay_terms(key, requested.filter, subscription);
                    }
                    reasons.push(subscription.options.qos as u8);
                    let wants_retained = match requested.options.retain_handling {
                        RetainHandling::Send => true,
                        RetainHandling::SendIfNew => is_new,
                        RetainHandling::DoNotSend => false,
                    };
                    // Retained messages are not sent to shared subscriptions (section 4.8.2).
                    if wants_retained && !requested.filter.starts_with("$share/") {
                        replays.push((requested.filter, subscription));
                    }
                }
                Err(refusal) => {
                    reasons.push(refusal.reason as u8);
                    refused.get_or_insert((requested.filter, refusal));
                }
            }
        }
        if let Some((filter, refusal)) = &refused {
            self.report_refused(key, filter, refusal, &reasons);
        }
        let sequence = if self.shards == 1 { 0 } else { self.interest_sequence };
        self.acknowledge_subscriptions(WaitingSubAck {
            sequence,
            connection: id,
            packet_id: packet.packet_id,
            reasons,
            reason_string: refused.map(|(_, refusal)| refusal.why),
            gate: self.gate_since(before),
            is_unsuback: false,
        });
        for (filter, subscription) in replays {
            self.start_replay(key, filter, subscription, sequence);
        }
        self.run_local_replays();
    }

    /// Tells of filters that were not granted, once for a packet; `filter` is the first of them.
    #[cold]
    fn report_refused(&mut self, key: SessionKey, filter: &str, refusal: &Refusal, reasons: &[u8]) {
        let Some(session) = self.session(key) else { return };
        let is_refusal = |reason: &&u8| **reason >= ReasonCode::UnspecifiedError as u8;
        self.event(Event::SubscriptionRefused {
            client_id: session.client_id.to_string(),
            filter: for_log(filter),
            reason: refusal.reason,
            why: refusal.why,
            others: reasons.iter().filter(is_refusal).count() - 1,
        });
    }

    /// Puts one subscription into the index and the session; true if the session did not have this filter.
    fn add_subscription(&mut self, key: SessionKey, whole: &str, subscription: Subscription) -> Result<bool, Refusal> {
        let filter = self.check_filter(whole)?;
        if !self.may_subscribe(key, filter.filter) {
            let why = "the client may read nothing of what the filter matches";
            return Err(Refusal { reason: ReasonCode::NotAuthorized, why });
        }
        let (subscriptions_max, is_accepting) = (self.settings.subscriptions_max, self.durability.accepting);
        let Some(session) = self.session_mut(key) else { return Ok(false) };
        if session.subscriptions.len() >= subscriptions_max && !session.subscriptions.contains(whole) {
            let client_id = session.client_id.to_string();
            self.count_bound(&client_id, "limits.subscriptions_max");
            return Err(Refusal { reason: ReasonCode::QuotaExceeded, why: "the client has too many subscriptions" });
        }
        let store_id = session.store_id;
        // A client that subscribes anew each time it connects asks for nothing new.
        let is_news_to_store =
            store_id != 0 && self.index.subscription(filter.share, filter.filter, key) != Some(subscription);
        if is_news_to_store && !is_accepting {
            let client_id = self.session(key).map(|session| session.client_id.to_string()).unwrap_or_default();
            self.count_bound(&client_id, STORE_KEYS);
            return Err(Refusal { reason: ReasonCode::QuotaExceeded, why: "the server cannot keep it now" });
        }
        if let Some(session) = self.session_mut(key) {
            session.subscriptions.insert(whole);
        }
        let is_news = store_id != 0 && self.is_news_of_kept(whole);
        if is_news_to_store {
            self.keep(StoreOp::Subscription { session: store_id, filter: whole.into(), subscription });
        }
        match filter.share {
            Some(share) => {
                let subscribed = self.index.join(share, filter.filter, key, subscription);
                if subscribed.new || is_news {
                    self.announce_group(share, filter.filter);
                }
                Ok(subscribed.new)
            }
            None => {
                let subscribed = self.index.subscribe(filter.filter, key, subscription);
                if subscribed.first_on_shard || is_news {
                    self.announce_interest(filter.filter, is_news);
                }
                Ok(subscribed.new)
            }
        }
    }

    fn check_filter<'a>(&self, whole: &'a str) -> Result<Filter<'a>, Refusal> {
        let settings = &self.settings;
        let filter =
            Filter::parse(whole, settings.topic_length_max, settings.topic_levels_max).map_err(|_| Refusal {
                reason: ReasonCode::TopicFilterInvalid,
                why: "a topic filter is not valid, or too long, or has too many levels",
            })?;
        if filter.share.is_some() && !settings.shared_subscription_available {
            let why = "shared subscriptions are not available";
            return Err(Refusal { reason: ReasonCode::SharedSubscriptionsNotSupported, why });
        }
        if filter.has_wildcard() && !settings.wildcard_subscription_available {
            let why = "wildcard subscriptions are not available";
            return Err(Refusal { reason: ReasonCode::WildcardSubscriptionsNotSupported, why });
        }
        Ok(filter)
    }

    /// The other shards do not know yet that a kept session of this shard subscribes to this filter, `$share/name/` included.
    fn is_news_of_kept(&mut self, whole: &str) -> bool {
        let hash = hash(&self.settings, whole);
        self.shards > 1 && self.durability.announced.insert(hash)
    }

    fn announce_interest(&mut self, filter: &str, durable: bool) {
        if self.shards == 1 {
            return;
        }
        self.interest_sequence += 1;
        let sequence = self.interest_sequence;
        for shard in self.other_shards() {
            self.send_to_peer(shard, PeerMessage::InterestAdd { filter: filter.into(), durable, sequence });
        }
    }

    /// Answers now, or when the filters are in force everywhere and durable.
    pub(super) fn acknowledge_subscriptions(&mut self, suback: WaitingSubAck) {
        if suback.sequence <= self.interest_in_force && self.durability.is_open(suback.gate) {
            self.send_suback(&suback);
        } else {
            self.waiting_subacks.push_back(suback);
        }
    }

    /// SUBACKs whose filters every shard has applied, and the store, leave.
    pub(super) fn send_waiting_subacks(&mut self) {
        let in_force = self.interest_in_force;
        while let Some(suback) = self.waiting_subacks.front()
            && suback.sequence <= in_force
            && self.durability.is_open(suback.gate)
        {
            if let Some(suback) = self.waiting_subacks.pop_front() {
                self.send_suback(&suback);
            }
        }
    }

    fn send_suback(&mut self, suback: &WaitingSubAck) {
        let Some(connection) = self.connection(suback.connection) else { return };
        if !matches!(connection.phase, Phase::Open(_)) {
            return;
        }
        self.write(suback.connection, |connection, out| {
            let reason_string = suback.reason_string.filter(|_| connection.problem_information);
            let properties = AckProperties { reason_string, ..AckProperties::default() };
            let packet = SubAck { packet_id: suback.packet_id, reasons: &suback.reasons, properties };
            let encode = if suback.is_unsuback { encode::unsuback } else { encode::suback };
            encode(out, connection.version, &packet, connection.packet_size_max);
        });
    }
}
