//! Which groups a socket is a member of, and whom it hears in them (RFC 3376, RFC 3678; ip_mc_sf_allow).

use core::net::IpAddr;
use core::sync::atomic::Ordering::*;

use super::lookup::{bits, is_v4};
use super::place::MEMBERS;
use super::{opts, store};
use crate::abi::{Errno, Result};
use crate::shm::{Arena, Slot};
use crate::socket::Sock;

/// IP_MAX_MEMBERSHIPS and igmp_max_msf, as Linux has them.
const MOST_GROUPS: usize = 20;
const MOST_SOURCES: usize = 10;
/// mld_max_msf.
const MOST_SOURCES6: usize = 64;

/// How many sources the list of a membership may have.
pub fn most_sources(v4: bool) -> usize {
    if v4 {
        MOST_SOURCES
    } else {
        MOST_SOURCES6
    }
}

/// One membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The group.
    pub group: u128,
    /// The interface's index.
    pub interface: u32,
    /// All but the sources (MCAST_EXCLUDE), not only the sources (MCAST_INCLUDE).
    pub exclude: bool,
    /// A list of sources was made, even if it is empty now.
    pub listed: bool,
    /// The sources.
    pub sources: Vec<u128>,
}

impl Member {
    /// Does it let a source through?
    fn admits(&self, source: u128) -> bool {
        self.sources.contains(&source) != self.exclude
    }
}

fn encode(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    for m in members {
        out.extend_from_slice(&m.group.to_ne_bytes());
        out.extend_from_slice(&m.interface.to_ne_bytes());
        out.extend_from_slice(&[m.exclude as u8, m.listed as u8, 0, m.sources.len() as u8]);
        m.sources.iter().for_each(|s| out.extend_from_slice(&s.to_ne_bytes()));
    }
    out
}

fn decode(mut bytes: &[u8]) -> Vec<Member> {
    let mut out = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(24) {
        let word = |b: &[u8]| b.try_into().map(u128::from_ne_bytes).unwrap_or(0);
        let Some((list, rest)) = rest.split_at_checked(head[23] as usize * 16) else { break };
        out.push(Member {
            group: word(&head[..16]),
            interface: u32::from_ne_bytes([head[16], head[17], head[18], head[19]]),
            exclude: head[20] != 0,
            listed: head[21] != 0,
            sources: list.chunks_exact(16).map(word).collect(),
        });
        bytes = rest;
    }
    out
}

/// The memberships of a socket.
pub fn all(arena: &'static Arena, slot: &Slot) -> Vec<Member> {
    if !store::any(slot, MEMBERS) {
        return Vec::new();
    }
    decode(&store::bytes(arena, slot, MEMBERS).unwrap_or_default())
}

fn keep(s: &Sock, members: &[Member]) -> Result<()> {
    if members.is_empty() {
        store::drop_all(s.arena, s.slot, MEMBERS);
        return Ok(());
    }
    store::replace(s.arena, s.slot, MEMBERS, &encode(members))
}

/// Is anybody in the network a member, who wants to hear the source?
pub fn has_member(arena: &'static Arena, group: IpAddr, source: u128) -> bool {
    (0..arena.slots_used()).filter_map(|n| arena.slot(n)).any(|slot| {
        slot.in_use()
            && slot.kind.load(Relaxed) == libc::SOCK_DGRAM as u32
            && all(arena, slot).iter().any(|m| m.group == bits(group) && m.admits(source))
    })
}

/// Does a socket that is bound so as to hear a group want this datagram?
pub fn admits(arena: &'static Arena, slot: &Slot, group: IpAddr, source: u128) -> bool {
    match all(arena, slot).iter().find(|m| m.group == bits(group)) {
        Some(member) => member.admits(source),
        None => opts::multicast_all(slot),
    }
}

fn find(members: &[Member], group: u128, interface: u32) -> Option<usize> {
    members.iter().position(|m| m.group == group && m.interface == interface)
}

