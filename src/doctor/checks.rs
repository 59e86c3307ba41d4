//! The table of checks, in the order in which they are told.

use super::finding::Finding;
use super::goal::Goal;
use super::{Facts, containers, limits_of_process, network, processors, sysctls};

/// A check makes one finding, or one for each device, or none where there is nothing of its kind.
type Check = fn(&Facts, &Goal) -> Vec<Finding>;

pub const CHECKS: &[Check] = &[
    limits_of_process::ring,
    limits_of_process::open_files,
    limits_of_process::locked_memory,
    limits_of_process::memory,
    limits_of_process::threads,
    containers::memory,
    containers::cpu,
    containers::pids,
    sysctls::all,
    network::dropped,
    network::cards,
    processors::governor,
    processors::idle_states,
    processors::halt_polling,
    processors::clock_source,
    processors::huge_pages,
    processors::numa_nodes,
];
