//! When two sockets may carry one port: the rules of inet_csk_get_port and udp_lib_get_port (socket(7), ip(7), ipv6(7)).

use core::net::IpAddr;

use crate::abi::Name;

/// What the rules look at in a socket.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The local name.
    pub name: Name,
    /// IPV6_V6ONLY.
    pub v6_only: bool,
    /// SO_REUSEADDR.
    pub reuse_address: bool,
    /// SO_REUSEPORT.
    pub reuse_port: bool,
    /// The socket listens.
    pub listening: bool,
    /// In TIME_WAIT: nobody's any more.
    pub time_wait: bool,
    /// The uid that bound it.
    pub uid: u32,
    /// The interface that it is bound to (SO_BINDTODEVICE); 0 for none.
    pub device: u32,
}

/// Do the local addresses of two sockets with one port overlap (inet_rcv_saddr_equal with wildcards)? `a` is who asks: the
/// wildcard of an IPv4 socket meets each address of an IPv6 socket that is not IPV6_V6ONLY. One that was bound to an IPv6
/// address is, one that connect(2) gave its address is not. Sockets of two interfaces never meet.
pub fn overlap(a: &Claim, b: &Claim) -> bool {
    if a.device != 0 && b.device != 0 && a.device != b.device {
        return false;
    }
    if matches!(a.name.ip, IpAddr::V4(v4) if v4.is_unspecified()) && !b.v6_only {
        return true;
    }
    let v4 = |c: &Claim| matches!(c.name.canonical(), IpAddr::V4(_));
    // A v6 wildcard without V6ONLY is v4's wildcard as well.
    let takes_v4 = |c: &Claim| v4(c) || (c.name.canonical().is_unspecified() && !c.v6_only);
    match (v4(a), v4(b)) {
        (true, true) | (false, false) => a.name.is_any() || b.name.is_any() || a.name.canonical() == b.name.canonical(),
        _ => {
            let (four, six) = if v4(a) { (a, b) } else { (b, a) };
            takes_v4(four) && takes_v4(six)
        }
    }
}

/// Does `new` have to give way to `old`, for TCP?
pub fn tcp(new: &Claim, old: &Claim) -> bool {
    if !overlap(new, old) {
        return false;
    }
    let address = new.reuse_address && old.reuse_address && !old.listening;
    let port = new.reuse_port && old.reuse_port && (old.time_wait || new.uid == old.uid);
    !(address || port)
}

/// Does `new` have to give way to `old`, for UDP?
pub fn udp(new: &Claim, old: &Claim) -> bool {
    if !overlap(new, old) {
        return false;
    }
    let address = new.reuse_address && old.reuse_address;
    let port = new.reuse_port && old.reuse_port && new.uid == old.uid;
    !(address || port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(ip: &str) -> Claim {
        Claim {
            name: Name::new(ip.parse().unwrap(), 80),
            v6_only: false,
            reuse_address: false,
            reuse_port: false,
            listening: false,
            time_wait: false,
            uid: 1,
            device: 0,
        }
    }

    #[test]
    fn two_interfaces_do_not_quarrel_but_each_does_with_none() {
        let (mut new, mut old) = (claim("127.0.0.1"), claim("127.0.0.1"));
        (new.device, old.device) = (1, 2);
        assert!(!udp(&new, &old) && !tcp(&new, &old));
        old.device = 0;
        assert!(udp(&new, &old) && tcp(&old, &new));
    }

    #[test]
    fn wildcards_overlap_everything_of_their_family() {
        assert!(overlap(&claim("0.0.0.0"), &claim("127.0.0.1")));
        assert!(!overlap(&claim("127.0.0.2"), &claim("127.0.0.1")));
        assert!(overlap(&claim("::"), &claim("::1")));
        assert!(!overlap(&claim("::1"), &claim("127.0.0.1")));
    }

    #[test]
    fn a_dual_stack_wildcard_takes_v4_unless_v6_only() {
        let mut six = claim("::");
        assert!(overlap(&six, &claim("127.0.0.1")));
        assert!(overlap(&claim("0.0.0.0"), &six));
        six.v6_only = true;
        assert!(!overlap(&six, &claim("0.0.0.0")));
        assert!(overlap(&claim("::ffff:127.0.0.1"), &claim("127.0.0.1")));
    }

    #[test]
    fn the_wildcard_of_ipv4_asks_whether_the_other_is_v6_only() {
        let mut six = claim("::1");
        assert!(overlap(&claim("0.0.0.0"), &six));
        assert!(!overlap(&six, &claim("0.0.0.0")));
        assert!(!overlap(&claim("::ffff:0.0.0.0"), &six));
        six.v6_only = true;
        assert!(!overlap(&claim("0.0.0.0"), &six));
    }

    #[test]
    fn reuse_address_holds_against_all_but_listeners() {
        let (mut new, mut old) = (claim("0.0.0.0"), claim("0.0.0.0"));
        assert!(tcp(&new, &old));
        new.reuse_address = true;
        assert!(tcp(&new, &old));
        old.reuse_address = true;
        assert!(!tcp(&new, &old));
        old.listening = true;
        assert!(tcp(&new, &old));
        assert!(!udp(&new, &old));
    }

    #[test]
    fn reuse_port_asks_for_one_owner() {
        let (mut new, mut old) = (claim("0.0.0.0"), claim("0.0.0.0"));
        (new.reuse_port, old.reuse_port, old.listening) = (true, true, true);
        assert!(!tcp(&new, &old));
        old.uid = 2;
        assert!(tcp(&new, &old));
        assert!(udp(&new, &old));
    }
}
