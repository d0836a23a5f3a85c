//! Every order of the protocol's steps that loom finds, for who sleeps, rings, shuts down and comes beside.

use super::*;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// A socket as the model has it: the anchor holds bytes, the futex word has its sleepers. There is no time in the
/// model, so a wake-up that is lost is a deadlock, which loom reports.
struct Socket {
    first: AtomicU32,
    others: AtomicU32,
    wake: AtomicU32,
    reader_armed: AtomicU32,
    writer_armed: AtomicU32,
    /// Bytes that wait, and room to write.
    data: AtomicU32,
    room: AtomicU32,
    closed: AtomicU32,
    bed: AtomicU64,
    anchor: Mutex<u32>,
    rung: Condvar,
    futex: Mutex<()>,
    woken: Condvar,
}

impl Socket {
    fn new() -> Arc<Socket> {
        let word = || AtomicU32::new(0);
        Arc::new(Socket {
            first: word(),
            others: word(),
            wake: word(),
            reader_armed: word(),
            writer_armed: word(),
            data: word(),
            room: word(),
            closed: word(),
            bed: AtomicU64::new(0),
            anchor: Mutex::new(0),
            rung: Condvar::new(),
            futex: Mutex::new(()),
            woken: Condvar::new(),
        })
    }

    fn seats(&self) -> Seats<'_, AtomicU32> {
        Seats { first: &self.first, others: &self.others, wake: &self.wake }
    }

    fn wake_others(&self) {
        let _held = self.futex.lock().unwrap();
        self.woken.notify_all();
    }

    fn ring(&self, armed: &AtomicU32) {
        let call = || self.wake_others();
        let ring = || {
            *self.anchor.lock().unwrap() += 1;
            self.rung.notify_all();
            true
        };
        if asked(armed, |_| &self.bed) {
            answer(armed, |_| &self.bed, call, ring);
        }
    }

    /// `short`: the first sleep of a sole sleeper is on the word.
    fn sleep(&self, me: u32, armed: &AtomicU32, mut short: bool, ready: impl Fn() -> bool) {
        let seats = self.seats();
        let beside = short;
        loop {
            let seat = seats.sit(me, |_| false);
            let how = if short && seat == Seat::First { CALL } else { BELL };
            ask(armed, how);
            if beside && seat != Seat::First {
                for word in [&self.reader_armed, &self.writer_armed] {
                    if rouse(word) {
                        self.wake_others();
                    }
                }
            }
            if ready() {
                if seats.rise(seat) {
                    self.wake_others();
                }
                return;
            }
            match seat {
                Seat::First if how == CALL => {
                    short = false;
                    if let Some(expected) = called(armed).filter(|_| seats.sole()) {
                        let mut held = self.futex.lock().unwrap();
                        while armed.load(Acquire) == expected {
                            held = self.woken.wait(held).unwrap();
                        }
                    }
                }
                Seat::First => {
                    let mut bytes = self.anchor.lock().unwrap();
                    while *bytes == 0 {
                        bytes = self.rung.wait(bytes).unwrap();
                    }
                    *bytes = 0;
                }
                Seat::Other(seen) if seats.may_sleep(seat) => {
                    let mut held = self.futex.lock().unwrap();
                    while self.wake.load(Acquire) == seen {
                        held = self.woken.wait(held).unwrap();
                    }
                }
                Seat::Other(_) => thread::yield_now(),
            }
            if seats.rise(seat) {
                self.wake_others();
            }
        }
    }
}

/// An epoll set as the model has it: two sockets whose bells all wake its sleepers, a bed, a kick.
struct Set {
    armed: [AtomicU32; 2],
    data: [AtomicU32; 2],
    items: Mutex<()>,
    bed: AtomicU64,
    sleepers: AtomicU32,
    bells: Mutex<u32>,
    rung: Condvar,
}

const NAME: u32 = 8;

impl Set {
    fn new() -> Arc<Set> {
        let word = || AtomicU32::new(0);
        Arc::new(Set {
            armed: [word(), word()],
            data: [word(), word()],
            items: Mutex::new(()),
            bed: AtomicU64::new(NAME as u64),
            sleepers: word(),
            bells: Mutex::new(0),
            rung: Condvar::new(),
        })
    }

    fn wake(&self) {
        *self.bells.lock().unwrap() += 1;
        self.rung.notify_all();
    }

    fn send(&self, socket: usize, amount: u32) {
        self.data[socket].fetch_add(amount, AcqRel);
        if asked(&self.armed[socket], |_| &self.bed) {
            answer(
                &self.armed[socket],
                |_| &self.bed,
                || {},
                || {
                    self.wake();
                    true
                },
            );
        }
    }

    /// Sleeps until something can be taken, which it takes.
    fn take(&self) {
        let take_one = || {
            let one = |n: u32| n.checked_sub(1);
            self.data.iter().any(|data| data.fetch_update(AcqRel, Acquire, one).is_ok())
        };
        while !take_one() {
            self.sleepers.fetch_add(1, AcqRel);
            {
                let _one = self.items.lock().unwrap();
                self.armed.iter().for_each(|armed| ask_from_bed(armed, NAME));
                lie_down(&self.bed, NAME);
            }
            if self.data.iter().all(|data| data.load(Acquire) == 0) {
                let mut bells = self.bells.lock().unwrap();
                while *bells == 0 {
                    bells = self.rung.wait(bells).unwrap();
                }
                *bells -= 1;
            }
            if self.sleepers.fetch_sub(1, AcqRel) == 1 {
                let _one = self.items.lock().unwrap();
                if self.sleepers.load(Acquire) == 0 {
                    get_up(&self.bed);
                }
            }
        }
        // Whoever goes off with something has another one look.
        if self.sleepers.load(Acquire) > 0 {
            self.wake();
        }
    }
}

