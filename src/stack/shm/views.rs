//! Views of the program's memory: pointers come in once, at the boundary, and are plain values from there on.
//!
//! A view may point to memory that is not there; every access goes through [`super::usercopy`], which tells how far it got.
#![allow(unsafe_code)]

use super::usercopy;
use crate::abi::{Errno, Result};
use crate::kernel;

/// UIO_MAXIOV.
pub const IOV_MAX: usize = 1024;
/// MAX_RW_COUNT: no call moves more.
const MAX_COUNT: usize = 0x7fff_f000;

/// Where the program's addresses end (TASK_SIZE_MAX).
const TASK_END: usize = if cfg!(target_arch = "x86_64") { (1 << 47) - 4096 } else { 1 << 48 };

/// Could the program have memory there, whether it does or not (access_ok)? That is asked before anything is done.
///
/// Errors: EFAULT.
#[inline]
fn in_program(base: usize, length: usize) -> Result<()> {
    match base.checked_add(length) {
        Some(end) if end <= TASK_END => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// The same of one buffer of a call, which is cut to what a call moves at most (import_ubuf).
///
/// Errors: EFAULT.
#[inline]
pub fn buffer_in_program(base: usize, length: usize) -> Result<()> {
    in_program(base, length.min(MAX_COUNT))
}

/// A place in the program's memory.
#[derive(Clone, Copy, Debug)]
pub struct UserPtr(pub usize);

impl UserPtr {
    /// Is it null?
    #[inline]
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Reads bytes. Errors: EFAULT.
    #[inline]
    pub fn read(self, into: &mut [u8]) -> Result<()> {
        // SAFETY: the destination is ours; the source is checked by usercopy.
        let n = unsafe { usercopy::copy_in(into.as_mut_ptr(), self.0 as *const u8, into.len()) };
        if n == into.len() {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// Writes bytes. Errors: EFAULT.
    #[inline]
    pub fn write(self, from: &[u8]) -> Result<()> {
        // SAFETY: the source is ours; the destination is checked by usercopy.
        let n = unsafe { usercopy::copy_out(self.0 as *mut u8, from.as_ptr(), from.len()) };
        if n == from.len() {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// Writes bytes as far as that is possible: gives how many.
    pub fn write_some(self, from: &[u8]) -> usize {
        // SAFETY: as for `write`.
        unsafe { usercopy::copy_out(self.0 as *mut u8, from.as_ptr(), from.len()) }
    }

    /// Reads a 32-bit word.
    pub fn read_u32(self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.read(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    /// Reads a 64-bit word.
    pub fn read_u64(self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Writes a 32-bit word.
    pub fn write_u32(self, value: u32) -> Result<()> {
        self.write(&value.to_ne_bytes())
    }

    /// The place `n` bytes on.
    pub fn plus(self, n: usize) -> UserPtr {
        UserPtr(self.0.wrapping_add(n))
    }
}

/// The program's buffers, one after the other, with a position in them; or a file of its in their place.
#[derive(Clone, Copy)]
pub struct Buffers<'a> {
    list: &'a [libc::iovec],
    /// The buffer that the position is in, and how far.
    at: usize,
    offset: usize,
    left: usize,
    file: Option<File>,
}

/// A file that bytes come from or go to without passing the program's memory (sendfile, splice).
#[derive(Clone, Copy)]
struct File {
    fd: i32,
    /// Where in the file; none for a pipe.
    position: Option<u64>,
}

impl<'a> Buffers<'a> {
    /// The buffers of a list that was copied in and measured by [`read_list`].
    pub fn new(list: &'a [libc::iovec]) -> Buffers<'a> {
        let left = list.iter().map(|b| b.iov_len).sum();
        Buffers { list, at: 0, offset: 0, left, file: None }
    }

    /// Up to `length` bytes of a file from a position on, or of a pipe.
    pub fn of_file(fd: i32, position: Option<u64>, length: usize) -> Buffers<'a> {
        Buffers { list: &[], at: 0, offset: 0, left: length.min(MAX_COUNT), file: Some(File { fd, position }) }
    }

    /// Is it a file and not memory? What is short of it is its end, not a bad address.
    #[inline]
    pub fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// Is it memory or a file with positions, of which the same bytes can be taken again? Those of a pipe cannot.
    #[inline]
    pub fn has_position(&self) -> bool {
        self.file.is_none_or(|file| file.position.is_some())
    }

    /// Can the next `length` bytes, as far as there are so many, be read (or written)?
    #[cold]
    pub fn reachable(&self, mut length: usize, write: bool) -> bool {
        let mut ahead = *self;
        while length > 0 {
            let Some((at, piece)) = ahead.piece() else { return true };
            let n = piece.min(length);
            // SAFETY: what the program gave to receive into is ordinary memory; nothing else is written to.
            if !unsafe { usercopy::probe(at as *const u8, n, write) } {
                return false;
            }
            ahead.advance(n);
            length -= n;
        }
        true
    }

    #[cold]
    fn take_file(&mut self, dst: *mut u8, len: usize) -> usize {
        let Some(file) = &mut self.file else { return 0 };
        let len = len.min(self.left);
        // SAFETY: `dst` is writable for `len` bytes, by the promise that the caller of `take` made.
        let read = unsafe {
            match file.position {
                Some(at) => kernel::pread(file.fd, dst, len, at),
                None => kernel::read_nowait(file.fd, dst, len),
            }
        };
        let n = read.unwrap_or(0).min(len);
        file.position = file.position.map(|at| at + n as u64);
        self.left -= n;
        n
    }

    #[cold]
    fn put_file(&mut self, src: *const u8, len: usize) -> usize {
        let Some(file) = self.file else { return 0 };
        // SAFETY: `src` is readable for `len` bytes, by the promise that the caller of `put` made.
        let n = unsafe { kernel::write_nowait(file.fd, src, len.min(self.left)) }.unwrap_or(0);
        self.left -= n.min(self.left);
        n
    }

    /// Bytes from the position to the end.
    #[inline]
    pub fn left(&self) -> usize {
        self.left
    }

    /// The program's memory at the position: address and length of the piece.
    fn piece(&mut self) -> Option<(usize, usize)> {
        while let Some(buffer) = self.list.get(self.at) {
            if self.offset < buffer.iov_len {
                return Some((buffer.iov_base as usize + self.offset, buffer.iov_len - self.offset));
            }
            self.at += 1;
            self.offset = 0;
        }
        None
    }

    /// Moves the position on.
    pub fn advance(&mut self, mut n: usize) {
        self.left -= n.min(self.left);
        if let Some(file) = &mut self.file {
            file.position = file.position.map(|at| at + n as u64);
        }
        while n > 0 {
            let Some((_, length)) = self.piece() else { return };
            let step = n.min(length);
            self.offset += step;
            n -= step;
        }
    }

    /// Copies from the buffers into `dst`; gives how many bytes came before the end or a bad address.
    ///
    /// # Safety
    /// `dst` is writable for `len` bytes.
    #[inline]
    pub unsafe fn take(&mut self, dst: *mut u8, len: usize) -> usize {
        let mut done = 0;
        while done < len {
            let Some((from, length)) = self.piece() else {
                return done + self.take_file(dst.wrapping_add(done), len - done);
            };
            let n = length.min(len - done);
            // SAFETY: the caller's promise; the source is checked by usercopy.
            let copied = unsafe { usercopy::copy_in(dst.add(done), from as *const u8, n) };
            self.offset += copied;
            self.left -= copied;
            done += copied;
            if copied < n {
                break;
            }
        }
        done
    }

    /// Copies `src` into the buffers; gives how many bytes went before the end or a bad address.
    ///
    /// # Safety
    /// `src` is readable for `len` bytes.
    #[inline]
    pub unsafe fn put(&mut self, src: *const u8, len: usize) -> usize {
        let mut done = 0;
        while done < len {
            let Some((to, length)) = self.piece() else {
                return done + self.put_file(src.wrapping_add(done), len - done);
            };
            let n = length.min(len - done);
            // SAFETY: the caller's promise; the destination is checked by usercopy.
            let copied = unsafe { usercopy::copy_out(to as *mut u8, src.add(done), n) };
            self.offset += copied;
            self.left -= copied;
            done += copied;
            if copied < n {
                break;
            }
        }
        done
    }

    /// Back to the start of the list.
    pub fn restart(&mut self) {
        *self = Buffers::new(self.list);
    }

    /// Copies from the buffers into a slice of ours; gives how many bytes came before the end or a bad address.
    pub fn take_slice(&mut self, into: &mut [u8]) -> usize {
        // SAFETY: a slice is writable.
        unsafe { self.take(into.as_mut_ptr(), into.len()) }
    }

    /// Copies a slice of ours into the buffers.
    pub fn put_slice(&mut self, from: &[u8]) -> usize {
        // SAFETY: a slice is readable.
        unsafe { self.put(from.as_ptr(), from.len()) }
    }

    /// What is left as an iovec list for the kernel, in `space`. Gives how many entries.
    pub fn rest(&mut self, space: &mut [libc::iovec]) -> usize {
        let Some((base, length)) = self.piece() else { return 0 };
        let mut count = 0;
        for (slot, buffer) in space.iter_mut().zip(&self.list[self.at..]) {
            *slot = *buffer;
            count += 1;
        }
        space[0] = libc::iovec { iov_base: base as *mut _, iov_len: length };
        count
    }
}

/// Copies in a list of buffers. The result is in `space`, cut to what one call may move.
///
/// Errors: EMSGSIZE or EINVAL (`too_many`) beyond IOV_MAX, EFAULT, EINVAL for a negative length.
pub fn read_list(from: UserPtr, count: usize, too_many: Errno, space: &mut List) -> Result<()> {
    if count > IOV_MAX {
        return Err(too_many);
    }
    space.count = 0;
    if count > space.few.len() {
        space.many.resize(count, EMPTY);
    }
    let mut total = 0usize;
    for i in 0..count {
        let at = from.plus(i * 16);
        let (base, length) = (at.read_u64()? as usize, at.plus(8).read_u64()? as usize);
        if length > isize::MAX as usize {
            return Err(Errno::EINVAL);
        }
        // A list is checked before it is cut, a single buffer afterwards (import_iovec).
        if count > 1 {
            in_program(base, length)?;
        } else {
            in_program(base, length.min(MAX_COUNT))?;
        }
        let length = length.min(MAX_COUNT - total);
        total += length;
        let entry = libc::iovec { iov_base: base as *mut _, iov_len: length };
        if count > space.few.len() {
            space.many[i] = entry;
        } else {
            space.few[i] = entry;
        }
    }
    space.count = count;
    Ok(())
}

const EMPTY: libc::iovec = libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 };

/// Room for a list of buffers: few without allocating, as most calls have.
pub struct List {
    few: [libc::iovec; 8],
    many: Vec<libc::iovec>,
    count: usize,
}

impl List {
    /// No buffers.
    pub fn new() -> List {
        List { few: [EMPTY; 8], many: Vec::new(), count: 0 }
    }

    /// One buffer.
    #[inline]
    pub fn one(base: usize, length: usize) -> [libc::iovec; 1] {
        [libc::iovec { iov_base: base as *mut _, iov_len: length.min(MAX_COUNT) }]
    }

    /// The list.
    pub fn as_slice(&self) -> &[libc::iovec] {
        if self.count > self.few.len() {
            &self.many[..self.count]
        } else {
            &self.few[..self.count]
        }
    }
}

impl Default for List {
    fn default() -> List {
        List::new()
    }
}
