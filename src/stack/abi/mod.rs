//! Plain types of the Linux ABI: error numbers, socket addresses, the words that cross the boundary.
//!
//! Nothing here knows a socket; nothing here is unsafe.

mod errno;
mod name;

pub use errno::{Errno, Result};
pub use name::{family_of, Name, NAME_WORDS};
