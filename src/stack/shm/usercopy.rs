//! Copies between our memory and the program's that survive a fault.
//!
//! The program may hand us a bad pointer (the kernel answers EFAULT), and a page of a shared file may vanish (SIGBUS). Each
//! instruction below that touches memory lies in a range of `sockhop_uc_table`; the SIGSEGV/SIGBUS handler asks [`fixup`]
//! where to go on. No system call and no bookkeeping happens on the good path.
//!
//! Invariant of the copy routines at every instruction that can fault (the landings rely on it): rdi and rsi are the next
//! byte to write and to read, rdx is what remains from there, r8 is where the destination began, and all before rdi is
//! copied. So a landing finishes byte by byte from rdi, and a fault in that loop gives the exact count. Stores go in
//! ascending order, so that nothing lies behind a hole. Both sides may fault. The two sides must not overlap.
#![allow(unsafe_code)]

use core::arch::global_asm;
use core::mem::MaybeUninit;

#[cfg(target_arch = "x86_64")]
global_asm!(
    r#"
    .pushsection .text.sockhop_usercopy,"ax",@progbits
    .p2align 6
    .globl sockhop_uc_copy, sockhop_uc_copy_nt, sockhop_uc_probe, sockhop_uc_begin, sockhop_uc_end
    .hidden sockhop_uc_copy, sockhop_uc_copy_nt, sockhop_uc_probe, sockhop_uc_begin, sockhop_uc_end
    .type sockhop_uc_copy,@function
    .type sockhop_uc_copy_nt,@function
    .type sockhop_uc_probe,@function
sockhop_uc_begin:
    // usize copy(rdi: dst, rsi: src, rdx: len); rax keeps len, the result if nothing faults
sockhop_uc_copy:
    .cfi_startproc
    mov     r8, rdi
    mov     rax, rdx
.Lsuc_plain:
    cmp     rdx, 16
    ja      20f
    cmp     edx, 8
    jae     13f
    cmp     edx, 4
    jae     12f
    test    edx, edx
    je      11f
    movzx   ecx, byte ptr [rsi]
    cmp     edx, 1
    je      10f
    movzx   r9d, word ptr [rsi + rdx - 2]
    mov     byte ptr [rdi], cl
    mov     word ptr [rdi + rdx - 2], r9w
    ret
10: mov     byte ptr [rdi], cl
11: ret
    .p2align 4
12: mov     ecx, dword ptr [rsi]
    mov     r9d, dword ptr [rsi + rdx - 4]
    mov     dword ptr [rdi], ecx
    mov     dword ptr [rdi + rdx - 4], r9d
    ret
    .p2align 4
13: mov     rcx, qword ptr [rsi]
    mov     r9, qword ptr [rsi + rdx - 8]
    mov     qword ptr [rdi], rcx
    mov     qword ptr [rdi + rdx - 8], r9
    ret
    .p2align 4
20: cmp     rdx, 32
    ja      21f
    movdqu  xmm0, [rsi]
    movdqu  xmm1, [rsi + rdx - 16]
    movdqu  [rdi], xmm0
    movdqu  [rdi + rdx - 16], xmm1
    ret
    .p2align 4
21: cmp     rdx, 64
    ja      22f
    movdqu  xmm0, [rsi]
    movdqu  xmm1, [rsi + 16]
    movdqu  xmm2, [rsi + rdx - 32]
    movdqu  xmm3, [rsi + rdx - 16]
    movdqu  [rdi], xmm0
    movdqu  [rdi + 16], xmm1
    movdqu  [rdi + rdx - 32], xmm2
    movdqu  [rdi + rdx - 16], xmm3
    ret
    .p2align 4
22: cmp     rdx, 128
    ja      30f
    movdqu  xmm0, [rsi]
    movdqu  xmm1, [rsi + 16]
    movdqu  xmm2, [rsi + 32]
    movdqu  xmm3, [rsi + 48]
    movdqu  xmm4, [rsi + rdx - 64]
    movdqu  xmm5, [rsi + rdx - 48]
    movdqu  xmm6, [rsi + rdx - 32]
    movdqu  xmm7, [rsi + rdx - 16]
    movdqu  [rdi], xmm0
    movdqu  [rdi + 16], xmm1
    movdqu  [rdi + 32], xmm2
    movdqu  [rdi + 48], xmm3
    movdqu  [rdi + rdx - 64], xmm4
    movdqu  [rdi + rdx - 48], xmm5
    movdqu  [rdi + rdx - 32], xmm6
    movdqu  [rdi + rdx - 16], xmm7
    ret
    .p2align 4
30: cmp     rdx, qword ptr [rip + sockhop_uc_rep_min]
    jae     50f
    cmp     dword ptr [rip + sockhop_uc_avx], 0
    jne     .Lsuc_avx
    // Without AVX: 64 bytes a turn, then the last 64, which may overlap what was copied.
    .p2align 4
31: movdqu  xmm0, [rsi]
    movdqu  xmm1, [rsi + 16]
    movdqu  xmm2, [rsi + 32]
    movdqu  xmm3, [rsi + 48]
    movdqu  [rdi], xmm0
    movdqu  [rdi + 16], xmm1
    movdqu  [rdi + 32], xmm2
    movdqu  [rdi + 48], xmm3
    add     rsi, 64
    add     rdi, 64
    sub     rdx, 64
    cmp     rdx, 64
    ja      31b
    movdqu  xmm0, [rsi + rdx - 64]
    movdqu  xmm1, [rsi + rdx - 48]
    movdqu  xmm2, [rsi + rdx - 32]
    movdqu  xmm3, [rsi + rdx - 16]
    movdqu  [rdi + rdx - 64], xmm0
    movdqu  [rdi + rdx - 48], xmm1
    movdqu  [rdi + rdx - 32], xmm2
    movdqu  [rdi + rdx - 16], xmm3
    ret
    // Large: bring the destination to a cache line (64 bytes copied first, at least one counted), then the string move.
    .p2align 4
50: movdqu  xmm0, [rsi]
    movdqu  xmm1, [rsi + 16]
    movdqu  xmm2, [rsi + 32]
    movdqu  xmm3, [rsi + 48]
    movdqu  [rdi], xmm0
    movdqu  [rdi + 16], xmm1
    movdqu  [rdi + 32], xmm2
    movdqu  [rdi + 48], xmm3
    mov     ecx, edi
    and     ecx, 63
    sub     rcx, 64
    sub     rdi, rcx
    sub     rsi, rcx
    add     rdx, rcx
    mov     rcx, rdx
.Lsuc_plain_end:
.Lsuc_rep:
    rep movsb
.Lsuc_rep_end:
    ret

    .p2align 4
.Lsuc_avx:
    cmp     rdx, 256
    ja      41f
    vmovdqu ymm0, [rsi]
    vmovdqu ymm1, [rsi + 32]
    vmovdqu ymm2, [rsi + 64]
    vmovdqu ymm3, [rsi + 96]
    vmovdqu ymm4, [rsi + rdx - 128]
    vmovdqu ymm5, [rsi + rdx - 96]
    vmovdqu ymm6, [rsi + rdx - 64]
    vmovdqu ymm7, [rsi + rdx - 32]
    vmovdqu [rdi], ymm0
    vmovdqu [rdi + 32], ymm1
    vmovdqu [rdi + 64], ymm2
    vmovdqu [rdi + 96], ymm3
    vmovdqu [rdi + rdx - 128], ymm4
    vmovdqu [rdi + rdx - 96], ymm5
    vmovdqu [rdi + rdx - 64], ymm6
    vmovdqu [rdi + rdx - 32], ymm7
    vzeroupper
    ret
    // 257 and more: align the destination, 128 bytes a turn, then the last 128 with overlap.
    .p2align 4
41: vmovdqu ymm0, [rsi]
    vmovdqu [rdi], ymm0
    mov     ecx, edi
    and     ecx, 31
    sub     rcx, 32
    sub     rdi, rcx
    sub     rsi, rcx
    add     rdx, rcx
    .p2align 5
42: vmovdqu ymm0, [rsi]
    vmovdqu ymm1, [rsi + 32]
    vmovdqu ymm2, [rsi + 64]
    vmovdqu ymm3, [rsi + 96]
    vmovdqa [rdi], ymm0
    vmovdqa [rdi + 32], ymm1
    vmovdqa [rdi + 64], ymm2
    vmovdqa [rdi + 96], ymm3
    sub     rsi, -128
    sub     rdi, -128
    add     rdx, -128
    cmp     rdx, 128
    ja      42b
    vmovdqu ymm0, [rsi + rdx - 128]
    vmovdqu ymm1, [rsi + rdx - 96]
    vmovdqu ymm2, [rsi + rdx - 64]
    vmovdqu ymm3, [rsi + rdx - 32]
    vmovdqu [rdi + rdx - 128], ymm0
    vmovdqu [rdi + rdx - 96], ymm1
    vmovdqu [rdi + rdx - 64], ymm2
    vmovdqu [rdi + rdx - 32], ymm3
    vzeroupper
    ret
.Lsuc_avx_end:

    // The same with stores that pass the caches by; for what nobody reads soon.
    .p2align 4
sockhop_uc_copy_nt:
    mov     r8, rdi
    mov     rax, rdx
    cmp     rdx, 4096
    jb      .Lsuc_plain
    cmp     dword ptr [rip + sockhop_uc_avx], 0
    je      .Lsuc_plain
.Lsuc_nt:
    vmovdqu ymm0, [rsi]
    vmovdqu ymm1, [rsi + 32]
    vmovdqu [rdi], ymm0
    vmovdqu [rdi + 32], ymm1
    mov     ecx, edi
    and     ecx, 63
    sub     rcx, 64
    sub     rdi, rcx
    sub     rsi, rcx
    add     rdx, rcx
    .p2align 5
60: prefetchnta [rsi + 512]
    prefetchnta [rsi + 576]
    vmovdqu ymm0, [rsi]
    vmovdqu ymm1, [rsi + 32]
    vmovdqu ymm2, [rsi + 64]
    vmovdqu ymm3, [rsi + 96]
    vmovntdq [rdi], ymm0
    vmovntdq [rdi + 32], ymm1
    vmovntdq [rdi + 64], ymm2
    vmovntdq [rdi + 96], ymm3
    sub     rsi, -128
    sub     rdi, -128
    add     rdx, -128
    cmp     rdx, 128
    ja      60b
    // Later ordinary stores (a cursor) must not overtake these.
    sfence
    vmovdqu ymm0, [rsi + rdx - 128]
    vmovdqu ymm1, [rsi + rdx - 96]
    vmovdqu ymm2, [rsi + rdx - 64]
    vmovdqu ymm3, [rsi + rdx - 32]
    vmovdqu [rdi + rdx - 128], ymm0
    vmovdqu [rdi + rdx - 96], ymm1
    vmovdqu [rdi + rdx - 64], ymm2
    vmovdqu [rdi + rdx - 32], ymm3
    vzeroupper
    ret
.Lsuc_nt_end:

    // usize probe(rdi: first, rsi: last byte, edx: 0 read, 1 write): 1 if one byte of each page can be touched.
    .p2align 4
sockhop_uc_probe:
    test    edx, edx
    jne     71f
.Lsuc_probe:
70: movzx   eax, byte ptr [rdi]
    or      rdi, 4095
    inc     rdi
    je      72f
    cmp     rdi, rsi
    jbe     70b
    mov     eax, 1
    ret
    // A locked "or" with nothing writes without changing what another thread stores there.
71: lock or byte ptr [rdi], 0
    or      rdi, 4095
    inc     rdi
    je      72f
    cmp     rdi, rsi
    jbe     71b
72: mov     eax, 1
    ret
.Lsuc_probe_end:

.Lsuc_land_probe:
    xor     eax, eax
    ret
.Lsuc_land_nt:
    sfence
.Lsuc_land_avx:
    vzeroupper
    jmp     .Lsuc_land_plain
.Lsuc_land_rep:
    mov     rdx, rcx
.Lsuc_land_plain:
    test    rdx, rdx
    je      .Lsuc_land_byte
.Lsuc_byte:
    movzx   ecx, byte ptr [rsi]
    mov     byte ptr [rdi], cl
    inc     rsi
    inc     rdi
    dec     rdx
    jne     .Lsuc_byte
.Lsuc_byte_end:
.Lsuc_land_byte:
    mov     rax, rdi
    sub     rax, r8
    ret
    .cfi_endproc
sockhop_uc_end:
    .popsection

    .pushsection .rodata.sockhop_usercopy,"a",@progbits
    .p2align 2
    .globl sockhop_uc_table
    .hidden sockhop_uc_table
    // begin, end, landing; each relative to its own word, so that nothing is relocated at load
sockhop_uc_table:
    .long .Lsuc_plain - ., .Lsuc_plain_end - ., .Lsuc_land_plain - .
    .long .Lsuc_rep - ., .Lsuc_rep_end - ., .Lsuc_land_rep - .
    .long .Lsuc_avx - ., .Lsuc_avx_end - ., .Lsuc_land_avx - .
    .long .Lsuc_nt - ., .Lsuc_nt_end - ., .Lsuc_land_nt - .
    .long .Lsuc_probe - ., .Lsuc_probe_end - ., .Lsuc_land_probe - .
    .long .Lsuc_byte - ., .Lsuc_byte_end - ., .Lsuc_land_byte - .
    .popsection

    .pushsection .data.sockhop_usercopy,"aw",@progbits
    .p2align 3
    .globl sockhop_uc_avx, sockhop_uc_rep_min
    .hidden sockhop_uc_avx, sockhop_uc_rep_min
    // Right for every x86_64 until init() has looked at the processor.
sockhop_uc_rep_min:
    .quad 0x7fffffffffffffff
sockhop_uc_avx:
    .long 0
    .long 0
    .popsection
"#
);

