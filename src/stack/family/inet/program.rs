//! The classic BPF program that a socket carries (SO_ATTACH_FILTER; socket(7), the kernel's filter.rst): attached, read
//! back, taken off. What it is run on is each protocol's affair.

use super::dgram::{bpf, store};
use crate::abi::{Errno, Result};
use crate::options;
use crate::shm::views::UserPtr;
use crate::shm::Slot;
use crate::socket::Sock;

/// sizeof(struct sock_fprog).
pub const LENGTH: i32 = 16;

/// Reads a struct sock_fprog and the program that it points to.
///
/// Errors: EPERM when the socket's filters are locked, EINVAL for a program that is not sound, EFAULT.
pub fn read(s: &Sock, value: UserPtr) -> Result<Vec<u8>> {
    let count = value.read_u32()? as u16 as usize;
    let from = UserPtr(value.plus(8).read_u64()? as usize);
    if is_locked(s.slot) {
        return Err(Errno::EPERM);
    }
    if from.is_null() || count == 0 || count > bpf::LONGEST {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; count * bpf::SIZE];
    from.read(&mut bytes)?;
    if !bpf::is_sound(&bpf::read(&bytes)) {
        return Err(Errno::EINVAL);
    }
    Ok(bytes)
}

fn is_locked(slot: &Slot) -> bool {
    options::flag(slot, options::LOCK_FILTER)
}

/// What every option of SOL_SOCKET that takes an int looks at first.
fn looked_at(value: UserPtr, length: i32) -> Result<()> {
    if length < 4 {
        return Err(Errno::EINVAL);
    }
    value.read_u32().map(drop)
}

/// SO_ATTACH_FILTER: the program is kept at a place of the slot's. `may` is asked whether this process may have one.
pub fn attach(s: &Sock, value: UserPtr, length: i32, place: usize, may: impl FnOnce() -> Result<()>) -> Result<()> {
    looked_at(value, length)?;
    may()?;
    if length != LENGTH {
        return Err(Errno::EINVAL);
    }
    let bytes = read(s, value)?;
    let _held = s.slot.lock.lock();
    store::replace(s.arena, s.slot, place, &bytes)
}

/// SO_DETACH_FILTER. Errors: ENOENT when there is none.
pub fn detach(s: &Sock, value: UserPtr, length: i32, place: usize) -> Result<()> {
    looked_at(value, length)?;
    if is_locked(s.slot) {
        return Err(Errno::EPERM);
    }
    let _held = s.slot.lock.lock();
    if !store::any(s.slot, place) {
        return Err(Errno::ENOENT);
    }
    store::drop_all(s.arena, s.slot, place);
    Ok(())
}

/// SO_GET_FILTER: the length counts instructions.
pub fn get(s: &Sock, at: UserPtr, length_at: UserPtr, place: usize) -> Result<()> {
    let room = length_at.read_u32()?;
    if (room as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let bytes = store::bytes(s.arena, s.slot, place).unwrap_or_default();
    let count = bytes.len() / bpf::SIZE;
    if room != 0 && count != 0 {
        if (room as usize) < count {
            return Err(Errno::EINVAL);
        }
        at.write(&bytes)?;
    }
    length_at.write_u32(count as u32)
}
