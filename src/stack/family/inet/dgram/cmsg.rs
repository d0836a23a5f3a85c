//! Ancillary data that comes with a datagram on its way out (cmsg(3), ip(7), ipv6(7), RFC 3542).

use core::net::{IpAddr, Ipv4Addr};

use super::lookup::{bits, is_v4, v4_of};
use crate::abi::{Errno, Result};

/// sizeof(struct cmsghdr): a length of 8 bytes, a level and a type.
pub const HEADER: usize = 16;
const UDP_SEGMENT: i32 = 103;
const IP_PROTOCOL: i32 = 52;
const SCM_TXTIME: i32 = 61;
const SO_TIMESTAMPING_NEW: i32 = 65;
/// SOF_TIMESTAMPING_TX_RECORD_MASK.
const STAMP_ON_THE_WAY_OUT: u32 = 0x103 | 1 << 9 | 1 << 18;

/// What ancillary data asks of a datagram.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// The source address.
    pub source: Option<u128>,
    /// Any source address will do, also for a socket that is bound to one.
    pub any_source: bool,
    /// The interface, 0 for none.
    pub interface: u32,
    /// Type of service or traffic class.
    pub tos: Option<u8>,
    /// Time to live or hop limit.
    pub ttl: Option<u8>,
    /// UDP_SEGMENT.
    pub segment: Option<u16>,
    /// There is a time to send it at (SCM_TXTIME), which a socket without SO_TXTIME refuses. It is for queueing disciplines to
    /// keep; the loopback interface has none, so that it makes no difference.
    pub timed: bool,
    /// SO_TIMESTAMPING's flags for this datagram.
    pub stamps: Option<u32>,
    /// IPV6_DONTFRAG.
    pub whole: Option<bool>,
}

struct Message<'a> {
    level: i32,
    kind: i32,
    data: &'a [u8],
}

impl Message<'_> {
    fn int(&self) -> Result<i32> {
        Ok(i32::from_ne_bytes(self.data.try_into().map_err(|_| Errno::EINVAL)?))
    }
}

/// The messages one after the other (CMSG_FIRSTHDR, CMSG_NXTHDR, CMSG_OK).
fn messages(mut rest: &[u8]) -> impl Iterator<Item = Result<Message<'_>>> {
    core::iter::from_fn(move || {
        let word = |at: usize| i32::from_ne_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        if rest.len() < HEADER {
            return None;
        }
        let length = u64::from_ne_bytes(rest[..8].try_into().ok()?);
        if length < HEADER as u64 || length > rest.len() as u64 {
            rest = &[];
            return Some(Err(Errno::EINVAL));
        }
        let message = Message { level: word(8), kind: word(12), data: &rest[HEADER..length as usize] };
        rest = rest.get((length as usize + 7) & !7..).unwrap_or(&[]);
        Some(Ok(message))
    })
}

/// Reads the ancillary data of a datagram to an IPv4 or IPv6 address (udp_cmsg_send, ip_cmsg_send,
/// ip6_datagram_send_ctl). `six`: the socket is an IPv6 one. `may_mark`: has the process CAP_NET_RAW or CAP_NET_ADMIN?
pub fn parse(control: &[u8], v4: bool, six: bool, may_mark: impl Fn() -> bool) -> Result<Control> {
    let mut out = Control::default();
    let mut others = false;
    for message in messages(control) {
        let m = message?;
        if m.level != libc::IPPROTO_UDP {
            others = true;
            continue;
        }
        match (m.kind, m.data) {
            (UDP_SEGMENT, &[a, b]) => out.segment = Some(u16::from_ne_bytes([a, b])),
            _ => return Err(Errno::EINVAL),
        }
    }
    if others {
        for message in messages(control) {
            let m = message?;
            match m.level {
                libc::SOL_SOCKET => of_socket(&m, &mut out, &may_mark)?,
                libc::IPPROTO_IP if v4 => of_ip(&m, &mut out)?,
                libc::IPPROTO_IPV6 if v4 && six && m.kind == libc::IPV6_PKTINFO => mapped_info(&m, &mut out)?,
                libc::IPPROTO_IPV6 if !v4 => of_ipv6(&m, &mut out)?,
                _ => {}
            }
        }
    }
    Ok(out)
}

fn of_socket(m: &Message<'_>, out: &mut Control, may_mark: impl Fn() -> bool) -> Result<()> {
    match m.kind {
        libc::SO_TIMESTAMPING | SO_TIMESTAMPING_NEW => {
            let flags = m.int()? as u32;
            if flags & !STAMP_ON_THE_WAY_OUT != 0 {
                return Err(Errno::EINVAL);
            }
            out.stamps = Some(flags);
            Ok(())
        }
        libc::SCM_RIGHTS | libc::SCM_CREDENTIALS => Ok(()),
        libc::SO_MARK if !may_mark() => Err(Errno::EPERM),
        // Marks are for the rules of a firewall, which the network has none of.
        libc::SO_MARK => m.int().map(drop),
        SCM_TXTIME if m.data.len() == 8 => {
            out.timed = true;
            Ok(())
        }
        libc::SO_PRIORITY => match m.int()? {
            0..=6 => Ok(()),
            _ if may_mark() => Ok(()),
            _ => Err(Errno::EPERM),
        },
        _ => Err(Errno::EINVAL),
    }
}

