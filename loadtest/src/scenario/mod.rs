//! The scenarios: who publishes what to whom. Each is a list of groups; the engine does the rest.

pub mod idle;
pub mod pairs;
