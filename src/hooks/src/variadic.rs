//! The variadic ones of stdio: dprintf and __dprintf_chk. Each lays its registers out as the C calling convention's va_list
//! wants them and goes on as the function that takes such a list (System V ABI for x86-64, 3.5.7; AAPCS64, B.3).

use core::arch::naked_asm;
use core::ffi::{c_char, c_void};

use libc::c_int;

use crate::stdio;

unsafe extern "C" fn plain(fd: c_int, format: *const c_char, list: *mut c_void) -> c_int {
    stdio::our_vdprintf(fd, format, list)
}

unsafe extern "C" fn checked(fd: c_int, flag: c_int, format: *const c_char, list: *mut c_void) -> c_int {
    stdio::our_vdprintf_chk(fd, flag, format, list)
}

/// A function whose named parameters take up `$named` general registers, and that calls `$target` with the list after them.
#[cfg(target_arch = "x86_64")]
macro_rules! variadic {
    ($target:path, $named:literal, $list:literal) => {
        naked_asm!(
            "sub rsp, 216",
            "mov [rsp + 48], rdx",
            "mov [rsp + 56], rcx",
            "mov [rsp + 64], r8",
            "mov [rsp + 72], r9",
            "test al, al",
            "je 2f",
            "movaps [rsp + 80], xmm0",
            "movaps [rsp + 96], xmm1",
            "movaps [rsp + 112], xmm2",
            "movaps [rsp + 128], xmm3",
            "movaps [rsp + 144], xmm4",
            "movaps [rsp + 160], xmm5",
            "movaps [rsp + 176], xmm6",
            "movaps [rsp + 192], xmm7",
            "2:",
            // gp_offset, fp_offset, overflow_arg_area, reg_save_area.
            "mov dword ptr [rsp], {named} * 8",
            "mov dword ptr [rsp + 4], 48",
            "lea rax, [rsp + 224]",
            "mov [rsp + 8], rax",
            "lea rax, [rsp + 32]",
            "mov [rsp + 16], rax",
            concat!("mov ", $list, ", rsp"),
            "call {target}",
            "add rsp, 216",
            "ret",
            named = const $named,
            target = sym $target,
        )
    };
}

/// See above.
#[cfg(target_arch = "aarch64")]
macro_rules! variadic {
    ($target:path, $named:literal, $list:literal) => {
        naked_asm!(
            "sub sp, sp, #240",
            "str x30, [sp, #32]",
            "stp x0, x1, [sp, #48]",
            "stp x2, x3, [sp, #64]",
            "stp x4, x5, [sp, #80]",
            "stp x6, x7, [sp, #96]",
            "stp q0, q1, [sp, #112]",
            "stp q2, q3, [sp, #144]",
            "stp q4, q5, [sp, #176]",
            "stp q6, q7, [sp, #208]",
            // __stack, __gr_top, __vr_top, __gr_offs, __vr_offs.
            "add x8, sp, #240",
            "str x8, [sp]",
            "str x8, [sp, #16]",
            "add x8, sp, #112",
            "str x8, [sp, #8]",
            "mov w8, #({named} * 8 - 64)",
            "str w8, [sp, #24]",
            "mov w8, #-128",
            "str w8, [sp, #28]",
            concat!("mov ", $list, ", sp"),
            "bl {target}",
            "ldr x30, [sp, #32]",
            "add sp, sp, #240",
            "ret",
            named = const $named,
            target = sym $target,
        )
    };
}

/// dprintf(3).
#[no_mangle]
#[unsafe(naked)]
pub unsafe extern "C" fn dprintf() {
    #[cfg(target_arch = "x86_64")]
    variadic!(plain, 2, "rdx");
    #[cfg(target_arch = "aarch64")]
    variadic!(plain, 2, "x2");
}

/// dprintf(3) of a program that was built with _FORTIFY_SOURCE.
#[no_mangle]
#[unsafe(naked)]
pub unsafe extern "C" fn __dprintf_chk() {
    #[cfg(target_arch = "x86_64")]
    variadic!(checked, 3, "rcx");
    #[cfg(target_arch = "aarch64")]
    variadic!(checked, 3, "x3");
}
