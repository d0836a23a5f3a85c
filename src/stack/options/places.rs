//! Where each option's value lies in a slot.
//!
//! A place below [`BITS`] is a word of `Slot::options`; from there on it is one bit of the last two words, for those
//! on-off options that nobody reads often. A fresh slot is all zeroes, so a word holds the value less its default
//! (`row::Default`); [`super::value`] puts the two together.

use crate::shm::OPTION_WORDS;

macro_rules! places {
    ($($name:ident = $index:expr),* $(,)?) => {
        $(#[allow(missing_docs)] pub const $name: usize = $index;)*
    };
}

/// The first place that is a bit.
pub const BITS: usize = OPTION_WORDS;
/// The word that holds the first 32 bits.
pub const FIRST_BIT_WORD: usize = OPTION_WORDS - 2;
/// No place: the option is computed, or kept elsewhere.
pub const NOWHERE: usize = usize::MAX;

// SOL_SOCKET. The comment says what a word holds where that is not plainly the value or 0 and 1.
places!(
    REUSE_ADDRESS = 0,
    REUSE_PORT = 1,
    KEEP_ALIVE = 3,
    BROADCAST = 4,
    OOB_INLINE = 5,
    DONT_ROUTE = 6,
    LINGER_ON = 7,
    // u32::MAX: for ever.
    LINGER_SECONDS = 8,
    // As read, that is doubled; 0: never set.
    SEND_BUFFER = 9,
    RECEIVE_BUFFER = 10,
    // 0: 1.
    RECEIVE_LOW_WATER = 11,
    // Ticks in two words each. Both 0: for ever. Both all ones: at once.
    RECEIVE_TIMEOUT_LOW = 12,
    RECEIVE_TIMEOUT_HIGH = 13,
    SEND_TIMEOUT_LOW = 14,
    SEND_TIMEOUT_HIGH = 15,
    // Interface index.
    DEVICE = 23,
    PRIORITY = 25,
    // STAMP_ bits.
    TIMESTAMP = 26,
    TIMESTAMPING = 27,
    MARK = 28,
    PEEK_OFFSET = 29,
    BUSY_POLL = 30,
    INCOMING_CPU = 31,
    TXTIME_CLOCK = 32,
    TXTIME_FLAGS = 33,
    // LOCK_ bits.
    BUFFER_LOCK = 34,
    TXREHASH = 35,
);

// IPPROTO_TCP.
places!(
    NO_DELAY = 16,
    CORK = 17,
    // Seconds.
    DEFER_ACCEPT = 18,
    // Seconds; 0: the system's.
    LINGER2 = 19,
    QUICK_ACK = 20,
    USER_TIMEOUT = 21,
    INQ = 22,
    // A name of 16 bytes.
    CONGESTION = 36,
    MAX_SEGMENT = 40,
    KEEP_IDLE = 41,
    KEEP_INTERVAL = 42,
    KEEP_COUNT = 43,
    SYN_COUNT = 44,
    WINDOW_CLAMP = 45,
    FASTOPEN = 46,
    NOTSENT_LOW_WATER = 47,
    SAVE_SYN = 48,
    TX_DELAY = 49,
    RTO_MAX_MS = 50,
    RTO_MIN_US = 51,
    DELAYED_ACK_MAX_US = 52,
    // Bytes of the key, then 32 bytes.
    FASTOPEN_KEY_LENGTH = 53,
    FASTOPEN_KEY = 54,
    // The stream position that SOF_TIMESTAMPING_OPT_ID counts from.
    STAMP_BASE = 90,
);

// IPPROTO_IP.
places!(
    IP_TOS = 62,
    IP_TTL = 63,
    IP_MINTTL = 64,
    IP_MTU_DISCOVER = 65,
    IP_MULTICAST_TTL = 66,
    IP_MULTICAST_LOOP = 67,
    IP_MULTICAST_ALL = 68,
    IP_UNICAST_IF = 69,
    IP_LOCAL_PORT_RANGE = 70,
    // The length in bytes, and in the upper half how many of them are IPOPT_NOP.
    IP_OPTIONS = 71,
);

// IPPROTO_IPV6.
places!(
    V6_ONLY = 2,
    IPV6_UNICAST_HOPS = 72,
    IPV6_MULTICAST_HOPS = 73,
    IPV6_MULTICAST_LOOP = 74,
    IPV6_MULTICAST_ALL = 75,
    IPV6_UNICAST_IF = 76,
    IPV6_MINHOPCOUNT = 77,
    IPV6_TCLASS = 78,
    IPV6_MTU_DISCOVER = 79,
    IPV6_MTU = 80,
    IPV6_AUTOFLOWLABEL = 81,
    // IPV6_PREFER_SRC_ bits that were asked for.
    IPV6_ADDR_PREFERENCES = 82,
    // struct in6_pktinfo: an address in four words, an interface index.
    IPV6_PKTINFO = 83,
    IPV6_MULTICAST_IF = 88,
);

// IPPROTO_UDP.
places!(UDP_CORK = 24, UDP_SEGMENT = 89);

// Bits.
places!(
    DEBUG = BITS,
    NO_CHECK = BITS + 1,
    RXQ_OVFL = BITS + 2,
    WIFI_STATUS = BITS + 3,
    NOFCS = BITS + 4,
    SELECT_ERR_QUEUE = BITS + 5,
    RCVMARK = BITS + 6,
    RCVPRIORITY = BITS + 7,
    PREFER_BUSY_POLL = BITS + 8,
    ZEROCOPY = BITS + 9,
    LOCK_FILTER = BITS + 10,
    FASTOPEN_CONNECT = BITS + 11,
    FASTOPEN_NO_COOKIE = BITS + 12,
    THIN_LINEAR_TIMEOUTS = BITS + 13,
    UDP_GRO = BITS + 14,
    UDP_NO_CHECK6_TX = BITS + 15,
    UDP_NO_CHECK6_RX = BITS + 16,
    IP_PKTINFO = BITS + 17,
    IP_RECVTTL = BITS + 18,
    IP_RECVTOS = BITS + 19,
    IP_RECVOPTS = BITS + 20,
    IP_RETOPTS = BITS + 21,
    IP_RECVERR = BITS + 22,
    IP_RECVERR_RFC4884 = BITS + 23,
    IP_RECVORIGDSTADDR = BITS + 24,
    IP_PASSSEC = BITS + 25,
    IP_CHECKSUM = BITS + 26,
    IP_RECVFRAGSIZE = BITS + 27,
    IP_BIND_ADDRESS_NO_PORT = BITS + 28,
    // IPV6_FREEBIND and IPV6_TRANSPARENT are the same bits.
    IP_FREEBIND = BITS + 29,
    IP_TRANSPARENT = BITS + 30,
    IPV6_DONTFRAG = BITS + 32,
    IPV6_RECVFRAGSIZE = BITS + 33,
    IPV6_RECVPKTINFO = BITS + 34,
    IPV6_RECVHOPLIMIT = BITS + 35,
    IPV6_RECVTCLASS = BITS + 36,
    IPV6_RECVRTHDR = BITS + 37,
    IPV6_RECVHOPOPTS = BITS + 38,
    IPV6_RECVDSTOPTS = BITS + 39,
    IPV6_RECVPATHMTU = BITS + 40,
    IPV6_RECVERR = BITS + 41,
    IPV6_RECVERR_RFC4884 = BITS + 42,
    IPV6_RECVORIGDSTADDR = BITS + 43,
    IPV6_2292PKTINFO = BITS + 44,
    IPV6_2292HOPLIMIT = BITS + 45,
    IPV6_2292RTHDR = BITS + 46,
    IPV6_2292HOPOPTS = BITS + 47,
    IPV6_2292DSTOPTS = BITS + 48,
    IPV6_FLOWINFO = BITS + 49,
    IPV6_FLOWINFO_SEND = BITS + 50,
    IPV6_ROUTER_ALERT_ISOLATE = BITS + 51,
);

/// In [`TIMESTAMP`]: a stamp comes with each message.
pub const STAMP_ON: i32 = 1;
/// In [`TIMESTAMP`]: in nanoseconds.
pub const STAMP_NS: i32 = 2;
/// In [`TIMESTAMP`]: in the messages that the _NEW options name; also for [`TIMESTAMPING`].
pub const STAMP_NEW: i32 = 4;

/// In [`BUFFER_LOCK`]: the program chose the size of the send buffer (SOCK_SNDBUF_LOCK).
pub const LOCK_SEND: i32 = 1;
/// In [`BUFFER_LOCK`]: the program chose the size of the receive buffer (SOCK_RCVBUF_LOCK).
pub const LOCK_RECEIVE: i32 = 2;

/// `Slot::extra`: SO_MAX_PACING_RATE with its bits turned, so that 0 is no limit.
pub const EXTRA_PACING: usize = 0;
/// `Slot::extra`: SO_COOKIE, once it was asked for.
pub const EXTRA_COOKIE: usize = 1;
