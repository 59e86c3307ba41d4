//! Who takes part in a round: the seed decides how many, with which subscriptions and habits.

use std::time::Duration;

use crate::client::World;
use crate::publisher::{COMMON_TOPICS, Publisher};
use crate::random::Random;
use crate::subscriber::{Habits, Presence, Subscriber, Subscription};

pub fn publishers(world: &mut World) -> Vec<Publisher> {
    let count = world.random.between(3, 7) as usize;
    (0..count).map(|index| Publisher::new(index, world)).collect()
}

/// Subscribers each for themselves, and the members of two share groups.
pub fn subscribers(publishers: usize, kills: usize, world: &mut World) -> Vec<Subscriber> {
    let mut wishes: Vec<Vec<Subscription>> = Vec::new();
    for _ in 0..world.random.between(5, 9) {
        wishes.push(subscriptions(publishers, kills, &mut world.random));
    }
    for filter in ["$share/workers/common/#", "$share/others/own/#"] {
        let (has_group, qos) = (world.random.chance(70), world.random.between(1, 2) as u8);
        for _ in 0..if has_group { world.random.between(2, 3) } else { 0 } {
            let mut wishes_of_one = vec![Subscription::new(filter, qos)];
            if world.random.chance(30) {
                wishes_of_one.push(Subscription::new("r/kept/#", world.random.between(1, 2) as u8));
            }
            wishes.push(wishes_of_one);
        }
    }
    let mut subscribers = Vec::new();
    for (index, wishes) in wishes.into_iter().enumerate() {
        let is_member = wishes.iter().any(|subscription| subscription.share().0.is_some());
        let mut habits = habits(kills, &mut world.random);
        // What a member had not been sent may end with its session.
        habits.renewal = habits.renewal.filter(|_| !is_member);
        subscribers.push(Subscriber::new(index, wishes, habits, world));
    }
    subscribers
}

/// One choice of each family of topics, so that no message matches two subscriptions of one session: a server may then send it once
/// or twice (section 3.3.4).
fn subscriptions(publishers: usize, kills: usize, random: &mut Random) -> Vec<Subscription> {
    let one = random.below(publishers);
    let half = COMMON_TOPICS / 2;
    let common = [vec![], vec!["common/#".into()], vec!["common/+".into()], {
        (0..half).map(|index| format!("common/{}", 2 * index)).collect()
    }];
    let own = [vec![], vec!["own/#".into()], vec!["own/+/0".into()], vec![format!("own/{one}/1")]];
    let kept = [vec![], vec!["r/kept/+".into()], vec![format!("r/kept/{one}")]];
    let mut filters: Vec<String> = Vec::new();
    while filters.is_empty() {
        filters.extend([random.pick(&common), random.pick(&own), random.pick(&kept)].into_iter().flatten().cloned());
    }
    let subscription = |filter| {
        let mut subscription = Subscription::new(filter, random.between(1, 2) as u8);
        match random.below(10) {
            0 => subscription.begins = random.between(1, kills as u64) as usize,
            1 => subscription.ends = Some(random.between(1, kills as u64) as usize),
            _ => {}
        }
        subscription
    };
    filters.into_iter().map(subscription).collect()
}

fn habits(kills: usize, random: &mut Random) -> Habits {
    let presence = match random.below(10) {
        0..=4 => Presence::Always,
        5..=7 => Presence::Flapping(Duration::from_millis(random.between(20, 300))),
        // The one who is away longest comes when all is over.
        _ => Presence::AwayUntil(random.between(2, kills as u64 + 2) as usize),
    };
    let read = random.chance(20).then(|| (random.between(200, 20_000) as usize, Duration::from_millis(2)));
    let renewal = random.chance(15).then(|| random.between(1, kills as u64) as usize);
    Habits { presence, renewal, read, answer_us_max: *random.pick(&[0, 0, 2_000, 30_000]) }
}
