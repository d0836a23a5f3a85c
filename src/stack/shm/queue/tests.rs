//! Tests of the queue: order, capacity, crowds, the dead, and garbage.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::Arc;

use super::*;
use crate::shm::chunk::NO_CHUNK;
use crate::shm::tid;

const PLENTY: u64 = 1 << 40;

/// An arena in a file of its own.
fn arena_with_file() -> (&'static Arena, std::ffi::CString) {
    let path = format!("/dev/shm/sockhop-test-{}-{}", crate::kernel::pid(), crate::kernel::random_u64());
    let path = std::ffi::CString::new(path).unwrap();
    (Arena::open(&path).unwrap(), path)
}

/// A queue in an arena whose file is removed once the queue has its memory.
fn queue(class: usize) -> Queue {
    let (arena, path) = arena_with_file();
    let queue = Queue::make(arena, class).unwrap();
    crate::kernel::unlink(&path).unwrap();
    queue
}

fn put(q: &Queue, bytes: &[u8], budget: u64) -> Push {
    let record = Record { length: bytes.len() as u32, source_port: 7, ..Record::default() };
    let mut done = 0;
    q.push(
        &record.pack(),
        budget,
        || true,
        |span| {
            let n = span.write(&bytes[done..]);
            done += n;
            n
        },
    )
}

fn get(q: &Queue) -> Option<Vec<u8>> {
    let mut got = None;
    let found = q.take(|record, payload| {
        let mut bytes = vec![0; record.length()];
        payload.copy(0, &mut bytes);
        got = Some(bytes);
    });
    // What was copied in vain counts for nothing.
    got.filter(|_| found == Found::Got(()))
}

#[test]
fn datagrams_come_whole_and_in_order() {
    let q = queue(1);
    let lengths = [0usize, 1, 63, 64, 65, 1000, 4000];
    for round in 0..2000usize {
        let length = lengths[round % lengths.len()];
        let bytes: Vec<u8> = (0..length).map(|i| (i * 31 + round) as u8).collect();
        assert_eq!(put(&q, &bytes, PLENTY), Push::Done, "{round}");
        assert_eq!(get(&q).as_deref(), Some(&bytes[..]), "{round}");
    }
    assert_eq!(get(&q), None);
}

#[test]
fn a_record_survives_its_words() {
    let record = Record {
        source: u128::MAX - 5,
        destination: 77,
        time_ns: u64::MAX,
        source_port: 65535,
        port: 80,
        tos: 0xb8,
        ttl: 255,
        length: 65527,
        drops: 0x7fff_ffff,
        flags: 0x8001,
        segment: 1400,
    };
    assert_eq!(record.pack().unpack(), record);
    assert_eq!(record.pack().with_length(3).unpack(), Record { length: 3, ..record });
}

#[test]
fn the_budget_is_charged_and_an_empty_queue_takes_anything() {
    let q = queue(2);
    let budget = 10 * OVERHEAD;
    for _ in 0..10 {
        assert_eq!(put(&q, b"x", budget), Push::Done);
    }
    assert_eq!(put(&q, b"x", budget), Push::Full);
    assert_eq!(q.charged(), budget);
    while get(&q).is_some() {}
    assert_eq!(put(&q, &[1; 65507], 1), Push::Done);
    assert_eq!(put(&q, b"x", 1), Push::Full);
}

#[test]
fn a_small_chunk_runs_out_of_room_and_names_the_next() {
    let q = queue(0);
    let mut n = 0;
    while put(&q, b"x", PLENTY) == Push::Done {
        n += 1;
    }
    assert_eq!(put(&q, b"x", PLENTY), Push::NoRoom);
    assert!((10..16).contains(&n), "{n}");
    assert_eq!(q.end(5), 5);
    assert_eq!(q.end(6), 5);
    assert_eq!(put(&q, b"x", PLENTY), Push::Moved(5));
    for _ in 0..n {
        assert!(get(&q).is_some());
    }
    assert_eq!(q.pop(false, |_| true, |_, _| {}), Found::Moved { next: 5, empty: true });
    assert_eq!((q.readable(), q.moved()), (false, Some(5)));
}

#[test]
fn what_could_not_be_read_is_not_there() {
    let q = queue(1);
    let record = Record { length: 100, ..Record::default() };
    assert_eq!(q.push(&record.pack(), PLENTY, || true, |_| 50), Push::Fault);
    assert_eq!(put(&q, b"next", PLENTY), Push::Done);
    assert_eq!(get(&q).as_deref(), Some(&b"next"[..]));
    assert_eq!(get(&q), None);
}

#[test]
fn the_claim_of_a_dead_thread_is_given_up_and_others_are_heard_past_it() {
    let q = queue(1);
    let dead = std::thread::spawn(tid).join().unwrap();
    assert_eq!(put(&q, b"first", PLENTY), Push::Done);
    assert_eq!(put(&q, b"second", PLENTY), Push::Done);
    assert_eq!(put(&q, b"third", PLENTY), Push::Done);
    // The first two: one never published, one taken and never let go of.
    let head = q.unpack(q.ends().head.load(Acquire));
    let of_the_dead = |word: u64, state| word & !(STATE | TID << TID_AT) | (dead as u64 & TID) << TID_AT | state;
    let claim = q.claim(head.0);
    claim.store(of_the_dead(claim.load(Acquire), CLAIMED), Release);
    let cell = q.cell(head.0);
    cell.word.store(cell.word.load(Acquire) - (1 << LAP_AT), Release);
    let cell = q.cell(head.0.wrapping_add(1));
    cell.word.store(of_the_dead(cell.word.load(Acquire), TAKEN), Release);
    assert_eq!(get(&q).as_deref(), Some(&b"third"[..]));
    assert_eq!(get(&q), None);
    assert_eq!(q.charged(), 3 * OVERHEAD);
    assert!(!q.heal());
    assert_eq!(q.charged(), 0);
    assert_eq!(put(&q, b"fourth", PLENTY), Push::Done);
    assert_eq!(get(&q).as_deref(), Some(&b"fourth"[..]));
    assert_eq!(q.ends().head.load(Acquire) & SCATTERED, 0);
}

