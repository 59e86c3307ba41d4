//! One frame to one packet.

use super::frame::Frame;
use super::packet::{Packet, Version};
use super::violation::Violation;

/// Decodes any packet but CONNECT, whose version is its own: `version` is ignored there.
pub fn decode<'a>(frame: Frame<'a>, version: Version) -> Result<Packet<'a>, Violation> {
    let _ = (frame, version);
    unimplemented!()
}
