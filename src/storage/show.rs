//! Figures as people read them.

use std::fmt;
use std::time::Duration;

/// A count with its thousands apart: 12,000.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Bytes in the largest unit of which there is one at least: 480 MiB, 1.5 GiB.
pub fn size(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >> shift > 0 {
            let amount = bytes as f64 / (1u64 << shift) as f64;
            return if amount < 10.0 { format!("{amount:.1} {unit}") } else { format!("{amount:.0} {unit}") };
        }
    }
    format!("{bytes} bytes")
}

/// A time of some seconds: 3.2 s.
pub fn seconds(time: Duration) -> impl fmt::Display {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 1_023, 1_536, 480 << 20, 3 << 29].map(size),
            ["0 bytes", "1023 bytes", "1.5 KiB", "480 MiB", "1.5 GiB"]
        );
        assert_eq!(seconds(Duration::from_millis(3_210)).to_string(), "3.2 s");
    }
}
