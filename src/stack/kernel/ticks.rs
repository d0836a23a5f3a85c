//! The processor's counter of time, which costs a third of what the clock does.

use std::sync::OnceLock;

use super::now_ns;

/// The counter and the clock at one moment.
static BEGIN: OnceLock<(u64, u64)> = OnceLock::new();

/// The counter. It goes at one speed, the same on all processors, on whatever made them in the last decade.
#[inline]
pub fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has it.
    return unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(target_arch = "aarch64")]
    {
        let count: u64;
        // SAFETY: the virtual counter may be read by everybody.
        unsafe { core::arch::asm!("mrs {0}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
        return count;
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return now_ns();
}

/// Notes where both stand: from then on the counter's speed is known better and better.
pub fn watch_ticks() {
    BEGIN.get_or_init(|| (ticks(), now_ns()));
}

/// How long ago the counter stood at `then`, in nanoseconds.
pub fn since_ns(then: u64) -> u64 {
    let (ticks_then, ns_then) = *BEGIN.get_or_init(|| (ticks(), now_ns()));
    let (now, ns) = (ticks(), now_ns());
    let passed = now.wrapping_sub(ticks_then).max(1) as u128;
    let age = now.saturating_sub(then) as u128;
    (age * ns.saturating_sub(ns_then) as u128 / passed) as u64
}
