//! Bytes between a socket of ours and a file or a pipe: sendfile(2), splice(2).
//!
//! A ring is filled from the file itself and emptied into the pipe itself; what is taken of either is what the other took.

use crate::abi::{Errno, Result};
use crate::calls;
use crate::family::ops::{Incoming, Outgoing};
use crate::fdtable;
use crate::kernel;
use crate::shm::views::{Buffers, List, UserPtr};
use crate::signal::sleep;
use crate::socket::Sock;
use crate::wait;

/// SPLICE_F_MOVE, NONBLOCK, MORE, GIFT.
const SPLICE_KNOWN: u32 = 0xf;
/// No datagram is longer.
const DATAGRAM: usize = 65536;

/// open(2)'s access mode and flags. Errors: EBADF, also when the descriptor is not open for reading (or writing).
fn opened(fd: i32, write: bool) -> Result<i32> {
    let flags = kernel::fcntl(fd, libc::F_GETFL, 0)?;
    let refused = if write { libc::O_RDONLY } else { libc::O_WRONLY };
    if flags & libc::O_PATH != 0 || flags & libc::O_ACCMODE == refused {
        return Err(Errno::EBADF);
    }
    Ok(flags)
}

/// sendfile(2) with a socket of ours on either side.
pub fn sendfile(out: i32, from: i32, offset_at: UserPtr, count: usize) -> Result<usize> {
    let given = if offset_at.is_null() { None } else { Some(offset_at.read_u64()? as i64) };
    opened(from, false)?;
    let seekable = kernel::seek(from, 0, libc::SEEK_CUR);
    let start = match (given, seekable) {
        (Some(_), Err(_)) => return Err(Errno::ESPIPE),
        (Some(given), _) => given,
        (None, at) => at.unwrap_or(0) as i64,
    };
    if start < 0 || (count as isize) < 0 || start.checked_add(count as i64).is_none() {
        return Err(Errno::EINVAL);
    }
    let out_flags = opened(out, true)?;
    if let Some(s) = fdtable::get(from) {
        if !kernel::status(out)?.is_pipe() {
            return Err(Errno::EINVAL);
        }
        return to_pipe(&s, out, count, out_flags & libc::O_NONBLOCK != 0);
    }
    let s = fdtable::get(out).ok_or(Errno::EBADF)?;
    if seekable.is_err() || out_flags & libc::O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    let sent = from_file(&s, from, start as u64, count).map_err(|e| match (given, e) {
        // Not a file with positions after all, which only matters to who gave one.
        (None, Errno::ESPIPE) => Errno::EINVAL,
        (_, e) => e,
    })?;
    let end = start + sent as i64;
    match given {
        Some(_) if sent > 0 => offset_at.write(&end.to_ne_bytes())?,
        None if sent > 0 => {
            kernel::seek(from, end, libc::SEEK_SET)?;
        }
        _ => {}
    }
    Ok(sent)
}

/// Sends bytes of a seekable file; fewer when it ends.
fn from_file(s: &Sock, file: i32, start: u64, count: usize) -> Result<usize> {
    let status = kernel::status(file)?;
    if count == 0 {
        return Ok(0);
    }
    if !status.is_regular() || status.size == 0 || s.kind() != libc::SOCK_STREAM {
        return by_copies(s, file, start, count);
    }
    let there = status.size.saturating_sub(start).min(count as u64) as usize;
    if there == 0 {
        return Ok(0);
    }
    let data = Buffers::of_file(file, Some(start), there);
    match calls::send(s, &mut Outgoing { data, to: &[], control: &[], flags: 0 }) {
        // The file has become shorter meanwhile, or cannot be read.
        Err(Errno::EFAULT) => peek(file, start).map(|_| 0),
        other => other,
    }
}

/// Why a file gives nothing: its end, or an errno.
fn peek(file: i32, at: u64) -> Result<usize> {
    let mut byte = 0u8;
    #[allow(unsafe_code)]
    // SAFETY: the byte is writable.
    unsafe {
        kernel::pread(file, &raw mut byte, 1, at)
    }
}

/// Files whose size says nothing (devices, /proc), and datagrams, which are made whole. The kernel gives the bytes through a
/// pipe of ours, since only it knows which files can be spliced from.
fn by_copies(s: &Sock, file: i32, start: u64, count: usize) -> Result<usize> {
    let ends = kernel::make_own(kernel::pipe)?;
    let sent = through(s, file, start, count, ends);
    for end in ends {
        let _ = kernel::close(end);
    }
    sent
}

