//! What a subscriber must get: for each stream it receives, which messages have arrived.

use crate::ledger::Ledger;

/// The streams a subscriber receives.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub qos: u8,
    /// The first stream it receives.
    pub first_stream: usize,
    /// For each stream from the first it receives to the last, the index in `expected`, or `NOT_EXPECTED`.
    pub expected_of_stream: Vec<u32>,
    pub expected: Vec<Expected>,
}

/// One stream at one subscriber.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub ledger: Ledger,
    /// The share group the subscriber gets it in; otherwise it gets all of it.
    pub share: Option<usize>,
}

const NOT_EXPECTED: u32 = u32::MAX;

impl Subscriber {
    pub fn new(qos: u8) -> Self {
        Self { qos, first_stream: 0, expected_of_stream: Vec::new(), expected: Vec::new() }
    }

    /// Adds a stream; streams are added in ascending order, each once.
    pub fn expect(&mut self, stream: usize, share: Option<usize>) {
        if self.expected.is_empty() {
            self.first_stream = stream;
        }
        self.expected_of_stream.resize(stream - self.first_stream, NOT_EXPECTED);
        self.expected_of_stream.push(self.expected.len() as u32);
        self.expected.push(Expected { ledger: Ledger::default(), share });
    }

    pub fn expected(&mut self, stream: usize) -> Option<&mut Expected> {
        let index = *self.expected_of_stream.get(stream.checked_sub(self.first_stream)?)?;
        self.expected.get_mut(index as usize)
    }
}
