//! Rates as mosquitto tells them: exponential averages over 1, 5 and 15 minutes, in events a minute.

/// The names of the averages and what they look back on, in seconds.
pub const SPANS: [(&str, f64); 3] = [("1min", 60.0), ("5min", 300.0), ("15min", 900.0)];

/// The averages of one count.
#[derive(Debug, Default)]
pub struct Load {
    count: u64,
    averages: [f64; SPANS.len()],
}

impl Load {
    /// The count is this now, `seconds` after it was asked last. Returns the averages in the order of [`SPANS`].
    pub fn update(&mut self, count: u64, seconds: f64) -> [f64; SPANS.len()] {
        if seconds > 0.0 {
            let per_minute = count.saturating_sub(self.count) as f64 * 60.0 / seconds;
            for (average, (_, span)) in self.averages.iter_mut().zip(SPANS) {
                *average = per_minute + (-seconds / span).exp() * (*average - per_minute);
            }
        }
        self.count = count;
        self.averages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_told_per_minute_and_fades() {
        let mut load = Load::default();
        let mut count = 0;
        for _ in 0..600 {
            count += 50;
            load.update(count, 10.0);
        }
        let [one, five, fifteen] = load.averages;
        assert!((one - 300.0).abs() < 0.01 && (five - 300.0).abs() < 0.01 && (fifteen - 300.0).abs() < 1.0, "{load:?}");
        let [one, five, fifteen] = load.update(count, 60.0);
        let left = |span: f64| 300.0 * (-60.0 / span).exp();
        assert!((one - left(60.0)).abs() < 1.0 && (five - left(300.0)).abs() < 1.0, "{load:?}");
        assert!((fifteen - left(900.0)).abs() < 1.0, "{load:?}");
    }

    #[test]
    fn no_time_is_no_rate() {
        let mut load = Load::default();
        assert_eq!(load.update(1_000, 0.0), [0.0; 3]);
        let [one, ..] = load.update(1_000, 10.0);
        assert_eq!(one, 0.0, "what was counted before the first look belongs to no span");
    }
}
