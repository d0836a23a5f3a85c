//! The copy routines for aarch64, kept plain: eight bytes a turn, then single ones.

use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection .text.sockhop_usercopy,"ax",@progbits
    .p2align 6
    .globl sockhop_uc_copy, sockhop_uc_probe, sockhop_uc_begin, sockhop_uc_end
    .hidden sockhop_uc_copy, sockhop_uc_probe, sockhop_uc_begin, sockhop_uc_end
sockhop_uc_begin:
sockhop_uc_copy:
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
    .size sockhop_uc_copy, . - sockhop_uc_copy
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
    .size sockhop_uc_probe, . - sockhop_uc_probe
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
