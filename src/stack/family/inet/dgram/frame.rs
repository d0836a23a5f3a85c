//! The headers that stand before a datagram on the loopback interface: what the error queue shows of one that was sent
//! is the whole frame (the kernel's timestamping.rst; RFC 791, RFC 8200, RFC 768).

use super::lookup::{is_v4, v4_of};
use super::source::Path;

const ETHERNET: usize = 14;
const UDP: u8 = 17;
/// Do not fragment.
const WHOLE: u16 = 0x4000;

/// The internet checksum's sum (RFC 1071) of bytes, an even number of them.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]]) as u32).sum()
}

fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Ethernet's, the internet protocol's and UDP's header for `length` bytes.
pub fn headers(path: &Path, length: usize) -> Vec<u8> {
    let packet = &path.packet;
    let datagram = (8 + length) as u16;
    let mut out = vec![0u8; ETHERNET];
    if is_v4(packet.destination) {
        out[12..14].copy_from_slice(&(libc::ETH_P_IP as u16).to_be_bytes());
        let mut ip = [0u8; 20];
        (ip[0], ip[1], ip[8], ip[9]) = (0x45, path.tos, path.ttl, UDP);
        ip[2..4].copy_from_slice(&(20 + datagram).to_be_bytes());
        ip[6..8].copy_from_slice(&WHOLE.to_be_bytes());
        ip[12..16].copy_from_slice(&v4_of(packet.source).octets());
        ip[16..20].copy_from_slice(&v4_of(packet.destination).octets());
        let check = !folded(sum(&ip));
        ip[10..12].copy_from_slice(&check.to_be_bytes());
        out.extend_from_slice(&ip);
    } else {
        out[12..14].copy_from_slice(&(libc::ETH_P_IPV6 as u16).to_be_bytes());
        let class = 6u32 << 28 | (path.tos as u32) << 20;
        out.extend_from_slice(&class.to_be_bytes());
        out.extend_from_slice(&datagram.to_be_bytes());
        out.extend_from_slice(&[UDP, path.ttl]);
        out.extend_from_slice(&packet.source.to_be_bytes());
        out.extend_from_slice(&packet.destination.to_be_bytes());
    }
    // The checksum is left to the interface: it has the pseudo header's so far.
    let addresses = &out[out.len() - if is_v4(packet.destination) { 8 } else { 32 }..];
    let so_far = folded(sum(addresses) + UDP as u32 + datagram as u32);
    for half in [packet.source_port, packet.port, datagram, so_far] {
        out.extend_from_slice(&half.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::lookup::{bits, Packet};
    use super::super::source::Reach;
    use super::*;

    fn path(source: &str, destination: &str) -> Path {
        let ip = |text: &str| bits(text.parse().unwrap());
        let packet = Packet { source: ip(source), source_port: 7, destination: ip(destination), port: 9, interface: 1 };
        Path { packet, reach: Reach::One, connected: false, tos: 0, ttl: 64 }
    }

    #[test]
    fn headers_are_as_long_as_they_say_and_sum_up() {
        let four = headers(&path("127.0.0.1", "127.0.0.2"), 3);
        assert_eq!(four.len(), 42);
        assert_eq!(folded(sum(&four[14..34])), 0xffff);
        assert_eq!(four[16..18], 31u16.to_be_bytes());
        let six = headers(&path("::1", "::1"), 3);
        assert_eq!((six.len(), six[14] >> 4, six[20]), (62, 6, 17));
        assert_eq!(six[54..58], [0, 7, 0, 9]);
    }
}