#[test]
fn loom_a_set_and_two_senders() {
    model(|| {
        let set = Set::new();
        let senders: Vec<_> = (0..2)
            .map(|socket| {
                let set = set.clone();
                thread::spawn(move || set.send(socket, 1))
            })
            .collect();
        set.take();
        set.take();
        senders.into_iter().for_each(|t| t.join().unwrap());
    });
}

#[test]
fn loom_two_threads_in_a_set() {
    model(|| {
        let set = Set::new();
        let other = {
            let set = set.clone();
            thread::spawn(move || set.take())
        };
        let sender = {
            let set = set.clone();
            // All at once: loom remembers few stores, and each time that a thread sleeps takes two.
            thread::spawn(move || set.send(0, 2))
        };
        set.take();
        other.join().unwrap();
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_set_beside_a_reader_of_one_socket() {
    model(|| {
        let set = Set::new();
        let sender = {
            let set = set.clone();
            thread::spawn(move || (0..2).for_each(|socket| set.send(socket, 1)))
        };
        let other = {
            let set = set.clone();
            // Asks at the socket itself, and is woken by the same bell.
            thread::spawn(move || {
                ask(&set.armed[0], BELL);
                set.data[0].load(Acquire)
            })
        };
        set.take();
        set.take();
        other.join().unwrap();
        sender.join().unwrap();
    });
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    bounded(3, check);
}

fn bounded(preemptions: usize, check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(check);
}

#[test]
fn loom_one_reader_and_its_writer() {
    model(|| {
        let s = Socket::new();
        let reader = {
            let s = s.clone();
            thread::spawn(move || s.sleep(1, &s.reader_armed, false, || s.data.load(Acquire) != 0))
        };
        s.data.store(1, Release);
        s.ring(&s.reader_armed);
        reader.join().unwrap();
    });
}

#[test]
fn loom_a_reader_that_is_called_and_its_writer() {
    model(|| {
        let s = Socket::new();
        let reader = {
            let s = s.clone();
            thread::spawn(move || s.sleep(1, &s.reader_armed, true, || s.data.load(Acquire) != 0))
        };
        s.data.store(1, Release);
        s.ring(&s.reader_armed);
        reader.join().unwrap();
    });
}

/// Each waits for its own, and the peer may ring for the second before it calls the first.
#[test]
fn loom_a_writer_comes_beside_a_reader_that_is_called() {
    bounded(2, || {
        let s = Socket::new();
        let reader = {
            let s = s.clone();
            thread::spawn(move || s.sleep(1, &s.reader_armed, true, || s.data.load(Acquire) != 0))
        };
        let writer = {
            let s = s.clone();
            thread::spawn(move || {
                s.sleep(2, &s.writer_armed, true, || s.room.load(Acquire) != 0);
                s.data.store(1, Release);
                s.ring(&s.reader_armed);
            })
        };
        s.room.store(1, Release);
        s.ring(&s.writer_armed);
        reader.join().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn loom_a_reader_and_a_writer_sleep_on_one_socket() {
    model(|| {
        let s = Socket::new();
        let reader = {
            let s = s.clone();
            thread::spawn(move || s.sleep(1, &s.reader_armed, false, || s.data.load(Acquire) != 0))
        };
        let peer = {
            let s = s.clone();
            thread::spawn(move || {
                s.room.store(1, Release);
                s.ring(&s.writer_armed);
                s.data.store(1, Release);
                s.ring(&s.reader_armed);
            })
        };
        s.sleep(2, &s.writer_armed, false, || s.room.load(Acquire) != 0);
        reader.join().unwrap();
        peer.join().unwrap();
    });
}

#[test]
fn loom_two_readers_on_one_socket() {
    model(|| {
        let s = Socket::new();
        let take_one = |s: &Socket| s.data.fetch_update(AcqRel, Acquire, |n| n.checked_sub(1)).is_ok();
        let other = {
            let s = s.clone();
            thread::spawn(move || s.sleep(2, &s.reader_armed, false, || take_one(&s)))
        };
        let peer = {
            let s = s.clone();
            thread::spawn(move || {
                s.data.fetch_add(2, AcqRel);
                s.ring(&s.reader_armed);
            })
        };
        s.sleep(1, &s.reader_armed, false, || take_one(&s));
        other.join().unwrap();
        peer.join().unwrap();
    });
}

#[test]
fn loom_close_against_sleep() {
    model(|| {
        let s = Socket::new();
        let sleepers: Vec<_> = (1..3)
            .map(|me| {
                let s = s.clone();
                thread::spawn(move || s.sleep(me, &s.reader_armed, false, || s.closed.load(Acquire) != 0))
            })
            .collect();
        s.closed.store(1, Release);
        s.ring(&s.reader_armed);
        sleepers.into_iter().for_each(|t| t.join().unwrap());
    });
}