fn of_ip(m: &Message<'_>, out: &mut Control) -> Result<()> {
    match m.kind {
        libc::IP_PKTINFO => {
            let info: &[u8; 12] = m.data.try_into().map_err(|_| Errno::EINVAL)?;
            let index = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            if index != 0 {
                out.interface = index;
            }
            let source = Ipv4Addr::new(info[4], info[5], info[6], info[7]);
            out.any_source = source.is_unspecified();
            out.source = (!source.is_unspecified()).then(|| bits(IpAddr::V4(source)));
        }
        libc::IP_TTL => match m.int()? {
            ttl @ 1..=255 => out.ttl = Some(ttl as u8),
            _ => return Err(Errno::EINVAL),
        },
        libc::IP_TOS => match (m.data, m.int()) {
            (&[tos], _) => out.tos = Some(tos),
            (_, Ok(tos @ 0..=255)) => out.tos = Some(tos as u8),
            _ => return Err(Errno::EINVAL),
        },
        libc::IP_RETOPTS if m.data.is_empty() => {}
        IP_PROTOCOL => match m.int()? {
            1..=255 => {}
            _ => return Err(Errno::EINVAL),
        },
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

fn info6(m: &Message<'_>) -> Result<(u128, u32)> {
    let info: &[u8; 20] = m.data.get(..20).and_then(|d| d.try_into().ok()).ok_or(Errno::EINVAL)?;
    let mut address = [0; 16];
    address.copy_from_slice(&info[..16]);
    Ok((u128::from_be_bytes(address), u32::from_ne_bytes([info[16], info[17], info[18], info[19]])))
}

/// IPV6_PKTINFO for an IPv4 destination.
fn mapped_info(m: &Message<'_>, out: &mut Control) -> Result<()> {
    let (address, index) = info6(m)?;
    if !is_v4(address) {
        return Err(Errno::EINVAL);
    }
    if index != 0 {
        out.interface = index;
    }
    out.any_source = v4_of(address).is_unspecified();
    out.source = (!out.any_source).then_some(address);
    Ok(())
}

fn of_ipv6(m: &Message<'_>, out: &mut Control) -> Result<()> {
    match m.kind {
        libc::IPV6_PKTINFO | libc::IPV6_2292PKTINFO => {
            let (address, index) = info6(m)?;
            if index != 0 {
                if out.interface != 0 && out.interface != index {
                    return Err(Errno::EINVAL);
                }
                out.interface = index;
            }
            if address != 0 {
                out.source = Some(address);
            }
        }
        libc::IPV6_HOPLIMIT | libc::IPV6_2292HOPLIMIT => match m.int()? {
            -1 => out.ttl = None,
            hops @ 0..=255 => out.ttl = Some(hops as u8),
            _ => return Err(Errno::EINVAL),
        },
        libc::IPV6_TCLASS => match m.int()? {
            class @ -1..=255 => out.tos = Some(class as u8),
            _ => return Err(Errno::EINVAL),
        },
        libc::IPV6_DONTFRAG => match m.int()? {
            whole @ (0 | 1) => out.whole = Some(whole != 0),
            _ => return Err(Errno::EINVAL),
        },
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tell::Builder;
    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut out = Builder::new(1024);
        out.put(level, kind, data);
        out.into_bytes()
    }

    #[test]
    fn lengths_and_values_are_checked() {
        let ttl = |v: i32| parse(&message(libc::IPPROTO_IP, libc::IP_TTL, &v.to_ne_bytes()), true, false, || false);
        assert_eq!(ttl(9).map(|c| c.ttl), Ok(Some(9)));
        assert!(ttl(0).is_err() && ttl(256).is_err());
        assert!(parse(&message(libc::IPPROTO_IP, libc::IP_TTL, &[9]), true, false, || false).is_err());
        assert_eq!(
            parse(&message(libc::IPPROTO_IP, libc::IP_TOS, &[9]), true, false, || false).map(|c| c.tos),
            Ok(Some(9))
        );
        assert_eq!(parse(&message(99, 1, &[0; 4]), true, false, || false), Ok(Control::default()));
        assert!(parse(&message(libc::IPPROTO_UDP, 77, &[0; 4]), true, false, || false).is_err());
        let mut short = message(libc::IPPROTO_IP, libc::IP_TTL, &9i32.to_ne_bytes());
        short[0] = 15;
        assert_eq!(parse(&short, true, false, || false), Err(Errno::EINVAL));
        short[0] = 100;
        assert_eq!(parse(&short, true, false, || false), Err(Errno::EINVAL));
        assert_eq!(parse(&short[..15], true, false, || false), Ok(Control::default()));
    }

    #[test]
    fn of_two_the_last_counts() {
        let mut both = message(libc::IPPROTO_IP, libc::IP_TTL, &11i32.to_ne_bytes());
        both.extend(message(libc::IPPROTO_IP, libc::IP_TTL, &12i32.to_ne_bytes()));
        assert_eq!(parse(&both, true, false, || false).map(|c| c.ttl), Ok(Some(12)));
    }
}