// Written for completeness and kept plain: eight bytes a turn, then single ones.
#[cfg(target_arch = "aarch64")]
global_asm!(
    r#"
    .pushsection .text.sockhop_usercopy,"ax",@progbits
    .p2align 6
    .globl sockhop_uc_copy, sockhop_uc_copy_nt, sockhop_uc_probe, sockhop_uc_begin, sockhop_uc_end
    .hidden sockhop_uc_copy, sockhop_uc_copy_nt, sockhop_uc_probe, sockhop_uc_begin, sockhop_uc_end
sockhop_uc_begin:
sockhop_uc_copy:
sockhop_uc_copy_nt:
    mov     x3, x0
.Lsuc_plain:
    cmp     x2, #8
    b.lo    .Lsuc_land_plain
    ldr     x4, [x1]
    str     x4, [x0]
    add     x1, x1, #8
    add     x0, x0, #8
    sub     x2, x2, #8
    b       .Lsuc_plain
.Lsuc_plain_end:
.Lsuc_land_plain:
    cbz     x2, .Lsuc_land_byte
.Lsuc_byte:
    ldrb    w4, [x1]
    strb    w4, [x0]
    add     x1, x1, #1
    add     x0, x0, #1
    sub     x2, x2, #1
    cbnz    x2, .Lsuc_byte
.Lsuc_byte_end:
.Lsuc_land_byte:
    sub     x0, x0, x3
    ret
sockhop_uc_probe:
.Lsuc_probe:
    cbnz    w2, 2f
1:  ldrb    w4, [x0]
    b       3f
2:  ldxrb   w4, [x0]
    stxrb   w5, w4, [x0]
    cbnz    w5, 2b
3:  orr     x0, x0, #4095
    add     x0, x0, #1
    cbz     x0, 4f
    cmp     x0, x1
    b.ls    .Lsuc_probe
4:  mov     x0, #1
    ret
.Lsuc_probe_end:
.Lsuc_land_probe:
    mov     x0, #0
    ret
sockhop_uc_end:
    .popsection
    .pushsection .rodata.sockhop_usercopy,"a",@progbits
    .p2align 2
    .globl sockhop_uc_table
    .hidden sockhop_uc_table
sockhop_uc_table:
    .long .Lsuc_plain - ., .Lsuc_plain_end - ., .Lsuc_land_plain - .
    .long .Lsuc_probe - ., .Lsuc_probe_end - ., .Lsuc_land_probe - .
    .long .Lsuc_byte - ., .Lsuc_byte_end - ., .Lsuc_land_byte - .
    .popsection
"#
);

