/* SPDX-License-Identifier: Apache-2.0
 * Two filters at two pixels: the heart of convolution.
 *
 * The two windows a and b lie interleaved as int16, in words for each four taps
 *
 *     a0 a2 | a1 a3 | b0 b2 | b1 b3      then, for each tap left over,      a | b
 *
 * so that one LDM feeds eight SMLAD: 15 instructions for 16 products. It takes every register (r0,
 * r1 weights, r2 data, r3 to r6 four words of data, r7, r12 four weights, r8 to r11 sums, lr
 * rounds), which is why it is a function in assembly. */
#ifndef NNOM_DSP_BLOCK_H
#define NNOM_DSP_BLOCK_H

#include "dot.h"

/* The assembly knows where its members are. */
typedef struct {
    uint32_t taps;   /* of a filter */
    uint32_t entry;  /* quads of taps % 4; 4: there are none */
    uint32_t rounds; /* of four quads, the first may have less */
    uint32_t left_over;
    int32_t out_shift[2];
    uint32_t relu;
    int8_t *out;    /* two results of pixel a; moves on by two */
    uint32_t apart; /* from there to those of pixel b */
} nnom_block_t;

static inline nnom_block_t nnom_block_of(uint32_t taps, bool relu, uint32_t apart)
{
    const uint32_t quads = taps / 4;
    const nnom_block_t b = {taps, quads == 0 ? 4 : quads % 4, (quads + 3) / 4, taps % 4,
                            {0, 0}, relu, NULL, apart};
    return b;
}

#define NNOM_QUAD                     \
    "ldr    r7, [r0], #4\n"           \
    "ldmia  r2!, {r3-r6}\n"           \
    "sxtb16 r12, r7, ror #8\n"        \
    "sxtb16 r7, r7\n"                 \
    "smlad  r8, r3, r7, r8\n"         \
    "smlad  r9, r5, r7, r9\n"         \
    "ldr    r7, [r1], #4\n"           \
    "smlad  r8, r4, r12, r8\n"        \
    "smlad  r9, r6, r12, r9\n"        \
    "sxtb16 r12, r7, ror #8\n"        \
    "sxtb16 r7, r7\n"                 \
    "smlad  r10, r3, r7, r10\n"       \
    "smlad  r11, r5, r7, r11\n"       \
    "smlad  r10, r4, r12, r10\n"      \
    "smlad  r11, r6, r12, r11\n"

/* The second filter's weights lie behind the first's. */
NNOM_NAKED static void nnom_block(const int8_t *weights NNOM_UNSEEN, int32_t start_0 NNOM_UNSEEN,
                                  const uint32_t *data NNOM_UNSEEN, int32_t start_1 NNOM_UNSEEN,
                                  nnom_block_t *b NNOM_UNSEEN)
{
    __asm__("push   {r4-r11, lr}\n"
            "ldr    r12, [sp, #36]\n"
            "ldm    r12, {r4, r5, lr}\n"
            "mov    r8, r1\n"
            "mov    r9, r1\n"
            "mov    r10, r3\n"
            "mov    r11, r3\n"
            "add    r1, r0, r4\n"
            "tbb    [pc, r5]\n"
            "0:\n"
            ".byte  (1f - 0b) / 2, (4f - 0b) / 2, (3f - 0b) / 2, (2f - 0b) / 2, (5f - 0b) / 2, 0\n"
            "1:\n" NNOM_QUAD
            "2:\n" NNOM_QUAD
            "3:\n" NNOM_QUAD
            "4:\n" NNOM_QUAD
            "subs   lr, lr, #1\n"
            "bne    1b\n"
            "5:\n"
            "ldr    lr, [sp, #36]\n"
            "add    lr, lr, #12\n"
            "ldm    lr, {r3-r6}\n" /* left_over, out_shift, relu */
            "cbz    r3, 7f\n"
            "6:\n"
            "ldr    lr, [r2], #4\n"
            "ldrsb  r7, [r0], #1\n"
            "ldrsb  r12, [r1], #1\n"
            "smlabb r8, lr, r7, r8\n"
            "smlatb r9, lr, r7, r9\n"
            "smlabb r10, lr, r12, r10\n"
            "smlatb r11, lr, r12, r11\n"
            "subs   r3, r3, #1\n"
            "bne    6b\n"
            "7:\n"
            "ldr    r12, [sp, #36]\n"
            "asr    r8, r8, r4\n"
            "asr    r9, r9, r4\n"
            "asr    r10, r10, r5\n"
            "asr    r11, r11, r5\n"
            "ldrd   r0, r1, [r12, #28]\n" /* out, apart */
            "cbz    r6, 8f\n"
            "usat   r8, #7, r8\n"
            "usat   r9, #7, r9\n"
            "usat   r10, #7, r10\n"
            "usat   r11, #7, r11\n"
            "b      9f\n"
            "8:\n"
            "ssat   r8, #8, r8\n"
            "ssat   r9, #8, r9\n"
            "ssat   r10, #8, r10\n"
            "ssat   r11, #8, r11\n"
            "9:\n"
            "add    r1, r0, r1\n"
            "strb   r8, [r0], #1\n"
            "strb   r10, [r0], #1\n"
            "strb   r9, [r1]\n"
            "strb   r11, [r1, #1]\n"
            "str    r0, [r12, #28]\n"
            "pop    {r4-r11, pc}\n");
}

#endif
