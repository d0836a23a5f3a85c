//! Connections of a program that cannot be preloaded: it gets one end of a unix stream, and a small process of ours
//! copies between the other end and the connection, until both are over.
//!
//! The process is made by raw system calls: no handler of the program runs, SIGCHLD is not raised, and nothing in it
//! allocates, because the memory is a copy in which another thread may have held malloc's lock.
#![allow(unsafe_code)]

use core::sync::atomic::{fence, Ordering::*};

use super::add;
use crate::abi::{Errno, Result};
use crate::family::ops::{Incoming, Outgoing};
use crate::fdtable;
use crate::kernel::{self, sys};
use crate::process;
use crate::shm::views::{Buffers, List};
use crate::shm::SlotFlags;
use crate::socket::{self, Sock};

/// Connections that one program can inherit so.
const MOST: usize = 32;
/// Bytes on their way, in each direction of each connection.
const ROOM: usize = 64 << 10;
/// The pump's descriptors lie here and above.
const HIGH: usize = 512;

/// A connection that is carried by the pump.
#[derive(Clone, Copy)]
struct Carried {
    s: Sock,
    /// Our end of the unix stream.
    near: i32,
    /// The program's end, before it stands under the program's number.
    far: i32,
}

/// A descriptor of the program that is the unix stream's now.
#[derive(Clone, Copy)]
struct Replaced {
    fd: i32,
    /// The anchor, in case that the exec fails.
    kept: i32,
}

/// The connections that were switched over for one program.
pub struct Switched {
    carried: [Option<Carried>; MOST],
    replaced: [Option<Replaced>; MOST],
    /// The pump waits for the end of this stream, which exec closes: a program that does not come to be must not lose
    /// bytes to it. A byte in it says that there is nothing to do after all.
    gate: Option<i32>,
}

impl Switched {
    /// None yet.
    pub const fn none() -> Switched {
        Switched { carried: [None; MOST], replaced: [None; MOST], gate: None }
    }

    /// The program's end of a stream for this connection, made when there is none: for whoever puts it in place itself.
    pub fn stream_for(&mut self, s: &Sock) -> Option<i32> {
        if let Some(known) = self.carried.iter().flatten().find(|c| c.s.number == s.number) {
            return Some(known.far);
        }
        let place = self.carried.iter_mut().find(|c| c.is_none())?;
        let [near, far] = kernel::pair(libc::SOCK_STREAM | libc::SOCK_CLOEXEC).ok()?;
        let up = |fd| kernel::move_up(fd).ok();
        let (near, far) = (up(near)?, up(far)?);
        let held = kernel::fcntl(s.fd, libc::F_DUPFD_CLOEXEC, HIGH).ok()?;
        if s.slot.has(SlotFlags::NONBLOCK) {
            let _ = kernel::fcntl(far, libc::F_SETFL, libc::O_NONBLOCK as usize);
        }
        *place = Some(Carried { s: Sock { fd: held, ..*s }, near, far });
        Some(far)
    }

    /// Puts a stream in the place of this descriptor. False if that cannot be.
    pub fn switch(&mut self, s: &Sock) -> bool {
        let Some(far) = self.stream_for(s) else { return false };
        let Some(place) = self.replaced.iter_mut().find(|r| r.is_none()) else { return false };
        let Ok(kept) = kernel::fcntl(s.fd, libc::F_DUPFD_CLOEXEC, HIGH) else { return false };
        if kernel::dup3(far, s.fd, 0).is_err() {
            let _ = kernel::close(kept);
            return false;
        }
        *place = Some(Replaced { fd: s.fd, kept });
        true
    }

    /// Starts the process that carries them. It holds a reference of its own to each.
    pub fn start(&mut self) {
        if self.carried.iter().all(Option::is_none) {
            return;
        }
        let Ok([wait_at, gate]) = kernel::pair(libc::SOCK_STREAM | libc::SOCK_CLOEXEC) else { return };
        let Ok(gate) = kernel::move_up(gate) else { return };
        self.carried.iter().flatten().for_each(|c| add(c.s.slot));
        // Twice, so that it is nobody's child: with no signal to tell, the first one is not seen by the program's wait.
        match clone_memory() {
            Ok(0) => {
                if clone_memory() == Ok(0) {
                    let _ = kernel::close(gate);
                    carry(&self.carried, wait_at);
                }
                exit_now();
            }
            Ok(child) => kernel::wait_for(child),
            Err(_) => {
                for c in self.carried.iter().flatten() {
                    super::lessen(c.s.slot);
                }
            }
        }
        for c in self.carried.iter().flatten() {
            let _ = kernel::close(c.near);
            let _ = kernel::close(c.s.fd);
        }
        let _ = kernel::close(wait_at);
        self.gate = Some(gate);
    }