#[cfg(target_arch = "x86_64")]
const ROWS: usize = 6;
#[cfg(target_arch = "aarch64")]
const ROWS: usize = 3;

extern "C" {
    fn sockhop_uc_copy(dst: *mut u8, src: *const u8, len: usize) -> usize;
    fn sockhop_uc_copy_nt(dst: *mut u8, src: *const u8, len: usize) -> usize;
    fn sockhop_uc_probe(first: *const u8, last: *const u8, write: u32) -> usize;
    static sockhop_uc_begin: u8;
    static sockhop_uc_end: u8;
    static sockhop_uc_table: [[i32; 3]; ROWS];
    #[cfg(target_arch = "x86_64")]
    static sockhop_uc_avx: core::sync::atomic::AtomicU32;
    #[cfg(target_arch = "x86_64")]
    static sockhop_uc_rep_min: core::sync::atomic::AtomicU64;
}

/// From this size on the string move is faster than the loop (measured; it also spares the vector unit). Bytes.
#[cfg(target_arch = "x86_64")]
const REP_MIN: u64 = 8192;

/// Looks at the processor once. Copies are right before this as well, only slower.
pub fn init() {
    #[cfg(target_arch = "x86_64")]
    {
        use core::sync::atomic::Ordering::Relaxed;
        // CPUID leaf 7, EBX bit 9: enhanced rep movsb.
        let erms =
            core::arch::x86_64::__cpuid(0).eax >= 7 && core::arch::x86_64::__cpuid_count(7, 0).ebx & (1 << 9) != 0;
        if std::is_x86_feature_detected!("avx") {
            // SAFETY: the static lives in the module's assembly; words that only atomics and the copy routines touch.
            unsafe { sockhop_uc_avx.store(1, Relaxed) };
        }
        if erms {
            // SAFETY: as above.
            unsafe { sockhop_uc_rep_min.store(REP_MIN, Relaxed) };
        }
    }
}

