//! TCP_MD5SIG, TCP_MD5SIG_EXT (tcp(7), RFC 2385): segments are signed with a key that both ends have for each other, and what
//! is signed otherwise, or not though it should be, is dropped (tcp_inbound_md5_hash).
//!
//! There is nothing to sign: it comes down to whether the two keys are the same, or both ends have none.

use super::super::dgram::lookup::bits;
use super::super::dgram::store;
use super::filter;
use crate::abi::{Errno, Name, Result};
use crate::shm::views::UserPtr;
use crate::shm::{Arena, End, Record, Slot};
use crate::socket::Sock;

/// The word of `Slot::extra` with the keys' chunk + 1.
pub const KEYS: usize = 24;
/// struct tcp_md5sig, and where its fields are.
const SIZE: usize = 216;
const FLAGS_AT: usize = 128;
const PREFIX_AT: usize = 129;
const LENGTH_AT: usize = 130;
const INTERFACE_AT: usize = 132;
const KEY_AT: usize = 136;
/// TCP_MD5SIG_MAXKEYLEN.
const LONGEST: usize = 80;
/// TCP_MD5SIG_FLAG_PREFIX, TCP_MD5SIG_FLAG_IFINDEX.
const WITH_PREFIX: u8 = 1;
const WITH_INTERFACE: u8 = 2;
/// A v4-mapped address has so many bits more.
const MAPPED: u16 = 96;

/// Whose segments a key is for: the first `prefix` bits of an address, IPv4 ones v4-mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Peers {
    address: u128,
    prefix: u16,
}

impl Peers {
    fn contain(&self, address: u128) -> bool {
        let rest = 128 - self.prefix.min(128) as u32;
        self.address.checked_shr(rest).unwrap_or(0) == address.checked_shr(rest).unwrap_or(0)
    }
}

/// setsockopt(2) of TCP_MD5SIG and TCP_MD5SIG_EXT.
pub fn set_option(s: &Sock, level: i32, name: i32, value: UserPtr, length: i32) -> Option<Result<()>> {
    let extended = match (level, name) {
        (libc::IPPROTO_TCP, libc::TCP_MD5SIG) => false,
        (libc::IPPROTO_TCP, libc::TCP_MD5SIG_EXT) => true,
        _ => return None,
    };
    let done = set(s, value, length, extended);
    if done.is_ok() {
        filter::settle(s);
    }
    Some(done)
}

fn set(s: &Sock, value: UserPtr, length: i32, extended: bool) -> Result<()> {
    if length < 4 {
        return Err(Errno::EINVAL);
    }
    value.read_u32()?;
    if (length as usize) < SIZE {
        return Err(Errno::EINVAL);
    }
    let mut given = [0u8; SIZE];
    value.read(&mut given)?;
    let name = Name::parse(&given[..28], s.family()).map_err(|_| Errno::EINVAL)?;
    let flags = if extended { given[FLAGS_AT] } else { 0 };
    let interface = given[INTERFACE_AT..KEY_AT].iter().any(|b| *b != 0);
    if flags & WITH_INTERFACE != 0 && interface {
        // Only the master of a VRF would do (l3mdev), of which there is none.
        return Err(Errno::EINVAL);
    }
    let v4 = name.canonical().is_ipv4();
    let most = if v4 { 32 } else { 128 };
    let prefix = if flags & WITH_PREFIX != 0 { given[PREFIX_AT] as u16 } else { most };
    if prefix > most {
        return Err(Errno::EINVAL);
    }
    let peers = Peers { address: bits(name.canonical()), prefix: prefix + if v4 { MAPPED } else { 0 } };
    let length = u16::from_ne_bytes([given[LENGTH_AT], given[LENGTH_AT + 1]]) as usize;
    if length > LONGEST {
        return Err(Errno::EINVAL);
    }
    let _held = s.slot.lock.lock();
    let mut keys = all(s.arena, s.slot);
    let before = keys.len();
    keys.retain(|(p, _)| *p != peers);
    if length == 0 {
        if keys.len() == before {
            return Err(Errno::ENOENT);
        }
    } else {
        keys.push((peers, given[KEY_AT..KEY_AT + length].to_vec()));
    }
    put(s.arena, s.slot, &keys)
}

