//! Boards: what the processes that share one epoll instance write down of its registrations.
//!
//! The kernel's registrations belong to the open file description; ours are looked at in each process' memory. When a
//! process is forked, both copies are the same, so a board starts empty and takes what changes from there on: an entry for
//! each registration that was touched, marked with the version that its last change made. Who finds the version moved
//! reads the entries that are newer than what it knows. When the entries outgrow their chunk, whoever is at it writes all
//! registrations into a new one, whose epoch tells the others to start over.
//!
//! All of it happens under the board's lock, which is taken over from the dead. An entry that is changed in place is written
//! beside first and done again by whoever takes over. What is read is bounded: entries by their chunk, the rest by its use.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use super::arena::Arena;
use super::chunk::{Chunk, CLASS_SIZES, NO_CHUNK};
use super::lock::{Locked, ShmLock};
use crate::kernel;
use crate::stop::{self, Point};

/// An entry as its users see it.
pub type Words = [u64; WORDS];
const WORDS: usize = 8;

/// The version that made the entry what it is, then its words.
type Entry = [AtomicU64; 1 + WORDS];

/// Processes that share one instance; more of them have registrations of their own.
const MEMBERS: usize = 128;
/// In [`Member::pid`]: a child of that process, which is about to be made.
const EXPECTED: u32 = 1 << 31;
/// In [`Member::pid`]: the process becomes another program, which will not have the instance.
const LEAVING: u32 = 1 << 30;

#[repr(C)]
struct Member {
    pid: AtomicU32,
    /// The ear that tells it of changes, 0 for none.
    ear: AtomicU32,
}

#[repr(C)]
struct Head {
    lock: ShmLock,
    /// The chunk of entries, or `NO_CHUNK`.
    table: AtomicU32,
    version: AtomicU64,
    /// Number + 1 of the entry that is being changed to `redo`, 0 for none.
    redo_at: AtomicU64,
    redo: Entry,
    members: [Member; MEMBERS],
}

/// How the chunk of entries begins.
#[repr(C)]
struct Table {
    used: AtomicU64,
    epoch: AtomicU64,
}

const _: () = assert!(size_of::<Head>() <= CLASS_SIZES[0]);

/// A board.
#[derive(Clone, Copy)]
pub struct Board {
    arena: &'static Arena,
    chunk: Chunk,
    head: &'static Head,
}

/// What a process knows: the epoch and the version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp(pub u64, pub u64);

impl Board {
    /// A new, empty board with this process as its first member. None when there is no room.
    pub fn make(arena: &'static Arena) -> Option<Board> {
        let places = &arena.header().boards;
        for place in places {
            if let Some(board) = Board::open(arena, place.load(Acquire).wrapping_sub(1)).filter(|b| !b.has_living()) {
                board.put_away();
            }
        }
        let chunk = Chunk::take(arena, 0)?;
        let board = Board::open(arena, chunk.name())?;
        let head = board.head;
        head.lock.reset();
        head.table.store(NO_CHUNK, Relaxed);
        head.version.store(0, Relaxed);
        head.redo_at.store(0, Relaxed);
        head.members.iter().for_each(|m| m.set(0));
        head.members[0].set(kernel::pid());
        let known = places.iter().any(|p| p.compare_exchange(0, chunk.name() + 1, AcqRel, Relaxed).is_ok());
        if !known {
            chunk.give(arena);
        }
        known.then_some(board)
    }

    /// The board of a name.
    pub fn open(arena: &'static Arena, name: u32) -> Option<Board> {
        let chunk = Chunk::from_name(name).filter(|c| c.class() == 0)?;
        // SAFETY: a chunk of this class is larger than a Head, aligned to its size, mapped for ever; all fields are atomics.
        let head = unsafe { &*arena.chunk_bytes(chunk).cast::<Head>() };
        Some(Board { arena, chunk, head })
    }

    /// What [`Board::open`] finds it by.
    pub fn name(&self) -> u32 {
        self.chunk.name()
    }

