//! Every bound of the system, each with its reason. A bound that an operator may move has its default
//! here and its key in the configuration; a bound that nobody may move is only here.

/// Shards in one process: the interest of other shards in a filter is one bit each in a `u128`.
pub const SHARDS_MAX: usize = 128;

/// Largest packet that the protocol can express: four bytes of Remaining Length (MQTT 5.0, section 1.5.5)
/// and the fixed header of five bytes.
pub const PACKET_SIZE_PROTOCOL_MAX: u32 = 268_435_455 + 5;

/// Default of the largest packet that a client may send, in bytes: mosquitto 2.1's figure.
pub const PACKET_SIZE_MAX_DEFAULT: u32 = 2_000_000;

/// A connection must have sent its whole CONNECT in this time, in milliseconds.
pub const HANDSHAKE_TIME_MAX_MS_DEFAULT: u64 = 10_000;

/// A CONNECT larger than this is refused before the client is known, in bytes: will and password
/// included, and small enough that a crowd of strangers cannot fill the memory.
pub const CONNECT_SIZE_MAX_DEFAULT: u32 = 128 * 1024;

/// Bytes of a user name: each connection keeps its own, and a name is no place for a document.
pub const USER_NAME_LENGTH_MAX: usize = 4_096;

/// Characters of a name that a stranger has given that go into the log.
pub const LOGGED_NAME_LENGTH_MAX: usize = 256;

/// Bytes that may still come from a connection after it was said not to read it: all of a shard's receive buffers.
pub const RECEIVED_WHILE_PAUSED_MAX: usize = 4 << 20;

/// Messages of QoS 1 and 2 that the server sends to one client without an acknowledgement.
pub const IN_FLIGHT_MAX_DEFAULT: u16 = 1_024;

/// Messages of QoS 1 and 2 that one client may send without an acknowledgement (our Receive Maximum).
pub const RECEIVE_MAXIMUM_DEFAULT: u16 = 1_024;

/// Slots between the oldest unacknowledged packet identifier and the newest: a client that never
/// acknowledges one message but does acknowledge the others may not grow its window past this.
pub const PACKET_ID_SPAN_MAX: usize = 16_384;

/// Messages that wait for one client, beyond those in flight.
pub const QUEUED_MESSAGES_MAX_DEFAULT: usize = 10_000;

/// Bytes that wait for one client: its queue, and its output that the kernel has not taken.
pub const QUEUED_BYTES_MAX_DEFAULT: usize = 16 << 20;

/// Bytes that wait on one shard for all its clients.
pub const SHARD_BYTES_MAX_DEFAULT: usize = 1 << 30;

/// Output of a connection above which messages go to the session's queue and no longer to the output, in bytes.
/// It keeps the part of a slow client's messages that is encoded, and cannot be dropped any more, small.
pub const OUTPUT_HIGH_WATER: usize = 256 * 1024;

/// Levels of a topic name or filter.
pub const TOPIC_LEVELS_MAX_DEFAULT: usize = 128;

/// Bytes of a topic name or filter; the protocol's own bound is 65,535.
pub const TOPIC_LENGTH_MAX_DEFAULT: usize = 65_535;

/// Subscriptions of one session.
pub const SUBSCRIPTIONS_MAX_DEFAULT: usize = 100_000;

/// Retained messages of the whole broker.
pub const RETAINED_MESSAGES_MAX_DEFAULT: usize = 10_000_000;

/// Bytes of all retained messages, topics and properties included.
pub const RETAINED_BYTES_MAX_DEFAULT: usize = 4 << 30;

/// Sessions of the whole broker, connected or not.
pub const SESSIONS_MAX_DEFAULT: usize = 10_000_000;

/// Topic aliases that a client may use towards the server, on each connection.
pub const TOPIC_ALIAS_MAX_DEFAULT: u16 = 32;

/// Topic aliases that the server uses towards a client, at most what the client allows.
pub const TOPIC_ALIAS_OUT_MAX_DEFAULT: u16 = 32;