fn through(s: &Sock, file: i32, start: u64, count: usize, [out, into]: [i32; 2]) -> Result<usize> {
    let mut space = vec![0u8; count.min(DATAGRAM)];
    let mut total = 0;
    while total < count {
        let moved = kernel::sendfile(into, file, start + total as u64, space.len().min(count - total));
        let n = match moved.and_then(|n| if n == 0 { Ok(0) } else { kernel::read(out, &mut space[..n]) }) {
            Ok(0) => break,
            Ok(n) => n,
            Err(_) if total > 0 => break,
            Err(e) => return Err(e),
        };
        match calls::send_one(s, space.as_ptr() as usize, n, 0, &[]) {
            Ok(sent) => {
                total += sent;
                if sent < n {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(total)
}

/// splice(2) with a socket of ours on either side.
pub fn splice(from: i32, from_at: UserPtr, to: i32, to_at: UserPtr, length: usize, flags: u32) -> Result<usize> {
    if length == 0 {
        return Ok(0);
    }
    if flags & !SPLICE_KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let from_flags = opened(from, false)?;
    let to_flags = opened(to, true)?;
    let (from_pipe, to_pipe_end) = (kernel::status(from)?.is_pipe(), kernel::status(to)?.is_pipe());
    if (from_pipe && !from_at.is_null()) || (to_pipe_end && !to_at.is_null()) {
        return Err(Errno::ESPIPE);
    }
    for at in [to_at, from_at] {
        if !at.is_null() {
            at.read_u64()?;
            return Err(Errno::EINVAL);
        }
    }
    let nonblocking = flags & libc::SPLICE_F_NONBLOCK != 0;
    match (fdtable::get(from), fdtable::get(to)) {
        (None, Some(s)) if from_pipe && to_flags & libc::O_APPEND == 0 => {
            let nonblocking = nonblocking || from_flags & libc::O_NONBLOCK != 0;
            from_pipe_to(&s, from, length, nonblocking, flags & libc::SPLICE_F_MORE != 0)
        }
        (Some(s), None) if to_pipe_end => to_pipe(&s, to, length, nonblocking || to_flags & libc::O_NONBLOCK != 0),
        _ => Err(Errno::EINVAL),
    }
}

/// What waits in the pipe, to the socket (splice_to_socket). Waits for the pipe only while nothing went yet.
fn from_pipe_to(s: &Sock, pipe: i32, length: usize, nonblocking: bool, more: bool) -> Result<usize> {
    let waiting = loop {
        match kernel::waiting_in(pipe)?.min(length) {
            0 => {}
            n => break n,
        }
        if wait_for(pipe, libc::POLLIN, nonblocking)? & libc::POLLIN == 0 {
            // Nobody writes to it any more.
            return Ok(0);
        }
    };
    let flags = if more { libc::MSG_MORE } else { 0 };
    if s.kind() == libc::SOCK_STREAM {
        let data = Buffers::of_file(pipe, None, waiting);
        return match calls::send(s, &mut Outgoing { data, to: &[], control: &[], flags }) {
            // Another reader of the pipe was faster.
            Err(Errno::EFAULT) => Ok(0),
            other => other,
        };
    }
    let mut space = vec![0u8; waiting.min(DATAGRAM)];
    let n = look_into(pipe, &mut space)?;
    // What cannot be sent stays in the pipe.
    let sent = calls::send_one(s, space.as_ptr() as usize, n, flags, &[])?;
    #[allow(unsafe_code)]
    // SAFETY: the vector is writable for so much.
    unsafe {
        kernel::read_nowait(pipe, space.as_mut_ptr(), n)?;
    }
    Ok(sent)
}

/// What waits in a pipe, by a pipe of ours that gets the same; gives how much.
fn look_into(pipe: i32, space: &mut [u8]) -> Result<usize> {
    let [out, into] = kernel::make_own(kernel::pipe)?;
    let copied = kernel::tee(pipe, into, space.len()).and_then(|n| kernel::read(out, &mut space[..n]));
    for end in [out, into] {
        let _ = kernel::close(end);
    }
    copied
}

/// What the socket has, to the pipe, as much as fits (tcp_splice_read).
fn to_pipe(s: &Sock, pipe: i32, length: usize, nonblocking: bool) -> Result<usize> {
    loop {
        if wait_for(pipe, libc::POLLOUT, nonblocking)? & libc::POLLERR != 0 {
            // Nobody reads from it any more.
            kernel::raise(libc::SIGPIPE);
            return Err(Errno::EPIPE);
        }
        if s.kind() != libc::SOCK_STREAM {
            return datagram_to_pipe(s, pipe, length);
        }
        let mut m = incoming(Buffers::of_file(pipe, None, length));
        match calls::receive(s, &mut m) {
            // The pipe was filled by somebody else meanwhile.
            Err(Errno::EFAULT) => {}
            other => return other,
        }
    }
}

fn datagram_to_pipe(s: &Sock, pipe: i32, length: usize) -> Result<usize> {
    let mut space = vec![0u8; length.min(DATAGRAM)];
    let list = List::one(space.as_mut_ptr() as usize, space.len());
    let n = calls::receive(s, &mut incoming(Buffers::new(&list)))?.min(space.len());
    kernel::write(pipe, &space[..n])
}

fn incoming(data: Buffers<'_>) -> Incoming<'_> {
    Incoming { data, flags: 0, from: None, out_flags: 0, control: Vec::new(), control_room: 0 }
}

/// Waits until the pipe is ready; gives its events. EAGAIN when it is not and may not be waited for.
fn wait_for(pipe: i32, events: i16, nonblocking: bool) -> Result<i16> {
    let mut fds = [libc::pollfd { fd: pipe, events, revents: 0 }];
    loop {
        if kernel::ppoll(&mut fds, Some(0), None)? > 0 {
            return Ok(fds[0].revents);
        }
        if nonblocking {
            return Err(Errno::EAGAIN);
        }
        wait::interruptible(false, None, |_| sleep::ppoll(&mut fds, None, None))?;
    }
}
