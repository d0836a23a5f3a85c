//! The two ways to carry bytes, behind one trait (design, invariant 3). All else of a connection is the same for both:
//! positions, ends of stream and resets live in the connection's shared state whichever way the bytes take.
#![allow(unsafe_code)]

use core::sync::atomic::Ordering::*;

use crate::abi::{Errno, Result};
use crate::kernel;
use crate::shm::views::Buffers;
use crate::process;
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

/// Through the rings in shared memory; the anchors are the bells.
pub struct Ring;

impl Transport for Ring {
    #[inline]
    fn send(&self, s: &Sock, end: &End, data: &mut Buffers<'_>, want: usize) -> Result<usize> {
        let mut faulted = false;
        let sent = end.tx().produce(s.arena, process::alone(s.slot), want, |at, length| {
            // SAFETY: the ring offers `length` writable bytes at `at`.
            let n = unsafe { data.take(at, length) };
            faulted |= n < length;
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
        let mut faulted = false;
        let got = end.rx().consume(s.arena, process::alone(s.slot), how, |at, length| {
            if how.discard {
                return length;
            }
            // SAFETY: the ring offers `length` readable bytes at `at`.
            let n = unsafe { data.put(at, length) };
            faulted |= n < length;
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
        wait::ring(s.fd, &end.tx().shared.reader_armed);
    }

    #[inline]
    fn wake_writer(&self, s: &Sock, end: &End) {
        wait::ring(s.fd, &end.rx().shared.writer_armed);
    }

    fn end_of_stream(&self, s: &Sock, end: &End) {
        end.tx().sent.fin.store(1, Release);
        wait::ring(s.fd, &end.tx().shared.reader_armed);
    }
}

/// Through the anchors, whose bytes any process can read.
pub struct Plain;

impl Transport for Plain {
    fn send(&self, s: &Sock, end: &End, data: &mut Buffers<'_>, want: usize) -> Result<usize> {
        if want == 0 {
            return Ok(0);
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
        let got = if how.discard {
            let mut sink = [0u8; 4096];
            let n = want.min(sink.len());
            kernel::recv(s.fd, &mut sink[..n], flags)?
        } else {
            let mut list = [libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 }; 16];
            let count = cut(data, &mut list, want);
            // SAFETY: all-zero is a valid header.
            let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
            (header.msg_iov, header.msg_iovlen) = (list.as_mut_ptr(), count);
            // SAFETY: the header is ours; the kernel checks the program's buffers.
            let n = unsafe { kernel::recvmsg(s.fd, &mut header, flags) }?;
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
        end.tx().sent.fin.store(1, Release);
        let _ = kernel::shutdown(s.fd, libc::SHUT_WR);
    }
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
