//! TCP states, with the numbers that TCP_INFO tells (RFC 9293, 3.3.2; include/net/tcp_states.h).
#![allow(missing_docs)]

pub const ESTABLISHED: u32 = 1;
pub const SYN_SENT: u32 = 2;
pub const FIN_WAIT2: u32 = 5;
pub const CLOSE: u32 = 7;
pub const CLOSE_WAIT: u32 = 8;
pub const LISTEN: u32 = 10;

/// A state's name as ss(8) writes it.
pub fn name(state: u32) -> &'static str {
    match state {
        ESTABLISHED => "ESTAB",
        SYN_SENT => "SYN-SENT",
        FIN_WAIT2 => "FIN-WAIT-2",
        CLOSE_WAIT => "CLOSE-WAIT",
        LISTEN => "LISTEN",
        _ => "UNCONN",
    }
}