/// Retained messages that one request brings from a shard: one turn's worth of replay for one subscriber.
pub const RETAINED_BATCH: usize = 64;

/// Topics that one turn of a retained search may look at before it lets others run.
pub const RETAINED_STEPS: u32 = 2_048;

/// Bytes of queued messages of one kept session that stay in memory. A window of messages of 1 KiB fits; what is behind it is read
/// back in pieces of half of this.
pub const QUEUE_MEMORY_MAX_DEFAULT: usize = 1024 * 1024;

/// Payloads of at least this many bytes are sent by reference, smaller ones are copied: at 1 KiB the two cost
/// the same, above 4 KiB sharing wins.
pub const SHARED_PAYLOAD_MIN: usize = 4_096;

/// Times that a message of a shared subscription may travel on because its shard had no member any more.
pub const SHARED_HOPS_MAX: u8 = 4;

/// Members of a shared subscription that are asked when the one that was chosen may not read the message: each is a walk along
/// its rules.
pub const SHARED_READERS_ASKED_MAX: usize = 64;

/// A client that has sent more than it may is not read for so long at least, in milliseconds: each time costs system calls.
pub const QUOTA_PAUSE_MIN_MS: u64 = 10;

/// Events that wait for the log; further ones are counted only.
pub const EVENTS_MAX: usize = 1_024;

/// Time that a closing connection may take to accept its last bytes, in milliseconds.
pub const LINGER_MS: u64 = 5_000;

/// How late a shard may be before it accepts more slowly, in microseconds: a turn of some hundred messages takes less.
pub const LOOP_LAG_MAX_US_DEFAULT: u64 = 500;

/// The part of that time which those who come and go get in a turn, while nobody else sends anything: some four of them.
pub const CROWD_SHARE: u32 = 32;

/// How long after a message of one who stays a turn takes in only one of those who come and go, in milliseconds. To take in four then, too,
/// spares a tenth of what a connect costs, and doubles the 90th percentile of those who stay in a storm.
pub const OTHERS_ARE_QUIET_MS: u64 = 1_000;

/// How often one who comes with a crowd is read from before it is like all others: CONNECT, SUBSCRIBE, and what usually follows.
pub const FIRST_WORDS: u8 = 4;

/// Connections that a shard accepts at each listening socket before it has taken in those that it accepted: as many as come in a turn
/// of some 100 µs in a storm.
pub const ACCEPTS_ARMED: usize = 16;

/// What "recent" means where latencies are told: the present period of so many milliseconds and the one before. Long enough
/// for a p99.9 under some load, short enough that one sees what is going on.
pub const LATENCY_PERIOD_MS: u64 = 10_000;

/// Seconds between two publications of the `$SYS` topics: mosquitto's figure.
pub const SYS_INTERVAL_S_DEFAULT: u64 = 10;

/// Own topics that a shard publishes in one turn: some 100 µs, which nobody notices.
pub const SYS_TOPICS_PER_TURN: usize = 32;

/// Messages that a shard follows at a time from being written to being acknowledged: enough that some silent clients do not
/// stop the measurement, few enough to stay in a cache.
pub const ACKNOWLEDGEMENTS_FOLLOWED: usize = 8;

/// One turn in so many is followed with the clock through its stages: three clock reads for seven turns. A prime, because a client that waits for
/// each answer makes the same few turns again and again, and each of them is to be seen.
pub const TURNS_PER_SAMPLE: u64 = 7;

/// A message that is not acknowledged for so long counts as if it had been then, in seconds: the longest time that the histograms
/// tell apart. Another one is followed instead.
pub const ACKNOWLEDGEMENT_FOLLOWED_S_MAX: u64 = 60;

/// Completions of the socket ring that one turn handles before it sends what came of them. One with many bytes counts once
/// more for each 4 KiB of them: 2 MiB of small publishes are a few milliseconds' work.
pub const COMPLETIONS_PER_TURN: usize = 512;

