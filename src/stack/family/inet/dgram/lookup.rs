//! Who gets a datagram: the scores of udp_lib_lookup, as the kernel gives them.

use core::net::{IpAddr, Ipv6Addr};
use core::sync::atomic::Ordering::*;

use super::super::reuseport;
use super::opts;
use super::place::CONNECTED;
use crate::abi::Name;
use crate::names::{Kind, Names};
use crate::shm::{Slot, SlotFlags};

/// The bits of an address, IPv4 v4-mapped.
#[inline]
pub fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Is it an IPv4 address?
#[inline]
pub fn is_v4(bits: u128) -> bool {
    bits >> 32 == 0xffff
}

/// The IPv4 address in v4-mapped bits.
#[inline]
pub fn v4_of(bits: u128) -> core::net::Ipv4Addr {
    core::net::Ipv4Addr::from_bits(bits as u32)
}

/// The name that a socket of `family` shows for an address.
#[inline]
pub fn name_of(address: u128, port: u16, family: i32) -> Name {
    let ip =
        if family == libc::AF_INET { IpAddr::V4(v4_of(address)) } else { IpAddr::V6(Ipv6Addr::from_bits(address)) };
    Name::new(ip, port)
}

/// What a datagram is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes from.
    pub source: u128,
    /// From which port.
    pub source_port: u16,
    /// Where it goes.
    pub destination: u128,
    /// To which port.
    pub port: u16,
    /// The interface that it goes through.
    pub interface: u32,
}

/// What the rules look at in a socket.
#[derive(Clone, Copy, Debug)]
struct Socket {
    six: bool,
    v6_only: bool,
    local: u128,
    any: bool,
    peer: Option<(u128, u16)>,
    device: u32,
    reuse_port: bool,
    uid: u32,
    /// Order of connecting.
    connected: u64,
}

impl Socket {
    fn of(slot: &Slot) -> Socket {
        let local = slot.local();
        let peer = slot.peer();
        Socket {
            six: slot.family.load(Relaxed) == libc::AF_INET6 as u32,
            v6_only: opts::flag(slot, opts::V6_ONLY),
            local: bits(local.ip),
            any: local.is_any(),
            peer: slot.has(SlotFlags::PEER).then(|| (bits(peer.ip), peer.port)),
            device: opts::word(slot, opts::DEVICE),
            reuse_port: opts::flag(slot, opts::REUSE_PORT),
            uid: slot.uid.load(Relaxed),
            connected: slot.extra[CONNECTED].load(Relaxed),
        }
    }

    /// Does the local address take the datagram: by name, or as the wildcard?
    fn takes(&self, p: &Packet, wildcard: bool) -> bool {
        if is_v4(p.destination) {
            !(self.six && self.v6_only) && if wildcard { self.any } else { self.local == p.destination }
        } else {
            self.six && self.local == if wildcard { 0 } else { p.destination }
        }
    }

    /// compute_score of net/ipv4/udp.c and net/ipv6/udp.c. None: it does not take the datagram.
    fn score(&self, p: &Packet) -> Option<u32> {
        let v4 = is_v4(p.destination);
        let weight = if v4 { 4 } else { 1 };
        let mut score = if v4 { 1 + !self.six as u32 } else { 0 };
        if let Some((address, port)) = self.peer {
            if address != p.source || (port != 0 && port != p.source_port) {
                return None;
            }
            score += weight + if port != 0 { weight } else { 0 };
        }
        if self.device != 0 {
            if self.device != p.interface {
                return None;
            }
            score += weight;
        }
        Some(score)
    }

    /// Is it connected to the sender, by both names?
    fn is_connected(&self, p: &Packet) -> bool {
        self.peer == Some((p.source, p.source_port))
            && self.takes(p, false)
            && (self.device == 0 || self.device == p.interface)
    }

    /// Is it of one group with `other` (SO_REUSEPORT)? A connected one is in none.
    fn groups_with(&self, other: &Socket) -> bool {
        self.reuse_port
            && self.peer.is_none()
            && (self.six, self.local, self.uid, self.v6_only, self.device)
                == (other.six, other.local, other.uid, other.v6_only, other.device)
    }

    /// Does it get a copy of what is sent to a group or to all (__udp_is_mcast_sock)?
    fn hears(&self, p: &Packet) -> bool {
        let peer = self.peer.is_none_or(|(address, port)| address == p.source && (port == 0 || port == p.source_port));
        peer && (self.takes(p, false) || self.takes(p, true)) && (self.device == 0 || self.device == p.interface)
    }
}

/// The receiver among `sockets`, which come latest bound first; several when they are a group that shares.
fn candidates<K: Copy>(sockets: impl Iterator<Item = (K, Socket)> + Clone, p: &Packet) -> Vec<K> {
    let connected = sockets.clone().filter(|(_, s)| s.is_connected(p)).max_by_key(|(_, s)| s.connected);
    if let Some((key, _)) = connected {
        return vec![key];
    }
    for wildcard in [false, true] {
        let mut best: Option<(K, Socket, u32)> = None;
        for (key, socket) in sockets.clone().filter(|(_, s)| s.takes(p, wildcard)) {
            let Some(score) = socket.score(p) else { continue };
            if best.as_ref().is_none_or(|(_, _, b)| score > *b) {
                best = Some((key, socket, score));
            }
        }
        let Some((key, socket, _)) = best else { continue };
        if !socket.reuse_port || socket.peer.is_some() {
            return vec![key];
        }
        return sockets.filter(|(_, s)| s.groups_with(&socket)).map(|(key, _)| key).collect();
    }
    Vec::new()
}