    /// The program has its streams: closes this process' copies of their ends.
    pub fn close(&mut self) {
        if let Some(gate) = self.gate.take() {
            let _ = kernel::close(gate);
        }
        for c in self.carried.iter_mut().filter_map(Option::take) {
            let _ = kernel::close(c.far);
        }
    }

    /// There was no new program: the connections stand under their numbers again, and the pump ends.
    pub fn undo(&mut self) {
        if let Some(gate) = self.gate {
            let _ = kernel::write(gate, &[0]);
        }
        for r in self.replaced.iter_mut().filter_map(Option::take) {
            let _ = kernel::dup3(r.kept, r.fd, 0);
            let _ = kernel::close(r.kept);
        }
        self.close();
    }
}

/// clone(2) as fork(2) has it, but with no signal at the child's end.
fn clone_memory() -> Result<usize> {
    // SAFETY: a copy of this process that goes on here, on a copy of this stack.
    unsafe { sys!(clone, 0, 0, 0, 0, 0) }
}

fn exit_now() -> ! {
    loop {
        // SAFETY: ends this process.
        let _ = unsafe { sys!(exit_group, 0) };
    }
}

/// Bytes in one direction.
struct Flow {
    bytes: &'static mut [u8],
    at: usize,
    end: usize,
    /// The source has come to its end,
    over: bool,
    /// and the sink was told.
    told: bool,
}

impl Flow {
    fn new() -> Option<Flow> {
        let memory = kernel::map_private(ROOM).ok()?;
        // SAFETY: just mapped for us, and never unmapped.
        let bytes = unsafe { core::slice::from_raw_parts_mut(memory, ROOM) };
        Some(Flow { bytes, at: 0, end: 0, over: false, told: false })
    }

    fn is_empty(&self) -> bool {
        self.at == self.end
    }

    /// Takes bytes from the source, if there is nothing to pass on. True when something changed.
    fn fill(&mut self, from: impl FnOnce(&mut [u8]) -> Result<usize>) -> bool {
        if self.over || !self.is_empty() {
            return false;
        }
        match from(self.bytes) {
            Err(Errno::EAGAIN) => return false,
            Ok(n @ 1..) => (self.at, self.end) = (0, n),
            _ => self.over = true,
        }
        true
    }

    /// Passes bytes on. An error says that the sink takes no more.
    fn drain(&mut self, to: impl FnOnce(&[u8]) -> Result<usize>) -> Result<bool> {
        if self.is_empty() {
            return Ok(false);
        }
        match to(&self.bytes[self.at..self.end]) {
            Ok(n) => {
                self.at += n;
                Ok(n > 0)
            }
            Err(Errno::EAGAIN) => Ok(false),
            Err(e) => {
                self.at = self.end;
                Err(e)
            }
        }
    }
}

/// A connection and its stream.
struct Line {
    s: Sock,
    near: i32,
    /// From the connection to the program, and back.
    down: Flow,
    up: Flow,
    /// The program has closed its end altogether.
    gone: bool,
}

impl Line {
    fn new(c: &Carried) -> Option<Line> {
        Some(Line { s: c.s, near: c.near, down: Flow::new()?, up: Flow::new()?, gone: false })
    }

    fn step(&mut self) -> bool {
        let (s, near) = (self.s, self.near);
        let mut moved = false;
        if !self.gone {
            moved |= self.down.fill(|into| receive(&s, into));
            match self.down.drain(|from| kernel::sendto(near, from, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL, &[])) {
                Ok(some) => moved |= some,
                Err(_) => self.gone = true,
            }
            if self.down.over && self.down.is_empty() && !self.down.told {
                self.down.told = true;
                let _ = kernel::shutdown(near, libc::SHUT_WR);
            }
        }
        moved |= self.up.fill(|into| kernel::recv(near, into, libc::MSG_DONTWAIT));
        match self.up.drain(|from| send(&s, from)) {
            Ok(some) => moved |= some,
            // The far end takes no more: the program learns that from its own stream.
            Err(_) => drop(kernel::shutdown(near, libc::SHUT_RD)),
        }
        if self.up.over && self.up.is_empty() && !self.up.told {
            self.up.told = true;
            self.gone |= hung_up(near);
            // A close is no shutdown: others may hold the connection too, and the last one ends it.
            if !self.gone {
                let _ = s.ops().shutdown(&s, libc::SHUT_WR);
            }
        }
        moved
    }

    fn finished(&self) -> bool {
        self.up.told && (self.gone || self.down.told)
    }