/// Copies from the program's memory. Returns how many bytes were copied before the first that faults.
///
/// # Safety
/// `dst` is valid for `len` writes or lies in memory whose faults are to be caught too; no Rust reference to the bytes
/// written is alive; the two ranges do not overlap. `signal::arm_faults` has been called if a fault is to be survived.
#[inline(always)]
pub unsafe fn copy_in(dst: *mut u8, user_src: *const u8, len: usize) -> usize {
    // SAFETY: the routine follows the C calling convention; faults on either side end it early; the rest is the caller's.
    unsafe { sockhop_uc_copy(dst, user_src, len) }
}

/// Copies to the program's memory. Returns how many bytes were copied before the first that faults.
///
/// # Safety
/// As [`copy_in`], with the sides exchanged.
#[inline(always)]
pub unsafe fn copy_out(user_dst: *mut u8, src: *const u8, len: usize) -> usize {
    // SAFETY: see copy_in.
    unsafe { sockhop_uc_copy(user_dst, src, len) }
}

/// [`copy_in`] past the caches; below 4 KiB it is `copy_in`.
///
/// # Safety
/// As [`copy_in`].
#[inline(always)]
pub unsafe fn copy_in_nt(dst: *mut u8, user_src: *const u8, len: usize) -> usize {
    // SAFETY: see copy_in.
    unsafe { sockhop_uc_copy_nt(dst, user_src, len) }
}

