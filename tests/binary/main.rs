//! The real binary on loopback: rumqttc's clients, its own `pub` and `sub`, configurations good and bad, signals.
//!
//! No port is fixed and nothing sleeps to wait: the start message says where the server listens, acknowledgements say
//! what has happened.

mod clients;
mod command_line;
mod doctor;
mod durable;
mod passwd;
mod process;
mod service_manager;
mod signals;
mod v3;
mod v5;
