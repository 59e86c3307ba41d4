//! Token buckets of one client.

use ringmq::access::{OverQuota, Quotas, Rate};
use ringmq::connection::meter::{Meter, Reading};

fn meter(per_second: u64, burst: u64) -> Meter {
    let quotas = Quotas { messages: Some(Rate { per_second, burst }), ..Quotas::default() };
    Meter::new(&quotas, 0).expect("there is a bound")
}

#[test]
fn without_bounds_there_is_no_meter() {
    assert!(Meter::new(&Quotas::default(), 0).is_none());
}

#[test]
fn a_burst_passes_and_what_is_over_is_paid_back() {
    let mut meter = meter(10, 3);
    assert!((0..3).all(|_| meter.count_message(0) == Reading::Within));
    assert_eq!(meter.count_message(0), Reading::Over { is_new: true });
    assert_eq!(meter.debt_ms(), 100);
    assert_eq!(meter.count_message(100), Reading::Over { is_new: false });
    // Full again: what comes now is another episode.
    assert_eq!(meter.count_message(600), Reading::Within);
    assert!((0..2).all(|_| meter.count_message(600) == Reading::Within));
    assert_eq!(meter.count_message(600), Reading::Over { is_new: true });
}

#[test]
fn in_the_long_run_the_rate_holds() {
    let mut meter = meter(7, 2);
    let (mut now, mut passed) = (0, 0);
    while now < 1_000_000 {
        passed += 1;
        meter.count_message(now);
        now += meter.debt_ms();
    }
    assert!((7_000..=7_003).contains(&passed), "{passed}");
}

#[test]
fn extremes_do_not_overflow() {
    for (per_second, burst) in [(0, 0), (u64::MAX, 0), (u64::MAX, u64::MAX), (1, u64::MAX)] {
        let rate = Some(Rate { per_second, burst });
        let quotas = Quotas { messages: rate, bytes: rate, over: OverQuota::Pause };
        let mut meter = Meter::new(&quotas, 0).expect("there is a bound");
        for now in [0, 1, u64::MAX] {
            meter.count_bytes(usize::MAX, now);
            meter.count_message(now);
            meter.debt_ms();
        }
    }
}
