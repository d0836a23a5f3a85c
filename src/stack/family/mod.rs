//! The dispatch: family, then type and protocol, then ops (net_families, inetsw and proto_ops in Linux).

pub mod inet;
pub mod ops;
pub mod switch;

pub use inet::Calm;
pub use ops::SocketOps;
pub use switch::{Families, Row, PERMANENT};
