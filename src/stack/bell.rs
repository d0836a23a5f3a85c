//! The protocol between those who sleep on a socket and those who ring, by itself so that a model can check it.
//!
//! *Asking and ringing.* A sleeper asks (a word is set), looks once more, then sleeps. Whoever changes what sleepers
//! look at stores the change first and looks at the word after. A full fence stands between the two steps on each side, so
//! at least one of them sees the other. Only whoever rings takes an ask back: two sleepers may share the word.
//!
//! A short sleep asks to be *called*: the sleeper waits on the word itself (futex(2)), which costs both sides less than a
//! byte on the anchor. It tells nothing of a peer that dies, so who sleeps for longer asks for the bell; nor does it tell
//! the socket's other sleepers anything, so it is for a sole one, and whoever comes beside it has it sleep on the anchor
//! instead ([`Seats::sole`], [`rouse`]).
//!
//! *Beds.* Who sleeps on many sockets has a bed, whose name the sockets' words hold, and which says whether somebody
//! sleeps there (see [`crate::shm::Bed`]). It stays named while its sleeper is up, and whoever finds the bed empty does not
//! ring. Whoever rings empties it. The order is the same: lie down, fence, look once more; store, fence, look at the
//! word and the bed.
//!
//! *Seats.* A bell is one byte on the anchor, and only one sleeper can take it. So one sleeper of a socket, the first, sleeps
//! on the anchor; all others sleep on a futex word beside it. Whoever takes a byte, or leaves the first seat, tells the
//! others, who look again and contend for the seat. What remains of a sleeper that was killed is a seat whose holder is
//! gone, or a mark that costs one needless wake-up.

/// A word that threads share, of 32 or 64 bits: an atomic of the machine's, or of the model's.
pub trait Word<V = u32> {
    /// Loads, acquiring.
    fn get(&self) -> V;
    /// Stores, releasing.
    fn set(&self, value: V);
    /// Swaps, acquiring and releasing.
    fn swap(&self, value: V) -> V;
    /// Sets bits, acquiring and releasing.
    fn or(&self, bits: V);
    /// Adds one, acquiring and releasing.
    fn bump(&self);
    /// Changes one value into another. True if it was that one.
    fn change(&self, from: V, to: V) -> bool;
    /// The full fence.
    fn fence();
}

/// In an asking word: a byte on the anchor.
pub const BELL: u32 = 1;
/// In an asking word: a wake-up of who sleeps on the word.
pub const CALL: u32 = 2;
/// In an asking word: who sleeps on the word is wanted elsewhere. Changes the word, so that nobody falls asleep meanwhile.
const ROUSED: u32 = 4;
/// All of these; the rest of an asking word is the name of a bed, or 0.
const FLAGS: u32 = BELL | CALL | ROUSED;

/// The full fence. On x86-64 a locked instruction on the stack does the same as `mfence` at a third of the cost.
#[inline(always)]
pub fn full_fence() {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: changes nothing but the flags, which is the default; the memory it orders is clobbered.
    unsafe {
        core::arch::asm!("lock or dword ptr [rsp - 8], 0");
    }
    #[cfg(not(target_arch = "x86_64"))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}

macro_rules! word {
    ($atomic:ty, $value:ty, $fence:expr) => {
        impl Word<$value> for $atomic {
            #[inline(always)]
            fn get(&self) -> $value {
                self.load(core::sync::atomic::Ordering::Acquire)
            }
            #[inline(always)]
            fn set(&self, value: $value) {
                self.store(value, core::sync::atomic::Ordering::Release);
            }
            fn swap(&self, value: $value) -> $value {
                <$atomic>::swap(self, value, core::sync::atomic::Ordering::AcqRel)
            }
            fn or(&self, bits: $value) {
                self.fetch_or(bits, core::sync::atomic::Ordering::AcqRel);
            }
            fn bump(&self) {
                self.fetch_add(1, core::sync::atomic::Ordering::AcqRel);
            }
            fn change(&self, from: $value, to: $value) -> bool {
                use core::sync::atomic::Ordering::{AcqRel, Acquire};
                self.compare_exchange(from, to, AcqRel, Acquire).is_ok()
            }
            #[inline(always)]
            fn fence() {
                $fence();
            }
        }
    };
}
word!(core::sync::atomic::AtomicU32, u32, full_fence);
word!(core::sync::atomic::AtomicU64, u64, full_fence);
#[cfg(loom)]
word!(loom::sync::atomic::AtomicU32, u32, || loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst));
#[cfg(loom)]
word!(loom::sync::atomic::AtomicU64, u64, || loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst));

/// Asks to be rung ([`BELL`]) or called ([`CALL`]), besides what others ask for. What is waited for is looked at after this.
#[inline]
pub fn ask<W: Word>(armed: &W, how: u32) {
    armed.or(how);
    W::fence();
}

/// Must somebody be rung? Called after what it is rung for was stored: one fence and one load when nobody asked, and one
/// more load when somebody did from a bed that is empty. `bed` finds the word of a bed by its name.
#[inline(always)]
pub fn asked<'a, W: Word, B: Word<u64> + 'a>(armed: &W, bed: impl FnOnce(u32) -> &'a B) -> bool {
    W::fence();
    let asked = armed.get();
    asked != 0 && (asked & FLAGS != 0 || bed(asked).get() as u32 != asked)
}

