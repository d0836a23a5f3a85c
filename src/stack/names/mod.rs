//! Who is called what: the tables of bound names, their conflicts, and automatic ports.

pub mod conflict;
mod memory;
pub mod ports;
pub mod table;
pub mod timewait;

pub use table::{Kind, Names};
