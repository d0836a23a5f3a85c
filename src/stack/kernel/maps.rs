//! What is mapped where (proc_pid_maps(5)).

use super::{close, open, read};

/// The end of the mapping that an address lies in, if it is one of a TCP socket: of those that sockets have, the kernel lets
/// none of these be written to.
pub fn socket_mapping_end(address: u64) -> Option<u64> {
    let fd = open(c"/proc/self/maps", libc::O_RDONLY | libc::O_CLOEXEC, 0).ok()?;
    let mut text = Vec::new();
    let mut piece = [0u8; 4096];
    while let Ok(n @ 1..) = read(fd, &mut piece) {
        text.extend_from_slice(&piece[..n]);
    }
    let _ = close(fd);
    find(&text, address)
}

fn find(text: &[u8], address: u64) -> Option<u64> {
    text.split(|b| *b == b'\n').find_map(|line| {
        let line = core::str::from_utf8(line).ok()?;
        let mut words = line.split_ascii_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let rights = words.next()?;
        let is_sockets = words.nth(3).is_some_and(|name| name.starts_with("socket:["));
        (is_sockets && rights.as_bytes().get(1) == Some(&b'-') && (from..to).contains(&address)).then_some(to)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_found_by_an_address_in_it() {
        let text =
            b"1000-3000 r--s 00000000 00:09 77    socket:[77]\n3000-4000 rw-s 00000000 00:09 78    socket:[78]\n\
            5000-6000 r--p 00000000 08:01 5 /lib/x.so\n7000-8000 rw-p 00000000 00:00 0\n";
        assert_eq!(
            [0x1000, 0x2fff, 0x3000, 0x5000, 0x7000].map(|a| find(text, a)),
            [Some(0x3000), Some(0x3000), None, None, None]
        );
    }
}
