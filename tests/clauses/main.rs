//! Every rule of MQTT 5.0 that a server can break, each tested under the number of its clause; those of 3.1.1 and 3.1
//! where they differ.
//!
//! `README.md` beside this file lists all clauses of Appendix B of MQTT 5.0 with the tests that hold them, or says why
//! there is none; [`table`] checks that the list is complete and that the tests exist.

mod access;
mod acknowledge;
mod acl;
mod aliases;
mod auth;
mod bans;
mod bounds;
mod connack;
mod connect;
mod disconnect;
mod durability;
mod errors;
mod expiry;
#[allow(dead_code, reason = "shared with the tests of the store, which use all of it")]
#[path = "../store/fake_disk.rs"]
mod fake_disk;
mod flow_control;
mod format;
mod keep_alive;
mod ping;
mod publish;
mod quotas;
mod retained;
mod rig;
mod sessions;
mod several_shards;
mod shared;
mod subscribe;
mod table;
mod topics;
mod unsubscribe;
mod version_3;
mod wills;
