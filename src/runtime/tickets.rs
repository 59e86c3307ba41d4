//! The name under which somebody off the shards is asked about a connection.

use crate::authority::Ticket;
use crate::broker::ConnectionId;
use crate::routing::ShardIndex;

pub fn ticket(shard: ShardIndex, connection: ConnectionId) -> Ticket {
    Ticket {
        shard: usize::from(shard.0),
        connection: u64::from(connection.generation) << 32 | u64::from(connection.slot),
    }
}

pub fn connection_of(ticket: Ticket) -> ConnectionId {
    ConnectionId { slot: ticket.connection as u32, generation: (ticket.connection >> 32) as u32 }
}
