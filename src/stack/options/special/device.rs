//! SO_BINDTODEVICE and the options that name an interface (socket(7), ip(7), netdevice(7)).

use super::super::places::*;
use super::super::row::{load, store, Room};
use super::may_mark;
use crate::abi::{Errno, Result};
use crate::kernel;
use crate::shm::views::UserPtr;
use crate::socket::Sock;

/// IFNAMSIZ.
const NAME: usize = 16;

/// SO_BINDTODEVICE: nothing for a socket that is bound to none, else room for any name is asked for.
pub fn device(s: &Sock, room: &Room) -> Result<()> {
    let index = load(s.slot, DEVICE);
    if index == 0 {
        return room.length_at.write_u32(0);
    }
    if room.given < NAME {
        return Err(Errno::EINVAL);
    }
    let name = kernel::interface_name(s.fd, index)?;
    let length = name.iter().position(|&b| b == 0).unwrap_or(NAME - 1) + 1;
    room.put(&name[..length])
}

/// SO_BINDTODEVICE.
pub fn set_device(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    let mut space = [0u8; NAME];
    let given = &mut space[..length.min(NAME - 1)];
    if !given.is_empty() {
        at.read(given)?;
    }
    let name = space.split(|&b| b == 0).next().unwrap_or(&[]);
    let index = if name.is_empty() { 0 } else { kernel::interface_index(s.fd, name)? };
    store(s.slot, DEVICE, device_index(s, index as i32)? as u32);
    Ok(())
}

/// SO_BINDTOIFINDEX. Who is bound already needs a capability to change it.
pub fn device_index(s: &Sock, index: i32) -> Result<i32> {
    if load(s.slot, DEVICE) != 0 && !may_mark(s) {
        return Err(Errno::EPERM);
    }
    if index < 0 {
        return Err(Errno::EINVAL);
    }
    Ok(index)
}

fn exists(s: &Sock, index: u32) -> bool {
    kernel::interface_name(s.fd, index).is_ok()
}

/// IPV6_MULTICAST_IF.
pub fn multicast_interface(s: &Sock, index: i32) -> Result<i32> {
    if index != 0 && !exists(s, index as u32) {
        return Err(Errno::ENODEV);
    }
    Ok(index)
}

fn set_unicast(s: &Sock, at: UserPtr, length: usize, place: usize) -> Result<()> {
    if length != 4 {
        return Err(Errno::EINVAL);
    }
    // In network order, and kept so.
    let given = at.read_u32()?;
    let (index, device) = (u32::from_be(given), load(s.slot, DEVICE));
    if index != 0 && !exists(s, index) {
        return Err(Errno::EADDRNOTAVAIL);
    }
    if index != 0 && device != 0 && index != device {
        return Err(Errno::EINVAL);
    }
    store(s.slot, place, given);
    Ok(())
}

/// IP_UNICAST_IF.
pub fn set_unicast_interface(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    set_unicast(s, at, length, IP_UNICAST_IF)
}

/// IPV6_UNICAST_IF.
pub fn set_unicast_interface6(s: &Sock, at: UserPtr, length: usize) -> Result<()> {
    set_unicast(s, at, length, IPV6_UNICAST_IF)
}
