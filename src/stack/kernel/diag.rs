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

fn ask(fd: i32, inode: u64) -> Result<bool> {
    // struct nlmsghdr, then struct unix_diag_req: family, protocol, pad, states, inode, show, cookie.
    let mut request = [0u8; 16 + 24];
    request[..4].copy_from_slice(&40u32.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    request[16] = libc::AF_UNIX as u8;
    request[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    request[24..28].copy_from_slice(&(inode as u32).to_ne_bytes());
    request[32..40].copy_from_slice(&u64::MAX.to_ne_bytes());
    sendto(fd, &request, 0, &[])?;
    let mut answer = [0u8; 512];
    let n = recv(fd, &mut answer, libc::MSG_DONTWAIT)?;
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    if n >= 20 && kind == NLMSG_ERROR {
        let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
        return if error == -libc::ENOENT { Ok(false) } else { Err(crate::abi::Errno::from_raw(-error)) };
    }
    Ok(kind == SOCK_DIAG_BY_FAMILY)
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