/// Bytes for which a completion counts once more in a turn's budget, as a power of two.
pub const COMPLETION_WEIGHT_SHIFT: u32 = 12;

/// Messages of other shards that one turn takes from its mailbox; a batch is taken whole.
pub const MAIL_PER_TURN: usize = 4_096;

/// While a shard works or waits in its ring, its executor gets a turn this often, in milliseconds: a turn costs 5.5 µs.
pub const EXECUTOR_TURN_INTERVAL_MS: u64 = 5;

/// A shard with nothing to do for this long sleeps in its executor, where an idle hour costs nothing but where it takes
/// 14 µs to wake, in milliseconds.
pub const QUIET_AFTER_MS: u64 = 20;

/// Receive buffers of one shard, and their size in bytes. A power of two. 4 MiB hold what arrives while a turn works.
/// From Linux 6.12 on the same memory is fewer buffers of at least 64 KiB, because each takes many chunks.
pub const RECEIVE_BUFFERS_DEFAULT: u16 = 1_024;
pub const RECEIVE_BUFFER_SIZE_DEFAULT: u32 = 4_096;

/// Messages that wait in one shard's mailbox, above which those who fill it stop reading from their publishers. A large
/// message counts once more for each 4 KiB.
pub const MAILBOX_HIGH_WATER_DEFAULT: usize = 65_536;

/// Bytes for which a large message counts once more in a mailbox, as a power of two.
pub const MAIL_WEIGHT_SHIFT: u32 = 12;

/// How often a shard looks whether a full mailbox has drained, in milliseconds.
pub const BACK_PRESSURE_CHECK_MS: u64 = 1;

/// Time between attempts to accept when descriptors or memory have run out, in milliseconds.
pub const ACCEPT_BACK_OFF_MS: u64 = 100;

/// Descriptors kept for connections over the limit, so that they get an answer and not silence.
pub const REFUSAL_DESCRIPTORS: usize = 64;

/// Descriptors kept for what is not a connection: files, logs, the program that embeds the server.
pub const DESCRIPTORS_RESERVED: usize = 64;

/// Descriptors that the kernel's table has room for from the start, if it is not configured how many connections there may be: half a
/// MiB. More wait for it to grow.
pub const DESCRIPTORS_AHEAD: usize = 65_536;

/// Descriptors that a shard needs for itself: four rings, five eventfds, duplicates, and its listeners.
pub const DESCRIPTORS_PER_SHARD: usize = 24;

/// Locked memory that the executor demands, and what each shard's three executor rings register, in bytes.
pub const LOCKED_MEMORY_MIN: u64 = 512 * 1024;
pub const LOCKED_MEMORY_PER_SHARD: u64 = 3 * 64 * 1024;

/// Bytes that TLS and WebSocket may have to say to a peer that does not read, such as answers to its pings.
pub const LAYER_OUTPUT_MAX: usize = 64 * 1024;

/// Buffers for encrypted output that a shard keeps for the next one, and the largest of them in bytes.
pub const SPARE_SEALED_MAX: usize = 64;
pub const SPARE_SEALED_SIZE_MAX: usize = 64 * 1024;

/// Bytes of a file with access rules: half a million rules.
pub const ACL_FILE_SIZE_MAX: u64 = 32 << 20;

/// Log lines of one kind that a shard writes in a second; further ones are counted.
pub const LOG_LINES_PER_SECOND: u32 = 20;

/// Time that connections get to take their last bytes when the server stops, in milliseconds.
pub const SHUTDOWN_TIME_MAX_MS_DEFAULT: u64 = 5_000;

/// Publishes whose other shards' parts have not come to the store. Those parts take one turn of each shard, so this many means that a
/// shard does not answer; then the oldest is kept as it is.
pub const STORE_TICKETS_MAX: usize = 65_536;

/// Bytes of the oldest segment that one call of the store's cleaning reads, unless a single group is larger: a
/// millisecond's work, that acknowledgements wait for.
pub const STORE_CLEANING_BYTES: usize = 1 << 20;

