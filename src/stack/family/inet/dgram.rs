//! stub
use crate::family::ops::SocketOps;
use crate::shm::{Arena, Slot};
/// The ops of SOCK_DGRAM / IPPROTO_UDP.
pub static OPS: Dgram = Dgram;
/// See OPS.
pub struct Dgram;
impl SocketOps for Dgram { fn name(&self) -> &'static str { "udp" } }
/// bury
pub fn bury(_arena: &'static Arena, _slot: &'static Slot) {}
