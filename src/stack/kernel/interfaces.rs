//! Which network interface has an address.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{close, interface_index, open, read, sys};

/// The loopback interface's index, in every network namespace.
pub const LOOPBACK: u32 = 1;

/// The index of the interface that has the address; `fd` is any socket. None: none of the first hundred or so that an
/// address is asked for has it.
pub fn interface_of(fd: i32, ip: IpAddr) -> Option<u32> {
    match ip {
        IpAddr::V4(v4) => interface_of_v4(fd, v4),
        IpAddr::V6(v6) => interface_of_v6(v6),
    }
}

/// netdevice(7): SIOCGIFCONF.
fn interface_of_v4(fd: i32, ip: Ipv4Addr) -> Option<u32> {
    #[repr(C)]
    struct Request {
        length: i32,
        entries: *mut [u8; ENTRY],
    }
    // struct ifreq: 16 bytes of name, a struct sockaddr_in and padding.
    const ENTRY: usize = 40;
    const SIOCGIFCONF: u64 = 0x8912;
    let mut entries = [[0u8; ENTRY]; 128];
    let mut request = Request { length: size_of_val(&entries) as i32, entries: entries.as_mut_ptr() };
    // SAFETY: the request names the entries and their size, and both are writable.
    unsafe { sys!(ioctl, fd, SIOCGIFCONF, &raw mut request) }.ok()?;
    let filled = request.length.max(0) as usize / ENTRY;
    let found = entries.iter().take(filled).find(|entry| entry[20..24] == ip.octets())?;
    let length = found[..16].iter().position(|byte| *byte == 0).unwrap_or(16);
    interface_index(fd, &found[..length]).ok()
}

/// proc_net(5): if_inet6 has a line for each address, which begins with its 32 digits and the interface's index.
fn interface_of_v6(ip: Ipv6Addr) -> Option<u32> {
    let fd = open(c"/proc/net/if_inet6", libc::O_RDONLY, 0).ok()?;
    let mut text = [0u8; 8192];
    let n = read(fd, &mut text).unwrap_or(0);
    let _ = close(fd);
    let digits = format!("{:032x}", ip.to_bits());
    String::from_utf8_lossy(&text[..n]).lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == digits).then_some(())?;
        u32::from_str_radix(words.next()?, 16).ok()
    })
}