    /// The arena that it lies in.
    pub fn arena(&self) -> &'static Arena {
        self.arena
    }

    fn table(&self) -> Option<(&'static Table, &'static [Entry])> {
        let chunk = Chunk::from_name(self.head.table.load(Acquire))?;
        let room = (chunk.size() - size_of::<Table>()) / size_of::<Entry>();
        let at = self.arena.chunk_bytes(chunk);
        // SAFETY: both lie inside the chunk, which is aligned to its size and mapped for ever; all of it is atomics.
        Some(unsafe {
            let entries = at.add(size_of::<Table>()).cast::<Entry>();
            (&*at.cast::<Table>(), core::slice::from_raw_parts(entries, room))
        })
    }

    /// The version and the epoch as they are.
    #[inline]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.table().map_or(0, |(table, _)| table.epoch.load(Relaxed)), self.head.version.load(Acquire))
    }

    /// Takes the board.
    pub fn lock(&self) -> Writing {
        let held = self.head.lock.lock();
        let writing = Writing { board: *self, _held: held };
        if writing._held.taken_over {
            writing.mend();
        }
        writing
    }

    fn member(&self, word: u32) -> Option<&'static Member> {
        self.head.members.iter().find(|m| m.pid.load(Acquire) == word)
    }

    /// This process is about to be forked. False when the board has no room for one more.
    pub fn expect(&self) -> bool {
        let free = |m: &&Member| {
            let word = m.pid.load(Relaxed);
            word == 0 || !kernel::process_lives(word & !(EXPECTED | LEAVING))
        };
        self.head.members.iter().find(free).map(|m| m.set(EXPECTED | kernel::pid())).is_some()
    }

    /// There is no child after all.
    pub fn unexpect(&self) {
        if let Some(member) = self.member(EXPECTED | kernel::pid()) {
            member.set(0);
        }
    }

    /// This process is the child of `parent`, which expected it. False if nobody did.
    pub fn join(&self, parent: u32) -> bool {
        let word = EXPECTED | parent;
        let me = kernel::pid();
        self.head.members.iter().any(|m| m.pid.compare_exchange(word, me, AcqRel, Relaxed).is_ok())
    }

    /// Is this process a member?
    pub fn has_me(&self) -> bool {
        self.member(kernel::pid()).is_some()
    }

    /// This process becomes another program, or does not after all. False if the board is another one by now.
    pub fn leaving(&self, leaves: bool) -> bool {
        let me = kernel::pid();
        let (from, to) = if leaves { (me, me | LEAVING) } else { (me | LEAVING, me) };
        self.head.members.iter().any(|m| m.pid.compare_exchange(from, to, AcqRel, Relaxed).is_ok())
    }

    /// This process has done with the board, which goes with its last member.
    pub fn leave(&self) {
        let me = kernel::pid();
        if let Some(member) = self.member(me).or_else(|| self.member(me | LEAVING)) {
            member.set(0);
        }
        if self.head.members.iter().all(|m| matches!(m.pid.load(Acquire), 0) || m.pid.load(Acquire) & LEAVING != 0) {
            self.put_away();
        }
    }

    /// Is this process the only member, as far as nobody was killed?
    pub fn is_only_mine(&self) -> bool {
        let me = kernel::pid();
        self.head.members.iter().all(|m| {
            let word = m.pid.load(Acquire);
            word == 0 || word == me || word & LEAVING != 0
        })
    }

    /// As [`Board::is_only_mine`], where the kernel is asked who was killed.
    pub fn is_left_to_me(&self) -> bool {
        let me = kernel::pid();
        self.head.members.iter().all(|m| {
            let word = m.pid.load(Acquire);
            word == me || word & LEAVING != 0 || !kernel::process_lives(word & !EXPECTED)
        })
    }

    fn has_living(&self) -> bool {
        self.head.members.iter().any(|m| kernel::process_lives(m.pid.load(Acquire) & !(EXPECTED | LEAVING)))
    }

    /// Tells by which ear this process hears of changes; 0 for none.
    pub fn set_ear(&self, ear: u32) {
        if let Some(member) = self.member(kernel::pid()) {
            member.ear.store(ear, SeqCst);
        }
    }

    /// The ears of the other members.
    pub fn other_ears(&self) -> impl Iterator<Item = u32> {
        let me = kernel::pid();
        let others =
            self.head.members.iter().filter(move |m| !matches!(m.pid.load(Relaxed), 0) && m.pid.load(Relaxed) != me);
        others.map(|m| m.ear.load(SeqCst)).filter(|ear| *ear != 0)
    }

    /// Gives the memory back, once, whoever comes to it.
    fn put_away(&self) {
        let name = self.name() + 1;
        let places = &self.arena.header().boards;
        if !places.iter().any(|p| p.compare_exchange(name, 0, AcqRel, Relaxed).is_ok()) {
            return;
        }
        self.head.members.iter().for_each(|m| m.set(0));
        if let Some(table) = Chunk::from_name(self.head.table.swap(NO_CHUNK, AcqRel)) {
            table.give(self.arena);
        }
        self.chunk.give(self.arena);
    }
}

