//! Every limit of this crate, with its source.

use std::time::Duration;

/// The largest request head (`facts/security.md` § 4, slow and oversize requests).
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// What a request may send before its signature is believed, so that AWS's precedence of errors
/// can be kept (architecture, "The pipeline").
pub const UNPROVEN_BODY_BYTES_MAX: usize = 64 * 1024;
/// Bodies in flight over all connections, unless configured otherwise (our choice: 25 of the
/// largest `PutRecords`).
pub const BODY_BUDGET_BYTES_DEFAULT: usize = 256 * 1024 * 1024;
/// Unproven bodies hold at most one part in this many of the budget (architecture).
pub const UNPROVEN_BUDGET_DIVISOR: usize = 2;
/// How long a body waits for room in the budget before the caller is told to slow down.
pub const BUDGET_WAIT: Duration = Duration::from_secs(2);
/// How long a body may take before its rate counts (slow senders are cut within 10 s;
/// `facts/security.md` § 4).
pub const BODY_GRACE: Duration = Duration::from_secs(8);
/// The least rate of a body after that (our choice: a slow mobile uplink).
pub const BODY_BYTES_PER_SECOND_MIN: u64 = 16 * 1024;
/// How many times its size a compressed body may become (`facts/security.md` § 4, bombs).
pub const INFLATE_RATIO_MAX: usize = 100;
/// What it may become at any ratio: a small batch of metrics is nearly the same line throughout.
pub const INFLATE_FREE_BYTES: usize = 64 * 1024;
/// By how much a body of unknown length grows its hold on the budget.
pub const BODY_STEP_BYTES: usize = 64 * 1024;
/// What a body that is streamed holds of the budget: what whoever reads it gathers of it, and what waits
/// in the connection's buffers.
pub const STREAMED_BODY_BYTES: usize = 1024 * 1024;
/// What is read and thrown away of a refused body, so that its sender sees the answer and not a
/// reset connection.
pub const DISCARD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long that may take.
pub const DISCARD_WAIT: Duration = Duration::from_secs(2);
/// How long the first bytes of a connection may take to tell its protocol.
pub const SNIFF_WAIT: Duration = Duration::from_secs(8);
/// How long a TLS handshake may take (slow senders are cut within 10 s, as above).
pub const TLS_HANDSHAKE_WAIT: Duration = Duration::from_secs(8);
/// TLS sessions that can be resumed, about 1 KiB each (our choice: a fleet's worth of SDKs).
pub const TLS_SESSIONS_MAX: usize = 1024;
/// How often a connection is looked at. A request head may take up to two looks, so a slow one is
/// cut within 10 s.
pub const WATCH_EVERY: Duration = Duration::from_secs(4);
/// After how many looks in a row without a request a connection is closed: two minutes, longer
/// than the ping interval of KCL's client (`facts/streams.md` § 2.1).
pub const IDLE_LOOKS_MAX: u32 = 30;
/// After how many looks in a row without a byte taken a peer that does not read its answer is cut:
/// five minutes, the life of a subscription in the fan-out API.
pub const STALLED_LOOKS_MAX: u32 = 75;
/// Open connections (`facts/security.md` § 4 tests with 10,000 idle ones).
pub const CONNECTIONS_MAX: usize = 16_384;
/// The queue of connections the kernel holds for us.
pub const LISTEN_BACKLOG: u32 = 1024;
/// How long accepting pauses after the system refused to accept (too many open files).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long open requests get when the server stops.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Locks that share the buckets of call rates among them (our choice: more than cores).
pub const CALL_STRIPES: usize = 16;
/// Buckets behind one of them before those that are full again are forgotten (our choice).
pub const CALL_BUCKETS_KEPT: usize = 1024;

/// HTTP/2: how much a stream may send unasked. Above the 512 KiB of KCL's client, so one
/// `PutRecords` of ordinary size needs no round trip.
pub const H2_STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// HTTP/2: how much a connection may send unasked; also what it may make us hold.
pub const H2_CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// HTTP/2: requests at once on one connection (AWS's SDKs open at most 128 by themselves).
pub const H2_STREAMS_MAX: u32 = 256;
/// HTTP/2: the largest frame we take; bodies then come in fewer pieces.
pub const H2_FRAME_BYTES_MAX: u32 = 256 * 1024;
/// HTTP/2: answer bytes buffered per stream.
pub const H2_SEND_BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// HTTP/2: streams that a peer may open and reset before we serve them; beyond it the connection
/// is closed (rapid reset, CVE-2023-44487).
pub const H2_PENDING_RESETS_MAX: usize = 32;
/// HTTP/2: streams that we may have to reset on one connection before it is closed.
pub const H2_LOCAL_RESETS_MAX: usize = 256;
/// HTTP/2: how often a silent peer is pinged.
pub const H2_PING_EVERY: Duration = Duration::from_secs(30);
/// HTTP/2: how long it may take to answer.
pub const H2_PING_WAIT: Duration = Duration::from_secs(20);
