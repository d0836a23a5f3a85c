//! The two ways to carry bytes, behind one trait (design, invariant 3). All else of a connection is the same for both:
//! positions, ends of stream and resets live in the connection's shared state whichever way the bytes take.
#![allow(unsafe_code)]

use core::sync::atomic::Ordering::*;

use crate::abi::{Errno, Result};
use crate::kernel;
use crate::process;
use crate::shm::views::Buffers;
use crate::shm::{End, Take, PLAIN};
use crate::socket::Sock;
use crate::wait;

/// How bytes get from one end to the other.
pub trait Transport {
    /// Takes bytes from `data`, at most `want`. EAGAIN when there is no room, EFAULT when not one byte could be read.
    fn send(&self, s: &Sock, end: &End, data: &mut Buffers<'_>, want: usize) -> Result<usize>;

    /// Puts waiting bytes into `data`, or nowhere with `discard`; none beyond position `limit`. EAGAIN when none wait.
    fn receive(&self, s: &Sock, end: &End, data: &mut Buffers<'_>, how: Take) -> Result<usize>;

    /// Tells the far reader to look: bytes came, or the end of the stream.
    fn wake_reader(&self, s: &Sock, end: &End);

    /// Tells the far writer to look: there is room again.
    fn wake_writer(&self, s: &Sock, end: &End);

    /// No more bytes will be sent.
    fn end_of_stream(&self, s: &Sock, end: &End);
}

/// The transport of a connection.
#[inline]
pub fn of(end: &End) -> &'static dyn Transport {
    if end.mode & PLAIN == 0 {
        &Ring
    } else {
        &Plain
    }
}

/// A segment's worth: the kernel copies so much as one, and a bad address within it spoils all of it.
const SEGMENT: usize = 64 << 10;
/// What the kernel's copy of a larger write advances by (a fragment of its socket buffers).
const FRAGMENT: usize = 32 << 10;

/// The ring offers only `first` bytes in one piece: can all that a segment may have brought be written?
fn in_reach(end: &End, data: &Buffers<'_>, first: usize, want: usize) -> bool {
    let all = want.min(end.rx().buffered() as usize).min(SEGMENT);
    first >= all || data.reachable(all, true)
}

/// A bad address ended a copy after `n` bytes of a piece, `done` before it: as many count as the kernel would have taken.
#[cold]
fn cut_short<'a>(data: &mut Buffers<'a>, start: Buffers<'a>, done: usize, n: usize) -> usize {
    if data.is_file() {
        return n;
    }
    let whole = n - n % FRAGMENT;
    *data = start;
    data.advance(done + whole);
    whole
}

/// Through the rings in shared memory; the anchors are the bells.
pub struct Ring;

impl Transport for Ring {
    #[inline]
    fn send(&self, s: &Sock, end: &End, data: &mut Buffers<'_>, want: usize) -> Result<usize> {
        let (start, mut done, mut faulted) = (*data, 0, false);
        let sent = end.tx().produce(s.arena, process::alone(s.slot), want, |at, length| {
            if done == 0 && length < want && !data.reachable(want.min(SEGMENT), false) {
                faulted = true;
                return 0;
            }
            // SAFETY: the ring offers `length` writable bytes at `at`.
            let mut n = unsafe { data.take(at, length) };
            if n < length {
                faulted = true;
                n = cut_short(data, start, done, n);
            }
            done += n;
            n
        })?;
        match sent {
            0 if faulted => Err(Errno::EFAULT),
            0 if want > 0 => Err(Errno::EAGAIN),
            n => Ok(n),
        }
    }

    #[inline]
    fn receive(&self, s: &Sock, end: &End, data: &mut Buffers<'_>, how: Take) -> Result<usize> {
        let (start, mut done, mut faulted) = (*data, 0, false);
        let got = end.rx().consume(s.arena, process::alone(s.slot), how, |at, length| {
            if how.discard {
                return length;
            }
            if done == 0 && length < how.want && !in_reach(end, data, length, how.want) {
                faulted = true;
                return 0;
            }
            // SAFETY: the ring offers `length` readable bytes at `at`.
            let mut n = unsafe { data.put(at, length) };
            if n < length {
                faulted = true;
                n = cut_short(data, start, done, n);
            }
            done += n;
            n
        })?;
        match got {
            0 if faulted => Err(Errno::EFAULT),
            0 if how.want > 0 => Err(Errno::EAGAIN),
            n => Ok(n),
        }
    }

    #[inline]
    fn wake_reader(&self, s: &Sock, end: &End) {
        let shared = &end.tx().shared;
        if shared.reader_async.load(Relaxed) != 0 {
            return crate::owner::ring(s, &shared.reader_armed);
        }
        wait::ring(s, &shared.reader_armed);
    }

    #[inline]
    fn wake_writer(&self, s: &Sock, end: &End) {
        wait::ring(s, &end.rx().shared.writer_armed);
    }

    fn end_of_stream(&self, s: &Sock, end: &End) {
        end.tx().finish();
        self.wake_reader(s, end);
    }
}

/// Through the anchors, whose bytes any process can read.
pub struct Plain;