/// The receiver among those that share, by the packet's names.
fn share<K: Copy>(group: &[K], p: &Packet) -> Option<K> {
    group.get(spread(p, group.len())).or(group.first()).copied()
}

/// Which of `count` a datagram goes to, the same one for the same four names.
fn spread(p: &Packet, count: usize) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let names = [
        p.source as u64,
        (p.source >> 64) as u64,
        p.destination as u64,
        (p.destination >> 64) as u64,
        (p.source_port as u64) << 16 | p.port as u64,
    ];
    for word in names {
        hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    (((hash >> 32) * count as u64) >> 32) as usize
}

/// The receiver of a datagram to one, and whether a program chose it by the payload (SO_ATTACH_REUSEPORT_CBPF).
pub fn find(names: &Names, p: &Packet, payload: impl FnOnce() -> Vec<u8>) -> Option<(reuseport::Member, bool)> {
    let sockets: Vec<_> =
        names.holders(Kind::Udp, p.port).map(|(number, slot)| ((number, slot), Socket::of(slot))).collect();
    let group = candidates(sockets.iter().copied(), p);
    let shared = share(&group, p)?;
    if group.len() == 1 {
        return Some((shared, false));
    }
    let (named, by_program) = reuseport::choose(names.arena(), group, payload);
    Some((named.unwrap_or(shared), by_program))
}

/// The receivers of a datagram to all or to a group. Who is a member is for the caller to tell.
pub fn find_all(names: &Names, p: &Packet) -> Vec<(u32, &'static Slot)> {
    names.holders(Kind::Udp, p.port).filter(|(_, slot)| Socket::of(slot).hears(p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> u128 {
        bits(text.parse().unwrap())
    }

    fn socket(local: &str) -> Socket {
        let six = local.contains(':');
        Socket {
            six,
            v6_only: false,
            local: ip(local),
            any: matches!(local, "0.0.0.0" | "::"),
            peer: None,
            device: 0,
            reuse_port: false,
            uid: 1,
            connected: 0,
        }
    }

    fn packet(to: &str) -> Packet {
        let source = if to.contains(':') { "::1" } else { "127.0.0.1" };
        Packet { source: ip(source), source_port: 999, destination: ip(to), port: 80, interface: 1 }
    }

    fn chosen(sockets: &[Socket], p: &Packet) -> Option<usize> {
        share(&candidates(sockets.iter().copied().enumerate(), p), p)
    }

    #[test]
    fn an_address_beats_the_wildcard_and_the_last_bound_its_equals() {
        // The latest come first.
        let all = [socket("0.0.0.0"), socket("127.0.0.1"), socket("127.0.0.1"), socket("0.0.0.0")];
        assert_eq!(chosen(&all, &packet("127.0.0.1")), Some(1));
        assert_eq!(chosen(&all, &packet("127.0.0.2")), Some(0));
        assert_eq!(chosen(&all, &packet("::1")), None);
    }

    #[test]
    fn the_peer_beats_everybody_and_others_do_not_reach_a_connected_one() {
        let mut all = [socket("127.0.0.1"), socket("127.0.0.1"), socket("127.0.0.1")];
        all[1].peer = Some((ip("127.0.0.1"), 999));
        all[2].peer = Some((ip("127.0.0.1"), 999));
        (all[1].connected, all[2].connected) = (5, 6);
        assert_eq!(chosen(&all, &packet("127.0.0.1")), Some(2));
        assert_eq!(chosen(&all, &Packet { source_port: 1, ..packet("127.0.0.1") }), Some(0));
        assert_eq!(chosen(&all[1..], &Packet { source_port: 1, ..packet("127.0.0.1") }), None);
    }

    #[test]
    fn ipv4_prefers_ipv4_sockets_and_takes_dual_stack_ones() {
        let mut all = [socket("::"), socket("0.0.0.0")];
        assert_eq!(chosen(&all, &packet("127.0.0.1")), Some(1));
        assert_eq!(chosen(&all, &packet("::1")), Some(0));
        assert_eq!(chosen(&all[..1], &packet("127.0.0.1")), Some(0));
        all[0].v6_only = true;
        assert_eq!(chosen(&all[..1], &packet("127.0.0.1")), None);
        assert_eq!(chosen(&[socket("::ffff:127.0.0.1")], &packet("127.0.0.1")), Some(0));
    }

    #[test]
    fn a_device_counts_and_excludes() {
        let mut all = [socket("0.0.0.0"), socket("0.0.0.0")];
        all[1].device = 1;
        assert_eq!(chosen(&all, &packet("127.0.0.1")), Some(1));
        all[1].device = 7;
        assert_eq!(chosen(&all, &packet("127.0.0.1")), Some(0));
    }

    #[test]
    fn a_group_shares_and_a_source_stays_with_its_member() {
        let mut all = [socket("127.0.0.1"), socket("127.0.0.1"), socket("127.0.0.1")];
        all.iter_mut().for_each(|s| s.reuse_port = true);
        let mut used = std::collections::BTreeSet::new();
        for port in 1..100 {
            let p = Packet { source_port: port, ..packet("127.0.0.1") };
            let first = chosen(&all, &p);
            assert_eq!(first, chosen(&all, &p));
            used.insert(first);
        }
        assert_eq!(used.len(), 3);
    }

    #[test]
    fn everybody_hears_a_broadcast_but_those_bound_elsewhere() {
        let p = packet("127.255.255.255");
        let mut six = socket("::");
        assert!(socket("0.0.0.0").hears(&p) && socket("127.255.255.255").hears(&p) && six.hears(&p));
        assert!(!socket("127.0.0.1").hears(&p));
        six.v6_only = true;
        assert!(!six.hears(&p));
    }
}
