//! The headers that would stand before bytes on the loopback interface: what the error queue shows of something that was
//! sent is the whole frame (the kernel's timestamping.rst), and TCP_SAVED_SYN is a frame, too (RFC 791, RFC 8200, RFC 768,
//! RFC 9293).

use super::dgram::lookup::{is_v4, v4_of};

const UDP: u8 = 17;
const TCP: u8 = 6;
/// Do not fragment.
const WHOLE: u16 = 0x4000;
/// The window that a TCP header tells after the handshake, scaled.
const WINDOW: u16 = 64;

/// Where a packet goes, and what its header says besides. Addresses are 128 bits, IPv4 ones v4-mapped.
#[derive(Clone, Copy)]
pub struct Packet {
    /// Where it comes from.
    pub source: u128,
    /// Where it goes.
    pub destination: u128,
    /// The port that it comes from, and the one that it goes to.
    pub ports: [u16; 2],
    /// Type of service or traffic class.
    pub tos: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
}

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

impl Packet {
    /// Ethernet's header on the loopback interface.
    pub fn ethernet(&self) -> [u8; 14] {
        let mut out = [0; 14];
        let kind = if is_v4(self.destination) { libc::ETH_P_IP } else { libc::ETH_P_IPV6 };
        out[12..].copy_from_slice(&(kind as u16).to_be_bytes());
        out
    }

    /// The internet protocol's header for `length` bytes of a protocol, and the sum that theirs begins with.
    fn internet(&self, protocol: u8, length: u16) -> (Vec<u8>, u16) {
        let mut out = Vec::new();
        let addresses = if is_v4(self.destination) {
            let mut ip = [0u8; 20];
            (ip[0], ip[1], ip[8], ip[9]) = (0x45, self.tos, self.ttl, protocol);
            ip[2..4].copy_from_slice(&length.saturating_add(20).to_be_bytes());
            ip[6..8].copy_from_slice(&WHOLE.to_be_bytes());
            ip[12..16].copy_from_slice(&v4_of(self.source).octets());
            ip[16..20].copy_from_slice(&v4_of(self.destination).octets());
            let check = !folded(sum(&ip));
            ip[10..12].copy_from_slice(&check.to_be_bytes());
            out.extend_from_slice(&ip);
            8
        } else {
            let class = 6u32 << 28 | (self.tos as u32) << 20;
            out.extend_from_slice(&class.to_be_bytes());
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&[protocol, self.ttl]);
            out.extend_from_slice(&self.source.to_be_bytes());
            out.extend_from_slice(&self.destination.to_be_bytes());
            32
        };
        // The checksum is left to the interface: it has the pseudo header's so far.
        let so_far = folded(sum(&out[out.len() - addresses..]) + protocol as u32 + length as u32);
        (out, so_far)
    }

    /// The headers of a datagram of `length` bytes.
    pub fn udp(&self, length: usize) -> Vec<u8> {
        let datagram = (8 + length) as u16;
        let (mut out, so_far) = self.internet(UDP, datagram);
        for half in [self.ports[0], self.ports[1], datagram, so_far] {
            out.extend_from_slice(&half.to_be_bytes());
        }
        out
    }

    /// The headers of a segment with data: `sent` bytes of the stream went before, and `got` came.
    pub fn tcp(&self, sent: u32, got: u32, length: usize) -> Vec<u8> {
        const PUSH_ACK: u8 = 0x18;
        // Two bytes of padding before the time stamps, which nobody takes.
        const STAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
        self.segment([sent, got], PUSH_ACK, WINDOW, &STAMPS, length)
    }

    /// The headers of the segment that asks for a connection: the largest segment, SACK, time stamps and the window's scale
    /// are what Linux offers on loopback.
    pub fn syn(&self, scale: u8) -> Vec<u8> {
        const SYN: u8 = 2;
        let most: u16 = if is_v4(self.destination) { 65495 } else { 65476 };
        let [high, low] = most.to_be_bytes();
        let options = [2, 4, high, low, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, scale];
        self.segment([0, 0], SYN, most, &options, 0)
    }

    fn segment(&self, numbers: [u32; 2], flags: u8, window: u16, options: &[u8], length: usize) -> Vec<u8> {
        let header = 20 + options.len();
        let (mut out, so_far) = self.internet(TCP, (header + length).min(u16::MAX as usize) as u16);
        self.ports.iter().for_each(|half| out.extend_from_slice(&half.to_be_bytes()));
        numbers.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        out.extend_from_slice(&[(header as u8 / 4) << 4, flags]);
        [window, so_far, 0].iter().for_each(|half| out.extend_from_slice(&half.to_be_bytes()));
        out.extend_from_slice(options);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::dgram::lookup::bits;
    use super::*;

    fn packet(source: &str, destination: &str) -> Packet {
        let ip = |text: &str| bits(text.parse().unwrap());
        Packet { source: ip(source), destination: ip(destination), ports: [7, 9], tos: 0, ttl: 64 }
    }

    #[test]
    fn headers_are_as_long_as_they_say_and_sum_up() {
        let four = packet("127.0.0.1", "127.0.0.2").udp(3);
        assert_eq!(four.len(), 28);
        assert_eq!(folded(sum(&four[..20])), 0xffff);
        assert_eq!(four[2..4], 31u16.to_be_bytes());
        let six = packet("::1", "::1").udp(3);
        assert_eq!((six.len(), six[0] >> 4, six[6]), (48, 6, 17));
        assert_eq!(six[40..44], [0, 7, 0, 9]);
    }

    #[test]
    fn segments_have_their_options() {
        let four = packet("127.0.0.1", "127.0.0.2");
        assert_eq!((four.syn(10).len(), four.tcp(5, 6, 3).len(), four.tcp(5, 6, 3)[32]), (60, 52, 0x80));
        assert_eq!(four.tcp(5, 6, 3)[2..4], 55u16.to_be_bytes());
        let six = packet("::1", "::1").syn(10);
        assert_eq!((six.len(), six[52], six[53], *six.last().unwrap()), (80, 0xa0, 2, 10));
    }
}