impl Member {
    fn set(&self, pid: u32) {
        self.ear.store(0, Relaxed);
        self.pid.store(pid, Release);
    }
}

/// A board that is being read or changed.
pub struct Writing {
    board: Board,
    _held: Locked<'static>,
}

/// There is no room for one more entry.
pub struct Full;

impl Writing {
    /// What there is to know.
    pub fn stamp(&self) -> Stamp {
        self.board.stamp()
    }

    /// The entries in use, each with its number, which changed since a version.
    pub fn since(&self, version: u64) -> impl Iterator<Item = (usize, Words)> {
        let table = self.board.table();
        let used = table.map_or(0, |(head, entries)| (head.used.load(Acquire) as usize).min(entries.len()));
        let entries = table.map_or(&[][..], |(_, entries)| &entries[..used]);
        let newer = move |(_, entry): &(usize, &Entry)| entry[0].load(Relaxed) > version;
        entries.iter().enumerate().filter(newer).map(|(at, entry)| (at, words_of(entry)))
    }

    /// Writes an entry: over that of number `at` if it is about the same (`same`), else over the one that is, else behind
    /// all others. Gives its number.
    pub fn put(&self, at: Option<usize>, words: &Words, same: impl Fn(&Words) -> bool) -> Result<usize, Full> {
        let head = self.board.head;
        if head.table.load(Relaxed) == NO_CHUNK {
            let chunk = self.new_table(0, 0).ok_or(Full)?;
            head.table.store(chunk.name(), Release);
        }
        let (table, entries) = self.board.table().ok_or(Full)?;
        let used = (table.used.load(Relaxed) as usize).min(entries.len());
        let is_it = |at: &usize| *at < used && same(&words_of(&entries[*at]));
        let version = head.version.load(Relaxed).wrapping_add(1);
        let at = match at.filter(is_it).or_else(|| (0..used).find(is_it)) {
            Some(at) => {
                write(&head.redo, words, version);
                head.redo_at.store(at as u64 + 1, Release);
                write(&entries[at], words, version);
                stop::here(Point::BoardWritten);
                at
            }
            None => {
                write(entries.get(used).ok_or(Full)?, words, version);
                table.used.store(used as u64 + 1, Release);
                stop::here(Point::BoardWritten);
                used
            }
        };
        head.version.store(version, SeqCst);
        head.redo_at.store(0, Release);
        Ok(at)
    }

    /// Starts over with all that there is, in a chunk with room for more.
    pub fn renew(&self, all: &[Words]) -> Result<(), Full> {
        let head = self.board.head;
        let version = head.version.load(Relaxed).wrapping_add(1);
        let epoch = self.board.stamp().0.wrapping_add(1);
        let chunk = self.new_table(2 * all.len() + 32, epoch).ok_or(Full)?;
        let before = head.table.load(Relaxed);
        // SAFETY: as in `Board::table`; nobody else knows the chunk.
        let entries = unsafe {
            let at = self.board.arena.chunk_bytes(chunk).add(size_of::<Table>()).cast::<Entry>();
            core::slice::from_raw_parts(at, (chunk.size() - size_of::<Table>()) / size_of::<Entry>())
        };
        entries.iter().zip(all).for_each(|(entry, words)| write(entry, words, version));
        // SAFETY: as above.
        let table = unsafe { &*self.board.arena.chunk_bytes(chunk).cast::<Table>() };
        table.used.store(all.len() as u64, Relaxed);
        // This is what commits.
        head.table.store(chunk.name(), Release);
        stop::here(Point::BoardWritten);
        head.version.store(version, SeqCst);
        if let Some(before) = Chunk::from_name(before) {
            before.give(self.board.arena);
        }
        Ok(())
    }

