//! Urgent data: one byte out of band, and the mark in the stream where it stood (tcp(7), RFC 6093).

use core::sync::atomic::Ordering::*;

use super::transport;
use super::{data, state};
use crate::abi::{Errno, Result};
use crate::family::ops::{Incoming, Outgoing};
use crate::options;
use crate::shm::views::{Buffers, List};
use crate::shm::{End, SlotFlags, Take, MAX_BUFFERED};
use crate::socket::Sock;

/// Sends with MSG_OOB: the last byte is the urgent one.
pub fn send(s: &Sock, end: &End, m: &mut Outgoing<'_>, want: usize) -> Result<usize> {
    let carrier = transport::of(end);
    let sent = carrier.send(s, end, &mut m.data, want)?;
    if sent == want {
        let tx = end.tx();
        replace(s, end);
        tx.shared.urgent_taken.store(0, Relaxed);
        tx.shared.urgent.store(tx.written(), Release);
        crate::owner::urgent(s, end);
    }
    carrier.wake_reader(s, end);
    Ok(sent)
}

/// The urgent byte before this one becomes an ordinary one, unless the reader stands right before it (tcp_check_urg).
fn replace(s: &Sock, end: &End) {
    let tx = end.tx();
    let old = tx.shared.urgent.load(Acquire);
    let far = s.arena.slot(end.far().slot.load(Acquire).wrapping_sub(1));
    if old != 0 && tx.consumed() + 1 == old && far.is_none_or(|far| !options::flag(far, options::OOB_INLINE)) {
        tx.sent.pass_over.store(old, Release);
    }
}

/// Takes the byte that reading passes over, once it comes to it.
fn pass_over(s: &Sock, end: &End) {
    let rx = end.rx();
    let mark = rx.sent.pass_over.load(Acquire);
    if mark == 0 || rx.consumed() + 1 < mark {
        return;
    }
    if rx.consumed() + 1 == mark && drop_one(s, end) || rx.consumed() >= mark {
        let _ = rx.sent.pass_over.compare_exchange(mark, 0, AcqRel, Relaxed);
    }
}

/// Takes one byte for nobody.
fn drop_one(s: &Sock, end: &End) -> bool {
    let how = Take { want: 1, peek: false, skip: 0, discard: true, limit: u64::MAX };
    transport::of(end).receive(s, end, &mut Buffers::new(&[]), how).is_ok()
}

/// The position that an ordinary read stops at: the mark, unless it stands there already. A mark that is reached and
/// not inline is passed over, and the byte with it.
pub fn stop_at(s: &Sock, end: &End) -> u64 {
    let rx = end.rx();
    pass_over(s, end);
    let mark = rx.shared.urgent.load(Acquire);
    let Some(at) = mark.checked_sub(1) else { return u64::MAX };
    let here = rx.consumed();
    if here < at {
        return at;
    }
    let passed = if here > at {
        true
    } else if data::waiting(s, end) > 0 && !options::flag(s.slot, options::OOB_INLINE) {
        drop_one(s, end)
    } else {
        false
    };
    if passed {
        let _ = rx.shared.urgent.compare_exchange(mark, 0, AcqRel, Relaxed);
    }
    u64::MAX
}

/// recv(2) with MSG_OOB (tcp_recv_urg).
pub fn receive(s: &Sock, end: &End, m: &mut Incoming<'_>) -> Result<usize> {
    let rx = end.rx();
    let mark = rx.shared.urgent.load(Acquire);
    let taken = rx.shared.urgent_taken.load(Acquire);
    if options::flag(s.slot, options::OOB_INLINE) || mark == 0 || taken == 1 {
        return Err(Errno::EINVAL);
    }
    let at = mark - 1;
    if rx.consumed() > at {
        return Err(Errno::EINVAL);
    }
    let byte = byte_at(s, end, at).ok_or(Errno::EAGAIN)?;
    if super::current_state(s) == state::CLOSE && s.slot.has(SlotFlags::SHUT_RD) {
        return Ok(0);
    }
    m.out_flags |= libc::MSG_OOB;
    if m.flags & libc::MSG_PEEK == 0 {
        rx.shared.urgent_taken.store(1, Release);
    }
    if m.data.left() == 0 {
        m.out_flags |= libc::MSG_TRUNC;
        return Ok(0);
    }
    if m.flags & libc::MSG_TRUNC == 0 && m.data.put_slice(&[byte]) == 0 {
        return Err(Errno::EFAULT);
    }
    Ok(1)
}

/// The byte at a stream position, without consuming anything.
fn byte_at(s: &Sock, end: &End, at: u64) -> Option<u8> {
    // What a peer wrote into the mark may be anywhere.
    let ahead = at.checked_sub(end.rx().consumed()).filter(|n| *n < end.rx().buffered().min(MAX_BUFFERED))? as usize;
    let mut bytes = vec![0u8; ahead + 1];
    let list = List::one(bytes.as_mut_ptr() as usize, bytes.len());
    let how = Take { want: bytes.len(), peek: true, skip: 0, discard: false, limit: u64::MAX };
    let got = transport::of(end).receive(s, end, &mut Buffers::new(&list), how).ok()?;
    (got == bytes.len()).then(|| bytes[ahead])
}

/// Does the next read stand at the mark (SIOCATMARK)?
pub fn at_mark(end: &End) -> bool {
    let rx = end.rx();
    rx.shared.urgent.load(Acquire) == rx.consumed() + 1
}

/// Is there an urgent byte that was neither taken nor passed (POLLPRI)?
pub fn pending(end: &End) -> bool {
    let rx = end.rx();
    rx.shared.urgent.load(Acquire) > rx.consumed() && rx.shared.urgent_taken.load(Acquire) != 1
}

/// Bytes that one read could give (SIOCINQ): up to the mark, not counting the urgent byte.
pub fn readable_now(s: &Sock, end: &End) -> u64 {
    let rx = end.rx();
    let waiting = data::visible(s, end);
    let Some(at) = rx.shared.urgent.load(Acquire).checked_sub(1) else { return waiting };
    let here = rx.consumed();
    if options::flag(s.slot, options::OOB_INLINE) || here > at {
        return waiting;
    }
    if here == at {
        waiting.saturating_sub(1)
    } else {
        waiting.min(at - here)
    }
}