/// Takes back what was asked for, and gives it: its taker has to see to it.
pub fn take<W: Word>(armed: &W) -> u32 {
    armed.swap(0)
}

/// Who comes to sleep beside the first, after its own ask: has it leave this word, if it sleeps there. True: whoever sleeps
/// on the word has to be woken.
#[must_use]
pub fn rouse<W: Word>(armed: &W) -> bool {
    if armed.get() & CALL == 0 {
        return false;
    }
    armed.or(ROUSED);
    true
}

/// What the word holds for one who asked to be called and may sleep on it; none if that was taken, or is in the way.
pub fn called<W: Word>(armed: &W) -> Option<u32> {
    let now = armed.get();
    (now & (CALL | ROUSED) == CALL).then_some(now)
}

/// Asks to be rung while somebody sleeps in the bed of this name, besides what others ask for; where another bed is named
/// already, to be rung whoever sleeps. The fence comes with [`lie_down`].
pub fn ask_from_bed<W: Word>(armed: &W, name: u32) {
    loop {
        let asked = armed.get();
        match asked & !FLAGS {
            named if named == name => return,
            0 if armed.change(asked, asked | name) => return,
            0 => {}
            _ => return armed.or(BELL),
        }
    }
}

/// In a bed's word: somebody sleeps there.
const SLEEPS: u64 = 1;
/// In a bed's word: the lower half is its name, the upper half the number of the sleep.
const TURN: u64 = 1 << 32;

/// Somebody is going to sleep in a bed. What is waited for is looked at after this. Each time has a number of its own, so
/// that who rings for one sleep never empties the bed of the next. Not for two at a time.
pub fn lie_down<B: Word<u64>>(bed: &B, name: u32) {
    let turn = (bed.get() & !(TURN - 1)).wrapping_add(TURN);
    bed.set(turn | name as u64 | SLEEPS);
    B::fence();
}

/// Nobody sleeps in a bed any more. Not for two at a time, nor while somebody lies down.
pub fn get_up<B: Word<u64>>(bed: &B) {
    let word = bed.get();
    if word & SLEEPS != 0 {
        bed.change(word, word & !SLEEPS);
    }
}

/// Calls and rings where [`asked`] said that somebody is to be. `ring` says whether that can have woken anybody.
pub fn answer<'a, W: Word, B: Word<u64> + 'a>(
    armed: &W,
    bed: impl FnOnce(u32) -> &'a B,
    call: impl FnOnce(),
    ring: impl FnOnce() -> bool,
) {
    let name = armed.get();
    if name != 0 && name & FLAGS == 0 {
        let bed = bed(name);
        let word = bed.get();
        if word as u32 == name {
            return;
        }
        if word as u32 as u64 == name as u64 | SLEEPS {
            // Emptied after the bell rang: nobody relies on one who has not rung yet, and may fail or be killed.
            if ring() {
                bed.change(word, word & !SLEEPS);
            }
            return;
        }
        // The name of a set that is gone: whoever sleeps there asks for itself.
    }
    let asked = take(armed);
    if asked & CALL != 0 {
        call();
    }
    // A bed's name went with the rest, so its sleeper has to come and ask again.
    if asked & !(CALL | ROUSED) != 0 {
        ring();
    }
}

/// The words of a socket that its sleepers share.
pub struct Seats<'a, W> {
    /// Who sleeps on the anchor: a thread's number, 0 for nobody.
    pub first: &'a W,
    /// Not 0: others may sleep on `wake`.
    pub others: &'a W,
    /// What the others sleep on: changes with each telling.
    pub wake: &'a W,
}

/// Where a sleeper sits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seat {
    /// On the anchor.
    First,
    /// On the word, as long as it holds this value.
    Other(u32),
}

impl<W: Word> Seats<'_, W> {
    /// Takes a seat, before the ask. `gone` says whether a holder of the first seat does not sleep there any more.
    pub fn sit(&self, me: u32, gone: impl Fn(u32) -> bool) -> Seat {
        // Read before the mark is set: a telling after that changes it.
        let seen = self.wake.get();
        let holder = self.first.get();
        if (holder == 0 || holder == me || gone(holder)) && self.first.change(holder, me) {
            return Seat::First;
        }
        self.others.set(1);
        Seat::Other(seen)
    }

    /// After the ask: may one of the others sleep? Not when the first seat has just become free.
    pub fn may_sleep(&self, seat: Seat) -> bool {
        seat == Seat::First || self.first.get() != 0
    }

    /// After the ask: does nobody else sleep on the socket?
    pub fn sole(&self) -> bool {
        self.others.get() == 0
    }

    /// Leaves a seat. True: the others have to be woken.
    #[must_use]
    pub fn rise(&self, seat: Seat) -> bool {
        if seat != Seat::First {
            return false;
        }
        self.first.set(0);
        self.tell()
    }

    /// Has the others look again. True: they have to be woken.
    #[must_use]
    pub fn tell(&self) -> bool {
        W::fence();
        if self.others.get() == 0 || self.others.swap(0) == 0 {
            return false;
        }
        self.wake.bump();
        true
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