/// A store without room for its next segment tries again this often, in milliseconds: each attempt is a few system calls.
pub const STORE_SPARE_RETRY_MS: u64 = 1_000;

/// A message is given up by cleaning only so long after its expiry, in seconds: a shard that has just begun to deliver it has said so by
/// then.
pub const STORE_EXPIRY_GRACE_S: u64 = 60;

/// Bytes that one read of stored messages asks the disk for at least: messages that were queued together are near each other.
pub const STORE_READ_AHEAD: usize = 64 * 1024;

/// Bytes of the buffer in which groups are put together that are kept from one to the next.
pub const STORE_BUFFER_KEPT: usize = 4 << 20;

/// Bytes after which a recovery tells how far it has come.
pub const STORE_PROGRESS_BYTES: u64 = 16 << 20;

/// Bytes of all segments of the store: what does not fit is not acknowledged.
pub const STORE_SIZE_MAX_DEFAULT: u64 = 64 << 30;

/// Bytes of one segment: large enough that creating one is rare, small enough that one is cleaned in a second.
pub const STORE_SEGMENT_SIZE_DEFAULT: u64 = 64 << 20;
pub const STORE_SEGMENT_SIZE_MIN: u64 = 1 << 20;
pub const STORE_SEGMENT_SIZE_MAX: u64 = 1 << 30;

/// Segments that fit into the store at least: the one that is written, the one that is cleaned, and room between them.
pub const STORE_SEGMENTS_MIN: u64 = 4;

/// Free bytes of the file system below which the store does not accept: room for what was accepted before, and for others.
pub const STORE_FREE_SPACE_MIN_DEFAULT: u64 = 64 << 20;

/// Bytes after which a group is written although more waits: what a disk of 200 MB/s takes in 20 ms.
pub const STORE_GROUP_BYTES_MAX: usize = 4 << 20;

/// Bytes that wait for the store above which shards stop reading from clients until half of them are written: a third of
/// a second's work for a disk of 200 MB/s.
pub const STORE_BACKLOG_MAX: usize = 64 << 20;

/// Bytes that are written and not synced, after which a sync does not wait for its interval: the store has them in memory, to
/// write them again should the sync fail.
pub const STORE_UNSYNCED_MAX: u64 = 32 << 20;

/// What a fact counts for in what waits for the store, besides its message, in bytes.
pub const STORE_FACT_WEIGHT: usize = 64;

/// Segment files that are kept open.
pub const STORE_FILES_OPEN_MAX: usize = 8;

/// Time between attempts to write after one has failed, in milliseconds.
pub const STORE_RETRY_MS: u64 = 1_000;

/// Time between log lines that say that the store still does not accept, in milliseconds.
pub const STORE_REMINDER_MS: u64 = 30_000;

/// Time between looks at the free space of the file system, in milliseconds.
pub const STORE_SPACE_CHECK_MS: u64 = 1_000;

/// Time between syncs when acknowledgements do not wait for the store at all, in milliseconds.
pub const STORE_SYNC_INTERVAL_MS: u64 = 1_000;

/// Time between summaries of what the store wrote, in milliseconds.
pub const STORE_SUMMARY_MS: u64 = 60_000;

/// Bytes that a client may send before its TLS handshake is over: a chain of certificates of 64 KiB, which is more than the
/// TLS library takes, and the messages around it.
pub const TLS_HANDSHAKE_SIZE_MAX: usize = 80 * 1024;

/// TLS records and messages in a row that bring no data, such as key updates, warnings and empty records. As many key updates as the TLS
/// library would take.
pub const TLS_IDLE_RECORDS_MAX: u8 = 32;

/// Bytes of a file with certificates, keys or revocation lists.
pub const TLS_FILE_SIZE_MAX: u64 = 64 << 20;

/// Bytes of the name that a client has by its certificate. A common name has at most 64 characters (RFC 5280, appendix A.1), a whole subject is
/// rarely longer than 200.
pub const TLS_PEER_NAME_SIZE_MAX: usize = 1_024;

