//! A set: what stands beside one epoll instance of the program.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::*};

use parking_lot::{Mutex, MutexGuard};

use super::super::internal;
use super::item::Items;
use super::{spare, LIFE};
use crate::abi::Result;
use crate::kernel;
use crate::network;
use crate::signal::Held;

/// What stands beside an epoll descriptor.
pub struct Set {
    pub(super) items: Mutex<Items>,
    /// Our epoll instance that watches anchors.
    pub(super) bells: AtomicI32,
    /// The program's instance is among the bells, so that a sleep on them is one on everything.
    pub(super) whole: AtomicBool,
    /// An eventfd among the bells, for waking a waiter when something changes in user space.
    pub(super) kick: AtomicI32,
    /// The life in which the bells were made.
    pub(super) life: AtomicU32,
    /// Threads that sleep in a wait.
    pub(super) sleepers: AtomicU32,
    /// Something happened while the items were locked: all of them are worth a look.
    pub(super) rescan: AtomicU32,
    /// When the bells and the kernel's part were last looked at by a wait that is kept busy, by the processor's counter.
    pub(super) looked: AtomicU64,
    /// Looks at the kernel's part in a row that found nothing.
    pub(super) dry_looks: AtomicU32,
    /// Waits whose array our sockets filled: the kernel's part has the last place of every other one.
    pub(super) full_waits: AtomicU32,
}

/// The kick's mark among the bells.
pub(super) const KICK: u64 = u64::MAX;
/// The mark of the kernel's part among the bells: the program's own instance.
pub(super) const KERNELS: u64 = u64::MAX - 1;
/// The mark of the set's ear among the bells.
pub(super) const EAR: u64 = u64::MAX - 2;
/// A nested instance's mark: the item's number with this bit.
pub(super) const NESTED: u64 = 1 << 63;
/// With [`NESTED`]: it is the bells of the nested instance that rang, not the kernel's part of it.
pub(super) const INNER_BELLS: u64 = 1 << 62;

impl Set {
    pub(super) fn new() -> Result<Set> {
        let (bells, kick) = make_bells()?;
        Ok(Set {
            items: Mutex::new(Items::default()),
            bells: AtomicI32::new(bells),
            whole: AtomicBool::new(false),
            kick: AtomicI32::new(kick),
            life: AtomicU32::new(LIFE.load(Relaxed)),
            sleepers: AtomicU32::new(0),
            rescan: AtomicU32::new(0),
            looked: AtomicU64::new(0),
            dry_looks: AtomicU32::new(0),
            full_waits: AtomicU32::new(0),
        })
    }

    /// Has the program's instance among the bells.
    pub(super) fn join(&self, epoll: i32) {
        // Refused where instances are nested too deep already (EP_MAX_NESTS).
        let events = libc::EPOLLIN as u32;
        let joined = kernel::epoll_control(self.bells.load(Acquire), libc::EPOLL_CTL_ADD, epoll, events, KERNELS);
        self.whole.store(joined.is_ok(), Release);
    }

    /// Gives the set, which came by fork, bells of its own: what one process takes of bells the other would never hear.
    #[cold]
    pub(super) fn separate(&self, epoll: i32) {
        let mut items = Held::new(|| self.items.lock());
        let life = LIFE.load(Relaxed);
        if self.life.load(Acquire) == life {
            return;
        }
        // With no descriptors left the parent's have to do, and the next wait tries again.
        let Ok((bells, kick)) = make_bells() else { return };
        internal::drop(self.bells.swap(bells, AcqRel));
        internal::drop(self.kick.swap(kick, AcqRel));
        self.sleepers.store(0, Release);
        items.forget_ear();
        items.leave_bed();
        self.join(epoll);
        items.watch_all(bells);
        items.wake_all();
        self.life.store(life, Release);
    }

    /// The items, with the program's handlers kept waiting.
    pub(super) fn lock(&self) -> Held<MutexGuard<'_, Items>> {
        let mut items = Held::new(|| self.items.lock());
        if items.is_shared() && self.life.load(Relaxed) == LIFE.load(Relaxed) {
            items.catch_up(self.bells.load(Acquire));
        }
        items
    }

    /// See [`Items::collect`]; other processes that have the instance too know of it.
    pub(super) fn collect(&self, items: &mut Items, into: &mut [libc::epoll_event]) -> usize {
        if !items.is_shared() {
            return items.collect(into);
        }
        let held = items.hold(self.bells.load(Acquire));
        let count = items.collect(into);
        if let Some(held) = &held {
            items.publish_told(held);
        }
        items.end_of_change(held);
        count
    }

    /// See [`Items::take_back_last`].
    pub(super) fn take_back_last(&self, items: &mut Items) {
        let held = items.hold(self.bells.load(Acquire));
        let id = items.take_back_last();
        if let (Some(held), Some(id)) = (&held, id) {
            items.publish(held, id);
        }
        items.end_of_change(held);
    }

    /// Asks every active socket to ring, through the set's ear where others may take the bell. Gives the moment at which
    /// one of them may change by itself. `outside` as for [`Items::arm_active`].
    pub(super) fn arm(&self, items: &mut Items, outside: bool) -> Option<u64> {
        let look_by = items.arm_active(outside);
        items.hearing.wanted |= items.is_shared() && items.hearing.fd().is_none();
        if !items.hearing.wanted {
            return look_by;
        }
        let events = (libc::EPOLLIN | libc::EPOLLET) as u32;
        let made = network::arena().and_then(|arena| items.hearing.open(arena));
        let bells = self.bells.load(Acquire);
        let heard = made.and_then(|(fd, ear)| {
            kernel::epoll_control(bells, libc::EPOLL_CTL_ADD, fd, events, EAR)?;
            Ok(ear)
        });
        match heard {
            Ok(ear) => {
                items.share_ear(ear);
                items.catch_up(bells);
                items.arm_active(outside)
            }
            Err(_) => {
                items.forget_ear();
                look_by
            }
        }
    }

    /// Wakes a sleeping waiter to look again.
    pub(super) fn kick(&self) {
        if self.sleepers.load(Acquire) > 0 {
            let _ = kernel::write(self.kick.load(Acquire), &1u64.to_ne_bytes());
        }
    }
}

/// An epoll instance for bells, and the kick among them.
fn make_bells() -> Result<(i32, i32)> {
    let (bells, kick) = spare::pair()?;
    kernel::epoll_control(bells, libc::EPOLL_CTL_ADD, kick, (libc::EPOLLIN | libc::EPOLLET) as u32, KICK).inspect_err(
        |_| {
            internal::drop(kick);
            internal::drop(bells);
        },
    )?;
    Ok((bells, kick))
}

impl Drop for Set {
    fn drop(&mut self) {
        self.items.get_mut().leave_bed();
        internal::drop(self.kick.load(Acquire));
        internal::drop(self.bells.load(Acquire));
    }
}
