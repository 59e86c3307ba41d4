//! What has happened to clients, for who asks why: the last events of each shard, as the log has them, but all of them.

use std::collections::VecDeque;

use super::question::Ended;
use super::server_handle::ServerHandle;
use crate::broker::{CloseReason, Event, Millis};
use crate::limits::EVENTS_REMEMBERED;

/// The last events of one shard, of two kinds, so that a crowd that comes and goes does not take the place of what went wrong.
#[derive(Debug, Default)]
pub struct History {
    /// Clients that came, and those that went as they should.
    routine: VecDeque<(Millis, Event)>,
    /// All others.
    notable: VecDeque<(Millis, Event)>,
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
        if events.len() >= EVENTS_REMEMBERED {
            events.pop_front();
        }
        events.push_back((now, event));
    }

    /// What is remembered of one client; of either kind the oldest first.
    fn of(&self, client_id: &str) -> Vec<(Millis, Event)> {
        let events = self.routine.iter().chain(&self.notable);
        events.filter(|(_, event)| event.client_id() == client_id).cloned().collect()
    }
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
        let dropped = Event::Dropped { client_id: "a".into(), reason: DropReason::Expired };
        history.remember(dropped.clone(), 1);
        history.remember(expired("a"), 2);
        history.remember(expired(""), 3);
        (0..EVENTS_REMEMBERED as u64).for_each(|at| history.remember(expired("b"), at));
        assert_eq!(history.of("a"), [(1, dropped)]);
        assert_eq!(history.of("b").len(), EVENTS_REMEMBERED);
        assert_eq!(history.of(""), []);
    }
}
