//! The arena: the one file of a network that its processes map, and where things lie in it.
//!
//! One mapping for the whole network, rather than a segment for each connection, is what makes short connections fast
//! (no memfd, no mmap, no descriptor passing) and what lets a process find its sockets again after exec.

#![allow(unsafe_code)]

use core::ffi::CStr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};

use super::beds;
use super::chunk::{class_offset, ChunkMeta, Class, CHUNKS, CLASS_COUNTS, CLASS_SIZES, FILE_LENGTH};
use super::conn::Conn;
use super::lock::ShmLock;
use super::pool::Pool;
use super::slot::Slot;
use crate::abi::{Errno, Result};
use crate::config;
use crate::kernel;

const MAGIC: u64 = u64::from_ne_bytes(*b"sockhop\0");
/// Raised with every change of meaning that the sizes below do not show.
const LAYOUT: u64 = 5;

/// Sockets that a network can have at a time.
pub const SLOTS: u32 = 64 << 10;
/// Connections that a network can have at a time.
const CONNS: u32 = 64 << 10;
/// Buckets of the table of bound names, for each protocol.
pub const BUCKETS: usize = 4096;

const SLOTS_AT: usize = 1 << 20;
const CONNS_AT: usize = SLOTS_AT + SLOTS as usize * size_of::<Slot>();
const EARS_AT: usize = CONNS_AT + CONNS as usize * size_of::<Conn>();
const METAS_AT: usize = EARS_AT + SLOTS as usize * size_of::<Ears>();
/// Where the chunks start: after everything else, on a boundary of the largest chunk.
pub(super) const CHUNKS_AT: usize =
    (METAS_AT + CHUNKS * size_of::<ChunkMeta>() + CLASS_SIZES[4] - 1) & !(CLASS_SIZES[4] - 1);

/// The number of a layout: two builds that would read each other's words differently never share an arena.
pub const fn layout_id() -> u64 {
    let words = [size_of::<Header>(), size_of::<Slot>(), size_of::<Conn>(), CHUNKS_AT, FILE_LENGTH, BUCKETS];
    let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ LAYOUT;
    let mut i = 0;
    while i < words.len() {
        hash = (hash ^ words[i] as u64).wrapping_mul(0x100_0000_01b3);
        i += 1;
    }
    hash
}

/// Who hears of one slot: numbers of ears, 0 in a free place. See `stack::ears`.
pub type Ears = [AtomicU32; 16];

/// The first page, and the tables of names.
#[repr(C)]
pub struct Header {
    magic: AtomicU64,
    layout: AtomicU64,
    /// Random: tells this network's anchors from those of others.
    pub id: AtomicU64,
    /// Random, and unlike `id` never shown: what anchors are called is made from it.
    pub secret: [AtomicU64; 2],
    /// Set, under the names' lock, before the file is removed: whoever has it mapped looks for the new one.
    pub dead: AtomicU32,
    /// Guards the tables of bound names.
    pub names: ShmLock,
    /// Sockets alive, as far as their processes closed them in order.
    pub live: AtomicU32,
    /// Processes that gave up their right to open a network's files: as long as one lives, this arena stays.
    guests: [AtomicU32; GUESTS],
    /// Where the search for an automatic port goes on.
    pub next_port: AtomicU32,
    slots: Pool,
    conns: Pool,
    pub(super) classes: [Class; 5],
    /// First slot + 1 of each bucket of names: TCP, UDP, and accepted TCP connections.
    pub heads: [[AtomicU32; BUCKETS]; 3],
    /// How often anything changed among the UDP names of each bucket: senders remember who got their last datagram.
    name_changes: [AtomicU32; BUCKETS],
    order: AtomicU64,
    /// Bytes that have pages, apart from this header's own.
    backed: AtomicU64,
    /// What TCP ports remember, by bucket; see `names::memory`.
    pub port_memory: [[AtomicU64; 3]; BUCKETS],
    /// Names of boards + 1, 0 in a free place; see `shm::board`.
    pub(super) boards: [AtomicU32; 64],
    /// Which pages of ears have memory.
    ears_backed: [AtomicU64; SLOTS as usize * size_of::<Ears>() / 4096 / 64],
    /// Names in TIME_WAIT; see `names::timewait`.
    pub time_wait: [[AtomicU64; 4]; 1024],
    /// For each bucket of ports, which entry of `time_wait` was the last one made for it, counted from 1; 0 for none.
    pub time_wait_last: [AtomicU32; BUCKETS],
    /// Where the next entry of `time_wait` goes.
    pub time_wait_next: AtomicU32,
    pub(super) beds: [beds::Word; beds::BEDS],
}

