//! SO_ATTACH_REUSEPORT_CBPF (socket(7); net/core/sock_reuseport.c): a program that says which socket of a SO_REUSEPORT
//! group gets a datagram or a connection.
//!
//! The program is the group's: each member keeps a copy, and who joins gets one when the group is next asked. The members
//! have places in the order of joining; when one leaves, the last one takes its place.

use core::sync::atomic::Ordering::*;

use super::dgram::{bpf, store};
use super::program;
use super::state;
use crate::abi::{Errno, Result};
use crate::names::{Kind, Names};
use crate::options;
use crate::shm::views::UserPtr;
use crate::shm::{Arena, Slot, SlotFlags};
use crate::socket::Sock;

/// Words of `Slot::extra`: the program's chunk + 1, and the place in the group + 1.
pub const PROGRAM: usize = 26;
/// See [`PROGRAM`].
pub const PLACE: usize = 27;
/// sizeof (struct sock_fprog).
const LENGTH: usize = 16;

/// A member of a group.
pub type Member = (u32, &'static Slot);

/// Can the slot be in a group now: bound, and a stream listens?
fn joined(slot: &Slot) -> bool {
    let stream = slot.kind.load(Relaxed) == libc::SOCK_STREAM as u32;
    slot.has(SlotFlags::BOUND) && (!stream || slot.state.load(Acquire) == state::LISTEN)
}

/// What members of one group have in common.
fn key(slot: &Slot) -> impl PartialEq {
    let name = slot.local();
    let flag = |place| options::flag(slot, place);
    let device = options::word(slot, options::DEVICE);
    (slot.family.load(Relaxed), name.ip, name.port, slot.uid.load(Relaxed), flag(options::V6_ONLY), device)
}

/// The group that a socket is in; only itself while it is in none.
fn group(names: &Names, s: &Sock) -> Vec<Member> {
    let kind = if s.kind() == libc::SOCK_STREAM { Kind::Tcp } else { Kind::Udp };
    if !joined(s.slot) {
        return vec![(s.number, s.slot)];
    }
    names
        .holders(kind, s.slot.local().port)
        .filter(|(_, slot)| joined(slot) && options::flag(slot, options::REUSE_PORT) && key(slot) == key(s.slot))
        .collect()
}

/// setsockopt(2) of SO_ATTACH_REUSEPORT_CBPF.
pub fn attach(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    if length != LENGTH {
        return Err(Errno::EINVAL);
    }
    let program = program::read(s, at)?;
    if !options::flag(s.slot, options::REUSE_PORT) {
        return Err(Errno::EINVAL);
    }
    let names = Names::lock(s.arena);
    for (_, slot) in group(&names, s) {
        store::replace(s.arena, slot, PROGRAM, &program)?;
    }
    s.arena.header().name_changed(s.slot.local().port);
    Ok(())
}

/// setsockopt(2) of SO_DETACH_REUSEPORT_BPF.
pub fn detach(s: &Sock, _value: i32) -> Result<()> {
    if !options::flag(s.slot, options::REUSE_PORT) {
        return Err(Errno::EINVAL);
    }
    let names = Names::lock(s.arena);
    let members = group(&names, s);
    if !members.iter().any(|(_, slot)| store::any(slot, PROGRAM)) {
        return Err(Errno::ENOENT);
    }
    members.iter().for_each(|(_, slot)| store::drop_all(s.arena, slot, PROGRAM));
    s.arena.header().name_changed(s.slot.local().port);
    Ok(())
}

/// The member that the group's program names for a packet. None: there is no program, or nobody has the place it names.
/// The second is whether there is one.
pub fn choose(
    arena: &'static Arena,
    mut members: Vec<Member>,
    payload: impl FnOnce() -> Vec<u8>,
) -> (Option<Member>, bool) {
    let program = members.iter().find_map(|(_, slot)| store::bytes(arena, slot, PROGRAM));
    let Some(program) = program else { return (None, false) };
    for (_, slot) in members.iter().filter(|(_, slot)| !store::any(slot, PROGRAM)) {
        let _ = store::replace(arena, slot, PROGRAM, &program);
    }
    members.sort_by_key(|(_, slot)| slot.bound_order.load(Relaxed));
    let old: Vec<u64> = members.iter().map(|(_, slot)| slot.extra[PLACE].load(Relaxed)).collect();
    let places = settle(&old);
    for ((_, slot), place) in members.iter().zip(&places) {
        slot.extra[PLACE].store(*place as u64 + 1, Relaxed);
    }
    let named = bpf::run(&bpf::read(&program), &payload()) as usize;
    (places.iter().position(|place| *place == named).map(|i| members[i]), true)
}

/// The places of members from those that they had + 1, 0 for who had none: holes are filled by the last ones, who is new
/// goes to the end.
fn settle(old: &[u64]) -> Vec<usize> {
    let settled = old.iter().filter(|p| **p != 0).count();
    let place = |p: u64| p as usize - 1;
    let holds = |at: usize| old.iter().any(|p| *p != 0 && place(*p) == at);
    let mut holes: Vec<usize> = (0..settled).filter(|at| !holds(*at)).rev().collect();
    let mut beyond: Vec<u64> = old.iter().copied().filter(|p| *p as usize > settled).collect();
    beyond.sort_unstable_by(|a, b| b.cmp(a));
    let moved: Vec<(u64, usize)> = beyond.into_iter().map(|p| (p, holes.pop().unwrap_or(0))).collect();
    let mut end = settled;
    old.iter()
        .map(|p| match p {
            0 => {
                end += 1;
                end - 1
            }
            p => moved.iter().find(|(from, _)| from == p).map_or(place(*p), |(_, to)| *to),
        })
        .collect()
}

/// A slot is given back.
pub fn let_go(arena: &'static Arena, slot: &Slot) {
    store::drop_all(arena, slot, PROGRAM);
}

#[cfg(test)]
mod tests {
    use super::settle;

    #[test]
    fn the_last_one_takes_the_place_of_one_that_left() {
        assert_eq!(settle(&[0, 0, 0]), [0, 1, 2]);
        assert_eq!(settle(&[2, 3, 4]), [1, 2, 0]);
        assert_eq!(settle(&[2, 3, 1, 0]), [1, 2, 0, 3]);
        assert_eq!(settle(&[4, 0]), [0, 1]);
        assert_eq!(settle(&[2, 5, 4]), [1, 0, 2]);
    }
}
