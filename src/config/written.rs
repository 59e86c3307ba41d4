//! What a file says, before it is put into the configuration.

use super::error::{Mistake, Origin};
use super::value::Value;

/// All that one file says, of whatever form.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub server: Vec<Assignment>,
    pub listeners: Vec<ListenerTable>,
    /// What could not be understood.
    pub mistakes: Vec<Mistake>,
}

/// A key, and the value that it is given.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub key: &'static str,
    pub value: Value,
    pub origin: Origin,
}

/// What is said of one listener.
#[derive(Clone, Debug)]
pub struct ListenerTable {
    /// Where it begins.
    pub origin: Origin,
    pub assignments: Vec<Assignment>,
}
