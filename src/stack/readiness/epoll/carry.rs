//! Sets over exec: the program's epoll instances live on in the new program, and so do their registrations, which only
//! this process' memory knows. They go along in a memory file, which the new program finds among its descriptors.

use core::sync::atomic::Ordering::*;
use std::sync::Arc;

use super::item::Record;
use super::{set_for, sets, Set};
use crate::fdtable;
use crate::kernel;
use crate::shm::layout_id;

const NAME: &core::ffi::CStr = c"sockhop-epoll";
const LINK: &[u8] = b"/memfd:sockhop-epoll (deleted)";
/// The file's descriptor lies here or above.
const HIGH: usize = 512;

/// Before exec: the file's descriptor, if there is anything to carry.
pub fn pack() -> Option<i32> {
    if super::none() {
        return None;
    }
    let mut words: Vec<u64> = Vec::new();
    let mut done: Vec<(i32, Arc<Set>)> = Vec::new();
    for (fd, set) in sets().iter() {
        let stays = kernel::fcntl(*fd, libc::F_GETFD, 0).is_ok_and(|flags| flags & libc::FD_CLOEXEC == 0);
        if !stays {
            continue;
        }
        let first = done.iter().find(|(_, other)| Arc::ptr_eq(set, other)).map_or(*fd, |(first, _)| *first);
        let items = set.lock();
        let records = if first == *fd { items.records() } else { Vec::new() };
        words.extend([*fd as u64, first as u64, records.len() as u64]);
        words.extend(items.share_words());
        words.extend(records.iter().flat_map(Record::to_words));
        done.push((*fd, set.clone()));
    }
    if words.is_empty() {
        return None;
    }
    let low = kernel::memory_file(NAME).ok()?;
    let fd = kernel::fcntl(low, libc::F_DUPFD, HIGH);
    let _ = kernel::close(low);
    let fd = fd.ok()?;
    let head = [layout_id(), words.len() as u64];
    let bytes: Vec<u8> = head.iter().chain(&words).flat_map(|w| w.to_ne_bytes()).collect();
    if kernel::write(fd, &bytes) != Ok(bytes.len()) {
        let _ = kernel::close(fd);
        return None;
    }
    Some(fd)
}

/// At start, once the inherited sockets are known: takes the sets out of the file, if this descriptor is one.
pub fn unpack(fd: i32) {
    let is_ours = || {
        let status = kernel::status(fd).ok()?;
        (status.is_nameless_file() && kernel::link_of(fd).as_slice() == LINK).then_some(status.size)
    };
    let Some(size) = is_ours() else { return };
    let mut bytes = vec![0u8; size.min(64 << 20) as usize];
    let read = kernel::read_at(fd, &mut bytes, 0).unwrap_or(0);
    let _ = kernel::close(fd);
    let words: Vec<u64> =
        bytes[..read].chunks_exact(8).map(|c| u64::from_ne_bytes(c.try_into().unwrap_or_default())).collect();
    if words.first() == Some(&layout_id()) {
        let _ = restore(&words[2..]);
    }
}

fn restore(mut words: &[u64]) -> Option<()> {
    while let [fd, first, count, board, epoch, version, rest @ ..] = words {
        let (fd, first) = (*fd as i32, *first as i32);
        let length = (*count as usize).checked_mul(Record::WORDS)?;
        words = rest.get(length..)?;
        if first != fd {
            super::copied(first, fd);
            continue;
        }
        let set = set_for(fd).ok()?;
        for record in rest[..length].chunks_exact(Record::WORDS).map(Record::from_words) {
            let mut items = set.lock();
            let id = items.restore(&record);
            let bells = set.bells.load(Acquire);
            let _ = match fdtable::get(record.fd) {
                Some(s) => items.watch(bells, id, &s),
                None => items.watch_nested(bells, id, record.fd),
            };
        }
        set.lock().share_again([*board, *epoch, *version]);
    }
    Some(())
}
