//! From the description of a site to its clients: who publishes what, and who must get it.

use super::config::Site;
use crate::engine::dial::Client;
use crate::engine::plan::{Group, Message, Subscriber, Topic};
use crate::mqtt::filter::matches;
use anyhow::ensure;
use std::collections::{HashMap, HashSet};

/// A site, ready to be connected.
#[derive(Debug, Default)]
pub struct SitePlan {
    pub group: Group,
    /// Names of the subscribing clients.
    names: Vec<String>,
    /// Names of the groups that publish, by part of the traffic.
    pub parts: Vec<String>,
    /// The connections of the group in its order, with the QoS of their subscriptions.
    pub connections: Vec<(Client, u8)>,
    /// Topics to be cleaned at the end.
    pub retained: Vec<String>,
    /// Those that come and go, then those that stay.
    pub others: Vec<Client>,
    pub churners: usize,
    pub reconnects_per_second: f64,
}

/// Shared subscriptions: the plain filter and the members.
type Shares = Vec<(String, Vec<usize>)>;

impl SitePlan {
    pub fn new(site: &Site, prefix: &str) -> anyhow::Result<Self> {
        let mut plan = Self::default();
        let shares = plan.add_subscribers(site, prefix);
        plan.add_publishers(site, prefix);
        plan.find_receivers(&shares)?;
        plan.connections = plan.connections(prefix);
        plan.add_others(site, prefix);
        Ok(plan)
    }

    fn add_subscribers(&mut self, site: &Site, prefix: &str) -> Shares {
        let subscribers = &mut self.group.subscribers;
        for dashboards in &site.dashboards {
            for number in 0..dashboards.count.0 {
                let filter = |filter: &super::values::Filter| {
                    format!("{prefix}/{}", filter.expand(number, dashboards.sites, dashboards.lines))
                };
                let filters = dashboards.filters.iter().map(filter).collect();
                subscribers.push(Subscriber { filters, qos: dashboards.qos.0 });
                self.names.push(format!("{}-{number}", dashboards.name));
            }
        }
        for commands in &site.commands {
            for number in 0..commands.count.0 {
                let topic = commands.topic.expand(number, commands.sites, commands.lines);
                subscribers.push(Subscriber::to(format!("{prefix}/{topic}"), commands.qos.0));
                self.names.push(format!("{}-{number}", commands.name));
            }
        }
        let mut shares = Shares::new();
        for shared in &site.shared {
            let filter = format!("{prefix}/{}", shared.filter.expand(0, Default::default(), Default::default()));
            let first = subscribers.len();
            let subscriber = Subscriber::to(format!("$share/{}/{filter}", shared.name), shared.qos.0);
            subscribers.resize(first + shared.count.0, subscriber);
            self.names.extend((0..shared.count.0).map(|number| format!("{}-{number}", shared.name)));
            shares.push((filter, (first..subscribers.len()).collect()));
        }
        shares
    }

    fn add_publishers(&mut self, site: &Site, prefix: &str) {
        for sensors in &site.sensors {
            let message = Message {
                qos: sensors.qos.0,
                payload_bytes: sensors.payload.0,
                retain: sensors.retain,
                part: self.parts.len(),
            };
            self.parts.push(sensors.name.clone());
            self.group.rates.push((sensors.count.0, sensors.rate.0 * sensors.count.0 as f64));
            for number in 0..sensors.count.0 {
                let name = format!("{prefix}/{}", sensors.topic.expand(number, sensors.sites, sensors.lines));
                if sensors.retain {
                    self.retained.push(name.clone());
                }
                self.group.publishers.push(vec![Topic::to_each(name, Vec::new(), message)]);
            }
        }
        for commands in &site.commands {
            let message = Message {
                qos: commands.qos.0,
                payload_bytes: commands.payload.0,
                retain: false,
                part: self.parts.len(),
            };
            self.parts.push(commands.name.clone());
            // A sender without a receiver would have nothing to send.
            let senders = commands.senders.0.min(commands.count.0);
            self.group.rates.push((senders, commands.rate.0));
            for sender in 0..senders {
                let topic = |number| {
                    let name = commands.topic.expand(number, commands.sites, commands.lines);
                    Topic::to_each(format!("{prefix}/{name}"), Vec::new(), message)
                };
                self.group.publishers.push((sender..commands.count.0).step_by(senders).map(topic).collect());
            }
        }
    }

