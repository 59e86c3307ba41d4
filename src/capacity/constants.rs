//! What was measured, with the record that it comes from. A new measurement changes these lines and nothing else.
//!
//! All of it is from a virtual machine with 2 CPUs (AMD EPYC), Linux 6.18, over loopback. The kernel's loopback is a cheaper
//! network than a card with interrupts and a dearer one than a card with offloads: take the cores as an order of size, and measure.

/// Resident bytes of the process before the first connection: the table in README.md.
pub const PROCESS_BYTES: f64 = 14.8 * 1_048_576.0;

/// Bytes of the process for an idle connection with one subscription, 3.1.1 and clean: benches/record/2026-11-22-million.md.
pub const CONNECTION_BYTES: f64 = 577.0;

/// Bytes of the kernel for the broker's end of it. Both ends are 8,800, of which the broker's has the receive that waits in
/// its ring (860) to itself: (8,800 - 860) / 2 + 860, benches/record/2026-11-22-million.md.
pub const CONNECTION_KERNEL_BYTES: f64 = 4_830.0;

/// More bytes of the process for an established TLS session: ARCHITECTURE.md, "rustls does handshakes, not records".
pub const TLS_SESSION_BYTES: f64 = 1_591.0;

/// A page of socket buffer for each connection to which a message is on its way at the same moment (SK_MEM_QUANTUM of the
/// kernel, include/net/sock.h).
pub const SOCKET_PAGE_BYTES: f64 = 4_096.0;

/// CPU in µs for a message that comes in and goes to one client, by QoS 0, 1, 2, when each arrives by itself on a shard that
/// has work (50 pairs, 64 B, window 1): benches/record/2026-11-23-observation.md.
pub const MESSAGE_ALONE_US: [f64; 3] = [6.35, 12.7, 16.7];

/// The same when a connection has many on their way (50 pairs, 64 B, window 100 for QoS 0, window 20 for QoS 1 and 2):
/// the table in README.md.
pub const MESSAGE_BATCHED_US: [f64; 3] = [0.158, 0.675, 1.15];

/// CPU in µs for each further client that gets it: the table in README.md, fan-out to 1,000 with a window of 5 (the dearer)
/// and the topic tree with 26 receivers (the cheaper).
pub const DELIVERY_ALONE_US: f64 = 1.04;
pub const DELIVERY_BATCHED_US: f64 = 0.583;

/// CPU in µs for each KiB of payload that comes in and goes to one client: 4.43 µs for 16 KiB less 0.158 µs for 64 B, the table
/// in README.md.
pub const PAYLOAD_KIB_US: f64 = (4.43 - 0.158) / 16.0;

/// The part of it that sending is: 42 of 68 %, benches/record/2026-11-22-optimisations.md, "Where the time goes".
pub const PAYLOAD_SENDING_PART: f64 = 42.0 / 68.0;

/// CPU in µs to open or seal a TLS record of a small message: ARCHITECTURE.md, "rustls does handshakes, not records".
pub const TLS_RECORD_US: f64 = 0.21;

/// CPU in µs of a keep-alive ping, and of a client that connects and subscribes: the table in README.md.
pub const PING_US: f64 = 24.3;
pub const CONNECT_US: f64 = 22.7;

/// CPU in µs of a full TLS 1.3 handshake with a P-256 key: ARCHITECTURE.md, "One step of a TLS handshake in a turn".
pub const HANDSHAKE_US: f64 = 100.0;

/// The part of a core that is planned for: above it, waiting times grow faster than the load (M/D/1: at 0.7 a message waits for
/// 1.2 times its own service time on average, at 0.9 for 4.5 times).
pub const UTILISATION: f64 = 0.7;

/// Bytes of a frame around the TCP payload: preamble and gap 20, Ethernet 18, IPv4 20, TCP with timestamps 32.
pub const FRAME_BYTES: f64 = 90.0;

/// Bytes of a TLS 1.3 record around its content: header 5, content type 1, tag 16 (RFC 8446, section 5.2).
pub const TLS_RECORD_BYTES: f64 = 22.0;

/// Payload of a full TCP segment on Ethernet: 1,500 - 20 - 32.
pub const SEGMENT_BYTES: f64 = 1_448.0;
