//! Receiving from a socket, and not receiving for a while: what a client sends meanwhile fills its socket's buffer, then its own.

use io_uring::{opcode, squeue};

use super::ring::{Operation, SocketRing, user_data};
use super::sockets::{Receiving, SocketId};

impl SocketRing {
    /// Receives until the end, or until [`pause`](Self::pause).
    pub fn receive(&mut self, id: SocketId) {
        self.unwatch(id);
        let Some(socket) = self.sockets.get_mut(id) else { return };
        match socket.receiving {
            Receiving::Pausing => socket.receiving = Receiving::Resuming,
            Receiving::No if !socket.closing => self.arm_receive(id),
            _ => {}
        }
    }

    /// Receives no more until [`receive`](Self::receive). What the kernel has taken from the socket already still comes, and so
    /// may the end.
    pub fn pause(&mut self, id: SocketId) {
        self.unwatch(id);
        let Some(socket) = self.sockets.get_mut(id) else { return };
        match socket.receiving {
            Receiving::Multishot if !socket.closing => {
                socket.receiving = Receiving::Pausing;
                self.cancel_receive(id, Operation::Receive);
            }
            Receiving::Share if !socket.closing => {
                socket.receiving = Receiving::Pausing;
                self.cancel_receive(id, Operation::Share);
            }
            Receiving::Resuming | Receiving::Capped => socket.receiving = Receiving::Pausing,
            // Its place in the list of those that wait for a buffer means nothing then.
            Receiving::Starved => socket.receiving = Receiving::No,
            _ => {}
        }
    }

    /// Tells a receive to end; it still has a completion.
    pub(super) fn cancel_receive(&mut self, id: SocketId, operation: Operation) {
        let entry = opcode::AsyncCancel::new(user_data(operation, id.slot, id.generation)).build();
        let quiet = user_data(Operation::Quiet, id.slot, id.generation);
        self.push(entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(quiet));
    }
}
