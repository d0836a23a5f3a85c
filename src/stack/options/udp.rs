//! IPPROTO_UDP, also asked for as IPPROTO_UDPLITE (udp(7); net/ipv4/udp.c, udp_lib_setsockopt).

use super::places::*;
use super::row::{flag, int, own, told, Default::*, Get, Row, Set, UDP};
use crate::abi::{Errno, Result};
use crate::socket::Sock;

const NO: Errno = Errno::ENOPROTOOPT;

/// Names that the `libc` crate does not have.
mod name {
    pub const UDPLITE_SEND_CSCOV: i32 = 10;
    pub const UDPLITE_RECV_CSCOV: i32 = 11;
}

/// The rows.
pub const ROWS: &[Row] = &[
    flag(libc::UDP_CORK, UDP, UDP_CORK),
    int(libc::UDP_SEGMENT, UDP, UDP_SEGMENT, Is(0), Set::Range(0, 65535)),
    flag(libc::UDP_GRO, UDP, UDP_GRO),
    flag(libc::UDP_NO_CHECK6_TX, UDP, UDP_NO_CHECK6_TX),
    flag(libc::UDP_NO_CHECK6_RX, UDP, UDP_NO_CHECK6_RX),
    // Encapsulation is work for a tunnel in the kernel: 0 is what can be set.
    own(libc::UDP_ENCAP, UDP, Get::Find(|_| Ok(0)), Set::Do(no_encapsulation)),
    told(name::UDPLITE_SEND_CSCOV, UDP, |_| Ok(0)),
    told(name::UDPLITE_RECV_CSCOV, UDP, |_| Ok(0)),
];

fn no_encapsulation(_s: &Sock, v: i32) -> Result<()> {
    if v == 0 {
        Ok(())
    } else {
        Err(NO)
    }
}