#[test]
fn a_stopped_sender_holds_nobody_up() {
    let q = queue(1);
    // This very thread is the one that is stopped: it lives, and its datagram never gets done.
    let inner = q;
    let other = std::thread::spawn(move || {
        let record = Record { length: 3, ..Record::default() };
        inner.push(
            &record.pack(),
            PLENTY,
            || true,
            |span| {
                let outside = std::thread::spawn(move || {
                    for i in 0..200u8 {
                        assert_eq!(put(&inner, &[i], PLENTY), Push::Done);
                        assert_eq!(get(&inner), Some(vec![i]));
                    }
                });
                outside.join().unwrap();
                span.write(b"end")
            },
        )
    });
    assert_eq!(other.join().unwrap(), Push::Done);
    assert_eq!(get(&q).as_deref(), Some(&b"end"[..]));
    assert_eq!(q.charged(), 0);
}

/// Numbered datagrams of several senders, several receivers: each arrives once, whole, and those of one sender in order.
fn crowd(senders: u64, receivers: usize, each: u64) {
    let q = queue(2);
    let (taken, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let sending: Vec<_> = (0..senders)
        .map(|who| {
            std::thread::spawn(move || {
                for i in 0..each {
                    let length = 16 + (i * 37 % 300) as usize;
                    let mut bytes = vec![(who + i) as u8; length];
                    bytes[..8].copy_from_slice(&who.to_ne_bytes());
                    bytes[8..16].copy_from_slice(&i.to_ne_bytes());
                    while put(&q, &bytes, 100_000) != Push::Done {
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let receiving: Vec<_> = (0..receivers)
        .map(|_| {
            let (taken, over) = (taken.clone(), over.clone());
            std::thread::spawn(move || {
                let mut seen: Vec<(u64, u64)> = Vec::new();
                while !over.load(Relaxed) {
                    let Some(bytes) = get(&q) else {
                        std::thread::yield_now();
                        continue;
                    };
                    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
                    let (who, i) = (word(0), word(8));
                    assert_eq!(bytes.len(), 16 + (i * 37 % 300) as usize);
                    assert!(bytes[16..].iter().all(|b| *b == (who + i) as u8));
                    seen.push((who, i));
                    if taken.fetch_add(1, AcqRel) + 1 == senders * each {
                        over.store(true, Relaxed);
                    }
                }
                seen
            })
        })
        .collect();
    sending.into_iter().for_each(|t| t.join().unwrap());
    let mut counts: BTreeMap<(u64, u64), u32> = BTreeMap::new();
    for receiver in receiving {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for (who, i) in receiver.join().unwrap() {
            if let Some(before) = last.insert(who, i) {
                assert!(before < i, "sender {who}: {i} after {before}");
            }
            *counts.entry((who, i)).or_default() += 1;
        }
    }
    assert_eq!(counts.len() as u64, senders * each);
    assert!(counts.values().all(|n| *n == 1));
    assert_eq!(q.charged(), 0);
}

#[test]
fn one_to_one() {
    crowd(1, 1, 20_000);
}

#[test]
fn many_to_one() {
    crowd(4, 1, 5_000);
}

#[test]
fn many_to_many() {
    crowd(3, 3, 5_000);
}

#[test]
fn a_queue_that_is_gone_is_not_claimed() {
    let arena = arena_with_file();
    let q = Queue::make(arena.0, 0).unwrap();
    assert_eq!(put(&q, b"left", PLENTY), Push::Done);
    q.end(NO_CHUNK);
    assert!(q.clear());
    q.give();
    assert_eq!(put(&q, b"late", PLENTY), Push::Moved(NO_CHUNK));
    let again = Queue::make(arena.0, 0).unwrap();
    assert_eq!(again.name(), q.name());
    // A sender that still believes in the old one is told by what it checks after it has read.
    let record = Record { length: 1, ..Record::default() };
    assert_eq!(q.push(&record.pack(), PLENTY, || false, |span| span.write(b"x")), Push::Stale);
    assert_eq!(get(&again), None);
    crate::kernel::unlink(&arena.1).unwrap();
}

#[test]
fn garbage_in_the_words_does_no_more_than_lose_datagrams() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for class in [0, 1, 2] {
        let q = queue(class);
        for round in 0..3000 {
            let word = match random() % 5 {
                0 => &q.ends().tail,
                1 => &q.ends().head,
                2 => &q.ends().head_seen,
                3 => q.claim(random() as u32),
                _ => &q.cell(random() as u32).word,
            };
            match random() % 3 {
                0 => word.store(random(), Relaxed),
                1 => word.store(word.load(Relaxed) ^ 1 << (random() % 64), Relaxed),
                _ => q.cell(random() as u32).meta[(random() % 7) as usize].store(random(), Relaxed),
            }
            let bytes = vec![round as u8; (random() % 3000) as usize];
            put(&q, &bytes, 200_000);
            q.take(|record, payload| assert!(record.length() == payload.len()));
            q.pop(true, |_| true, |_, _| {});
            let _ = (q.readable(), q.charged(), q.next(), q.stuck());
        }
        q.end(NO_CHUNK);
        q.clear();
    }
}
