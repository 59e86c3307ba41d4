//! From the groups of a plan to the connections, streams and expectations of a worker.

use super::subscriber::Subscriber;
use super::{Connection, Counts, Pace, Role, Schedule, Worker};
use crate::engine::link::Link;
use crate::engine::plan::{Group, Topic};
use crate::engine::publisher::Publisher;
use crate::engine::stream::Stream;
use crate::mqtt::encode::PublishTemplate;
use std::io;

impl Worker<'_> {
    pub(super) fn add_group(&mut self, group: &Group, links: &mut impl Iterator<Item = Link>) -> io::Result<()> {
        let (first_subscriber, mut first_publisher) = (self.subscribers.len(), self.publishers.len());
        for subscriber in &group.subscribers {
            let role = Role::Subscriber(self.subscribers.len());
            self.add_connection(links.next().expect("a link for each subscriber"), role)?;
            self.subscribers.push(Subscriber::new(subscriber.qos));
        }
        for topics in &group.publishers {
            let link = links.next().expect("a link for each publisher");
            let (receive_maximum, publisher) = (link.receive_maximum, self.publishers.len());
            let streams = self.streams.len()..self.streams.len() + topics.len();
            self.publishers.push(Publisher::new(self.connections.len(), streams, receive_maximum));
            self.add_connection(link, Role::Publisher(publisher))?;
            topics.iter().for_each(|topic| self.add_stream(topic, publisher, first_subscriber));
        }
        for &(publishers, rate) in &group.rates {
            self.add_schedule(first_publisher..first_publisher + publishers, rate);
            first_publisher += publishers;
        }
        Ok(())
    }

    fn add_stream(&mut self, topic: &Topic, publisher: usize, first_subscriber: usize) {
        let stream = self.streams.len();
        for &receiver in &topic.receivers {
            self.subscribers[first_subscriber + receiver].expect(stream, None);
        }
        for (share, members) in topic.shares.iter().enumerate() {
            for &member in members {
                self.subscribers[first_subscriber + member].expect(stream, Some(share));
            }
        }
        let message = topic.message;
        let template =
            PublishTemplate::new(self.traffic.version, &topic.name, message.qos, message.retain, message.payload_bytes);
        let (receivers, shares) = (topic.receivers.len(), topic.shares.len());
        let is_acknowledged = self.traffic.counts == Counts::Acknowledgements && message.qos > 0;
        let is_bounded = receivers + shares > 0 || is_acknowledged || matches!(self.traffic.pace, Pace::Rate(_));
        assert!(is_bounded, "nobody would receive {}, so nothing would bound its sending", topic.name);
        self.streams.push(Stream::new(topic.name.clone(), message, template, publisher, receivers, shares));
    }

    pub(super) fn add_schedule(&mut self, publishers: std::ops::Range<usize>, rate: f64) {
        self.schedules.push(Schedule { publishers, interval_ns: 1e9 / rate, scheduled: 0 });
    }

    fn add_connection(&mut self, link: Link, role: Role) -> io::Result<()> {
        self.poller.add(link.socket(), self.connections.len(), false)?;
        self.connections.push(Connection { link, role, awaits_room: false, closed: false });
        Ok(())
    }
}

pub(super) fn longest_payload(groups: &[Group]) -> usize {
    let topics = groups.iter().flat_map(|group| group.publishers.iter().flatten());
    topics.map(|topic| topic.message.payload_bytes).max().unwrap_or(0)
}
