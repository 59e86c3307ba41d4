//! Values that are checked while the command line is read.

use crate::message::PAYLOAD_BYTES_MIN;

pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(value) => Ok(value),
        Err(error) => Err(format!("{error}")),
    }
}

pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if value > 0.0 && f64::is_finite(value) => Ok(value),
        _ => Err("must be a number above zero".into()),
    }
}

/// The Remaining Length of a packet bounds it from above; the topic takes some of that.
pub fn payload_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(value) if (PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(&value) => Ok(value),
        _ => Err(format!("must be a number from {PAYLOAD_BYTES_MIN} to {PAYLOAD_BYTES_MAX}")),
    }
}

const PAYLOAD_BYTES_MAX: usize = 256 * 1_024 * 1_024 - 1_024;
