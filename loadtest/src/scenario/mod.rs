//! The scenarios: who publishes what to whom. Each is a list of groups, which the engine drives; only idle connections
//! need a loop of their own.

mod device_tree;
pub mod fan_in;
pub mod fan_out;
pub mod idle;
pub mod pairs;
mod random;
pub mod shared;
pub mod tree;
