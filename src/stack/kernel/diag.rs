//! Asking the kernel about sockets of other processes (sock_diag(7)).

use super::{close, recv, sendto, socket};
use crate::abi::Result;

const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;

/// Is there a unix socket of this inode number in the network namespace? Errors: where the kernel does not tell.
pub fn unix_socket_exists(inode: u64) -> Result<bool> {
    let fd = socket(libc::AF_NETLINK, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, NETLINK_SOCK_DIAG)?;
    let answer = ask(fd, inode);
    let _ = close(fd);
    answer
}

/// The inode number of the unix socket that the one of this inode number is connected to, if it is to one. Errors: where the
/// kernel does not tell.
pub fn unix_peer(inode: u64) -> Result<Option<u64>> {
    const PEER: u16 = 2;
    // After struct nlmsghdr and struct unix_diag_msg: struct nlattr (length, kind), then its value, in steps of 4.
    const ATTRIBUTES_AT: usize = 32;
    let fd = socket(libc::AF_NETLINK, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, NETLINK_SOCK_DIAG)?;
    let mut answer = [0u8; 512];
    let got = request(fd, inode, UDIAG_SHOW_PEER, &mut answer);
    let _ = close(fd);
    let mut rest = answer.get(ATTRIBUTES_AT..got?).unwrap_or_default();
    while let Some(&[a, b, c, d]) = rest.first_chunk() {
        let length = u16::from_ne_bytes([a, b]) as usize;
        if u16::from_ne_bytes([c, d]) == PEER {
            return Ok(rest.get(4..8).and_then(|v| v.try_into().ok()).map(|v| u32::from_ne_bytes(v) as u64));
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(None)
}

const UDIAG_SHOW_PEER: u32 = 4;

fn ask(fd: i32, inode: u64) -> Result<bool> {
    let mut answer = [0u8; 512];
    let n = request(fd, inode, 0, &mut answer)?;
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    if n >= 20 && kind == NLMSG_ERROR {
        let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
        return if error == -libc::ENOENT { Ok(false) } else { Err(crate::abi::Errno::from_raw(-error)) };
    }
    Ok(kind == SOCK_DIAG_BY_FAMILY)
}

/// Asks about one socket; `show` is what to tell of it. Gives the answer's length.
fn request(fd: i32, inode: u64, show: u32, answer: &mut [u8; 512]) -> Result<usize> {
    // struct nlmsghdr, then struct unix_diag_req: family, protocol, pad, states, inode, show, cookie.
    let mut request = [0u8; 16 + 24];
    request[..4].copy_from_slice(&40u32.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    request[16] = libc::AF_UNIX as u8;
    request[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    request[24..28].copy_from_slice(&(inode as u32).to_ne_bytes());
    request[28..32].copy_from_slice(&show.to_ne_bytes());
    request[32..40].copy_from_slice(&u64::MAX.to_ne_bytes());
    sendto(fd, &request, 0, &[])?;
    recv(fd, answer, libc::MSG_DONTWAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_there_until_it_is_closed() {
        let fd = socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0).unwrap();
        let inode = crate::kernel::status(fd).unwrap().inode;
        let Ok(there) = unix_socket_exists(inode) else { return };
        assert!(there);
        close(fd).unwrap();
        assert_eq!(unix_socket_exists(inode), Ok(false));
    }
}