/// Sessions that a listener keeps for resumption, if it keeps them itself: some 10 MB.
pub const TLS_CACHED_SESSIONS_MAX_DEFAULT: usize = 32_768;
/// Bytes of the request that opens a WebSocket: the bound of most HTTP servers. Cookies of a browser are the largest part.
pub const WEBSOCKET_REQUEST_MAX: usize = 8 * 1024;

/// Header fields of that request: a browser behind two proxies sends about 25.
pub const WEBSOCKET_REQUEST_FIELDS_MAX: usize = 64;

/// Bytes of pongs that wait for one client, beyond which its pings get no answer: a client that sends pings and does not read
/// holds this much, and one that reads never comes near.
pub const WEBSOCKET_PONGS_MAX: usize = 4 * 1024;

/// Data frames without payload that a client may send in a row: they carry no MQTT, so nothing else counts them.
pub const WEBSOCKET_EMPTY_FRAMES_MAX: u16 = 1_024;

/// Bytes of a PROXY header of version 2, signature included: the longest addresses (216), and the longest server name, unique
/// identifier and certificate name take 1 KiB. The format allows 64 KiB, before anything is known of the peer.
pub const PROXY_HEADER_MAX: usize = 4 * 1024;
/// Logins that wait to be decided, all together: a crowd of 16,384 that comes back at once is normal, and at 10 µs each (kept
/// logins) it is served in a sixth of a second. More are answered with 0x89 (Server busy).
pub const LOGINS_WAITING_MAX: usize = 16_384;

/// Bytes that waiting logins may hold: a CONNECT may bring 128 KiB, and 16,384 of those must not take two GiB.
pub const LOGINS_WAITING_BYTES_MAX: usize = 64 << 20;

/// What a waiting login counts for besides its texts, in bytes.
pub const LOGIN_WEIGHT: usize = 256;

/// Logins that wait for a slow method (a hash, another program): what is behind these would wait longer than a handshake
/// may take even at 2 ms each. The last of the longest line gives way.
pub const LOGIN_LINE_MAX: usize = 4_096;

/// A login that has waited this long is not decided any more, in milliseconds: its client has been given up.
pub const LOGIN_WAIT_MAX_MS: u64 = HANDSHAKE_TIME_MAX_MS_DEFAULT;

/// Threads that hash passwords: each takes 47 MB and a whole CPU while it hashes with argon2id.
pub const HASH_THREADS: usize = 2;

/// What hashing threads add to their nice value (nice(2)): with 10 a busy shard gets nine times their CPU time.
pub const HASH_THREADS_NICE: i32 = 10;

/// Threads that ask over HTTP: they only wait, 5 ms each is 1,600 logins a second.
pub const HTTP_THREADS: usize = 8;

/// Decided logins that are kept, per kind: 100 bytes each without rules.
pub const LOGINS_KEPT_MAX: usize = 65_536;

/// Time for which a verified password is kept, in milliseconds. A changed file is read by a reload, and that drops all of
/// them; the bound is for what is not seen to change.
pub const VERIFIED_LOGIN_TIME_MS: u64 = 3_600_000;

/// Bytes of a file with passwords or credentials: a million users.
pub const PASSWORD_FILE_SIZE_MAX: u64 = 256 << 20;

/// Bytes of a file with a key, a secret or certificates.
pub const KEY_FILE_SIZE_MAX: u64 = 4 << 20;

/// Bytes of a user name in a file: what MQTT can express.
pub const USER_NAME_SIZE_MAX: usize = 65_535;

/// What a line of a password file may demand of argon2, in KiB and passes: a quarter of a GiB, and about two seconds.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 262_144;
pub const ARGON2_PASSES_MAX: u32 = 64;
pub const ARGON2_WORK_MAX: u64 = 4 * ARGON2_MEMORY_KIB_MAX as u64;
pub const ARGON2_LANES_MAX: u32 = 16;

