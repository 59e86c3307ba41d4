//! What has happened to clients, for who asks why: the last events of each shard, as the log has them, but all of them.

use std::collections::VecDeque;

use super::question::Ended;
use super::server_handle::ServerHandle;
use crate::broker::{CloseReason, Event, Millis};
use crate::limits::{EVENTS_REMEMBERED, EVENTS_REMEMBERED_BYTES_MAX};

/// The last events of one shard, of two kinds, so that a crowd that comes and goes does not take the place of what went wrong.
#[derive(Debug, Default)]
pub struct History {
    /// Clients that came, and those that went as they should.
    routine: LastEvents,
    /// All others.
    notable: LastEvents,
    /// How many have been remembered, so that those of one millisecond keep their order.
    count: u64,
}

/// When it happened, by the shard's clock, and the how manyth it was.
type Moment = (Millis, u64);

/// Events with their times, the oldest first, as many as there is room for.
#[derive(Debug, Default)]
struct LastEvents {
    events: VecDeque<(Moment, Event)>,
    /// Of the events and of the names in them.
    bytes: usize,
}

/// Something that has happened to a client.
#[derive(Clone, Debug, PartialEq)]
pub struct PastEvent {
    pub shard: usize,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    pub event: Event,
}

impl History {
    pub fn remember(&mut self, event: Event, now: Millis) {
        if event.client_id().is_empty() {
            return;
        }
        let events = if is_routine(&event) { &mut self.routine } else { &mut self.notable };
        events.push(event, (now, self.count));
        self.count += 1;
    }

    /// What is remembered of one client, the oldest first.
    fn of(&self, client_id: &str) -> Vec<(Millis, Event)> {
        let events = self.routine.events.iter().chain(&self.notable.events);
        let mut events: Vec<_> = events.filter(|(_, event)| event.client_id() == client_id).collect();
        events.sort_by_key(|(moment, _)| *moment);
        events.into_iter().map(|((at, _), event)| (*at, event.clone())).collect()
    }
}

impl LastEvents {
    /// Forgets the oldest until there is room: strangers choose how long names are, so their number alone is no bound.
    fn push(&mut self, event: Event, moment: Moment) {
        let size = size(&event);
        while self.events.len() >= EVENTS_REMEMBERED || self.bytes + size > EVENTS_REMEMBERED_BYTES_MAX {
            let Some((_, oldest)) = self.events.pop_front() else { break };
            self.bytes -= self::size(&oldest);
        }
        self.bytes += size;
        self.events.push_back((moment, event));
    }
}

/// Bytes that a remembered event takes.
fn size(event: &Event) -> usize {
    let name = match event {
        Event::Connected { user_name: name, .. } | Event::Denied { user_name: name, .. } => name.as_deref(),
        Event::Dropped { topic, .. } => topic.as_deref(),
        Event::SubscriptionRefused { filter, .. } => Some(&**filter),
        _ => None,
    };
    size_of::<(Moment, Event)>() + event.client_id().len() + name.map_or(0, str::len)
}

fn is_routine(event: &Event) -> bool {
    let went = matches!(event, Event::Closed { reason: CloseReason::ByClient(_) | CloseReason::ConnectionLost, .. });
    went || matches!(event, Event::Connected { .. } | Event::SessionExpired { .. })
}

impl ServerHandle {
    /// What is remembered of a client, the oldest first: a client that was not let in was seen by the shard that its connection came
    /// to, so all shards are asked.
    pub async fn history(&self, client_id: String) -> Result<Vec<PastEvent>, Ended> {
        let answers = self.ask_all(move |driver| driver.history.of(&client_id)).await?;
        let began_ms = self.common.clock.wall_at_zero_ms();
        let past = |shard| move |(at, event)| PastEvent { shard, time_ms: began_ms + at, event };
        let mut events: Vec<_> =
            answers.into_iter().enumerate().flat_map(|(shard, events)| events.into_iter().map(past(shard))).collect();
        events.sort_by_key(|past| past.time_ms);
        Ok(events)
    }

    /// Whether the access rules let a client read a topic; `None` if it has no session.
    pub async fn may_receive(&self, client_id: String, topic: String) -> Result<Option<bool>, Ended> {
        let home = self.home_of(&client_id);
        self.ask(home, move |driver| driver.shard.may_receive(&client_id, &topic)).await
    }

    /// Milliseconds since 1970 of a time of the server's clock.
    pub fn wall_ms(&self, at: Millis) -> u64 {
        self.common.clock.wall_at_zero_ms() + at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::DropReason;

    fn expired(client_id: &str) -> Event {
        Event::SessionExpired { client_id: client_id.into() }
    }

    #[test]
    fn a_crowd_does_not_take_the_place_of_what_went_wrong() {
        let mut history = History::default();
        let dropped = Event::Dropped { client_id: "a".into(), reason: DropReason::Expired, topic: None };
        history.remember(dropped.clone(), 1);
        history.remember(expired("a"), 2);
        history.remember(expired(""), 3);
        (0..EVENTS_REMEMBERED as u64).for_each(|at| history.remember(expired("b"), at));
        assert_eq!(history.of("a"), [(1, dropped)]);
        assert_eq!(history.of("b").len(), EVENTS_REMEMBERED);
        assert_eq!(history.of(""), []);
    }

    #[test]
    fn what_happened_in_one_millisecond_keeps_its_order() {
        let mut history = History::default();
        let dropped = Event::Dropped { client_id: "a".into(), reason: DropReason::Expired, topic: None };
        history.remember(dropped.clone(), 1);
        history.remember(expired("a"), 1);
        history.remember(dropped.clone(), 1);
        assert_eq!(history.of("a"), [(1, dropped.clone()), (1, expired("a")), (1, dropped)]);
    }

    #[test]
    fn long_names_take_no_more_room_than_short_ones() {
        let mut history = History::default();
        let long = "x".repeat(65_535);
        for at in 0..100 {
            history.remember(expired(&format!("{at}{long}")), at);
            history.remember(Event::Dropped { client_id: long.clone(), reason: DropReason::Expired, topic: None }, at);
        }
        for last in [&history.routine, &history.notable] {
            let bytes: usize = last.events.iter().map(|(_, event)| size(event)).sum();
            assert_eq!(last.bytes, bytes);
            assert!(bytes <= EVENTS_REMEMBERED_BYTES_MAX, "{bytes} bytes");
        }
        assert_eq!(history.of(&format!("99{long}")), [(99, expired(&format!("99{long}")))]);
        assert_eq!(history.of(&format!("0{long}")), []);
    }

    /// Else the number of events would not be what bounds them.
    #[test]
    fn events_with_names_of_a_usual_length_are_bounded_by_their_number() {
        let event = Event::Dropped { client_id: "x".repeat(64), reason: DropReason::Expired, topic: None };
        assert!(size(&event) * EVENTS_REMEMBERED <= EVENTS_REMEMBERED_BYTES_MAX, "{} bytes each", size(&event));
    }
}
