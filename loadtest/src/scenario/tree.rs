//! A tree of topics as in a factory: sites, lines, devices and what each device reports, with subscribers who look at it
//! from different sides by wildcards, and bystanders whose filters never match but have to be passed by. This measures the
//! topic index.

use crate::cli::TreeArgs;
use crate::engine::plan::{Delivery, Group, Topic};
use crate::run::Plan;

/// What each device reports, in turn.
const REPORTS: [&str; 4] = ["temperature", "pressure", "vibration", "state"];

/// One group with a publisher for each device. Subscribers are a monitor for each site (`site/S/#`), a collector for each
/// kind of report (`site/+/line/+/device/+/KIND`), a display for each line (`site/S/line/L/device/+/state`), and the
/// bystanders. So each report arrives twice, and a state three times.
pub fn plan(args: &TreeArgs, prefix: &str) -> Plan {
    let sites: Vec<String> = (0..args.sites).map(|site| format!("{prefix}/site/{site}")).collect();
    let lines: Vec<String> =
        sites.iter().flat_map(|site| (0..args.lines).map(move |line| format!("{site}/line/{line}"))).collect();
    let mut subscribers: Vec<String> = sites.iter().map(|site| format!("{site}/#")).collect();
    subscribers.extend(REPORTS.map(|report| format!("{prefix}/site/+/line/+/device/+/{report}")));
    subscribers.extend(lines.iter().map(|line| format!("{line}/device/+/state")));
    // No device has such a name, but its site and line have.
    let bystander = |index: usize| format!("{}/device/spare-{index}/+", lines[index % lines.len()]);
    subscribers.extend((0..args.bystanders).map(bystander));
    let topic = |name: String| {
        let receivers = (0..subscribers.len()).filter(|&index| matches(&subscribers[index], &name)).collect();
        Topic { name, receivers }
    };
    let topics_of = |line: &str, device| -> Vec<Topic> {
        REPORTS.iter().map(|report| topic(format!("{line}/device/{device}/{report}"))).collect()
    };
    let publishers: Vec<Vec<Topic>> =
        lines.iter().flat_map(|line| (0..args.devices).map(move |device| topics_of(line, device))).collect();
    Plan {
        scenario: "tree",
        title: format!(
            "tree of {} devices with {} topics, {} subscribers, {} of them bystanders",
            publishers.len(),
            publishers.len() * REPORTS.len(),
            subscribers.len(),
            args.bystanders
        ),
        groups: vec![Group { publishers, subscribers, delivery: Delivery::Each }],
    }
}

/// Whether a topic filter matches a topic name (section 4.7). Neither begins with `$` here.
fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for filter_level in filter.split('/') {
        match (filter_level, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (filter_level, Some(level)) if filter_level == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_specification_says() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/+", "a", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "b", false),
            ("+/+", "a/", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}
