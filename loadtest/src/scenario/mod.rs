//! The scenarios. Those that only say who publishes what to whom are a list of groups, which the engine drives; those about
//! something beside the messages drive it themselves.

mod churn;
pub mod connect;
mod device_tree;
pub mod durable;
pub mod fan_in;
pub mod fan_out;
pub mod handshakes;
pub mod idle;
mod meter;
pub mod pairs;
mod random;
pub mod recovery;
pub mod retained;
pub mod shared;
pub mod site;
pub mod slow;
pub mod soak;
mod steady;
pub mod storm;
pub mod subscriptions;
pub mod tree;