    fn new_table(&self, entries: usize, epoch: u64) -> Option<Chunk> {
        let length = size_of::<Table>() + entries * size_of::<Entry>();
        let class = CLASS_SIZES.iter().position(|size| *size >= length)?;
        let chunk = Chunk::take(self.board.arena, class)?;
        // SAFETY: as in `Board::table`.
        let table = unsafe { &*self.board.arena.chunk_bytes(chunk).cast::<Table>() };
        table.used.store(0, Relaxed);
        table.epoch.store(epoch, Relaxed);
        Some(chunk)
    }

    /// Whoever held the lock was killed at some point of the above.
    fn mend(&self) {
        let head = self.board.head;
        let Some((table, entries)) = self.board.table() else { return };
        let used = (table.used.load(Relaxed) as usize).min(entries.len());
        if let Some(entry) = entries[..used].get((head.redo_at.load(Acquire) as usize).wrapping_sub(1)) {
            write(entry, &words_of(&head.redo), head.redo[0].load(Relaxed));
        }
        head.redo_at.store(0, Release);
        let newest = entries[..used].iter().map(|entry| entry[0].load(Relaxed)).max().unwrap_or(0);
        head.version.fetch_max(newest, SeqCst);
    }
}

fn words_of(entry: &Entry) -> Words {
    core::array::from_fn(|i| entry[i + 1].load(Relaxed))
}

fn write(entry: &Entry, words: &Words, version: u64) {
    entry[1..].iter().zip(words).for_each(|(to, from)| to.store(*from, Relaxed));
    entry[0].store(version, Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena() -> &'static Arena {
        let path = std::env::temp_dir().join(format!("sockhop-board-{}-{}", std::process::id(), kernel::random_u64()));
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let arena = Arena::open(&name).unwrap();
        std::fs::remove_file(path).unwrap();
        arena
    }

    fn words(key: u64, value: u64) -> Words {
        [key, value, 0, 0, 0, 0, 0, 0]
    }

    #[test]
    fn what_changed_is_told_once_and_in_place() {
        let board = Board::make(arena()).unwrap();
        let held = board.lock();
        let same = |key: u64| move |w: &Words| w[0] == key;
        let first = held.put(None, &words(7, 1), same(7)).ok().unwrap();
        let seen = held.stamp();
        assert_eq!(held.since(0).map(|(_, w)| w[1]).collect::<Vec<_>>(), [1]);
        held.put(None, &words(8, 2), same(8)).ok().unwrap();
        assert_eq!(held.put(None, &words(7, 3), same(7)).ok(), Some(first));
        assert_eq!(held.since(seen.1).map(|(_, w)| w[1]).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(held.stamp().0, seen.0);
    }

    #[test]
    fn what_outgrows_its_chunk_starts_over() {
        let board = Board::make(arena()).unwrap();
        let held = board.lock();
        let mut all = Vec::new();
        for key in 1.. {
            if held.put(None, &words(key, key), |w| w[0] == key).is_err() {
                break;
            }
            all.push(words(key, key));
        }
        let before = held.stamp();
        assert!(held.renew(&all).is_ok());
        assert_eq!(held.stamp(), Stamp(before.0 + 1, before.1 + 1));
        assert_eq!(held.since(0).count(), all.len());
        assert!(held.put(None, &words(0, 0), |w| w[0] == 0).is_ok());
    }

    #[test]
    fn a_half_written_entry_is_written_again() {
        let board = Board::make(arena()).unwrap();
        let held = board.lock();
        held.put(None, &words(7, 1), |w| w[0] == 7).ok().unwrap();
        write(&board.head.redo, &words(7, 9), 2);
        board.head.redo_at.store(1, Relaxed);
        held.mend();
        assert_eq!(held.since(1).map(|(_, w)| w).collect::<Vec<_>>(), [words(7, 9)]);
        assert_eq!(held.stamp().1, 2);
    }

    #[test]
    fn the_last_member_takes_the_board_with_it() {
        let board = Board::make(arena()).unwrap();
        assert!(board.is_only_mine());
        assert!(board.expect());
        assert!(!board.is_only_mine());
        board.unexpect();
        assert!(board.is_only_mine());
        board.leave();
        let again = Board::make(board.arena).unwrap();
        assert_eq!(again.name(), board.name());
    }
}
