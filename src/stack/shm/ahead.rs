//! Lines that a thread uses soon, asked for before it does. A program that is told of many sockets uses some fifteen lines
//! for each; by the time it comes to one, those of all others have pushed them out of the first cache, and the processor,
//! which runs ahead along a stride, finds none in the order in which events came.
#![allow(unsafe_code)]

use super::conn::End;
use super::slot::Slot;

impl Slot {
    /// Somebody reads from the socket soon, or writes to it.
    #[inline]
    pub fn expect_use(&self) {
        prefetch(&self.flags);
        prefetch(&self.options[0]);
        prefetch(&self.asked);
    }
}

impl End {
    /// Somebody reads at this end soon, and answers.
    #[inline]
    pub fn expect_use(&self) {
        let (rx, tx) = (self.rx(), self.tx());
        prefetch(self.own());
        prefetch(self.far());
        prefetch(&rx.taken);
        prefetch(&rx.consumer);
        prefetch(&rx.shared);
        prefetch(&tx.producer);
        prefetch(&tx.shared);
        // The far side has it, and whoever waits there looks at many connections in turn, not at this one all the time.
        prefetch_for_write(&tx.sent);
    }
}

/// Has the line in which something begins brought here, to be read.
#[inline(always)]
pub(in crate::shm) fn prefetch<T>(of: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect that a program could see, whatever the address.
    unsafe {
        core::arch::asm!("prefetcht0 [{}]", in(reg) of, options(nostack, preserves_flags, readonly));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) of, options(nostack, preserves_flags, readonly));
    }
}

/// As [`prefetch`], to be written.
#[inline(always)]
pub(in crate::shm) fn prefetch_for_write<T>(of: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) of, options(nostack, preserves_flags, readonly));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("prfm pstl1keep, [{}]", in(reg) of, options(nostack, preserves_flags, readonly));
    }
}
