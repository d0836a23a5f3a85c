//! The copy routines for x86_64.

use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection .text.sockhop_usercopy,"ax",@progbits
    .p2align 6
    .globl sockhop_uc_copy, sockhop_uc_probe, sockhop_uc_begin, sockhop_uc_end
    .hidden sockhop_uc_copy, sockhop_uc_probe, sockhop_uc_begin, sockhop_uc_end
    .type sockhop_uc_copy,@function
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

    // usize probe(rdi: first, rsi: last byte, edx: 0 read, 1 write): 1 if one byte of each page can be touched.
    .p2align 4
    .size sockhop_uc_copy, . - sockhop_uc_copy
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
    .size sockhop_uc_probe, . - sockhop_uc_probe
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
