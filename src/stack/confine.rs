//! Filters on system calls that a program puts on itself (seccomp(2)).
//!
//! The kernel's own work for a socket call passes no filter, and so the library's, which stands in its place, must not:
//! sshd's sandbox allows read and write, and kills whoever rings a bell by sendto(2). Each filter is therefore given to
//! the kernel with a few instructions before it that allow what comes from the library's own code. The program's other
//! calls meet its filter as ever.

use core::ffi::{c_int, c_void};
use std::ops::Range;

use crate::shm::views::UserPtr;

/// struct sock_filter.
type Instruction = libc::sock_filter;

/// BPF_MAXINSNS.
const LONGEST: usize = 4096;
/// Where struct seccomp_data has the halves of the instruction pointer.
const LOW: u32 = if cfg!(target_endian = "little") { 8 } else { 12 };
const HIGH: u32 = 20 - LOW;

fn statement(code: u32, k: u32) -> Instruction {
    jump(code, k, 0, 0)
}

fn jump(code: u32, k: u32, yes: u8, no: u8) -> Instruction {
    Instruction { code: code as u16, jt: yes, jf: no, k }
}

/// Allows calls from addresses that have the upper half `high` and a lower half in `low`; goes on behind with others.
fn allow(high: u32, low: Range<u64>) -> [Instruction; 6] {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let compare = |kind| libc::BPF_JMP | kind | libc::BPF_K;
    let last = (low.end - 1) as u32;
    [
        statement(load, HIGH),
        jump(compare(libc::BPF_JEQ), high, 0, 4),
        statement(load, LOW),
        jump(compare(libc::BPF_JGE), low.start as u32, 0, 2),
        jump(compare(libc::BPF_JGT), last, 1, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ]
}

/// The program behind what allows calls from `text`.
fn prefixed(text: Range<usize>, program: &[Instruction]) -> Vec<Instruction> {
    const HALF: u64 = 1 << 32;
    let (mut at, end) = (text.start as u64, text.end as u64);
    let mut whole = Vec::with_capacity(program.len() + 13);
    while at < end {
        let high = at / HALF;
        let until = end.min((high + 1) * HALF);
        whole.extend(allow(high as u32, at % HALF..until - high * HALF));
        at = until;
    }
    // A program starts with an empty accumulator.
    whole.push(statement(libc::BPF_LD | libc::BPF_IMM, 0));
    whole.extend_from_slice(program);
    whole
}

/// The filter at `program` (struct sock_fprog) as it is to be given to the kernel. None: as it is, because it cannot be
/// read or is one that the kernel refuses.
pub fn widened(program: UserPtr) -> Option<Vec<Instruction>> {
    crate::signal::thread_ready();
    if program.is_null() || !crate::signal::arm_faults() {
        return None;
    }
    let length = program.read_u32().ok()? as usize & 0xffff;
    let at = UserPtr(program.plus(8).read_u64().ok()? as usize);
    if length == 0 || length > LONGEST {
        return None;
    }
    let mut bytes = vec![0; length * size_of::<Instruction>()];
    at.read(&mut bytes).ok()?;
    let given: Vec<Instruction> = bytes
        .chunks_exact(size_of::<Instruction>())
        .map(|b| Instruction {
            code: u16::from_ne_bytes([b[0], b[1]]),
            jt: b[2],
            jf: b[3],
            k: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        })
        .collect();
    let whole = prefixed(text(), &given);
    if whole.len() > LONGEST {
        log::warn!(
            "a system call filter of {length} instructions leaves no room to let the library's own calls through"
        );
        return None;
    }
    Some(whole)
}

/// Where the library's code is.
fn text() -> Range<usize> {
    let mut found = Found { inside: text as *const () as usize, range: 0..0 };
    #[allow(unsafe_code)]
    // SAFETY: the function looks at nothing but what it is given, and `found` outlives the call.
    unsafe {
        libc::dl_iterate_phdr(Some(look), (&raw mut found).cast());
    }
    found.range
}

struct Found {
    inside: usize,
    range: Range<usize>,
}

#[allow(unsafe_code)]
unsafe extern "C" fn look(object: *mut libc::dl_phdr_info, _size: usize, found: *mut c_void) -> c_int {
    // SAFETY: the loader's description, with as many headers as it says, and what `text` gave.
    let (object, found) = unsafe { (&*object, &mut *found.cast::<Found>()) };
    // SAFETY: as above.
    let headers = unsafe { core::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
    for header in headers {
        let start = (object.dlpi_addr + header.p_vaddr) as usize;
        let range = start..start + header.p_memsz as usize;
        if header.p_type == libc::PT_LOAD && range.contains(&found.inside) {
            found.range = range;
            return 1;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the instructions say of a call from `ip`: allowed by them, or left to the program.
    fn run(program: &[Instruction], ip: u64) -> bool {
        let (mut at, mut a) = (0, 0u32);
        loop {
            let i = program[at];
            at += 1;
            let k = i.k;
            match u32::from(i.code) {
                0x20 => a = if k == 8 { ip as u32 } else { (ip >> 32) as u32 },
                0x00 => a = k,
                0x06 => return k == libc::SECCOMP_RET_ALLOW,
                0x15 => at += usize::from(if a == k { i.jt } else { i.jf }),
                0x25 => at += usize::from(if a > k { i.jt } else { i.jf }),
                0x35 => at += usize::from(if a >= k { i.jt } else { i.jf }),
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn only_calls_from_the_text_pass() {
        let kill = [statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_THREAD)];
        for text in [0x7f12_3450_1000..0x7f12_3460_2000, 0x7f12_ffff_f000..0x7f13_0000_2000, 0x1000..0x2000usize] {
            let program = prefixed(text.clone(), &kill);
            let (start, end) = (text.start as u64, text.end as u64);
            for (ip, passes) in
                [(start, true), (end - 1, true), (start - 1, false), (end, false), (start + (1 << 40), false)]
            {
                assert_eq!(run(&program, ip), passes, "{ip:#x} of {text:x?}");
            }
        }
    }

    #[test]
    fn the_text_is_where_this_function_is() {
        assert!(text().contains(&(the_text_is_where_this_function_is as *const () as usize)));
    }
}
