/* SPDX-License-Identifier: Apache-2.0
 * Dot products of int8 vectors, in assembly: twelve registers are in use at once, more than compilers
 * leave to inline assembly. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "dots.h"

/* Offsets of nnom_mve_dots_t, which the functions below know by number. */
_Static_assert(offsetof(nnom_mve_dots_t, apart) == 4 && offsetof(nnom_mve_dots_t, size) == 8 &&
                   offsetof(nnom_mve_dots_t, window) == 12 &&
                   offsetof(nnom_mve_dots_t, sum) == 24 && offsetof(nnom_mve_dots_t, start) == 72,
               "as in the code below");

/* Two rows (r1, r3) beside three windows (r5, r7, r9): 96 products in twelve instructions. Sums lie in
 * r0, r2 (window 0), r4, r6 (1), r8, r10 (2). Loads and multiplications alternate, which the M55
 * overlaps. */
#define TWO_ROWS(start, sum_0, sum_1, sum_2)                                                       \
    "ldrd   r0, r2, [r11, #" #start "]\n"                                                          \
    "ldrd   r4, r6, [r11, #" #start "]\n"                                                          \
    "ldrd   r8, r10, [r11, #" #start "]\n"                                                         \
    "ldrd   r5, r7, [r11, #12]\n"                                                                  \
    "ldr    r9, [r11, #20]\n"                                                                      \
    "dlstp.8 lr, r12\n"                                                                            \
    "1:\n"                                                                                         \
    "vldrb.8 q0, [r1], #16\n"                                                                      \
    "vldrb.8 q2, [r5], #16\n"                                                                      \
    "vmladava.s8 r0, q0, q2\n"                                                                     \
    "vldrb.8 q1, [r3], #16\n"                                                                      \
    "vmladava.s8 r2, q1, q2\n"                                                                     \
    "vldrb.8 q3, [r7], #16\n"                                                                      \
    "vmladava.s8 r4, q0, q3\n"                                                                     \
    "vldrb.8 q2, [r9], #16\n"                                                                      \
    "vmladava.s8 r6, q1, q3\n"                                                                     \
    "vmladava.s8 r8, q0, q2\n"                                                                     \
    "vmladava.s8 r10, q1, q2\n"                                                                    \
    "letp   lr, 1b\n"                                                                              \
    "strd   r0, r2, [r11, #" #sum_0 "]\n"                                                          \
    "strd   r4, r6, [r11, #" #sum_1 "]\n"                                                          \
    "strd   r8, r10, [r11, #" #sum_2 "]\n"

__attribute__((naked)) void nnom_mve_dots_4x3(nnom_mve_dots_t *d __attribute__((unused)))
{
    __asm__ volatile("push   {r4-r11, lr}\n"
                     "mov    r11, r0\n"
                     "ldrd   r1, r3, [r11]\n"
                     "ldr    r12, [r11, #8]\n"
                     "adds   r3, r3, r1\n"
                     TWO_ROWS(72, 24, 40, 56)
                     "ldrd   r1, r3, [r11]\n"
                     "add    r1, r1, r3, lsl #1\n"
                     "adds   r3, r3, r1\n"
                     TWO_ROWS(80, 32, 48, 64)
                     "pop    {r4-r11, pc}\n");
}

_Static_assert(offsetof(nnom_mve_rows_t, size) == 8 && offsetof(nnom_mve_rows_t, window) == 12 &&
                   offsetof(nnom_mve_rows_t, sum) == 16,
               "as in the code below");

/* Rows in r1, r3, r5, r7, the window in r9: 64 products in ten instructions. */
__attribute__((naked)) void nnom_mve_dots_4x1(nnom_mve_rows_t *d __attribute__((unused)))
{
    __asm__ volatile("push   {r4-r9, r11, lr}\n"
                     "mov    r11, r0\n"
                     "ldrd   r1, r7, [r11]\n"
                     "ldrd   r12, r9, [r11, #8]\n"
                     "ldrd   r0, r2, [r11, #16]\n"
                     "ldrd   r4, r6, [r11, #24]\n"
                     "adds   r3, r1, r7\n"
                     "adds   r5, r3, r7\n"
                     "adds   r7, r7, r5\n"
                     "dlstp.8 lr, r12\n"
                     "1:\n"
                     "vldrb.8 q0, [r9], #16\n"
                     "vldrb.8 q1, [r1], #16\n"
                     "vmladava.s8 r0, q0, q1\n"
                     "vldrb.8 q2, [r3], #16\n"
                     "vmladava.s8 r2, q0, q2\n"
                     "vldrb.8 q3, [r5], #16\n"
                     "vmladava.s8 r4, q0, q3\n"
                     "vldrb.8 q1, [r7], #16\n"
                     "vmladava.s8 r6, q0, q1\n"
                     "letp   lr, 1b\n"
                     "strd   r0, r2, [r11, #16]\n"
                     "strd   r4, r6, [r11, #24]\n"
                     "pop    {r4-r9, r11, pc}\n");
}

/* Four tiles, 64 bytes, become four rows of sixteen columns: VLD4 puts words of rows 0 and 1 into q0
 * (columns 0, 2, 4...) and q2 (1, 3, 5...), of rows 2 and 3 into q1 and q3, a row in each second byte;
 * then even bytes go together, and odd ones. 64 products in sixteen instructions. */
#define TWO_ROWS_OF_TILES(even, odd, sum_even, sum_odd)                                            \
    "vmov   q5, " #even "\n"                                                                       \
    "vmovnt.i16 " #even ", " #odd "\n"                                                             \
    "vsri.16 " #odd ", q5, #8\n"                                                                   \
    "vmladava.s8 " #sum_even ", q4, " #even "\n"                                                   \
    "vmladava.s8 " #sum_odd ", q4, " #odd "\n"

