//! A socket's name: address and port, as struct sockaddr_in and sockaddr_in6 carry it (ip(7), ipv6(7)).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Errno, Result};

/// How many 32-bit words a [`Name`] takes in shared memory.
pub const NAME_WORDS: usize = 8;

/// An internet address with a port. The family of the address is the family of the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    /// The address, as the socket's family writes it (a v4-mapped one stays v6).
    pub ip: IpAddr,
    /// The port in host order.
    pub port: u16,
    /// IPv6 flow label and class, in network order; 0 for IPv4.
    pub flow: u32,
    /// IPv6 scope (interface index); 0 for IPv4.
    pub scope: u32,
}

impl Name {
    /// A name without flow and scope.
    pub const fn new(ip: IpAddr, port: u16) -> Name {
        Name { ip, port, flow: 0, scope: 0 }
    }

    /// The wildcard of a family, port 0: the name of a socket that has none yet.
    pub const fn any(family: i32) -> Name {
        if family == libc::AF_INET6 {
            Name::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)
        } else {
            Name::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)
        }
    }

    /// The address without its v4-mapping: what the two families compare by.
    pub fn canonical(&self) -> IpAddr {
        self.ip.to_canonical()
    }

    /// The same name as a socket of `family` shows it: IPv4 becomes v4-mapped on an IPv6 socket and back.
    pub fn seen_by(&self, family: i32) -> Name {
        let ip = match (family, self.canonical()) {
            (libc::AF_INET6, IpAddr::V4(v4)) => IpAddr::V6(v4.to_ipv6_mapped()),
            (libc::AF_INET6, v6) => v6,
            (_, ip) => ip,
        };
        Name { ip, ..*self }
    }

    /// Is the address the wildcard (0.0.0.0, ::, or ::ffff:0.0.0.0)?
    pub fn is_any(&self) -> bool {
        self.canonical().is_unspecified()
    }

    /// Is the address this host's own (127/8 or ::1, v4-mapped too)?
    pub fn is_loopback(&self) -> bool {
        self.canonical().is_loopback()
    }

    /// Reads a `struct sockaddr` that was copied in. `family` is the socket's, which a mismatch is told apart by.
    ///
    /// Errors: EINVAL when the bytes do not reach the address, EAFNOSUPPORT for a foreign family.
    pub fn parse(bytes: &[u8], family: i32) -> Result<Name> {
        let given = family_of(bytes).ok_or(Errno::EINVAL)?;
        match family {
            libc::AF_INET if bytes.len() < 16 => Err(Errno::EINVAL),
            libc::AF_INET if given == libc::AF_INET => Ok(parse_v4(bytes)),
            // The length is looked at before the family.
            libc::AF_INET6 if bytes.len() < 24 => Err(Errno::EINVAL),
            libc::AF_INET6 if given == libc::AF_INET6 => Ok(parse_v6(bytes)),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// Reads an address by the family that it says itself, as UDP over IPv6 takes an AF_INET one.
    pub fn parse_any(bytes: &[u8]) -> Result<Name> {
        Name::parse(bytes, family_of(bytes).ok_or(Errno::EINVAL)?)
    }

    /// Writes the `struct sockaddr`; the length is 16 or 28.
    pub fn encode(&self) -> ([u8; 28], usize) {
        let mut out = [0u8; 28];
        out[2..4].copy_from_slice(&self.port.to_be_bytes());
        match self.ip {
            IpAddr::V4(ip) => {
                out[0..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                out[4..8].copy_from_slice(&ip.octets());
                (out, 16)
            }
            IpAddr::V6(ip) => {
                out[0..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                out[4..8].copy_from_slice(&self.flow.to_ne_bytes());
                out[8..24].copy_from_slice(&ip.octets());
                out[24..28].copy_from_slice(&self.scope.to_ne_bytes());
                (out, 28)
            }
        }
    }

    /// The words that stand for the name in shared memory.
    pub fn to_words(&self) -> [u32; NAME_WORDS] {
        let (bytes, _) = self.encode();
        let mut words = [0u32; NAME_WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        }
        words
    }

    /// The name that words of shared memory stand for; anything that is not an IPv6 name is read as IPv4.
    pub fn from_words(words: [u32; NAME_WORDS]) -> Name {
        let mut bytes = [0u8; 32];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        if family_of(&bytes) == Some(libc::AF_INET6) {
            parse_v6(&bytes)
        } else {
            parse_v4(&bytes)
        }
    }
}

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::net::SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// The family that a `struct sockaddr` names, if it is long enough to name one.
pub fn family_of(bytes: &[u8]) -> Option<i32> {
    Some(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]) as i32)
}

fn parse_v4(b: &[u8]) -> Name {
    let ip = Ipv4Addr::new(b[4], b[5], b[6], b[7]);
    Name::new(IpAddr::V4(ip), u16::from_be_bytes([b[2], b[3]]))
}

fn parse_v6(b: &[u8]) -> Name {
    let mut octets = [0u8; 16];
    octets.copy_from_slice(&b[8..24]);
    let scope = if b.len() >= 28 { u32::from_ne_bytes([b[24], b[25], b[26], b[27]]) } else { 0 };
    Name {
        ip: IpAddr::V6(Ipv6Addr::from(octets)),
        port: u16::from_be_bytes([b[2], b[3]]),
        flow: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        scope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_carry_both_families() {
        let v4 = Name::new("127.1.2.3".parse().unwrap(), 80);
        let v6 = Name { ip: "::1".parse().unwrap(), port: 8080, flow: 7, scope: 3 };
        assert_eq!(Name::from_words(v4.to_words()), v4);
        assert_eq!(Name::from_words(v6.to_words()), v6);
    }

    #[test]
    fn a_short_or_foreign_address_is_told_apart() {
        let (v4, _) = Name::new("127.0.0.1".parse().unwrap(), 80).encode();
        assert_eq!(Name::parse(&v4[..15], libc::AF_INET), Err(Errno::EINVAL));
        assert_eq!(Name::parse(&v4, libc::AF_INET6), Err(Errno::EAFNOSUPPORT));
        assert_eq!(Name::parse(&v4[..16], libc::AF_INET6), Err(Errno::EINVAL));
        assert_eq!(Name::parse(&v4[..1], libc::AF_INET), Err(Errno::EINVAL));
    }

    #[test]
    fn a_mapped_address_is_seen_as_each_family_writes_it() {
        let v4 = Name::new("127.0.0.1".parse().unwrap(), 80);
        let mapped = v4.seen_by(libc::AF_INET6);
        assert_eq!(mapped.ip.to_string(), "::ffff:127.0.0.1");
        assert!(mapped.is_loopback());
        assert_eq!(mapped.seen_by(libc::AF_INET), v4);
    }
}
