//! AF_INET and AF_INET6: one folder, since the two differ in their addresses and hardly anywhere else.

mod address;
pub mod dgram;
mod frame;
pub mod own;
mod program;
pub mod reuseport;
pub mod state;
pub mod stream;
mod zerocopy;

use std::sync::OnceLock;

use super::switch::{Families, Row, PERMANENT};
use super::SocketOps;
use crate::shm::{Arena, Slot};

pub use address::route_source;
pub use stream::Calm;

/// The families of this library with their protocol switches.
pub fn families() -> &'static Families {
    static FAMILIES: OnceLock<Families> = OnceLock::new();
    FAMILIES.get_or_init(|| {
        let mut families = Families::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let registered = families.register_family(family).and_then(|()| {
                let (tcp, udp) = (libc::IPPROTO_TCP, libc::IPPROTO_UDP);
                families.register(
                    family,
                    Row { kind: libc::SOCK_STREAM, protocol: tcp, ops: &stream::OPS, flags: PERMANENT },
                )?;
                families
                    .register(family, Row { kind: libc::SOCK_DGRAM, protocol: udp, ops: &dgram::OPS, flags: PERMANENT })
            });
            debug_assert_eq!(registered, Ok(()));
        }
        families
    })
}

/// The ops of a protocol number, as every process resolves them for itself.
#[inline]
pub fn ops_of(protocol: u32) -> &'static dyn SocketOps {
    if protocol == libc::IPPROTO_UDP as u32 {
        &dgram::OPS
    } else {
        &stream::OPS
    }
}

/// Lets go of what a slot refers to, after its anchor is gone.
pub fn bury(arena: &'static Arena, slot: &'static Slot) {
    reuseport::let_go(arena, slot);
    stream::bury(arena, slot);
    dgram::bury(arena, slot);
}