__attribute__((naked)) void nnom_mve_dots_x4(nnom_mve_rows_t *d __attribute__((unused)))
{
    __asm__ volatile("push   {r4-r7, r11, lr}\n"
                     "vpush  {d8-d11}\n"
                     "mov    r11, r0\n"
                     "ldr    r1, [r11]\n"
                     "ldrd   lr, r3, [r11, #8]\n"
                     "ldrd   r0, r2, [r11, #16]\n"
                     "ldrd   r4, r6, [r11, #24]\n"
                     "dls    lr, lr\n"
                     "1:\n"
                     "vld40.32 {q0, q1, q2, q3}, [r1]\n"
                     "vld41.32 {q0, q1, q2, q3}, [r1]\n"
                     "vld42.32 {q0, q1, q2, q3}, [r1]\n"
                     "vld43.32 {q0, q1, q2, q3}, [r1]!\n"
                     "vldrb.8 q4, [r3], #16\n"
                     TWO_ROWS_OF_TILES(q0, q2, r0, r2)
                     TWO_ROWS_OF_TILES(q1, q3, r4, r6)
                     "le     lr, 1b\n"
                     "strd   r0, r2, [r11, #16]\n"
                     "strd   r4, r6, [r11, #24]\n"
                     "vpop   {d8-d11}\n"
                     "pop    {r4-r7, r11, pc}\n");
}

/* Two rows (r9, r11) beside the windows in q0 to q2; the sums of rows 0 and 2, or 1 and 3, become
 * these elements of q4 to q6. P0 cuts the rows' loads at the last byte. */
#define TWO_SHORT_ROWS(higher, lower)                                                              \
    "vpstt\n"                                                                                      \
    "vldrbt.8 q3, [r9]\n"                                                                          \
    "vldrbt.8 q7, [r11]\n"                                                                         \
    "vmladav.s8 r0, q0, q3\n"                                                                      \
    "vmladav.s8 r2, q0, q7\n"                                                                      \
    "vmladav.s8 r4, q1, q3\n"                                                                      \
    "vmladav.s8 r6, q1, q7\n"                                                                      \
    "vmladav.s8 r8, q2, q3\n"                                                                      \
    "vmladav.s8 r10, q2, q7\n"                                                                     \
    "vmov   q4[" #higher "], q4[" #lower "], r0, r2\n"                                             \
    "vmov   q5[" #higher "], q5[" #lower "], r4, r6\n"                                             \
    "vmov   q6[" #higher "], q6[" #lower "], r8, r10\n"

_Static_assert(offsetof(nnom_mve_small_t, window) == 12 && offsetof(nnom_mve_small_t, out) == 24 &&
                   offsetof(nnom_mve_small_t, bias) == 36 && offsetof(nnom_mve_small_t, left) == 40 &&
                   offsetof(nnom_mve_small_t, least) == 52,
               "as in the code below");

__attribute__((naked)) void nnom_mve_small(const nnom_mve_small_t *s __attribute__((unused)))
{
    __asm__ volatile("push   {r4-r11, lr}\n"
                     "vpush  {d8-d15}\n"
                     "mov    r12, r0\n"
                     "ldrd   r9, r0, [r12]\n"
                     "ldrd   lr, r1, [r12, #8]\n"
                     "ldrd   r3, r5, [r12, #16]\n"
                     "vctp.8 r0\n"
                     "vpsttt\n"
                     "vldrbt.8 q0, [r1]\n"
                     "vldrbt.8 q1, [r3]\n"
                     "vldrbt.8 q2, [r5]\n"
                     "ldrd   r3, r5, [r12, #24]\n"
                     "ldrd   r7, r1, [r12, #32]\n"
                     "add    r11, r9, r0, lsl #1\n"
                     "dls    lr, lr\n"
                     "1:\n"
                     TWO_SHORT_ROWS(2, 0)
                     "ldr    r0, [r12, #4]\n"
                     "add    r9, r9, r0\n"
                     "add    r11, r11, r0\n"
                     TWO_SHORT_ROWS(3, 1)
                     "ldr    r0, [r12, #4]\n"
                     "add    r9, r11, r0\n"
                     "add    r11, r9, r0, lsl #1\n"
                     "ldrd   r0, r2, [r12, #40]\n"
                     "ldr    r4, [r12, #48]\n"
                     "vldrb.s32 q3, [r1], #4\n"
                     "vshl.s32 q3, r0\n"
                     "vadd.i32 q3, q3, r2\n"
                     "vadd.i32 q4, q4, q3\n"
                     "vadd.i32 q5, q5, q3\n"
                     "vadd.i32 q6, q6, q3\n"
                     "vshl.s32 q4, r4\n"
                     "vshl.s32 q5, r4\n"
                     "vshl.s32 q6, r4\n"
                     "vldrw.32 q3, [r12, #52]\n"
                     "vmov.i32 q7, #127\n"
                     "vmax.s32 q4, q4, q3\n"
                     "vmax.s32 q5, q5, q3\n"
                     "vmax.s32 q6, q6, q3\n"
                     "vmin.s32 q4, q4, q7\n"
                     "vmin.s32 q5, q5, q7\n"
                     "vmin.s32 q6, q6, q7\n"
                     "vstrb.32 q4, [r3], #4\n"
                     "vstrb.32 q5, [r5], #4\n"
                     "vstrb.32 q6, [r7], #4\n"
                     "le     lr, 1b\n"
                     "vpop   {d8-d15}\n"
                     "pop    {r4-r11, pc}\n");
}

#endif
