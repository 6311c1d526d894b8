//! Every threshold and limit of the detectors, with its reason.

/// Evidence that a source scans, in halves of a step of the random walk. A step is ln 4: Jung et al. (2004) take 0.8 for the
/// share of a friendly source's first contacts that succeed, and 0.2 for a scanner's. Nine steps are a likelihood ratio of
/// 4^9, so with one source in a hundred thousand wrongly accused, ln(0.99 / 0.00001) / ln 4 = 8.3, rounded up.
pub const EVIDENCE: u32 = 2 * 9;
/// A first contact that failed: one step.
pub const WEIGHT: u8 = 2;
/// What no program sends but a scanner: NULL, FIN alone, Xmas. Three steps.
pub const WEIGHT_CRAFTED: u8 = 6;
/// ICMP timestamp, address mask and node information requests, and protocols that are no transport: two steps.
pub const WEIGHT_ODD: u8 = 4;
/// UDP that was accepted and not answered: half a step, since much UDP never is (syslog, RTP, statistics).
pub const WEIGHT_UNANSWERED_UDP: u8 = 1;
/// Successes that pay for a failure, each to another host, for as long as a source is remembered. Without a limit a scanner
/// mixes in contacts that it knows will succeed (Kang, Caballero, Song 2007).
pub const CREDITS_MAX: usize = 4;
/// Ports of one host that a host of a block scan has at least, and hosts of a block scan.
pub const BLOCK_SIDE: usize = 3;
/// Evidence where neither a host nor a port stands out: higher, since nothing but failing joins it; and no more than nmap's
/// first burst of ten, after whose silence it waits for seconds.
pub const EVIDENCE_SPREAD: u32 = 2 * 10;
/// Towards the internet failing is ordinary: dead peers, QUIC where only TCP may pass. Hosts on one port within a minute.
pub const OUTWARD_HOSTS: u32 = 2 * 100;
/// And ports of one host there within a minute: passive FTP and calls open ports of their own.
pub const OUTWARD_PORTS: u32 = 2 * 20;
/// How long contacts towards the internet count, in seconds.
pub const OUTWARD_WINDOW_S: i64 = 60;
/// How long first contacts are remembered, in seconds: slow scans have a day.
pub const CONTACT_S: i64 = 86_400;
/// Evidence that took longer than this to come together is called slow, in seconds: nmap's polite and slower timings.
pub const SLOW_S: i64 = 60;
/// Sources whose first contacts are remembered.
pub const SOURCES_MAX: usize = 16_384;
/// First contacts of one source that are remembered; with so many it was accused long before.
pub const CONTACTS_MAX: usize = 128;
/// First contacts of all sources that are remembered: 48 bytes each.
pub const CONTACTS_ALL_MAX: usize = 200_000;

/// Sources that together scan a host, and ports they tried, within [`DISTRIBUTED_WINDOW_S`].
pub const DISTRIBUTED_SOURCES: usize = 20;
/// Seconds they have; background noise of the internet brings an address a few packets a minute.
pub const DISTRIBUTED_WINDOW_S: i64 = 60;
/// Contacts of a host that are looked at for that.
pub const DISTRIBUTED_RECENT_MAX: usize = 64;
/// Hosts that are looked at for that.
pub const TARGETS_MAX: usize = 4_096;

/// Connections whose ends are remembered, so that their late packets accuse nobody.
pub const PEERS_MAX: usize = 32_768;

/// More refused packets than this ...
pub const DROPS: u64 = 100;
/// ... within so many seconds, unless the policy says else.
pub const DROPS_WITHIN_S: u32 = 60;
/// And more than so many times what the last hours had.
pub const USUAL_FACTOR: u64 = 4;
/// Sources, pairs and zones whose refused packets are counted.
pub const RATES_MAX: usize = 8_192;
/// Counters of the table whose last reading is remembered.
pub const READINGS_MAX: usize = 65_536;

/// Seconds after the first event in which pairs and cards are only learnt.
pub const LEARNING_S: i64 = 86_400;
/// Pairs of zones that are remembered.
pub const PAIRS_MAX: usize = 65_536;

/// Packets to a management port that are refused before it is told: a try and its two retransmissions.
pub const MANAGEMENT_TRIES: u32 = 3;
/// Seconds they have.
pub const MANAGEMENT_WINDOW_S: i64 = 60;
/// Sources whose tries are counted.
pub const MANAGEMENT_MAX: usize = 4_096;

/// Cards that are remembered.
pub const CARDS_MAX: usize = 16_384;
/// Cards that wait for their lease.
pub const CARDS_WAITING_MAX: usize = 1_024;
/// Seconds a new card has to get a lease before it is told.
pub const CARD_GRACE_S: i64 = 60;

/// Spoofed packets on an uplink within [`SPOOF_WINDOW_S`]: one may be a provider's slip.
pub const SPOOFED: u64 = 5;
/// Seconds they have.
pub const SPOOF_WINDOW_S: u32 = 60;

/// Connection tracking is nearly full from so many percent on, ...
pub const CONNTRACK_FULL_PERCENT: u64 = 90;
/// ... and is not any more below so many.
pub const CONNTRACK_CALM_PERCENT: u64 = 80;
