//! Names and keys of a TCP socket (tcp(7)).

use std::sync::OnceLock;

use super::super::places::*;
use super::super::row::{load, store, was_set, Room};
use super::super::system;
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::shm::Slot;
use crate::socket::Sock;

/// TCP_CA_NAME_MAX.
const NAME: usize = 16;
/// TCP_FASTOPEN_KEY_LENGTH; there may be two.
const KEY: usize = 16;

fn words<const N: usize>(slot: &Slot, place: usize) -> [u8; N] {
    let mut bytes = [0u8; N];
    for (i, to) in bytes.chunks_exact_mut(4).enumerate() {
        to.copy_from_slice(&load(slot, place + i).to_ne_bytes());
    }
    bytes
}

fn store_words(slot: &Slot, place: usize, bytes: &[u8]) {
    for (i, from) in bytes.chunks_exact(4).enumerate() {
        store(slot, place + i, u32::from_ne_bytes([from[0], from[1], from[2], from[3]]));
    }
}

/// The name of the congestion control that a kernel socket would use, zero-padded.
pub fn congestion_name(slot: &Slot) -> [u8; NAME] {
    static DEFAULT: OnceLock<[u8; NAME]> = OnceLock::new();
    if was_set(slot, CONGESTION) {
        return words(slot, CONGESTION);
    }
    *DEFAULT.get_or_init(|| {
        let mut name = [0u8; NAME];
        let mut text = [0u8; 64];
        let told = system::read_text(c"/proc/sys/net/ipv4/tcp_congestion_control", &mut text).unwrap_or("reno");
        let n = told.len().min(NAME - 1);
        name[..n].copy_from_slice(&told.as_bytes()[..n]);
        name
    })
}

/// TCP_CONGESTION: the whole name field, cut to the room there is.
pub fn congestion(s: &Sock, room: &Room) -> Result<()> {
    room.put(&congestion_name(s.slot))
}

/// A name of at most 15 bytes, up to its zero or the length given (strncpy_from_user).
fn read_name(at: UserPtr, length: usize) -> Result<([u8; NAME], usize)> {
    let mut name = [0u8; NAME];
    if length < 1 {
        return Err(Errno::EINVAL);
    }
    for i in 0..length.min(NAME - 1) {
        at.plus(i).read(&mut name[i..=i])?;
        if name[i] == 0 {
            return Ok((name, i));
        }
    }
    Ok((name, length.min(NAME - 1)))
}

/// TCP_CONGESTION. Which names there are, and for whom, the kernel decides for a socket of its own.
pub fn set_congestion(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    let (name, n) = read_name(at, length)?;
    let fd = kernel::socket(s.family(), libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)?;
    // A name without a letter still needs a length of its own.
    let answer = kernel::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_CONGESTION, &name[..n.max(1)]);
    let _ = kernel::close(fd);
    answer?;
    store_words(s.slot, CONGESTION, &name);
    Ok(())
}

/// TCP_ULP: none of them can sit on a stream that the kernel does not carry, so that TLS is answered as by a kernel
/// without it. What the kernel refuses by itself, it says.
pub fn no_upper_layer(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    let (name, n) = read_name(at, length)?;
    if &name[..n] != b"tls" {
        let fd = kernel::socket(s.family(), libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)?;
        let answer = kernel::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_ULP, &name[..n.max(1)]);
        let _ = kernel::close(fd);
        answer?;
    }
    Err(Errno::ENOENT)
}

/// TCP_FASTOPEN_KEY's value and how long it is.
pub fn fastopen_key_bytes(slot: &Slot) -> ([u8; 2 * KEY], usize) {
    (words(slot, FASTOPEN_KEY), (load(slot, FASTOPEN_KEY_LENGTH) as usize).min(2 * KEY))
}

/// TCP_FASTOPEN_KEY.
pub fn fastopen_key(s: &Sock, room: &Room) -> Result<()> {
    let (key, length) = fastopen_key_bytes(s.slot);
    room.put(&key[..length])
}

/// TCP_FASTOPEN_KEY: one key or two.
pub fn set_fastopen_key(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    if length != KEY && length != 2 * KEY {
        return Err(Errno::EINVAL);
    }
    let mut key = [0u8; 2 * KEY];
    at.read(&mut key[..length])?;
    store_words(s.slot, FASTOPEN_KEY, &key);
    store(s.slot, FASTOPEN_KEY_LENGTH, length as u32);
    Ok(())
}

/// TCP_REPAIR_WINDOW of a socket that is not under repair.
pub fn repair_window(_s: &Sock, room: &Room) -> Result<()> {
    // sizeof (struct tcp_repair_window)
    Err(if room.given == 20 { Errno::EPERM } else { Errno::EINVAL })
}

/// SO_TXREHASH.
pub fn rehash(_s: &Sock, v: i32) -> Result<i32> {
    match v {
        -1 => Ok(system::get(system::System::TxRehash)),
        0 | 1 => Ok(v),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8], length: usize) -> Result<String> {
        let (name, n) = read_name(UserPtr(bytes.as_ptr() as usize), length)?;
        Ok(String::from_utf8_lossy(&name[..n]).into_owned())
    }

    #[test]
    fn a_name_ends_at_its_zero_or_its_length() {
        assert_eq!(name(b"reno\0junk", 9).unwrap(), "reno");
        assert_eq!(name(b"reno", 3).unwrap(), "ren");
        assert_eq!(name(b"abcdefghijklmnopqrst", 20).unwrap(), "abcdefghijklmno");
        assert_eq!(name(b"\0", 1).unwrap(), "");
        assert_eq!(name(b"x", 0), Err(Errno::EINVAL));
    }
}