    /// Notes who must get which topic, by the naive matcher: this is what the broker is judged by.
    fn find_receivers(&mut self, shares: &Shares) -> anyhow::Result<()> {
        let Group { publishers, subscribers, .. } = &mut self.group;
        let mut topics: Vec<&mut Topic> = publishers.iter_mut().flatten().collect();
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let mut of_name: HashMap<&str, Vec<usize>> = HashMap::new();
        names.iter().enumerate().for_each(|(index, name)| of_name.entry(name).or_default().push(index));
        let matched = |filter: &str| -> Vec<usize> {
            if !filter.contains(['+', '#']) {
                return of_name.get(filter).cloned().unwrap_or_default();
            }
            (0..names.len()).filter(|&index| matches(filter, &names[index])).collect()
        };
        // Clients of one group mostly have the same filters.
        let mut of_filters: HashMap<&[String], Vec<usize>> = HashMap::new();
        for (index, Subscriber { filters, .. }) in subscribers.iter().enumerate() {
            if filters[0].starts_with("$share/") {
                continue;
            }
            if !of_filters.contains_key(&filters[..]) {
                let all: Vec<usize> = filters.iter().flat_map(|filter| matched(filter)).collect();
                let mut seen = HashSet::new();
                let twice = all.iter().find(|&&topic| !seen.insert(topic));
                ensure!(
                    twice.is_none(),
                    "two filters of client {} match {}: {filters:?}; a broker may deliver it once or twice, so give \
                     them to different clients",
                    self.names[index],
                    names[*twice.unwrap_or(&0)]
                );
                of_filters.insert(filters, all);
            }
            of_filters[&filters[..]].iter().for_each(|&topic| topics[topic].receivers.push(index));
        }
        for (filter, members) in shares {
            matched(filter).into_iter().for_each(|topic| topics[topic].shares.push(members.clone()));
        }
        Ok(())
    }

    fn connections(&self, prefix: &str) -> Vec<(Client, u8)> {
        let name = prefix.replace('/', "-");
        let subscribers = self.group.subscribers.iter().enumerate().map(|(index, subscriber)| {
            let client_id = format!("{name}-{}", self.names[index]);
            (Client { client_id, filters: subscriber.filters.clone() }, subscriber.qos)
        });
        let publisher = |index| (Client { client_id: format!("{name}-pub-{index}"), filters: Vec::new() }, 0);
        subscribers.chain((0..self.group.publishers.len()).map(publisher)).collect()
    }

    fn add_others(&mut self, site: &Site, prefix: &str) {
        if let Some(churn) = &site.churn {
            self.churners = churn.count.0;
            self.reconnects_per_second = churn.count.0 as f64 * churn.per_minute.0 / 60.0;
        }
        let idle: usize = site.idle.iter().map(|idle| idle.count.0).sum();
        let name = prefix.replace('/', "-");
        let client = |index| Client { client_id: format!("{name}-other-{index}"), filters: Vec::new() };
        self.others = (0..self.churners + idle).map(client).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(text: &str) -> anyhow::Result<SitePlan> {
        SitePlan::new(&toml::from_str(text).unwrap(), "p")
    }

    const SENSORS: &str = "[[sensors]]\nname = 't'\ncount = 4\nrate = 1\ntopic = 'site/{site}/{n}/t'\nsites = 2\n";

    #[test]
    fn receivers_are_found_for_dashboards_shares_and_devices() {
        let plan = plan_of(&format!(
            "{SENSORS}[[dashboards]]\nname = 'd'\ncount = 2\nfilters = ['site/{{n}}/#']\n\
             [[shared]]\nname = 's'\ncount = 3\nfilter = 'site/+/+/t'\n\
             [[commands]]\nname = 'c'\ncount = 2\nrate = 1\ntopic = 'site/0/{{n}}/command'\n"
        ))
        .unwrap();
        let topics: Vec<&Topic> = plan.group.publishers.iter().flatten().collect();
        let found: Vec<(&str, &[usize], usize)> =
            topics.iter().map(|topic| (&topic.name[..], &topic.receivers[..], topic.shares.len())).collect();
        // Subscribers are two dashboards, two devices and three members.
        assert_eq!(
            found,
            [
                ("p/site/0/0/t", &[0][..], 1),
                ("p/site/1/1/t", &[1], 1),
                ("p/site/0/2/t", &[0], 1),
                ("p/site/1/3/t", &[1], 1),
                ("p/site/0/0/command", &[0, 2], 0),
                ("p/site/0/1/command", &[0, 3], 0),
            ]
        );
        assert_eq!(topics[0].shares[0], [4, 5, 6]);
        assert_eq!(plan.group.rates, [(4, 4.0), (1, 1.0)]);
    }

    #[test]
    fn filters_of_one_client_that_overlap_are_refused() {
        let text = format!("{SENSORS}[[dashboards]]\nname = 'd'\ncount = 1\nfilters = ['site/0/#', 'site/+/2/t']\n");
        let error = plan_of(&text).unwrap_err().to_string();
        assert!(error.contains("client d-0 match p/site/0/2/t") && error.contains("different clients"), "{error}");
    }
}
