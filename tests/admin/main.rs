//! The administration through its HTTP face, with a real server behind it, on one shard and on several.

mod client;
mod clients;
mod ctl;
mod description;
mod messages;
mod process;
mod rig;
mod steer;
mod subscriptions;

/// On one shard connections take a shorter way than on several.
const SHARD_COUNTS: [usize; 2] = [1, 3];