/// [`copy_out`] past the caches; below 4 KiB it is `copy_out`.
///
/// # Safety
/// As [`copy_out`].
#[inline(always)]
pub unsafe fn copy_out_nt(user_dst: *mut u8, src: *const u8, len: usize) -> usize {
    // SAFETY: see copy_in.
    unsafe { sockhop_uc_copy_nt(user_dst, src, len) }
}

/// Reads one value, which need not be aligned. `None` means EFAULT.
///
/// # Safety
/// Every pattern of bits is a valid `T`. A fault is survived only after `signal::arm_faults`.
#[inline(always)]
pub unsafe fn read_user<T: Copy>(ptr: *const T) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let size = size_of::<T>();
    // SAFETY: the destination is ours and large enough; a fault of the source ends the copy.
    let done = unsafe { copy_in(value.as_mut_ptr().cast(), ptr.cast(), size) };
    // SAFETY: all bytes were written, and the caller vouches for T.
    (done == size).then(|| unsafe { value.assume_init() })
}

/// Writes one value, which need not be aligned. False means EFAULT; a part may have been written, as by the kernel.
///
/// # Safety
/// No Rust reference to the target is alive. `T` has no padding that must not leak.
#[inline(always)]
pub unsafe fn write_user<T: Copy>(ptr: *mut T, value: T) -> bool {
    let size = size_of::<T>();
    // SAFETY: the source is ours; a fault of the target ends the copy.
    unsafe { copy_out(ptr.cast(), (&raw const value).cast(), size) == size }
}

/// Whether each page of the range can be read (or written) now. True for an empty range, false for one that wraps.
///
/// # Safety
/// With `write`, the touched bytes are ordinary memory (they are stored back unchanged, atomically).
pub unsafe fn probe(ptr: *const u8, len: usize, write: bool) -> bool {
    let Some(room) = len.checked_sub(1) else { return true };
    let Some(last) = (ptr as usize).checked_add(room) else { return false };
    // SAFETY: faults end the routine; reads have no effect and writes change nothing.
    unsafe { sockhop_uc_probe(ptr, last as *const u8, write.into()) != 0 }
}

/// Where a fault at `pc` goes on, if it happened in one of the routines above. For the SIGSEGV/SIGBUS handler only; `pc` and
/// not the fault's address decides, because an address that is not canonical is reported as 0.
pub fn fixup(pc: usize, _fault_addr: usize) -> Option<usize> {
    if pc < &raw const sockhop_uc_begin as usize || pc >= &raw const sockhop_uc_end as usize {
        return None;
    }
    // SAFETY: a read-only table of the module's assembly with exactly ROWS rows.
    let rows = unsafe { &sockhop_uc_table };
    let address = |word: &i32| (word as *const i32 as usize).wrapping_add_signed(*word as isize);
    rows.iter().find(|[begin, end, _]| (address(begin)..address(end)).contains(&pc)).map(|[_, _, to]| address(to))
}
