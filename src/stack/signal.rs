//! stub
use core::marker::PhantomData;
/// Inside: the program's handlers wait.
pub struct Critical(PhantomData<*mut ()>);
/// Enters a critical section.
#[inline]
pub fn critical() -> Critical { Critical(PhantomData) }
/// A handler ran.
pub struct Interrupt { /// SA_RESTART was set.
 pub restart: bool }
/// Takes it.
pub fn take_interrupt() -> Option<Interrupt> { Some(Interrupt{restart:false}) }
/// Clears.
pub fn clear_interrupt() {}
