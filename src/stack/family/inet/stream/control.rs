//! Ancillary data that comes with bytes to send: a stream looks at the socket level's alone, to refuse what is malformed
//! (sock_cmsg_send; cmsg(3)).

use crate::abi::{Errno, Result};

/// sizeof(struct cmsghdr): a length of 8 bytes, a level and a type.
const HEADER: usize = 16;
const SO_TIMESTAMPING_NEW: i32 = 65;
/// SOF_TIMESTAMPING_TX_RECORD_MASK.
const STAMP_ON_THE_WAY_OUT: u32 = 0x103 | 1 << 9 | 1 << 18;

const SCM_TXTIME: i32 = 61;

/// Checks the messages one after the other (CMSG_OK). `timed`: the socket has SO_TXTIME; `may_mark`: has the process
/// CAP_NET_RAW or CAP_NET_ADMIN? Gives the time stamps that one of them asks for. Errors: EINVAL, EPERM.
pub fn check(mut rest: &[u8], timed: bool, may_mark: impl Fn() -> bool) -> Result<Option<u32>> {
    let mut stamps = None;
    let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |b| i32::from_ne_bytes(*b));
    while rest.len() >= HEADER {
        let length = rest.first_chunk().map_or(0, |b| usize::from_ne_bytes(*b));
        if !(HEADER..=rest.len()).contains(&length) {
            return Err(Errno::EINVAL);
        }
        let (level, kind, data) = (word(&rest[8..]), word(&rest[12..]), &rest[HEADER..length]);
        if level == libc::SOL_SOCKET {
            match kind {
                libc::SCM_RIGHTS | libc::SCM_CREDENTIALS => {}
                libc::SO_MARK if !may_mark() => return Err(Errno::EPERM),
                libc::SO_MARK if data.len() == 4 => {}
                SCM_TXTIME if timed && data.len() == 8 => {}
                libc::SO_PRIORITY if data.len() == 4 => {
                    if !(0..=6).contains(&word(data)) && !may_mark() {
                        return Err(Errno::EPERM);
                    }
                }
                libc::SO_TIMESTAMPING | SO_TIMESTAMPING_NEW
                    if data.len() == 4 && word(data) as u32 & !STAMP_ON_THE_WAY_OUT == 0 =>
                {
                    stamps = Some(word(data) as u32);
                }
                // The bytes of a stream have numbers already.
                _ => return Err(Errno::EINVAL),
            }
        }
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or(&[]);
    }
    Ok(stamps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u64, level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&level.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    #[test]
    fn other_levels_are_passed_over() {
        assert_eq!(check(&message(20, libc::IPPROTO_TCP, 1, &[0; 4]), false, || false), Ok(None));
        assert_eq!(check(&message(20, libc::SOL_SOCKET, libc::SCM_RIGHTS, &[0; 4]), false, || false), Ok(None));
        assert_eq!(check(&[0; 15], false, || false), Ok(None));
    }

    #[test]
    fn what_is_malformed_or_unknown_is_refused() {
        for length in [0, 15, 4000, u64::MAX] {
            assert_eq!(
                check(&message(length, libc::IPPROTO_TCP, 1, &[0; 4]), false, || false),
                Err(Errno::EINVAL),
                "{length}"
            );
        }
        assert_eq!(check(&message(20, libc::SOL_SOCKET, 999, &[0; 4]), false, || false), Err(Errno::EINVAL));
        assert_eq!(
            check(&message(18, libc::SOL_SOCKET, libc::SO_PRIORITY, &[0; 2]), false, || false),
            Err(Errno::EINVAL)
        );
        let mut two = message(20, libc::SOL_SOCKET, libc::SCM_RIGHTS, &[0; 4]);
        two.extend(message(20, libc::SOL_SOCKET, libc::SO_MARK, &[0; 4]));
        assert_eq!(check(&two, false, || false), Err(Errno::EPERM));
        assert_eq!(check(&two, false, || true), Ok(None));
    }
}
