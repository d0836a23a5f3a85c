//! Binding: a port asked for, or an automatic one from the usual range (ip(7), ip_local_port_range).

use core::sync::atomic::Ordering::*;
use std::sync::OnceLock;

use super::conflict::{self, Claim};
use super::memory;
use super::table::{claim_of, Kind, Names};
use super::timewait;
use crate::abi::{Errno, Name, Result};
use crate::kernel;
use crate::network;
use crate::options;
use crate::shm::Slot;

/// The range of automatic ports: the machine's own, read once.
pub fn range() -> (u16, u16) {
    static RANGE: OnceLock<(u16, u16)> = OnceLock::new();
    *RANGE.get_or_init(|| {
        let mut text = [0u8; 64];
        let mut read = || -> Result<(u16, u16)> {
            let fd = kernel::open(c"/proc/sys/net/ipv4/ip_local_port_range", libc::O_RDONLY, 0)?;
            let n = kernel::read(fd, &mut text);
            let _ = kernel::close(fd);
            let text = core::str::from_utf8(&text[..n?]).map_err(|_| Errno::EINVAL)?;
            let mut numbers = text.split_whitespace().map_while(|w| w.parse().ok());
            match (numbers.next(), numbers.next()) {
                (Some(low), Some(high)) if low <= high => Ok((low, high)),
                _ => Err(Errno::EINVAL),
            }
        };
        read().unwrap_or((32768, 60999))
    })
}

/// The first holder of `claim`'s port that stands in its way. `old` tells the holders that count apart.
fn in_the_way(names: &Names, kind: Kind, me: u32, claim: &Claim) -> Option<Option<u32>> {
    let clash = |old: &Claim| match kind {
        Kind::Udp => conflict::udp(claim, old),
        _ => conflict::tcp(claim, old),
    };
    let holder = |kind| {
        names.holders(kind, claim.name.port).find(|(n, s)| *n != me && clash(&claim_of(s))).map(|(n, _)| Some(n))
    };
    if kind == Kind::Udp {
        // The first that overlaps decides (udp_lib_lport_inuse), the latest being the first.
        let meets = |old: &Claim| conflict::overlap(claim, old) && !(claim.reuse_address && old.reuse_address);
        let first = names.holders(kind, claim.name.port).find(|(n, s)| *n != me && meets(&claim_of(s)));
        return first.filter(|(_, s)| clash(&claim_of(s))).map(|(n, _)| Some(n));
    }
    holder(Kind::Tcp)
        .or_else(|| holder(Kind::Accepted))
        .or_else(|| timewait::claims(names.arena(), claim.name.port).any(|c| clash(&c)).then_some(None))
}

/// May `claim` have its port? Holders whose processes are gone are swept away first.
pub fn free(names: &Names, kind: Kind, me: u32, claim: &Claim) -> bool {
    let mut swept = false;
    loop {
        match in_the_way(names, kind, me, claim) {
            None => return true,
            Some(Some(_)) if !swept && network::sweep(names) > 0 => swept = true,
            Some(_) => return false,
        }
    }
}

/// Does anybody but `me` hold a TCP port, dead ones included?
fn held(names: &Names, port: u16, me: u32) -> bool {
    [Kind::Tcp, Kind::Accepted].into_iter().any(|kind| names.holders(kind, port).any(|(n, _)| n != me))
        || timewait::claims(names.arena(), port).next().is_some()
}

/// May a TCP socket have the port that it asks for, or has and begins to listen on? What the port remembers counts first.
pub fn admit(names: &Names, me: u32, claim: &Claim) -> bool {
    let bound = names.holders(Kind::Tcp, claim.name.port).any(|(n, _)| n == me);
    let remembered = (bound || held(names, claim.name.port, me)) && memory::admits(names.arena(), claim);
    let admitted = remembered || free(names, Kind::Tcp, me, claim);
    if admitted {
        memory::note(names.arena(), claim, !bound && !held(names, claim.name.port, me));
    }
    admitted
}

/// Gives the slot a local name, with an automatic port for port 0, and enters it in the table.
///
/// Errors: EADDRINUSE.
pub fn bind(names: &Names, kind: Kind, number: u32, slot: &Slot, name: Name) -> Result<()> {
    let claim = Claim { name, ..claim_of(slot) };
    if name.port != 0 {
        let admitted = if kind == Kind::Tcp { admit(names, number, &claim) } else { free(names, kind, number, &claim) };
        if !admitted {
            return Err(Errno::EADDRINUSE);
        }
        slot.set_local(name);
    } else {
        let port = automatic(names, kind, number, &claim).ok_or(Errno::EADDRINUSE)?;
        slot.set_local(Name { port, ..name });
        if kind == Kind::Tcp {
            memory::note(names.arena(), &Claim { name: Name { port, ..name }, ..claim }, !held(names, port, number));
        }
    }
    names.insert(number, kind);
    Ok(())
}

/// An automatic port for connect(2). Errors: EADDRNOTAVAIL.
pub fn for_connect(names: &Names, me: u32, claim: &Claim) -> Result<u16> {
    let port = automatic(names, Kind::Tcp, me, claim).ok_or(Errno::EADDRNOTAVAIL)?;
    let name = Name { port, ..claim.name };
    // Such a port lets nobody in unasked (inet_hash_connect).
    memory::note(names.arena(), &Claim { name, reuse_address: false, reuse_port: false, ..*claim }, true);
    Ok(port)
}

/// IP_LOCAL_PORT_RANGE narrows the range for one socket: the low port below, the high one above, 0 for no bound.
fn own_range(names: &Names, me: u32) -> Option<(u16, u16)> {
    let word = options::word(names.arena().slot(me)?, options::IP_LOCAL_PORT_RANGE);
    let (low, high) = (word as u16, (word >> 16) as u16);
    let (least, most) = range();
    let pick = |own: u16, other: u16| if own == 0 { other } else { own.clamp(least, most) };
    (word != 0).then(|| (pick(low, least), pick(high, most))).filter(|(l, h)| l <= h)
}

/// A port of the range that nobody stands in the way of.
pub fn automatic(names: &Names, kind: Kind, me: u32, claim: &Claim) -> Option<u16> {
    let (low, high) = own_range(names, me).unwrap_or_else(range);
    let count = (high - low) as u32 + 1;
    // A step that is odd and scattered keeps neighbours apart, as the kernel's random start does.
    let start = names.arena().header().next_port.fetch_add(1, Relaxed);
    let start = if start == 0 { kernel::random_u64() as u32 } else { start };
    let (passed, port) = (0..count).find_map(|i| {
        let port = low + (start.wrapping_add(i) % count) as u16;
        let claim = Claim { name: Name { port, ..claim.name }, reuse_address: false, reuse_port: false, ..*claim };
        in_the_way(names, kind, me, &claim).is_none().then_some((i, port))
    })?;
    if passed > 0 {
        // Else the next search would begin with the port that was just taken, and so on for ever.
        names.arena().header().next_port.fetch_add(passed, Relaxed);
    }
    Some(port)
}
