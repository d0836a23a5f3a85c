//! Options that are about the machine rather than the socket: netfilter's (iptables' tables, SO_ORIGINAL_DST) and IPsec's
//! policies. A kernel socket of the same kind is asked in the place of ours: what the kernel refuses, or what it knows of
//! its tables, is its own answer.
#![allow(unsafe_code)]

use crate::abi::{Errno, Result};
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::socket::Sock;

/// sizeof (struct xfrm_userpolicy_info) and where it says what becomes of packets; 0 lets them pass.
const POLICY: usize = 168;
const POLICY_ACTION_AT: usize = 161;

/// The options that the kernel looks for among netfilter's when a level does not have them (nf_setsockopt; struct
/// nf_sockopt_ops: each table has 64 numbers of its own from here on).
pub fn is_netfilter(name: i32) -> bool {
    (64..192).contains(&name)
}

/// Makes a kernel socket, asks it, and closes it.
fn ask<R>(s: &Sock, act: impl FnOnce(i32) -> Result<R>) -> Result<R> {
    let protocol = s.slot.protocol.load(core::sync::atomic::Ordering::Relaxed) as i32;
    let fd = kernel::socket(s.family(), s.kind() | libc::SOCK_CLOEXEC, protocol)?;
    let answer = act(fd);
    let _ = kernel::close(fd);
    answer
}

/// getsockopt(2) of the kernel's socket.
pub fn get(s: &Sock, level: i32, name: i32, at: UserPtr, length_at: UserPtr) -> Result<()> {
    // SAFETY: the kernel checks the program's pointers.
    ask(s, |fd| unsafe { kernel::getsockopt_to(fd, level, name, at.0, length_at.0) })
}

/// setsockopt(2) of the kernel's socket.
pub fn set(s: &Sock, level: i32, name: i32, at: UserPtr, length: usize) -> Result<()> {
    // SAFETY: the kernel checks the program's pointer.
    ask(s, |fd| unsafe { kernel::setsockopt_from(fd, level, name, at.0, length as i32) })
}

/// IP_IPSEC_POLICY, IP_XFRM_POLICY. There are no packets here that could be ciphered: of the policies that the kernel would
/// take, the one that lets all pass in the clear holds by itself.
fn policy(s: &Sock, level: i32, name: i32, at: UserPtr, length: usize) -> Result<()> {
    set(s, level, name, at, length)?;
    let mut action = [0u8];
    if length == POLICY {
        at.plus(POLICY_ACTION_AT).read(&mut action)?;
    }
    if length == 0 || length == POLICY && action[0] == 0 {
        Ok(())
    } else {
        Err(Errno::EOPNOTSUPP)
    }
}

/// IP_IPSEC_POLICY.
pub fn ipsec(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    policy(s, libc::IPPROTO_IP, libc::IP_IPSEC_POLICY, at, length)
}

/// IP_XFRM_POLICY.
pub fn xfrm(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    policy(s, libc::IPPROTO_IP, libc::IP_XFRM_POLICY, at, length)
}

/// IPV6_IPSEC_POLICY.
pub fn ipsec6(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    policy(s, libc::IPPROTO_IPV6, libc::IPV6_IPSEC_POLICY, at, length)
}

/// IPV6_XFRM_POLICY.
pub fn xfrm6(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    policy(s, libc::IPPROTO_IPV6, libc::IPV6_XFRM_POLICY, at, length)
}
