//! What an accepted socket takes over from its listener (sk_clone_lock).
//!
//! The kernel makes the new socket when the connection is established, so what is set on the listener between that and
//! accept(2) does not reach it. Here the connector writes down what the listener's options are at that moment, in words of
//! its own slot that a stream does not use.

use core::sync::atomic::Ordering::*;

use super::places::*;
use crate::shm::{Slot, OPTION_WORDS};

/// Words of `Slot::extra` of the connector: whose options they are, which words were set, the limit of the rate, the two
/// words of bits, then the words that were set, two in each.
const TAG: usize = 4;
const SET: usize = 5;
const RATE: usize = 7;
const FLAGS: usize = 8;
const WORDS: usize = 9;
const END: usize = 23;
/// All of these words, which are nobody else's.
pub const NOTES: core::ops::Range<usize> = TAG..END;

/// Options that begin anew.
const NOT_INHERITED: [usize; 6] =
    [PRIORITY, FASTOPEN, DEFER_ACCEPT, FASTOPEN_KEY_LENGTH, super::places::IP_OPTIONS, STAMP_BASE];

fn bits(slot: &Slot) -> u64 {
    let word = |i: usize| slot.options[FIRST_BIT_WORD + i].load(Relaxed) as u64;
    word(0) | word(1) << 32
}

/// The places of the words that are set.
fn places(set: [u64; 2]) -> impl Iterator<Item = usize> {
    set.into_iter().enumerate().flat_map(|(half, mut left)| {
        core::iter::from_fn(move || {
            let bit = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (bit < 64).then_some(half * 64 + bit)
        })
    })
}

/// Writes the listener's options down in the connector's slot, for the connection called `tag`.
pub fn write_down(listener: &Slot, connector: &Slot, tag: u64) {
    super::special::settled_v6_only(listener);
    let set = [0, 1].map(|i| listener.options_set[i].load(Relaxed));
    let count = (set[0].count_ones() + set[1].count_ones()) as usize;
    if count > (END - WORDS) * 2 {
        // More than there is room for: the listener is asked at accept(2).
        return connector.extra[TAG].store(0, Release);
    }
    connector.extra[SET].store(set[0], Relaxed);
    connector.extra[SET + 1].store(set[1], Relaxed);
    connector.extra[RATE].store(listener.extra[EXTRA_PACING].load(Relaxed), Relaxed);
    connector.extra[FLAGS].store(bits(listener), Relaxed);
    let mut pair = 0u64;
    for (i, place) in places(set).enumerate() {
        let word = listener.options[place].load(Relaxed) as u64;
        pair = if i % 2 == 0 { word } else { pair | word << 32 };
        connector.extra[WORDS + i / 2].store(pair, Relaxed);
    }
    connector.extra[TAG].store(tag, Release);
}

/// Gives an accepted socket its options: those that the connector wrote down, or else what the listener's are now.
pub fn inherit(listener: &Slot, connector: Option<&Slot>, tag: u64, new: &Slot) {
    match connector.filter(|c| c.extra[TAG].load(Acquire) == tag) {
        Some(from) => {
            let set = [from.extra[SET].load(Relaxed), from.extra[SET + 1].load(Relaxed)];
            for (i, place) in places(set).enumerate().take((END - WORDS) * 2) {
                let pair = from.extra[WORDS + i / 2].load(Relaxed);
                new.options[place].store((pair >> (i % 2 * 32)) as u32, Relaxed);
            }
            new.options_set[0].store(set[0], Relaxed);
            new.options_set[1].store(set[1], Relaxed);
            let flags = from.extra[FLAGS].load(Relaxed);
            new.options[FIRST_BIT_WORD].store(flags as u32, Relaxed);
            new.options[FIRST_BIT_WORD + 1].store((flags >> 32) as u32, Relaxed);
            new.extra[EXTRA_PACING].store(from.extra[RATE].load(Relaxed), Relaxed);
        }
        None => {
            super::special::settled_v6_only(listener);
            for i in 0..OPTION_WORDS {
                new.options[i].store(listener.options[i].load(Relaxed), Relaxed);
            }
            for (to, from) in new.options_set.iter().zip(&listener.options_set) {
                to.store(from.load(Relaxed), Relaxed);
            }
            new.extra[EXTRA_PACING].store(listener.extra[EXTRA_PACING].load(Relaxed), Relaxed);
        }
    }
    for place in NOT_INHERITED {
        new.options[place].store(0, Relaxed);
        new.options_set[place / 64].fetch_and(!(1 << (place % 64)), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::{load, store};
    use super::*;

    fn slot() -> Box<Slot> {
        #[allow(unsafe_code)]
        // SAFETY: a slot is atomics and padding; all-zero is a fresh one.
        unsafe {
            Box::new(core::mem::zeroed())
        }
    }

    #[test]
    fn what_is_set_after_the_connection_stays_behind() {
        let (listener, connector, new) = (slot(), slot(), slot());
        store(&listener, KEEP_IDLE, 111);
        store(&listener, KEEP_ALIVE, 1);
        store(&listener, IPV6_TCLASS, 32);
        store(&listener, IP_PKTINFO, 1);
        store(&listener, PRIORITY, 3);
        write_down(&listener, &connector, 7);
        store(&listener, KEEP_IDLE, 5);
        store(&listener, IP_RECVTTL, 1);
        inherit(&listener, Some(&connector), 7, &new);
        let got = [KEEP_IDLE, KEEP_ALIVE, IPV6_TCLASS, IP_PKTINFO, IP_RECVTTL, PRIORITY].map(|p| load(&new, p));
        assert_eq!(got, [111, 1, 32, 1, 0, 0]);
        assert_eq!(load(&new, PRIORITY), 0);
    }

    #[test]
    fn another_connections_notes_are_not_believed() {
        let (listener, connector, new) = (slot(), slot(), slot());
        write_down(&listener, &connector, 7);
        store(&listener, KEEP_IDLE, 5);
        inherit(&listener, Some(&connector), 8, &new);
        assert_eq!(load(&new, KEEP_IDLE), 5);
        inherit(&listener, None, 7, &new);
        assert_eq!(load(&new, KEEP_IDLE), 5);
    }
}