/// Joins a group (ip_mc_join_group).
pub fn join(s: &Sock, group: u128, interface: u32, exclude: bool) -> Result<()> {
    let _held = s.slot.lock.lock();
    let mut members = all(s.arena, s.slot);
    if find(&members, group, interface).is_some() {
        return Err(Errno::EADDRINUSE);
    }
    if members.len() >= MOST_GROUPS {
        return Err(Errno::ENOBUFS);
    }
    members.push(Member { group, interface, exclude, listed: false, sources: Vec::new() });
    keep(s, &members)
}

/// Leaves a group.
pub fn leave(s: &Sock, group: u128, interface: u32) -> Result<()> {
    let _held = s.slot.lock.lock();
    let mut members = all(s.arena, s.slot);
    let at = find(&members, group, interface).ok_or(Errno::EADDRNOTAVAIL)?;
    members.remove(at);
    keep(s, &members)
}

/// Adds a source to a membership's list or takes one out (ip_mc_source). `exclude`: the list is of those not to hear.
pub fn source(s: &Sock, group: u128, interface: u32, source: u128, exclude: bool, add: bool) -> Result<()> {
    if add && !exclude {
        match join(s, group, interface, false) {
            Ok(()) | Err(Errno::EADDRINUSE) => {}
            Err(e) => return Err(e),
        }
    }
    let _held = s.slot.lock.lock();
    let mut members = all(s.arena, s.slot);
    let at = find(&members, group, interface).ok_or(Errno::EINVAL)?;
    let m = &mut members[at];
    if m.exclude != exclude {
        // The mode changes only while no list was made for it.
        if m.listed {
            return Err(Errno::EINVAL);
        }
        m.exclude = exclude;
    }
    let known = m.sources.iter().position(|o| *o == source);
    match (add, known) {
        (true, Some(_)) | (false, None) => return Err(Errno::EADDRNOTAVAIL),
        (true, None) if m.sources.len() >= most_sources(is_v4(group)) => return Err(Errno::ENOBUFS),
        (true, None) => {
            m.sources.push(source);
            m.listed = true;
        }
        (false, Some(_)) if m.sources.len() == 1 && !exclude => {
            members.remove(at);
        }
        (false, Some(i)) => {
            m.sources.remove(i);
        }
    }
    keep(s, &members)
}

/// Replaces a membership's list (ip_mc_msfilter).
pub fn replace(s: &Sock, group: u128, interface: u32, exclude: bool, sources: Vec<u128>) -> Result<()> {
    if !exclude && sources.is_empty() {
        return leave(s, group, interface);
    }
    if sources.len() > most_sources(is_v4(group)) {
        return Err(Errno::ENOBUFS);
    }
    let _held = s.slot.lock.lock();
    let mut members = all(s.arena, s.slot);
    let at = find(&members, group, interface).ok_or(Errno::EINVAL)?;
    members[at] = Member { group, interface, exclude, listed: !sources.is_empty(), sources };
    keep(s, &members)
}

/// A membership.
pub fn get(s: &Sock, group: u128, interface: u32) -> Result<Member> {
    let members = all(s.arena, s.slot);
    let at = find(&members, group, interface).ok_or(Errno::EADDRNOTAVAIL)?;
    Ok(members[at].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(exclude: bool, sources: &[u128]) -> Member {
        Member { group: 7, interface: 1, exclude, listed: !sources.is_empty(), sources: sources.to_vec() }
    }

    #[test]
    fn memberships_come_back_from_their_bytes() {
        let members = vec![member(true, &[]), member(false, &[1, 2, 3])];
        assert_eq!(decode(&encode(&members)), members);
        let bytes = encode(&members);
        for n in 0..bytes.len() {
            assert!(decode(&bytes[..n]).len() <= 2);
        }
    }

    #[test]
    fn a_list_admits_or_keeps_out() {
        assert!(member(true, &[]).admits(1) && !member(true, &[1]).admits(1) && member(true, &[1]).admits(2));
        assert!(member(false, &[1]).admits(1) && !member(false, &[1]).admits(2));
    }
}
