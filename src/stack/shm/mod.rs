//! Shared memory: the network's arena and what lives in it.
//!
//! Everything in the arena is written by other processes as well, so every field is an atomic, every index is bounded
//! before it is used, and no pointer is ever stored (design, invariant 7). Unsafe code stays inside this folder.

mod ahead;
mod arena;
mod beds;
mod board;
mod chunk;
mod conn;
mod lock;
mod mend;
mod pace;
mod pool;
mod queue;
mod ring;
mod slot;
mod straight;
mod turn;
pub mod usercopy;
pub mod views;

pub use crate::signal::{forget_thread_id as set_forked, thread_id as tid};
pub use arena::{layout_id, Arena, Header, BUCKETS};
pub use beds::Bed;
pub use board::{Board, Stamp, Words, Writing};
pub use chunk::{Chunk, CLASS_SIZES, FILE_LENGTH, NO_CHUNK};
pub use conn::{Conn, Direction, End, EndState, CLOSED, DEAF, PLAIN, SELF};
pub use lock::{Locked, ShmLock};
pub use mend::mend;
pub use queue::{Found, Packed, Payload, Push, Queue, Record, Span, Told};
pub use ring::{Corrupt, Take, MAX_BUFFERED};
pub use slot::{Slot, SlotFlags, OPTION_WORDS};