const _: () = assert!(size_of::<Header>() < SLOTS_AT);
/// More of them than this at a time are not remembered.
const GUESTS: usize = 32;

impl Header {
    /// How often anything changed among the UDP sockets on a port.
    #[inline]
    pub fn name_changes(&self, port: u16) -> u32 {
        self.name_changes[port as usize % BUCKETS].load(Acquire)
    }

    /// Something changed among the UDP sockets on a port.
    pub fn name_changed(&self, port: u16) {
        self.name_changes[port as usize % BUCKETS].fetch_add(1, Release);
    }

    /// This process will not be able to open another arena.
    pub fn be_guest(&self) {
        let free = |pid: &&AtomicU32| !kernel::process_lives(pid.load(Relaxed));
        if let Some(place) = self.guests.iter().find(free) {
            place.store(kernel::pid(), Release);
        }
    }

    /// Is there a process, besides this one, that could not open another arena?
    pub fn has_guests(&self) -> bool {
        let other = |pid: u32| pid != kernel::pid() && kernel::process_lives(pid);
        self.guests.iter().any(|pid| other(pid.load(Acquire)))
    }

    /// A number that grows with each call.
    pub fn next_order(&self) -> u64 {
        self.order.fetch_add(1, Relaxed)
    }
}

/// A mapped arena. Never unmapped: references into it live for ever.
pub struct Arena {
    base: *mut u8,
    path: std::ffi::CString,
    /// The file's inode number.
    inode: u64,
    /// The one that this process mapped before: a network that is removed and made anew leaves its arena mapped.
    older: *mut Arena,
}

/// The arena that was mapped last. Leak checkers find the others from here.
static NEWEST: AtomicPtr<Arena> = AtomicPtr::new(core::ptr::null_mut());

