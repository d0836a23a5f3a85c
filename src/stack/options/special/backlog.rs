//! How full a listener's queue is: the queue is the anchor's, so the kernel knows (sock_diag(7), UNIX_DIAG_RQLEN).

use crate::abi::Result;
use crate::kernel;
use crate::socket::Sock;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const UDIAG_SHOW_RQLEN: u32 = 0x10;
const UNIX_DIAG_RQLEN: u16 = 4;
/// struct nlmsghdr.
const HEADER: usize = 16;
/// struct unix_diag_msg.
const MESSAGE: usize = 16;

/// Connections that wait to be accepted, and how many may; zeroes where the kernel does not tell.
pub fn accept_queue(s: &Sock) -> (u32, u32) {
    let inode = s.slot.inode.load(core::sync::atomic::Ordering::Relaxed) as u32;
    ask(inode).ok().flatten().unwrap_or((0, 0))
}

fn ask(inode: u32) -> Result<Option<(u32, u32)>> {
    let fd = kernel::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG)?;
    let mut answer = [0u8; 512];
    let n = kernel::sendto(fd, &request(inode), 0, &[]).and_then(|_| kernel::recv(fd, &mut answer, libc::MSG_DONTWAIT));
    let _ = kernel::close(fd);
    Ok(parse(&answer[..n?.min(512)]))
}

/// struct nlmsghdr and struct unix_diag_req: the one socket with this inode number.
fn request(inode: u32) -> [u8; 40] {
    let mut out = [0u8; 40];
    out[0..4].copy_from_slice(&40u32.to_ne_bytes());
    out[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    out[16] = libc::AF_UNIX as u8;
    out[20..24].fill(0xff);
    out[24..28].copy_from_slice(&inode.to_ne_bytes());
    out[28..32].copy_from_slice(&UDIAG_SHOW_RQLEN.to_ne_bytes());
    // No cookie.
    out[32..40].fill(0xff);
    out
}

fn parse(answer: &[u8]) -> Option<(u32, u32)> {
    let half = |at: usize| Some(u16::from_ne_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    if half(4)? != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let mut at = HEADER + MESSAGE;
    while let (Some(length), Some(kind)) = (half(at), half(at + 2)) {
        if kind == UNIX_DIAG_RQLEN {
            return Some((word(at + 4)?, word(at + 8)?));
        }
        at += (length.max(4) as usize + 3) & !3;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_searched_for_its_attribute() {
        let mut answer = vec![0u8; 32];
        answer[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        for (length, kind, body) in [(5u16, 1u16, &[9u8, 0, 0, 0][..]), (12, 4, &[3, 0, 0, 0, 7, 0, 0, 0])] {
            answer.extend(length.to_ne_bytes());
            answer.extend(kind.to_ne_bytes());
            answer.extend(body);
        }
        assert_eq!(parse(&answer), Some((3, 7)));
        assert_eq!(parse(&answer[..40]), None);
        assert_eq!(parse(&[0; 20]), None);
    }

    #[test]
    fn the_kernel_knows_a_listener() {
        let fd = kernel::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0).unwrap();
        // An address of two bytes has the kernel choose a name.
        kernel::bind(fd, &(libc::AF_UNIX as u16).to_ne_bytes()).unwrap();
        kernel::listen(fd, 7).unwrap();
        let told = ask(kernel::status(fd).unwrap().inode as u32);
        kernel::close(fd).unwrap();
        // A kernel without CONFIG_UNIX_DIAG tells nothing.
        assert!(matches!(told, Ok(Some((0, 7)) | None) | Err(_)), "{told:?}");
    }
}
