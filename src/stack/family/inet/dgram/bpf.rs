//! Classic BPF: the check that a program is sound, and the machine that runs it (the kernel's filter.rst; McCanne and
//! Jacobson, "The BSD Packet Filter").
//!
//! A program may come from the memory that other processes write, so running one trusts nothing that the check found.

use crate::kernel;

/// BPF_MAXINSNS.
pub const LONGEST: usize = 4096;
/// sizeof(struct sock_filter).
pub const SIZE: usize = 8;
const SCRATCH: usize = 16;
/// Loads from here on reach what is known of the packet besides its bytes (SKF_AD_OFF), or its network header.
const ANCILLARY: u32 = 0xffff_f000;

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    code: u16,
    yes: u8,
    no: u8,
    k: u32,
}

// Classes and modes (linux/bpf_common.h).
const LD: u16 = 0;
const LDX: u16 = 1;
const ST: u16 = 2;
const STX: u16 = 3;
const ALU: u16 = 4;
const JMP: u16 = 5;
const RET: u16 = 6;
const MISC: u16 = 7;
const X: u16 = 8;

/// Reads a program as struct sock_filter lays it out.
pub fn read(bytes: &[u8]) -> Vec<Instruction> {
    bytes
        .chunks_exact(SIZE)
        .map(|b| Instruction {
            code: u16::from_ne_bytes([b[0], b[1]]),
            yes: b[2],
            no: b[3],
            k: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        })
        .collect()
}

/// Is the program sound: known instructions, jumps that stay inside and go forward, no division by 0, a return at the
/// end (bpf_check_classic)?
pub fn is_sound(program: &[Instruction]) -> bool {
    if program.is_empty() || program.len() > LONGEST {
        return false;
    }
    let known = |(at, i): (usize, &Instruction)| {
        let inside = |n: u32| (n as usize) < program.len() - at - 1;
        match i.code & 7 {
            LD => match i.code >> 3 {
                // W, H, B with ABS, IND; IMM, LEN, MEM with W.
                0b00100 | 0b00101 | 0b00110 | 0b01000 | 0b01001 | 0b01010 | 0 | 0b10000 => true,
                0b01100 => (i.k as usize) < SCRATCH,
                _ => false,
            },
            LDX => match i.code >> 3 {
                0 | 0b10000 | 0b10110 => true,
                0b01100 => (i.k as usize) < SCRATCH,
                _ => false,
            },
            ST | STX => i.code >> 3 == 0 && (i.k as usize) < SCRATCH,
            ALU => {
                let by_constant = i.code & X == 0;
                match i.code >> 4 {
                    0..=2 | 4 | 5 | 0xa => true,
                    3 | 9 => !by_constant || i.k != 0,
                    6 | 7 => !by_constant || i.k < 32,
                    8 => by_constant,
                    _ => false,
                }
            }
            JMP => match i.code >> 4 {
                0 => i.code & X == 0 && inside(i.k),
                1..=4 => inside(i.yes as u32) && inside(i.no as u32),
                _ => false,
            },
            RET => matches!(i.code >> 3, 0 | 2),
            _ => matches!(i.code >> 3, 0 | 0b10000),
        }
    };
    program.iter().enumerate().all(known) && program.last().is_some_and(|i| i.code & 7 == RET)
}

/// Runs the program on a packet: how many of its bytes are kept.
pub fn run(program: &[Instruction], packet: &[u8]) -> u32 {
    let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; SCRATCH]);
    let mut at = 0;
    while let Some(i) = program.get(at) {
        at += 1;
        let operand = if i.code & X != 0 { x } else { i.k };
        match i.code & 7 {
            LD => {
                let loaded = match i.code >> 5 {
                    0 => Some(i.k),
                    1 => load(packet, i.k, i.code),
                    2 => x.checked_add(i.k).and_then(|k| load(packet, k, i.code)),
                    3 => memory.get(i.k as usize).copied(),
                    4 => Some(packet.len() as u32),
                    _ => None,
                };
                match loaded {
                    Some(value) => a = value,
                    None => return 0,
                }
            }
            LDX => {
                let loaded = match i.code >> 5 {
                    0 => Some(i.k),
                    3 => memory.get(i.k as usize).copied(),
                    4 => Some(packet.len() as u32),
                    // The length of an IP header: four times the low half of a byte.
                    5 => packet.get(i.k as usize).map(|b| (*b as u32 & 15) * 4),
                    _ => None,
                };
                match loaded {
                    Some(value) => x = value,
                    None => return 0,
                }
            }
            class @ (ST | STX) => match memory.get_mut(i.k as usize) {
                Some(place) => *place = if class == ST { a } else { x },
                None => return 0,
            },
            ALU => match arithmetic(i.code >> 4, a, operand) {
                Some(value) => a = value,
                None => return 0,
            },
            JMP => {
                let taken = match i.code >> 4 {
                    0 => {
                        at = at.saturating_add(i.k as usize);
                        continue;
                    }
                    1 => a == operand,
                    2 => a > operand,
                    3 => a >= operand,
                    _ => a & operand != 0,
                };
                at += if taken { i.yes } else { i.no } as usize;
            }
            RET => return if i.code >> 3 & 3 == 2 { a } else { i.k },
            MISC if i.code >> 3 == 0 => x = a,
            _ => a = x,
        }
    }
    0
}

