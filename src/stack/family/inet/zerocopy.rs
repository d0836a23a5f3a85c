//! MSG_ZEROCOPY (Documentation/networking/msg_zerocopy.rst): each such send has a number, and the error queue tells which
//! of them are done with the program's memory. Here a send is done when it returns, and says that it copied, as on
//! loopback; completions that nobody has read are told as one range, as the kernel joins them.

use core::sync::atomic::{AtomicU64, Ordering::*};

use crate::family::ops::Incoming;

const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
const SO_EE_CODE_ZEROCOPY_COPIED: u8 = 1;

/// The numbers of a socket's sends, as one word: how many there were, and in the upper half how many were told of.
pub struct Sends<'a>(pub &'a AtomicU64);

impl Sends<'_> {
    /// One more is done.
    pub fn count(&self) {
        let _ = self.0.fetch_update(AcqRel, Acquire, |w| Some(w & !0xffff_ffff | (w as u32).wrapping_add(1) as u64));
    }

    /// Is there anything to tell?
    pub fn untold(&self) -> bool {
        let word = self.0.load(Acquire);
        word as u32 != (word >> 32) as u32
    }

    /// Tells what there is to a recvmsg(2) with MSG_ERRQUEUE, as struct sock_extended_err. False: nothing.
    pub fn tell(&self, family: i32, m: &mut Incoming<'_>) -> bool {
        let taken = self.0.fetch_update(AcqRel, Acquire, |w| {
            (w as u32 != (w >> 32) as u32).then_some((w as u32 as u64) << 32 | w as u32 as u64)
        });
        let Ok(word) = taken else { return false };
        let (first, last) = ((word >> 32) as u32, (word as u32).wrapping_sub(1));
        // Behind it stands the offender's address, of which there is none.
        let (level, kind, length) = match family {
            libc::AF_INET => (libc::IPPROTO_IP, libc::IP_RECVERR, 16 + 16),
            _ => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 16 + 28),
        };
        let mut told = [0u8; 16 + 28];
        told[4] = SO_EE_ORIGIN_ZEROCOPY;
        told[6] = SO_EE_CODE_ZEROCOPY_COPIED;
        told[8..12].copy_from_slice(&first.to_ne_bytes());
        told[12..16].copy_from_slice(&last.to_ne_bytes());
        m.put_control(level, kind, &told[..length]);
        m.out_flags |= libc::MSG_ERRQUEUE;
        true
    }
}
