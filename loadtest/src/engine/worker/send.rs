//! What goes out: a full window, or what is due at a fixed rate.

use super::{Counts, Pace, SLEEP_MAX, Worker};
use crate::message::Header;
use std::io;
use std::time::Duration;

/// A publisher's messages encoded before they are written.
const OUTPUT_BYTES_MAX: usize = 256 * 1_024;

impl Worker<'_> {
    /// At a fixed rate, sends what is due. Returns how long to sleep at most.
    pub(super) fn schedule(&mut self, now_ns: u64) -> Duration {
        let mut next_due_ns = u64::MAX;
        for index in 0..self.schedules.len() {
            next_due_ns = next_due_ns.min(self.schedule_until(index, now_ns));
        }
        self.publish_freed();
        if next_due_ns >= self.until_ns {
            // The last interval of the time series would seem slower if its end were slept through.
            let rest_ns = self.until_ns.saturating_sub(now_ns);
            return if rest_ns > 0 { Duration::from_nanos(rest_ns).min(SLEEP_MAX) } else { SLEEP_MAX };
        }
        let rest_ns = next_due_ns.saturating_sub(self.timeline.clock.now_ns());
        Duration::from_nanos(rest_ns).min(SLEEP_MAX)
    }

    /// Gives publishers what is due by now, and returns when the next message is due.
    fn schedule_until(&mut self, index: usize, now_ns: u64) -> u64 {
        let end_ns = self.until_ns.min(now_ns + 1);
        loop {
            let schedule = &mut self.schedules[index];
            let due_ns = self.timeline.start_ns + (schedule.scheduled as f64 * schedule.interval_ns) as u64;
            if due_ns >= end_ns {
                return due_ns;
            }
            let publisher =
                schedule.publishers.start + (schedule.scheduled % schedule.publishers.len() as u64) as usize;
            schedule.scheduled += 1;
            self.publishers[publisher].due_ns.push_back(due_ns);
            self.free(publisher);
        }
    }

    /// Notes that a publisher may be able to send.
    pub(super) fn free(&mut self, publisher_index: usize) {
        let publisher = &mut self.publishers[publisher_index];
        if !publisher.is_freed {
            publisher.is_freed = true;
            self.freed.push(publisher_index);
        }
    }

    pub(super) fn publish_freed(&mut self) {
        while let Some(publisher) = self.freed.pop() {
            self.publishers[publisher].is_freed = false;
            self.publish(publisher);
        }
    }

    /// Sends what a publisher may send now.
    pub(super) fn publish(&mut self, publisher_index: usize) {
        let key = self.publishers[publisher_index].link;
        while !self.connections[key].closed && !self.connections[key].link.is_blocked() {
            self.output.clear();
            let now_ns = self.timeline.clock.now_ns();
            while self.output.len() < OUTPUT_BYTES_MAX {
                let Some(sent_ns) = self.take_send_time(publisher_index, now_ns) else { break };
                self.encode(publisher_index, sent_ns, now_ns);
            }
            let is_all = self.output.len() < OUTPUT_BYTES_MAX;
            if !self.output.is_empty() {
                let sent = self.connections[key].link.send(&self.output);
                self.sent(key, sent);
            }
            if is_all {
                return;
            }
        }
    }

    /// The time to write into the publisher's next message, or `None` if it must not send now.
    fn take_send_time(&mut self, publisher_index: usize, now_ns: u64) -> Option<u64> {
        let publisher = &mut self.publishers[publisher_index];
        if !publisher.has_quota() {
            return None;
        }
        match self.traffic.pace {
            Pace::Window(window) => {
                let waits_for_acknowledgement = self.traffic.counts == Counts::Acknowledgements
                    && usize::from(publisher.unacknowledged()) >= window;
                let has_room = publisher.outstanding < window && !waits_for_acknowledgement;
                (has_room && now_ns < self.until_ns).then_some(now_ns)
            }
            Pace::Rate(_) => {
                let due_ns = publisher.due_ns.pop_front()?;
                if due_ns >= self.timeline.measure_from_ns {
                    let delay_ns = now_ns.saturating_sub(due_ns);
                    self.outcome.send_delays.record(delay_ns);
                    if !self.outcome.parts.is_empty() {
                        let part = self.part(self.publishers[publisher_index].next_stream(), due_ns);
                        self.outcome.parts[part].send_delays.record(delay_ns);
                    }
                }
                Some(due_ns)
            }
        }
    }

    fn encode(&mut self, publisher_index: usize, sent_ns: u64, now_ns: u64) {
        let publisher = &mut self.publishers[publisher_index];
        let stream_index = publisher.take_stream();
        let stream = &mut self.streams[stream_index];
        let packet_id = publisher.take_packet_id(stream.message.qos, sent_ns);
        let is_awaited = stream.is_received();
        publisher.outstanding += usize::from(is_awaited);
        self.in_flight += u64::from(is_awaited) + u64::from(stream.message.qos > 0);
        self.published += 1;
        let sequence = stream.send();
        if self.looks_between_sockets {
            stream.note_written(now_ns);
        }
        stream.template.append(&mut self.output, packet_id);
        let header = Header { run: self.traffic.run, stream: stream_index as u32, sequence, sent_ns };
        self.payloads.append(&mut self.output, &header, stream.message.payload_bytes);
    }

    pub(super) fn sent(&mut self, key: usize, result: io::Result<()>) {
        match result {
            Ok(()) => self.watch_room(key),
            Err(error) => self.close(key, error.to_string()),
        }
    }

    /// Asks the poller for room to write exactly while there is something to write.
    pub(super) fn watch_room(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        let blocked = connection.link.is_blocked();
        if connection.awaits_room != blocked {
            connection.awaits_room = blocked;
            if let Err(error) = self.poller.modify(connection.link.socket(), key, blocked) {
                self.close(key, error.to_string());
            }
        }
    }
}