/// What a line of a password file may demand of PBKDF2: about two seconds.
pub const PBKDF2_ITERATIONS_MAX: u32 = 5_000_000;

/// Bytes of a salt and of a hash in a password file: mosquitto's are 12 and 64.
pub const PASSWORD_SALT_SIZE_MAX: usize = 64;
pub const PASSWORD_HASH_SIZE_MAX: usize = 64;

/// Bytes of a token: what an HTTP server takes in a header, with room for rules.
pub const TOKEN_SIZE_MAX: usize = 16 * 1024;

/// Access rules that come with one decision.
pub const RULES_OF_GRANT_MAX: usize = 1_024;

/// Bytes of an answer over HTTP.
pub const HTTP_ANSWER_SIZE_MAX: u64 = 256 * 1024;

/// Listeners that can have credentials for SCRAM: each shard has a method ready for each, 64 bytes.
pub const SCRAM_LISTENERS_MAX: u16 = 64;

/// Bytes of one message of a SCRAM exchange: names and nonces, RFC 5802 sets no bound.
pub const SCRAM_MESSAGE_SIZE_MAX: usize = 4_096;

/// Bans in force at a time, and the bytes of what they name: more is for a packet filter.
pub const BANS_MAX: usize = 16_384;
pub const BANS_BYTES_MAX: usize = 16 << 20;

/// Bytes of the reason that a ban is given.
pub const BAN_REASON_SIZE_MAX: usize = 256;

/// Seconds that a ban may last, if it ends by itself: ten years.
pub const BAN_TIME_MAX_S: u64 = 315_576_000;

/// Connections to the administration at a time: people and a few programs.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Time for a request to the administration and its answer, in milliseconds.
pub const ADMIN_REQUEST_TIME_MAX_MS: u64 = 30_000;

/// Reloads that wait for an earlier one; more are refused.
pub const RELOADS_WAITING_MAX: usize = 4;

/// Time for the shards to say that they are ready, in milliseconds: those who ask (systemd, Kubernetes) wait a second or a few.
pub const ADMIN_READY_TIME_MAX_MS: u64 = 900;

/// Bytes of the body of such a request: a message of 2,000,000 bytes in base64, and what goes with it. Who may send a body has shown the
/// token.
pub const ADMIN_BODY_SIZE_MAX: usize = 3 << 20;

/// Characters of the token for it, at least: 64 bits in hexadecimal.
pub const ADMIN_TOKEN_SIZE_MIN: usize = 16;

/// Sessions that one question to a shard looks at: a fraction of a millisecond of its turn.
pub const INSPECTED_SESSIONS_MAX: u32 = 4_096;

/// Questions for one page of a list: it ends short after a million entries that nobody wanted, and the next one goes on.
pub const QUESTIONS_PER_PAGE_MAX: usize = 256;

/// Entries of one page of a list.
pub const PAGE_ENTRIES_MAX: usize = 1_000;
pub const PAGE_ENTRIES_DEFAULT: usize = 100;

/// Places of the topic index that one question to a shard looks at, as long as sessions.
pub const INSPECTED_FILTERS_MAX: usize = 4_096;

/// Subscriptions that are shown with their client; the list of subscriptions has all.
pub const INSPECTED_SUBSCRIPTIONS_MAX: usize = 100;

/// Addresses that the guard knows at a time: 40 MB, if there are as many.
pub const GUARD_ADDRESSES_MAX_DEFAULT: usize = 1 << 20;

/// Client ids whose connects a shard counts at a time, to see which of them flap.
pub const FLAPPING_CLIENTS_MAX: usize = 65_536;

/// Places of a table of the guard that one insertion looks at, to find what can be forgotten.
pub const GUARD_SWEEP: usize = 16;

/// Parts of the guard's table, each with a lock of its own.
pub const GUARD_PARTS: usize = 64;

/// Bytes of a file, and entries of a directory, that `ringmq doctor` reads: far more than the kernel's files have.
pub const DOCTOR_FILE_SIZE_MAX: u64 = 1 << 20;
pub const DOCTOR_ENTRIES_MAX: usize = 65_536;