impl Transport for Plain {
    fn send(&self, s: &Sock, end: &End, data: &mut Buffers<'_>, want: usize) -> Result<usize> {
        if want == 0 {
            return Ok(0);
        }
        if data.is_file() {
            return send_file(s, end, data, want);
        }
        let mut list = [libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 }; 16];
        let count = cut(data, &mut list, want);
        // SAFETY: all-zero is a valid header.
        let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
        (header.msg_iov, header.msg_iovlen) = (list.as_mut_ptr(), count);
        // SAFETY: the header is ours; the kernel checks the program's buffers.
        let sent = unsafe { kernel::sendmsg(s.fd, &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        match sent {
            Ok(n) => {
                data.advance(n);
                end.tx().count_written(n);
                Ok(n)
            }
            Err(e) => Err(e),
        }
    }

    fn receive(&self, s: &Sock, end: &End, data: &mut Buffers<'_>, how: Take) -> Result<usize> {
        let ahead = how.limit.saturating_sub(end.rx().consumed());
        let want = how.want.min(ahead.min(usize::MAX as u64) as usize);
        if want == 0 {
            return if how.want == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        let flags = libc::MSG_DONTWAIT | if how.peek { libc::MSG_PEEK } else { 0 };
        let got = if data.is_file() {
            receive_to_file(s, data, want)?
        } else if how.discard {
            let mut sink = [0u8; 4096];
            let n = want.min(sink.len());
            kernel::recv(s.fd, &mut sink[..n], flags)?
        } else {
            let mut list = [libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 }; 16];
            let count = cut(data, &mut list, want);
            // What is passed over is read in front of what is wanted, and dropped.
            let mut passed = vec![0u8; how.skip.min(end.rx().buffered()) as usize];
            let mut lists = [libc::iovec { iov_base: passed.as_mut_ptr().cast(), iov_len: passed.len() }; 17];
            lists[1..].copy_from_slice(&list);
            // SAFETY: all-zero is a valid header.
            let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
            (header.msg_iov, header.msg_iovlen) = (lists.as_mut_ptr(), count + 1);
            // SAFETY: the header is ours; the kernel checks the program's buffers.
            let n = unsafe { kernel::recvmsg(s.fd, &mut header, flags) }?.saturating_sub(passed.len());
            data.advance(n);
            n
        };
        if !how.peek {
            end.rx().count_read(got);
        }
        // The kernel's end of stream: the connection's own state says which end it is.
        if got == 0 {
            Err(Errno::EAGAIN)
        } else {
            Ok(got)
        }
    }

    fn wake_reader(&self, _s: &Sock, _end: &End) {}

    fn wake_writer(&self, _s: &Sock, _end: &End) {}

    fn end_of_stream(&self, s: &Sock, end: &End) {
        end.tx().finish();
        let _ = kernel::shutdown(s.fd, libc::SHUT_WR);
    }
}

/// From a file to the anchor. What the anchor does not take stays in a file that has positions; from a pipe only so much
/// is taken as a writable anchor has room for.
fn send_file(s: &Sock, end: &End, data: &mut Buffers<'_>, want: usize) -> Result<usize> {
    let mut fds = [libc::pollfd { fd: s.fd, events: libc::POLLOUT, revents: 0 }];
    kernel::ppoll(&mut fds, Some(0), None)?;
    if fds[0].revents == 0 {
        return Err(Errno::EAGAIN);
    }
    let mut space = [0u8; FRAGMENT];
    let mut ahead = *data;
    let most = if data.has_position() { FRAGMENT } else { room_at_once(s)? };
    // SAFETY: the array is writable.
    let n = unsafe { ahead.take(space.as_mut_ptr(), want.min(most)) };
    if n == 0 {
        return Err(Errno::EFAULT);
    }
    let mut sent = 0;
    loop {
        match kernel::sendto(s.fd, &space[sent..n], libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL, &[]) {
            Ok(more) => sent += more,
            // Another thread filled the room meanwhile, and what was in the pipe cannot go back there.
            Err(Errno::EAGAIN) if !data.has_position() => drop(kernel::ppoll(&mut fds, None, None)),
            Err(e) if sent == 0 => return Err(e),
            Err(_) => break,
        }
        if sent == n || data.has_position() {
            break;
        }
    }
    data.advance(sent);
    end.tx().count_written(sent);
    Ok(sent)
}

/// What a writable anchor takes without waiting: one of the two buffers that its size is meant for (unix_stream_sendmsg).
fn room_at_once(s: &Sock) -> Result<usize> {
    const OVERHEAD: usize = 64;
    let size = kernel::getsockopt_int(s.fd, libc::SOL_SOCKET, libc::SO_SNDBUF)?.max(0) as usize;
    Ok((size / 2).saturating_sub(OVERHEAD).clamp(1, FRAGMENT))
}

/// From the anchor to a pipe: what the pipe takes is taken from the anchor afterwards.
fn receive_to_file(s: &Sock, data: &mut Buffers<'_>, want: usize) -> Result<usize> {
    let mut space = [0u8; FRAGMENT];
    let n = want.min(FRAGMENT);
    let n = kernel::recv(s.fd, &mut space[..n], libc::MSG_DONTWAIT | libc::MSG_PEEK)?;
    let n = match data.put_slice(&space[..n]) {
        0 if n > 0 => return Err(Errno::EFAULT),
        n => n,
    };
    kernel::recv(s.fd, &mut space[..n], libc::MSG_DONTWAIT)
}

/// The next buffers as a list for the kernel, cut to `want` bytes.
fn cut(data: &mut Buffers<'_>, list: &mut [libc::iovec], want: usize) -> usize {
    let count = data.rest(list);
    let mut left = want;
    for (i, entry) in list[..count].iter_mut().enumerate() {
        entry.iov_len = entry.iov_len.min(left);
        left -= entry.iov_len;
        if left == 0 {
            return i + 1;
        }
    }
    count
}