// SAFETY: all that is reached through `base` is atomics, or bytes that the ring's cursors hand to one side at a time.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// Opens the arena file `path`, making it when there is none.
    ///
    /// Errors: those of open(2) and mmap(2); EPERM when the file is another user's; EPROTO when it is spoilt; ENOBUFS when
    /// there is no room.
    pub fn open(path: &CStr) -> Result<&'static Arena> {
        for _ in 0..16 {
            match kernel::open(path, libc::O_RDWR | libc::O_NOFOLLOW, 0) {
                Ok(fd) => return Arena::adopt(path, fd),
                Err(Errno::ENOENT) => Arena::make(path)?,
                Err(e) => return Err(e),
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Opens an arena that is there.
    pub fn open_existing(path: &CStr) -> Result<&'static Arena> {
        Arena::adopt(path, kernel::open(path, libc::O_RDWR | libc::O_NOFOLLOW, 0)?)
    }

    fn adopt(path: &CStr, fd: i32) -> Result<&'static Arena> {
        let owned = kernel::status(fd).is_ok_and(|status| status.uid == kernel::euid());
        let outcome = if owned { Arena::of_descriptor(path, fd) } else { Err(Errno::EPERM) };
        let _ = kernel::close(fd);
        outcome
    }

    /// Maps the arena file behind a descriptor, which stays open. `path` is where it was opened.
    ///
    /// Errors: EPROTO when it is none or another layout's; those of mmap(2).
    pub fn of_descriptor(path: &CStr, fd: i32) -> Result<&'static Arena> {
        let status = kernel::status(fd)?;
        if status.size != FILE_LENGTH as u64 {
            return Err(Errno::EPROTO);
        }
        let base = kernel::map_shared(fd, FILE_LENGTH)?;
        let mut arena = Arena { base, path: path.to_owned(), inode: status.inode, older: core::ptr::null_mut() };
        let header = arena.header_ref();
        if header.magic.load(Acquire) != MAGIC || header.layout.load(Acquire) != layout_id() {
            // SAFETY: nobody has a reference into this mapping yet.
            unsafe { kernel::unmap(arena.base, FILE_LENGTH) };
            return Err(Errno::EPROTO);
        }
        super::mend::remember(arena.base);
        arena.older = NEWEST.load(Acquire);
        let arena = Box::leak(Box::new(arena));
        // Who maps one at the same time as another thread may lose its place here, which costs a word in a leak check.
        NEWEST.store(arena, Release);
        Ok(arena)
    }

    /// Makes a whole new file beside and links it into its place, so that nobody ever opens a half-made one.
    fn make(path: &CStr) -> Result<()> {
        let mut draft = path.to_bytes().to_vec();
        draft.extend_from_slice(format!(".{}.{}", kernel::pid(), kernel::random_u64()).as_bytes());
        let draft = std::ffi::CString::new(draft).map_err(|_| Errno::EINVAL)?;
        let fd = kernel::open(&draft, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, 0o600)?;
        let outcome = Arena::fill(fd).and_then(|()| match kernel::link(&draft, path) {
            Err(Errno::EEXIST) => Ok(()),
            other => other,
        });
        let _ = kernel::unlink(&draft);
        let _ = kernel::close(fd);
        outcome
    }

    fn fill(fd: i32) -> Result<()> {
        set_length(fd)?;
        kernel::allocate(fd, 0, (size_of::<Header>() as u64 + 4095) & !4095).map_err(|_| Errno::ENOBUFS)?;
        let base = kernel::map_shared(fd, 4096)?;
        // SAFETY: the page was just made and is aligned for a Header's first words; nobody else sees it.
        let [magic, layout, id, secret @ ..] = unsafe { &*base.cast::<[AtomicU64; 5]>() };
        id.store(kernel::random_u64() | 1, Relaxed);
        secret.iter().for_each(|word| word.store(kernel::random_u64(), Relaxed));
        magic.store(MAGIC, Release);
        layout.store(layout_id(), Release);
        // SAFETY: the references above are not used any more.
        unsafe { kernel::unmap(base, 4096) };
        Ok(())
    }

    /// Where the file is.
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// Removes the file, unless another network's has taken its place.
    pub fn remove(&self) {
        if kernel::status_of(&self.path).is_ok_and(|s| s.inode == self.inode) {
            let _ = kernel::unlink(&self.path);
        }
    }

    #[inline]
    fn header_ref(&self) -> &Header {
        // SAFETY: the mapping is longer than a Header, page-aligned, and lives as long as the arena; all fields are atomics.
        unsafe { &*self.base.cast::<Header>() }
    }

    /// The first page.
    #[inline]
    pub fn header(&'static self) -> &'static Header {
        self.header_ref()
    }

    /// A slot by number, if there can be one.
    #[inline]
    pub fn slot(&'static self, number: u32) -> Option<&'static Slot> {
        // SAFETY: the number is bounded, the region lies inside the mapping, a Slot is made of atomics only.
        (number < SLOTS).then(|| unsafe { &*self.base.add(SLOTS_AT).cast::<Slot>().add(number as usize) })
    }

    /// A connection by number, if there can be one.
    #[inline]
    pub fn conn(&'static self, number: u32) -> Option<&'static Conn> {
        // SAFETY: as for slots.
        (number < CONNS).then(|| unsafe { &*self.base.add(CONNS_AT).cast::<Conn>().add(number as usize) })
    }

    /// The ears beside a slot. They have pages once [`Arena::back_ears`] has said so.
    pub fn ears(&'static self, number: u32) -> Option<&'static Ears> {
        // SAFETY: as for slots.
        (number < SLOTS).then(|| unsafe { &*self.base.add(EARS_AT).cast::<Ears>().add(number as usize) })
    }

    /// Puts a page behind the ears of a slot. False when there is none to be had.
    pub fn back_ears(&'static self, number: u32) -> bool {
        const PAGE: usize = 4096 / size_of::<Ears>();
        let page = number as usize / PAGE;
        let Some(word) = self.header().ears_backed.get(page / 64) else { return false };
        if word.load(Acquire) >> (page % 64) & 1 == 0 {
            if !self.back(EARS_AT + page * 4096, 4096) {
                return false;
            }
            word.fetch_or(1 << (page % 64), AcqRel);
        }
        true
    }

    #[inline]
    pub(super) fn chunk_meta(&'static self, index: usize) -> &'static ChunkMeta {
        // SAFETY: bounded by the remainder; made of atomics only.
        unsafe { &*self.base.add(METAS_AT).cast::<ChunkMeta>().add(index % CHUNKS) }
    }

    /// The bytes of a chunk.
    #[inline]
    pub(super) fn chunk_bytes(&'static self, chunk: super::chunk::Chunk) -> *mut u8 {
        // SAFETY: a Chunk is bounded when it is made, so its offset lies inside the mapping.
        unsafe { self.base.add(chunk.offset()) }
    }

    /// `length` bytes of the chunks' part of the file, if they lie in it.
    #[inline]
    pub(super) fn bytes(&'static self, offset: u64, length: usize) -> Option<*mut u8> {
        let room = (FILE_LENGTH - CHUNKS_AT).checked_sub(length)?;
        // SAFETY: bounded, so it lies inside the mapping.
        (offset.wrapping_sub(CHUNKS_AT as u64) <= room as u64).then(|| unsafe { self.base.add(offset as usize) })
    }

    /// A free slot's number.
    pub(super) fn take_slot(&'static self) -> Option<u32> {
        self.header().slots.take(
            SLOTS,
            64,
            |n| &self.slot(n % SLOTS).unwrap_or_else(|| unreachable!()).link,
            |from, to| {
                self.back(SLOTS_AT + from as usize * size_of::<Slot>(), (to - from) as usize * size_of::<Slot>())
            },
        )
    }

    pub(super) fn give_slot(&'static self, number: u32, link: &AtomicU32) {
        self.header().slots.give(number, link);
    }

    /// Slots from this number on were never used.
    pub fn slots_used(&'static self) -> u32 {
        self.header().slots.used(SLOTS)
    }

    pub(super) fn take_conn(&'static self) -> Option<u32> {
        self.header().conns.take(
            CONNS,
            64,
            |n| &self.conn(n % CONNS).unwrap_or_else(|| unreachable!()).link,
            |from, to| {
                self.back(CONNS_AT + from as usize * size_of::<Conn>(), (to - from) as usize * size_of::<Conn>())
            },
        )
    }

    pub(super) fn give_conn(&'static self, number: u32, link: &AtomicU32) {
        self.header().conns.give(number, link);
    }

    /// Puts pages behind a range of the file; false when there are none to be had, or when the network has as much memory
    /// as the user allows it (SOCKHOP_MEMORY).
    pub(super) fn back(&self, offset: usize, length: usize) -> bool {
        let start = offset & !4095;
        let end = (offset + length + 4095) & !4095;
        let size = (end - start) as u64;
        let backed = &self.header_ref().backed;
        if backed.fetch_add(size, Relaxed).saturating_add(size) > allowance(offset) {
            backed.fetch_sub(size, Relaxed);
            return false;
        }
        let done = self.with_file(|fd| kernel::allocate(fd, start as u64, size)).unwrap_or_else(|| {
            // SAFETY: the range lies inside the mapping, whose bytes stay what they are.
            unsafe { kernel::populate(self.base.add(start), end - start) }
        });
        if done.is_err() {
            backed.fetch_sub(size, Relaxed);
        }
        done.is_ok()
    }

    pub(super) fn back_metas(&self, index: usize, count: usize) -> bool {
        self.back(METAS_AT + index * size_of::<ChunkMeta>(), count * size_of::<ChunkMeta>())
    }

    /// Gives the pages of a range back. False if they stay.
    pub(super) fn punch(&self, offset: usize, length: usize) -> bool {
        let done = self.with_file(|fd| kernel::punch(fd, offset as u64, length as u64)).unwrap_or_else(|| {
            // SAFETY: whole pages of the mapping, which the caller has done with.
            unsafe { kernel::remove(self.base.add(offset), length) }
        });
        if done.is_ok() {
            self.header_ref().backed.fetch_sub(length as u64, Relaxed);
        }
        done.is_ok()
    }

    /// Opens the file for `act`; None when it cannot be opened, as without a free descriptor, after chroot(2), or when it was
    /// removed. It is opened anew each time: no descriptor of ours stays in the program's table for it.
    fn with_file<T>(&self, act: impl Fn(i32) -> T) -> Option<T> {
        let fd = kernel::open(&self.path, libc::O_RDWR | libc::O_NOFOLLOW | libc::O_CLOEXEC, 0).ok()?;
        // Another network's arena may have taken the place of one that was removed.
        let same = kernel::status(fd).is_ok_and(|s| s.inode == self.inode);
        let done = same.then(|| act(fd));
        let _ = kernel::close(fd);
        done
    }
}

/// Up to how much memory in all a range of the file may be given some. Rings and queues that grow leave room for small ones,
/// and these for sockets: without a ring a connection still carries bytes.
fn allowance(offset: usize) -> u64 {
    let memory = config::get().memory;
    if offset < CHUNKS_AT {
        memory
    } else if offset < class_offset(1) {
        memory - memory / 8
    } else {
        memory - memory / 4
    }
}

/// Gives the file its length. It is sparse, so a limit on the size of files (RLIMIT_FSIZE) that is lower means others.
///
/// Errors: ENOBUFS where that limit cannot be raised; those of ftruncate(2).
fn set_length(fd: i32) -> Result<()> {
    let limit = kernel::file_size_limit();
    let [soft, hard] = limit;
    if soft >= FILE_LENGTH as u64 {
        return kernel::truncate(fd, FILE_LENGTH as u64);
    }
    if hard < FILE_LENGTH as u64 {
        // The attempt would be SIGXFSZ.
        return Err(Errno::ENOBUFS);
    }
    kernel::set_file_size_limit([hard, hard])?;
    let done = kernel::truncate(fd, FILE_LENGTH as u64);
    let _ = kernel::set_file_size_limit(limit);
    done
}

const _: () = assert!(CLASS_COUNTS[0] < 1 << 24);