/// Events of clients that a shard remembers, of those that come and go, and of all others, and their bytes. With names of a usual length
/// it is the number that counts; the bytes are for clients whose identifiers are 64 KiB, and who need no permission to come and go.
pub const EVENTS_REMEMBERED: usize = 4_096;
pub const EVENTS_REMEMBERED_BYTES_MAX: usize = 1 << 20;

/// Traces of packets that run at a time on one shard: people who look for something.
pub const TRACERS_MAX: usize = 4;

/// Packets, and their bytes, that wait in one shard for the reader of a trace: it comes every [`TRACE_READ_INTERVAL_MS`].
pub const TRACED_PACKETS_MAX: usize = 4_096;
pub const TRACED_BYTES_MAX: usize = 4 << 20;

/// Bytes of one packet that are kept for a trace.
pub const TRACED_PACKET_SIZE_MAX: usize = 64 * 1024;

/// How often a trace asks the shards for what has passed, in milliseconds: what a person sees as at once.
pub const TRACE_READ_INTERVAL_MS: u64 = 50;

/// A trace whose reader has not asked for so long ends, in milliseconds.
pub const TRACE_ABANDONED_MS: u64 = 10_000;

/// Time that one trace may take, in milliseconds: who forgets it should not cost the server something for ever.
pub const TRACE_TIME_MAX_MS: u64 = 3_600_000;

/// Topic aliases that are kept for the reader of a trace, for each connection and direction; and connections.
pub const TRACED_ALIASES_MAX: usize = 1_024;
pub const TRACED_CONNECTIONS_MAX: usize = 64;

/// Least time between two looks of the watchdog, in milliseconds: a service manager that asks for more must not cost a core.
pub const WATCHDOG_LOOK_INTERVAL_MIN_MS: u64 = 10;

/// Sockets that a service manager may hand over: as many as there can be listeners.
pub const INHERITED_SOCKETS_MAX: usize = u16::MAX as usize;

const _: () = assert!(SHARDS_MAX <= u128::BITS as usize);
const _: () = assert!(PACKET_ID_SPAN_MAX < u16::MAX as usize);
const _: () = assert!(IN_FLIGHT_MAX_DEFAULT as usize <= PACKET_ID_SPAN_MAX);
const _: () = assert!(PACKET_SIZE_MAX_DEFAULT <= PACKET_SIZE_PROTOCOL_MAX);
const _: () = assert!(OUTPUT_HIGH_WATER < QUEUED_BYTES_MAX_DEFAULT);
const _: () = assert!(QUEUED_BYTES_MAX_DEFAULT < SHARD_BYTES_MAX_DEFAULT);
// The largest control frame fits: a ping of 125 bytes is answered.
const _: () = assert!(WEBSOCKET_PONGS_MAX >= 127);
const _: () = assert!(RECEIVE_BUFFERS_DEFAULT.is_power_of_two());
const _: () =
    assert!(RECEIVE_BUFFERS_DEFAULT as usize * RECEIVE_BUFFER_SIZE_DEFAULT as usize <= RECEIVED_WHILE_PAUSED_MAX);
const _: () = assert!(EXECUTOR_TURN_INTERVAL_MS < QUIET_AFTER_MS);
const _: () = assert!(
    STORE_SEGMENT_SIZE_MIN <= STORE_SEGMENT_SIZE_DEFAULT && STORE_SEGMENT_SIZE_DEFAULT <= STORE_SEGMENT_SIZE_MAX
);
const _: () = assert!(STORE_SEGMENTS_MIN * STORE_SEGMENT_SIZE_DEFAULT <= STORE_SIZE_MAX_DEFAULT);
const _: () = assert!(STORE_GROUP_BYTES_MAX * 2 <= STORE_BACKLOG_MAX);
const _: () = assert!(LOGIN_LINE_MAX < LOGINS_WAITING_MAX);
