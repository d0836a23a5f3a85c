//! Sockhop's socket layer: the inet sockets of a private network, in user space.
//!
//! The floors, from the ground up (imports go down only): [`abi`], then [`kernel`] and [`shm`], then [`options`],
//! [`names`] and [`wait`], then [`family`], then the facade: [`calls`], [`fdtable`], [`readiness`].

pub mod abi;
pub mod anchor;
pub mod bell;
pub mod calls;
pub mod config;
pub mod confine;
pub mod descriptors;
pub mod ears;
pub mod family;
pub mod fdtable;
pub mod kernel;
pub mod mapping;
pub mod messages;
pub mod names;
pub mod network;
pub mod offspring;
pub mod options;
pub mod owner;
pub mod process;
pub mod ranges;
pub mod readiness;
pub mod shm;
pub mod short;
pub mod signal;
pub mod sleepers;
pub mod socket;
pub mod space;
pub mod stop;
pub mod transfer;
pub mod vectors;
pub mod wait;
