//! The timer wheel against a list.

use proptest::prelude::*;
use ringmq::broker::timer_wheel::{TICK_MS, TimerId, TimerWheel};

use crate::config;

#[derive(Clone, Debug)]
enum Operation {
    /// So many milliseconds from now, or before.
    Insert(i64),
    /// One of those inserted so far, whether it still runs or not.
    Cancel(usize),
    Advance(u64),
    /// To the next deadline that the wheel names.
    AdvanceToNext,
}

fn delay() -> impl Strategy<Value = i64> {
    prop_oneof![-100..100i64, 0..2_000i64, 0..200_000i64, 0..40_000_000i64, 0..1i64 << 53]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => delay().prop_map(Operation::Insert),
        2 => any::<usize>().prop_map(Operation::Cancel),
        2 => delay().prop_map(|delay| Operation::Advance(delay.unsigned_abs() % 50_000_000)),
        1 => (0..64u64).prop_map(Operation::Advance),
        2 => Just(Operation::AdvanceToNext),
    ]
}

/// A timer of the twin: the time from which it may, and must, expire.
struct NaiveTimer {
    due_at: u64,
    key: u64,
    id: TimerId,
}

fn round_up(time: u64) -> u64 {
    time.next_multiple_of(TICK_MS)
}

fn run(start: u64, operations: &[Operation]) {
    let mut now = start;
    let mut wheel = TimerWheel::new(now);
    let mut running: Vec<NaiveTimer> = Vec::new();
    let mut ids = Vec::new();
    for operation in operations {
        match *operation {
            Operation::Insert(delay) => {
                let deadline = now.saturating_add_signed(delay);
                let key = ids.len() as u64;
                let id = wheel.insert(deadline, key);
                ids.push(id);
                running.push(NaiveTimer { due_at: round_up(deadline), key, id });
            }
            Operation::Cancel(index) if !ids.is_empty() => {
                let id = ids[index % ids.len()];
                let expected = running.iter().position(|timer| timer.id == id);
                assert_eq!(wheel.cancel(id), expected.is_some());
                if let Some(index) = expected {
                    running.remove(index);
                }
            }
            Operation::Cancel(_) => {}
            Operation::Advance(step) => {
                now += step;
                wheel.advance(now);
                expire(&mut wheel, &mut running, now);
            }
            Operation::AdvanceToNext => {
                now = now.max(wheel.next_deadline().unwrap_or(now));
                expire(&mut wheel, &mut running, now);
            }
        }
        assert_eq!(wheel.len(), running.len());
        assert_eq!(wheel.next_deadline().is_none(), running.is_empty());
        if let (Some(deadline), Some(first)) = (wheel.next_deadline(), running.iter().map(|timer| timer.due_at).min()) {
            assert!(deadline <= first.max(now), "sleeping until {deadline} would miss {first}");
        }
    }
}

fn expire(wheel: &mut TimerWheel<u64>, running: &mut Vec<NaiveTimer>, now: u64) {
    let mut due = Vec::new();
    wheel.expire(now, &mut due);
    for key in due {
        let index = running.iter().position(|timer| timer.key == key).expect("it expires once, and only if it runs");
        let timer = running.remove(index);
        assert!(timer.due_at <= now, "{} is early at {now}", timer.due_at);
    }
    assert!(running.iter().all(|timer| timer.due_at > now), "a timer is late");
    assert!(wheel.next_deadline().is_none_or(|deadline| deadline > now), "it would spin");
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn agrees_with_the_list(start in 0..1u64 << 50, operations in prop::collection::vec(operation(), 0..150)) {
        run(start, &operations);
    }
}

#[test]
fn expires_in_the_order_of_deadlines() {
    let mut wheel = TimerWheel::new(1_000);
    // An order with no pattern, over four wheels.
    let mut deadlines: Vec<u64> = (1..500u64).map(|n| 1_000 + n * n * n % 9_973 * TICK_MS * 37).collect();
    for &deadline in &deadlines {
        wheel.insert(deadline, deadline);
    }
    let mut due = Vec::new();
    wheel.expire(1 << 40, &mut due);
    deadlines.sort();
    assert_eq!(due, deadlines);
}

#[test]
fn a_far_deadline_costs_a_few_wake_ups() {
    let mut wheel = TimerWheel::new(123_456);
    let deadline = (1 << 53) - 1;
    wheel.insert(deadline, ());
    let mut due = Vec::new();
    let mut wake_ups = 0;
    while due.is_empty() {
        let next = wheel.next_deadline().expect("it has not expired");
        wheel.expire(next, &mut due);
        wake_ups += 1;
    }
    assert!(wake_ups <= 10, "{wake_ups}");
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn a_timer_put_after_a_long_rest_is_not_due() {
    for rest in [45_000, 3_600_000, 86_400_000] {
        let mut wheel = TimerWheel::new(0);
        wheel.advance(rest);
        wheel.insert(rest + 10_000, ());
        let next = wheel.next_deadline().expect("it has not expired");
        assert!(next > rest && next <= rest + 10_000 + TICK_MS, "put at {rest}, due at {next}");
    }
}

#[test]
fn time_does_not_pass_a_timer_that_is_due() {
    let mut wheel = TimerWheel::new(0);
    wheel.insert(1_000, 'a');
    let next = wheel.next_deadline();
    wheel.advance(45_000);
    assert_eq!(wheel.next_deadline(), next);
    let mut due = Vec::new();
    wheel.expire(45_000, &mut due);
    assert_eq!(due, ['a']);
}

#[test]
fn a_stale_id_cancels_nothing() {
    let mut wheel = TimerWheel::new(0);
    let stale = wheel.insert(8, 'a');
    assert!(wheel.cancel(stale));
    let other = wheel.insert(8, 'b');
    assert!(!wheel.cancel(stale));
    let mut due = Vec::new();
    wheel.expire(8, &mut due);
    assert_eq!(due, ['b']);
    assert!(!wheel.cancel(other));
}

#[test]
fn a_passed_deadline_expires_at_once() {
    let mut wheel = TimerWheel::new(100_000);
    wheel.insert(5, 'a');
    assert!(wheel.next_deadline().unwrap() <= 100_000);
    let mut due = Vec::new();
    wheel.expire(100_000, &mut due);
    assert_eq!(due, ['a']);
}
