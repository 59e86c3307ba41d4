//! What an answer, or a message, waits for.

/// Something that must be durable first: nothing, a batch of this shard, or a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gate(u64);

/// Tickets have it; batches are numbered from 1 and never get there. The bits below hold a shard, up to 127, and a counter.
const TICKET: u64 = 1 << 63;

impl Gate {
    pub const OPEN: Self = Self(0);

    /// All of this shard's operations up to the batch of this number.
    pub fn batch(number: u64) -> Self {
        debug_assert!(number & TICKET == 0);
        Self(number)
    }

    /// All shards' parts of a publish. `ticket` is not 0.
    pub fn ticket(ticket: u64) -> Self {
        debug_assert!(ticket & TICKET == 0 && ticket != 0);
        Self(ticket | TICKET)
    }

    /// The ticket, if it is one.
    pub fn as_ticket(self) -> Option<u64> {
        (self.0 & TICKET != 0).then_some(self.0 & !TICKET)
    }

    /// The number of the batch, if it is one; 0 is open.
    pub fn as_batch(self) -> u64 {
        if self.0 & TICKET == 0 { self.0 } else { 0 }
    }
}