fn arithmetic(operation: u16, a: u32, b: u32) -> Option<u32> {
    Some(match operation {
        0 => a.wrapping_add(b),
        1 => a.wrapping_sub(b),
        2 => a.wrapping_mul(b),
        3 => a.checked_div(b)?,
        4 => a | b,
        5 => a & b,
        6 => a.checked_shl(b).unwrap_or(0),
        7 => a.checked_shr(b).unwrap_or(0),
        8 => a.wrapping_neg(),
        9 => a.checked_rem(b)?,
        0xa => a ^ b,
        _ => return None,
    })
}

fn load(packet: &[u8], at: u32, code: u16) -> Option<u32> {
    if at >= ANCILLARY {
        return Some(ancillary(at - ANCILLARY));
    }
    let bytes = packet.get(at as usize..)?;
    match code >> 3 & 3 {
        0 => bytes.get(..4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])),
        1 => bytes.get(..2).map(|b| u16::from_be_bytes([b[0], b[1]]) as u32),
        2 => bytes.first().map(|b| *b as u32),
        _ => None,
    }
}

/// What is known besides (SKF_AD_): the protocol, the interface, a random number; the rest is 0.
fn ancillary(what: u32) -> u32 {
    match what {
        0 => 0x0800,
        8 => super::LOOPBACK,
        28 => 772,
        56 => kernel::random_u64() as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn i(code: u16, yes: u8, no: u8, k: u32) -> Instruction {
        Instruction { code, yes, no, k }
    }

    const PACKET: [u8; 10] = [0x12, 0x34, 0, 80, 0, 10, 0, 0, b'a', b'b'];

    #[test]
    fn loads_compares_and_returns() {
        // ldb [8]; jeq #'a', 0, 1; ret #3; ret #0
        let program = [i(0x30, 0, 0, 8), i(0x15, 0, 1, 97), i(6, 0, 0, 3), i(6, 0, 0, 0)];
        assert!(is_sound(&program));
        assert_eq!(run(&program, &PACKET), 3);
        assert_eq!(run(&program, &PACKET[..8]), 0);
        // ldh [0]; sub #0x34; ret a
        assert_eq!(run(&[i(0x28, 0, 0, 0), i(0x14, 0, 0, 0x34), i(0x16, 0, 0, 0)], &PACKET), 0x1200);
        // ld len; st M[3]; ldx M[3]; txa; ret a
        let memory = [i(0x80, 0, 0, 0), i(2, 0, 0, 3), i(0x61, 0, 0, 3), i(0x87, 0, 0, 0), i(0x16, 0, 0, 0)];
        assert!(is_sound(&memory));
        assert_eq!(run(&memory, &PACKET), 10);
    }

    #[test]
    fn unsound_programs_are_refused() {
        let ret = i(6, 0, 0, 1);
        for bad in [
            vec![],
            vec![i(0xffff, 0, 0, 0), ret],
            vec![i(0, 0, 0, 1)],
            vec![i(5, 0, 0, 9), ret],
            vec![i(0x15, 0, 1, 0), ret],
            vec![i(0x34, 0, 0, 0), ret],
            vec![i(2, 0, 0, 16), ret],
            vec![i(0x64, 0, 0, 32), ret],
        ] {
            assert!(!is_sound(&bad), "{bad:?}");
        }
    }

    #[test]
    fn any_program_at_all_ends() {
        let mut seed = 1u64;
        let mut random = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            seed >> 33
        };
        for _ in 0..2000 {
            let program: Vec<_> =
                (0..20).map(|_| i(random() as u16 & 0xff, random() as u8, random() as u8, random() as u32)).collect();
            run(&program, &PACKET);
        }
    }
}
