//! The kernel's own sockets: anchors, and what a descriptor becomes when it is handed over.

use core::ffi::c_void;

use super::sys;
use crate::abi::Result;

/// socket(2).
pub fn socket(family: i32, kind: i32, protocol: i32) -> Result<i32> {
    // SAFETY: no pointers.
    unsafe { sys!(socket, family, kind, protocol) }.map(|fd| fd as i32)
}

/// socketpair(2) of two unix sockets.
pub fn pair(kind: i32) -> Result<[i32; 2]> {
    let mut ends = [-1i32; 2];
    // SAFETY: the array takes both descriptors.
    unsafe { sys!(socketpair, libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }?;
    Ok(ends)
}

/// bind(2) of an encoded address.
pub fn bind(fd: i32, address: &[u8]) -> Result<()> {
    // SAFETY: the slice is readable.
    unsafe { sys!(bind, fd, address.as_ptr(), address.len()) }.map(drop)
}

/// connect(2) to an encoded address.
pub fn connect(fd: i32, address: &[u8]) -> Result<()> {
    // SAFETY: the slice is readable.
    unsafe { sys!(connect, fd, address.as_ptr(), address.len()) }.map(drop)
}

/// listen(2).
pub fn listen(fd: i32, backlog: i32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { sys!(listen, fd, backlog) }.map(drop)
}

/// accept4(2): the new descriptor and the encoded address of the peer.
pub fn accept4(fd: i32, flags: i32) -> Result<(i32, [u8; 128], usize)> {
    let mut address = [0u8; 128];
    let mut length: u32 = 128;
    // SAFETY: buffer and length are writable and agree.
    let new = unsafe { sys!(accept4, fd, address.as_mut_ptr(), &raw mut length, flags) }?;
    Ok((new as i32, address, (length as usize).min(128)))
}

/// shutdown(2).
pub fn shutdown(fd: i32, how: i32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { sys!(shutdown, fd, how) }.map(drop)
}

/// getsockname(2), encoded.
pub fn getsockname(fd: i32) -> Result<([u8; 128], usize)> {
    let mut address = [0u8; 128];
    let mut length: u32 = 128;
    // SAFETY: buffer and length are writable and agree.
    unsafe { sys!(getsockname, fd, address.as_mut_ptr(), &raw mut length) }?;
    Ok((address, (length as usize).min(128)))
}

/// setsockopt(2) with bytes of ours.
pub fn setsockopt(fd: i32, level: i32, name: i32, value: &[u8]) -> Result<()> {
    // SAFETY: the slice is readable.
    unsafe { sys!(setsockopt, fd, level, name, value.as_ptr(), value.len()) }.map(drop)
}

/// getsockopt(2) into bytes of ours; gives how many there are.
pub fn getsockopt(fd: i32, level: i32, name: i32, into: &mut [u8]) -> Result<usize> {
    let mut length = into.len() as u32;
    // SAFETY: buffer and length are writable and agree.
    unsafe { sys!(getsockopt, fd, level, name, into.as_mut_ptr(), &raw mut length) }?;
    Ok((length as usize).min(into.len()))
}

/// setsockopt(2) with a pointer of the program.
///
/// # Safety
/// The kernel checks the pointer.
pub unsafe fn setsockopt_from(fd: i32, level: i32, name: i32, value: usize, length: i32) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { sys!(setsockopt, fd, level, name, value, length) }.map(drop)
}

/// getsockopt(2) with pointers of the program.
///
/// # Safety
/// The kernel checks the pointers.
pub unsafe fn getsockopt_to(fd: i32, level: i32, name: i32, value: usize, length_at: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { sys!(getsockopt, fd, level, name, value, length_at) }.map(drop)
}

/// getsockopt(2) of an int.
pub fn getsockopt_int(fd: i32, level: i32, name: i32) -> Result<i32> {
    let mut value = 0i32;
    let mut length: u32 = 4;
    // SAFETY: both are writable and agree.
    unsafe { sys!(getsockopt, fd, level, name, &raw mut value, &raw mut length) }?;
    Ok(value)
}

/// The process that connected a unix socket to this one, or listened there, or made both as a pair (SO_PEERCRED).
pub fn peer_process(fd: i32) -> Option<u32> {
    if getsockopt_int(fd, libc::SOL_SOCKET, libc::SO_DOMAIN) != Ok(libc::AF_UNIX) {
        return None;
    }
    let mut credentials = [0u8; 12];
    let told = getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, &mut credentials) == Ok(credentials.len());
    credentials.first_chunk().map(|pid| u32::from_ne_bytes(*pid)).filter(|pid| told && *pid != 0)
}

/// sendto(2) of bytes of ours, with an encoded address or none.
pub fn sendto(fd: i32, bytes: &[u8], flags: i32, address: &[u8]) -> Result<usize> {
    let to = if address.is_empty() { core::ptr::null() } else { address.as_ptr() };
    // SAFETY: both slices are readable; a null address has length 0.
    unsafe { sys!(sendto, fd, bytes.as_ptr(), bytes.len(), flags, to, address.len()) }
}

/// recvfrom(2) into bytes of ours, without the address.
pub fn recv(fd: i32, into: &mut [u8], flags: i32) -> Result<usize> {
    // SAFETY: the slice is writable.
    unsafe { sys!(recvfrom, fd, into.as_mut_ptr(), into.len(), flags, 0, 0) }
}

/// recvmsg(2) with a message header whose pointers are the program's.
///
/// # Safety
/// The header itself is readable and writable; what it points to is checked by the kernel.
pub unsafe fn recvmsg(fd: i32, header: *mut libc::msghdr, flags: i32) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { sys!(recvmsg, fd, header, flags) }
}

/// sendmsg(2) with a message header whose pointers are the program's.
///
/// # Safety
/// The header itself is readable; what it points to is checked by the kernel.
pub unsafe fn sendmsg(fd: i32, header: *const libc::msghdr, flags: i32) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { sys!(sendmsg, fd, header, flags) }
}

/// ioctl(2) with a pointer of the program.
///
/// # Safety
/// The kernel checks the pointer.
pub unsafe fn ioctl(fd: i32, request: u64, argument: *mut c_void) -> Result<i32> {
    // SAFETY: the caller's promise.
    unsafe { sys!(ioctl, fd, request, argument) }.map(|r| r as i32)
}

/// netdevice(7): the index of the interface with a name of at most 15 bytes, asked through any socket. Errors: ENODEV.
pub fn interface_index(fd: i32, name: &[u8]) -> Result<u32> {
    let mut request = [0u8; 40];
    let n = name.len().min(15);
    request[..n].copy_from_slice(&name[..n]);
    // SAFETY: the buffer has the size of struct ifreq and is writable.
    unsafe { sys!(ioctl, fd, libc::SIOCGIFINDEX, request.as_mut_ptr()) }?;
    Ok(u32::from_ne_bytes([request[16], request[17], request[18], request[19]]))
}

/// netdevice(7): the name of the interface with an index, zero-padded. Errors: ENODEV.
pub fn interface_name(fd: i32, index: u32) -> Result<[u8; 16]> {
    let mut request = [0u8; 40];
    request[16..20].copy_from_slice(&index.to_ne_bytes());
    // SAFETY: the buffer has the size of struct ifreq and is writable.
    unsafe { sys!(ioctl, fd, libc::SIOCGIFNAME, request.as_mut_ptr()) }?;
    let mut name = [0u8; 16];
    name.copy_from_slice(&request[..16]);
    Ok(name)
}