    /// What to sleep on: the anchor, and our end of the stream. Asks to be rung.
    fn watch(&self) -> [libc::pollfd; 2] {
        let takes = !self.gone && !self.down.over && self.down.is_empty();
        let wanted = if takes { libc::POLLIN } else { 0 } | if self.up.is_empty() { 0 } else { libc::POLLOUT };
        let mut bell = libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 };
        if wanted != 0 {
            self.s.ops().arm(&self.s, wanted as u16 as u32);
            bell.events |= self.s.ops().native_events(&self.s, wanted as u16 as u32) as i16;
            bell.fd = if self.s.ops().has_bell(&self.s) { self.s.fd } else { -1 };
        }
        let reads = if !self.up.over && self.up.is_empty() { libc::POLLIN } else { 0 };
        let writes = if self.down.is_empty() || self.gone { 0 } else { libc::POLLOUT };
        let idle = self.gone || self.up.over && !self.up.told;
        [bell, libc::pollfd { fd: if idle { -1 } else { self.near }, events: reads | writes, revents: 0 }]
    }

    /// Would a step do something that the bell does not tell of any more?
    fn ready(&self) -> bool {
        let now = self.s.ops().ready(&self.s);
        let takes = !self.gone && !self.down.over && self.down.is_empty();
        takes && now & libc::POLLIN as u32 != 0 || !self.up.is_empty() && now & libc::POLLOUT as u32 != 0
    }

    fn wake(&mut self, told: &[libc::pollfd]) {
        if told[0].revents != 0 {
            self.s.ops().answer_bell(&self.s, told[0].revents as u16 as u32);
        }
        if told[1].revents & libc::POLLHUP != 0 && self.up.told {
            self.gone = true;
        }
    }

    fn end(&self) {
        let _ = kernel::close(self.near);
        socket::drop_reference(&self.s);
        let _ = kernel::close(self.s.fd);
    }
}

fn hung_up(fd: i32) -> bool {
    let mut fds = [libc::pollfd { fd, events: 0, revents: 0 }];
    matches!(kernel::ppoll(&mut fds, Some(0), None), Ok(1)) && fds[0].revents & libc::POLLHUP != 0
}

fn receive(s: &Sock, into: &mut [u8]) -> Result<usize> {
    let list = List::one(into.as_mut_ptr() as usize, into.len());
    let data = Buffers::new(&list);
    let flags = libc::MSG_DONTWAIT;
    s.ops().receive(s, &mut Incoming { data, flags, from: None, out_flags: 0, control: Vec::new(), control_room: 0 })
}

fn send(s: &Sock, from: &[u8]) -> Result<usize> {
    let list = List::one(from.as_ptr() as usize, from.len());
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    s.ops().send(s, &mut Outgoing { data: Buffers::new(&list), to: &[], control: &[], flags })
}

/// The process itself.
fn carry(carried: &[Option<Carried>; MOST], wait_at: i32) -> ! {
    process::own();
    crate::shm::set_forked();
    fdtable::abandon();
    kernel::detach(c"sockhop-pump");
    close_others(carried, wait_at);
    let mut byte = [0];
    if kernel::read(wait_at, &mut byte) != Ok(0) {
        for c in carried.iter().flatten() {
            socket::drop_reference(&c.s);
        }
        exit_now();
    }
    let _ = kernel::close(wait_at);
    let mut lines: [Option<Line>; MOST] = core::array::from_fn(|i| carried[i].as_ref().and_then(Line::new));
    while lines.iter().any(Option::is_some) {
        let mut moved = false;
        for place in &mut lines {
            let Some(line) = place else { continue };
            moved |= line.step();
            if line.finished() {
                line.end();
                *place = None;
            }
        }
        if !moved {
            sleep(&mut lines);
        }
    }
    exit_now()
}

fn sleep(lines: &mut [Option<Line>; MOST]) {
    let none = libc::pollfd { fd: -1, events: 0, revents: 0 };
    let mut fds = [none; 2 * MOST];
    let mut look_by: Option<u64> = None;
    for (line, places) in lines.iter().zip(fds.chunks_mut(2)) {
        if let Some(line) = line {
            places.copy_from_slice(&line.watch());
            look_by = [look_by, line.s.ops().next_look(&line.s)].into_iter().flatten().min();
        }
    }
    // Pairs with the fence in `wait::ring`: either the far side sees that we sleep, or we see what it stored.
    fence(SeqCst);
    if lines.iter().flatten().any(Line::ready) {
        return;
    }
    let left = look_by.map(|at| at.saturating_sub(kernel::now_ns()));
    let _ = kernel::ppoll(&mut fds, left, None);
    for (line, told) in lines.iter_mut().zip(fds.chunks(2)) {
        if let Some(line) = line {
            line.wake(told);
        }
    }
}

/// Closes everything but the carried connections and their streams: a copy of a descriptor keeps a file open.
fn close_others(carried: &[Option<Carried>; MOST], wait_at: i32) {
    let mut from = 0;
    loop {
        let ours = carried.iter().flatten().flat_map(|c| [c.s.fd as u32, c.near as u32]).chain([wait_at as u32]);
        let next = ours.filter(|fd| *fd >= from).min();
        let last = next.map_or(u32::MAX, |n| n.wrapping_sub(1));
        if next != Some(from) {
            kernel::close_range(from, last);
        }
        match next {
            Some(n) => from = n + 1,
            None => return,
        }
    }
}