fn all(arena: &'static Arena, slot: &Slot) -> Vec<(Peers, Vec<u8>)> {
    let mut keys = Vec::new();
    store::each(arena, slot, KEYS, |record, payload| {
        let mut key = vec![0; payload.len().min(LONGEST)];
        payload.copy(0, &mut key);
        keys.push((Peers { address: record.source, prefix: record.port }, key));
    });
    keys
}

fn put(arena: &'static Arena, slot: &Slot, keys: &[(Peers, Vec<u8>)]) -> Result<()> {
    store::drop_all(arena, slot, KEYS);
    for (peers, key) in keys {
        let record =
            Record { source: peers.address, port: peers.prefix, length: key.len() as u32, ..Record::default() };
        let mut done = 0;
        store::add(arena, slot, KEYS, &record, |span| {
            let n = span.write(&key[done..]);
            done += n;
            n
        })?;
    }
    Ok(())
}

/// The key that a socket has for a peer: that of the fewest peers (tcp_md5_do_lookup).
fn key_for(arena: &'static Arena, slot: &Slot, peer: &Name) -> Option<Vec<u8>> {
    let address = bits(peer.canonical());
    let mine = all(arena, slot).into_iter().filter(|(peers, _)| peers.contain(address));
    mine.max_by_key(|(peers, _)| peers.prefix).map(|(_, key)| key)
}

/// Has the socket keys?
#[inline]
pub fn any(slot: &Slot) -> bool {
    store::any(slot, KEYS)
}

/// Do two sockets sign what they send to each other alike? The second one is connected to the first.
pub fn agree(arena: &'static Arena, one: &Slot, other: &Slot) -> bool {
    !any(one) && !any(other) || key_for(arena, one, &other.local()) == key_for(arena, other, &other.peer())
}

/// An accepted socket has its listener's key for its peer, and no other (tcp_v4_syn_recv_sock).
pub fn inherit(arena: &'static Arena, from: &Slot, to: &Slot) {
    if let Some(key) = any(from).then(|| key_for(arena, from, &to.peer())).flatten() {
        let _ = put(arena, to, &[(Peers { address: bits(to.peer().canonical()), prefix: 128 }, key)]);
    }
}

/// Does the far end sign as this one does? What was not accepted yet does.
pub fn agree_now(s: &Sock, end: &End) -> bool {
    let far = end.far().slot.load(core::sync::atomic::Ordering::Acquire).wrapping_sub(1);
    s.arena.slot(far).is_none_or(|far| agree(s.arena, far, s.slot))
}

/// Gives a kernel socket the same keys.
pub fn repeat(s: &Sock, fd: i32) {
    for (peers, key) in all(s.arena, s.slot) {
        let v4 = peers.address >> 32 == 0xffff;
        let name = super::super::dgram::lookup::name_of(peers.address, 0, s.family());
        let mut given = [0u8; SIZE];
        let (bytes, length) = name.encode();
        given[..length].copy_from_slice(&bytes[..length]);
        given[FLAGS_AT] = WITH_PREFIX;
        given[PREFIX_AT] = (peers.prefix - if v4 { MAPPED.min(peers.prefix) } else { 0 }) as u8;
        given[LENGTH_AT..LENGTH_AT + 2].copy_from_slice(&(key.len() as u16).to_ne_bytes());
        given[KEY_AT..KEY_AT + key.len()].copy_from_slice(&key);
        let _ = crate::kernel::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_MD5SIG_EXT, &given);
    }
}

/// Lets go of the keys.
pub fn let_go(arena: &'static Arena, slot: &Slot) {
    store::drop_all(arena, slot, KEYS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_what_begins_with_it() {
        let of = |text: &str, prefix| Peers { address: bits(text.parse().unwrap()), prefix };
        let address = bits("127.3.4.5".parse().unwrap());
        assert!(of("127.0.0.0", 96 + 8).contain(address) && of("127.3.4.5", 128).contain(address));
        assert!(!of("127.3.0.0", 96 + 24).contain(address) && !of("::1", 128).contain(address));
        assert!(of("::", 0).contain(address) && of("0.0.0.0", 96).contain(address));
    }
}
