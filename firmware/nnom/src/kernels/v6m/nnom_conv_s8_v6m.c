/* SPDX-License-Identifier: Apache-2.0
 * Convolution of int8 data: two pixels at once. A word is x0 + x1 * 2^16, so that MULS takes two
 * products. The lower
 * halves of two are added before they are parted from the upper ones. */
#include "../kernels.h"

#if NNOM_HAS_V6M

#include "finish.h"

#define PAIR_BITS 16
#define PAIR_SIGN 1

static void convolve_pair(const nnom_conv_t *p, const int32_t *words, uint32_t size, int8_t *a,
                          int8_t *b);

#include "../pixel_pairs.h"

/* total: of all words; high: of their upper halves, rounded, as the lower ones have signs */
typedef struct {
    int32_t total, high;
} sum_t;

/* r12: total; the carry is the rounding: bit 15, the last that was shifted out */
#define ADD_HALVES                                                                                 \
    "add r12, r5\n\t"                                                                              \
    "asrs r5, r5, #16\n\t"                                                                         \
    "adcs r3, r5\n\t"
#define TWO_TAPS                                                                                   \
    "ldmia r0!, {r5, r6}\n\t"                                                                      \
    "ldrsb r7, [r1, r2]\n\t"                                                                       \
    "muls r5, r7, r5\n\t"                                                                          \
    "ldrsb r7, [r4, r2]\n\t"                                                                       \
    "muls r6, r7, r6\n\t"                                                                          \
    "adds r5, r5, r6\n\t"                                                                          \
    "add r5, lr\n\t" ADD_HALVES "adds r2, #2\n\t"

/* n taps of one filter. A sum of two products is -32512 to 32768; 128 less, in lr, it has room in
 * 16 bits, below and above. All eight low registers are in use, so compilers cannot be told of them
 * as of operands. r1 and r4: the end of the filter, and one more; r2: from there to the next tap. */
static __attribute__((naked, noinline)) void dot(const int32_t *x __attribute__((unused)),
                                                 const int8_t *w __attribute__((unused)),
                                                 uint32_t n __attribute__((unused)),
                                                 sum_t *sum __attribute__((unused)))
{
    __asm__(".syntax unified\n\t"
            "push {r3, r4, r5, r6, r7, lr}\n\t"
            "ldr r4, 6f\n\t"
            "mov lr, r4\n\t"
            "adds r1, r1, r2\n\t"
            "adds r4, r1, #1\n\t"
            "movs r3, #0\n\t"
            "mov r12, r3\n\t"
            "subs r2, r3, r2\n\t"
            "lsls r5, r2, #31\n\t"
            "beq 1f\n\t"
            "ldmia r0!, {r5}\n\t"
            "ldrsb r7, [r1, r2]\n\t"
            "muls r5, r7, r5\n\t" ADD_HALVES
            "adds r2, #1\n"
            "1:\n\t"
            "lsls r5, r2, #30\n\t"
            "beq 2f\n\t" TWO_TAPS
            "2:\n\t"
            "lsls r5, r2, #29\n\t"
            "beq 3f\n\t" TWO_TAPS TWO_TAPS
            "3:\n\t"
            "cmp r2, #0\n\t"
            "beq 5f\n"
            "4:\n\t" TWO_TAPS TWO_TAPS TWO_TAPS TWO_TAPS
            "bne 4b\n"
            "5:\n\t"
            "mov r2, r12\n\t"
            "pop {r0}\n\t"
            "stmia r0!, {r2, r3}\n\t"
            "pop {r4, r5, r6, r7, pc}\n\t"
            ".align 2\n"
            "6:\n\t"
            ".word -(128 * 65536 + 128)\n\t");
}

/* All filters of two pixels, of which b may be a. */
static __attribute__((noinline)) void convolve_pair(const nnom_conv_t *p, const int32_t *words,
                                                    uint32_t size, int8_t *a, int8_t *b)
{
    const nnom_scale_t *s = &p->scale;
    const int8_t *wt = p->weights;
    const int32_t less = 128 * (int32_t)(size / 2);
    for (uint32_t f = 0; f < p->filters; f++, wt += size) {
        sum_t sum;
        dot(words, wt, size, &sum);
        const uint32_t i = s->per_channel ? f : 0;
        const int32_t shift = s->out_shift[i];
        int32_t start = nnom_round(shift) + less;
        if (s->bias != NULL) {
            start += nnom_scale_up(s->bias[f], s->bias_shift[i]);
        }
        const int32_t low = (sum.total - nnom_scale_up(sum.high, 16) + start) >> shift;
        const int32_t high = (sum.high + start) >> shift;
        if (s->relu) {
            b[f] = saturated_relu(high), a[f] = saturated_relu(low);
        } else {
            b[f] = saturated(high), a[f] = saturated(low);
        }
    }
}

size_t nnom_conv_s8_v6m_scratch(const nnom_conv_t *p)
{
    return sizeof(int32_t) * taps_of_window(&p->window);
}

void nnom_conv_s8_v6m(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    if (p->scratch == NULL) {
        nnom_conv_s8_plain(p, in, out);
    } else {
        convolve_pairs(p, in, out);
    }
}

#endif
