//! A tree of topics as in a factory: sites, lines, devices and what each device reports, with subscribers who look at it
//! from all sides by exact filters and wildcards, and bystanders whose filters never match but have to be passed by. This
//! measures the topic index.

use super::device_tree::{DeviceTree, REPORTS};
use super::random::Random;
use crate::cli::TreeArgs;
use crate::engine::plan::{Group, Subscriber, Topic};
use crate::mqtt::filter::matches;
use crate::run::Plan;
use anyhow::{Context, ensure};
use std::collections::HashSet;

/// One group with a publisher for each device.
pub fn plan(args: &TreeArgs, prefix: &str) -> anyhow::Result<Plan> {
    let tree = DeviceTree { prefix: prefix.into(), lines_per_site: args.lines, devices_per_line: args.devices };
    let devices = args.sites * args.lines * args.devices;
    let names: Vec<String> = (0..devices * REPORTS.len()).map(|number| tree.topic(number)).collect();
    let mut receivers = vec![Vec::new(); names.len()];
    let mut subscribers = Vec::with_capacity(args.subscribers + args.bystanders);
    let mut random = Random::new(args.seed);
    for index in 0..args.subscribers {
        let mut seen = HashSet::new();
        let filters = (0..args.filters)
            .map(|number| disjoint_filter(args, prefix, number, &names, &mut seen, &mut random))
            .collect::<Option<_>>()
            .context("the tree is too small for so many filters of one subscriber that do not overlap")?;
        seen.into_iter().for_each(|topic: usize| receivers[topic].push(index));
        subscribers.push(Subscriber { filters, qos: args.load.qos });
    }
    let matching: usize = receivers.iter().map(Vec::len).sum();
    // No device has such a name, but its site and line have.
    subscribers.extend((0..args.bystanders).map(|index| {
        let line = tree.device(index % (args.sites * args.lines) * args.devices);
        let (line, _) = line.rsplit_once('/').expect("a device has a line above it");
        Subscriber::to(format!("{line}/spare-{index}/+"), args.load.qos)
    }));
    let bystanders = if args.bystanders > 0 { format!(" and {} bystanders", args.bystanders) } else { String::new() };
    let message = args.load.message();
    let topics = names.into_iter().zip(receivers).map(|(name, receivers)| Topic::to_each(name, receivers, message));
    let topics: Vec<Topic> = topics.collect();
    // What nobody receives would have nothing to bound its sending.
    let heard = |topics: &[Topic]| topics.iter().filter(|topic| !topic.receivers.is_empty()).cloned().collect();
    let publishers: Vec<Vec<Topic>> =
        topics.chunks(REPORTS.len()).map(heard).filter(|own: &Vec<_>| !own.is_empty()).collect();
    ensure!(!publishers.is_empty(), "no filter matches any topic: more subscribers or filters");
    Ok(Plan {
        scenario: "tree",
        title: format!(
            "tree of {devices} devices with {} topics, {} subscribers with {} filters each{bystanders}, {:.1} copies of \
             each message",
            topics.len(),
            args.subscribers,
            args.filters,
            matching as f64 / topics.len() as f64
        ),
        groups: vec![Group { publishers, subscribers, ..Group::default() }],
    })
}

/// A filter for a random place in the tree that matches none of the topics seen by the subscriber's other filters, and
/// adds its own to them. Shapes take turns, so that every subscriber has some of each.
fn disjoint_filter(
    args: &TreeArgs,
    prefix: &str,
    number: usize,
    names: &[String],
    seen: &mut HashSet<usize>,
    random: &mut Random,
) -> Option<String> {
    for _ in 0..TRIES {
        let (site, line) = (random.below(args.sites), random.below(args.lines));
        let (device, report) = (random.below(args.devices), REPORTS[random.below(REPORTS.len())]);
        let below = match number % 8 {
            0 => format!("site/{site}/line/{line}/device/{device}/{report}"),
            1 => format!("site/{site}/line/{line}/device/+/{report}"),
            2 => format!("site/{site}/line/{line}/device/{device}/#"),
            3 => format!("site/+/line/{line}/device/{device}/{report}"),
            4 => format!("site/{site}/line/{line}/#"),
            5 => format!("site/{site}/line/+/device/{device}/+"),
            6 => format!("site/+/line/{line}/+/{device}/#"),
            _ => format!("site/{site}/+/{line}/device/+/{report}"),
        };
        let filter = format!("{prefix}/{below}");
        let matched: Vec<usize> = (0..names.len()).filter(|&topic| matches(&filter, &names[topic])).collect();
        if !matched.iter().any(|topic| seen.contains(topic)) {
            seen.extend(matched);
            return Some(filter);
        }
    }
    None
}

/// Random places looked at for one filter before it is given up.
const TRIES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn plan_of(arguments: &str) -> anyhow::Result<Plan> {
        let cli = Cli::parse_from(format!("ringmq-load tree {arguments}").split(' '));
        let Command::Tree(args) = cli.command else { unreachable!("tree was asked for") };
        plan(&args, "p")
    }

    #[test]
    fn receivers_are_those_with_exactly_one_matching_filter() {
        let plan = plan_of("--subscribers 30 --filters 10 --bystanders 5").unwrap();
        let group = &plan.groups[0];
        let mut several = 0;
        for topic in group.publishers.iter().flatten() {
            several += usize::from(topic.receivers.len() > 1);
            for (index, subscriber) in group.subscribers.iter().enumerate() {
                let count = subscriber.filters.iter().filter(|filter| matches(filter, &topic.name)).count();
                assert_eq!(count, usize::from(topic.receivers.contains(&index)), "{} at {index}", topic.name);
            }
        }
        assert!(several > 100, "filters of different subscribers overlap");
    }

    #[test]
    fn the_same_seed_makes_the_same_tree() {
        let plans = [7, 7, 8].map(|seed| plan_of(&format!("--subscribers 9 --seed {seed}")).unwrap().groups);
        assert_eq!(plans[0], plans[1]);
        assert_ne!(plans[0], plans[2]);
    }

    #[test]
    fn too_many_filters_for_the_tree_are_refused() {
        let error = plan_of("--sites 1 --lines 1 --devices 1 --filters 9").unwrap_err();
        assert!(error.to_string().contains("too small"), "{error}");
    }
}
