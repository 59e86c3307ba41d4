//! Secrets are overwritten before a packet is kept for anybody.

use std::ops::Range;

use crate::codec::frame::{self, Frame};
use crate::codec::{Packet, Version, decode};

/// Types of the packets that can hold secrets: CONNECT, CONNACK, AUTH (section 2.1.2).
const WITH_SECRETS: [u8; 3] = [1, 2, 15];

const MASK: u8 = b'*';

/// Overwrites password and authentication data of a whole packet. One of those types that cannot be understood has nothing left
/// but its fixed header: where its secrets are is not known.
pub(super) fn mask_secrets(packet: &mut [u8], version: Version) {
    if !packet.first().is_some_and(|first| WITH_SECRETS.contains(&(first >> 4))) {
        return;
    }
    let Ok(Some((frame, size))) = frame::find(packet, u32::MAX) else { return packet.fill(MASK) };
    let header_size = size - frame.body.len();
    let ranges = secrets(frame, header_size, version).unwrap_or([Some(header_size..size), None]);
    for range in ranges.into_iter().flatten() {
        if let Some(secret) = packet.get_mut(range) {
            secret.fill(MASK);
        }
    }
}

/// Where the secrets are, in bytes from the beginning of the packet.
fn secrets(frame: Frame<'_>, header_size: usize, version: Version) -> Option<[Option<Range<usize>>; 2]> {
    // What was decoded borrows from the body, so that its address says where it is.
    let body = frame.body.as_ptr() as usize;
    let place = |secret: &[u8]| {
        let start = header_size + (secret.as_ptr() as usize).saturating_sub(body);
        start..start + secret.len()
    };
    match decode::decode(frame, version).ok()? {
        Packet::Connect(connect) => {
            Some([connect.password.map(place), connect.properties.authentication_data.map(place)])
        }
        Packet::ConnAck(connack) => Some([connack.properties.authentication_data.map(place), None]),
        Packet::Auth(auth) => Some([auth.data.map(place), None]),
        _ => None,
    }
}
