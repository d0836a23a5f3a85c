//! Reading and writing by a list of buffers: readv(2), writev(2), preadv2(2), pwritev2(2).

use crate::abi::{Errno, Result};
use crate::calls;
use crate::family::ops::Incoming;
use crate::shm::views::{read_list, Buffers, List, UserPtr};
use crate::socket::Sock;

/// readv(2) and writev(2).
pub fn vector(s: &Sock, at: UserPtr, count: i32, out: bool, flags: i32) -> Result<usize> {
    if count < 0 {
        return Err(Errno::EINVAL);
    }
    let mut list = List::new();
    read_list(at, count as usize, Errno::EINVAL, &mut list)?;
    let data = Buffers::new(list.as_slice());
    // The file layer answers an empty list by itself; a socket never hears of it.
    if data.left() == 0 {
        return Ok(0);
    }
    if out {
        return calls::send_list(s, data, flags);
    }
    let mut m = Incoming { data, flags, from: None, out_flags: 0, control: Vec::new(), control_room: 0 };
    calls::receive_list(s, &mut m)
}

/// preadv2(2)'s and pwritev2(2)'s flags, Linux 6.9: HIPRI, DSYNC, SYNC, NOWAIT, APPEND, NOAPPEND.
const RWF_KNOWN: i32 = 0x3f;

/// preadv2(2) and pwritev2(2). Only position -1, the file's own, means anything for a socket.
pub fn vector_at(s: &Sock, at: UserPtr, count: i32, position: i64, out: bool, flags: i32) -> Result<usize> {
    if position != -1 {
        return Err(if position < 0 { Errno::EINVAL } else { Errno::ESPIPE });
    }
    if flags & !RWF_KNOWN != 0 {
        // The list comes first, and one without a byte asks for nothing.
        let mut list = List::new();
        read_list(at, count.max(0) as usize, Errno::EINVAL, &mut list)?;
        let empty = Buffers::new(list.as_slice()).left() == 0;
        return if empty && count >= 0 { Ok(0) } else { Err(Errno::EOPNOTSUPP) };
    }
    vector(s, at, count, out, if flags & libc::RWF_NOWAIT != 0 { libc::MSG_DONTWAIT } else { 0 })
}
