/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int16 data with int8 weights in the order "q7_q15", sums of 64 bits: the products of
 * recurrent cells. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "vectors.h"

/* Groups of four rows. A row of bias is the bytes from `bias` on, the next group's bias_step further. */
typedef struct {
    const int8_t *weights;
    uint32_t sixteens; /* of columns */
    uint32_t rest;     /* columns beside those */
    uint32_t even;     /* the rest but for eights and a last odd one */
    const int16_t *in;
    int16_t *out;
    const int8_t *bias;
    uint32_t bias_step;
    int32_t left, round, right;
    uint32_t groups;
    const uint16_t *columns_at;
} groups_t;

_Static_assert(offsetof(groups_t, even) == 12 && offsetof(groups_t, out) == 20 &&
                   offsetof(groups_t, bias_step) == 28 && offsetof(groups_t, groups) == 44 &&
                   offsetof(groups_t, columns_at) == 48,
               "as in the code below");

/* Eight columns: VLD2 puts rows 0 and 1 into q0, 2 and 3 into q1, a row in each second byte. 32
 * products in eleven instructions. */
#define EIGHT_COLUMNS                                                                              \
    "vld20.32 {q0, q1}, [r8]\n"                                                                    \
    "vld21.32 {q0, q1}, [r8]!\n"                                                                   \
    "vldrh.u16 q2, [r9], #16\n"                                                                    \
    "vmovlb.s8 q3, q0\n"                                                                           \
    "vmlaldava.s16 r0, r1, q2, q3\n"                                                               \
    "vmovlt.s8 q0, q0\n"                                                                           \
    "vmlaldava.s16 r2, r3, q2, q0\n"                                                               \
    "vmovlb.s8 q3, q1\n"                                                                           \
    "vmlaldava.s16 r4, r5, q2, q3\n"                                                               \
    "vmovlt.s8 q1, q1\n"                                                                           \
    "vmlaldava.s16 r6, r7, q2, q1\n"

/* Fewer, an even number: gathered; P0 cuts them off. */
#define EVEN_COLUMNS_OF_ROW(low, high)                                                             \
    "vpst\n"                                                                                       \
    "vldrbt.s16 q3, [r8, q4]\n"                                                                    \
    "vmlaldava.s16 " #low ", " #high ", q2, q3\n"

/* One column: lr is its datum */
#define ODD_COLUMN_OF_ROW(low, high, row)                                                          \
    "ldrsb  r10, [r8, #" #row "]\n"                                                                \
    "smlal  " #low ", " #high ", lr, r10\n"

/* Sums: row k in r(2k) and r(2k + 1). */
__attribute__((naked)) static void run_groups(groups_t *g __attribute__((unused)))
{
    __asm__ volatile("push   {r4-r11, lr}\n"
                     "vpush  {d8-d9}\n"
                     "mov    r12, r0\n"
                     "ldr    r8, [r12]\n"
                     "ldr    r0, [r12, #12]\n"
                     "ldr    r11, [r12, #20]\n"
                     "vctp.16 r0\n"
                     "ldr    r0, [r12, #48]\n"
                     "vldrh.u16 q4, [r0]\n"
                     "1:\n" /* a group */
                     "ldrd   r0, r1, [r12, #24]\n"
                     "vldrb.s32 q0, [r0]\n"
                     "add    r0, r0, r1\n"
                     "str    r0, [r12, #24]\n"
                     "ldrd   r2, r3, [r12, #32]\n"
                     "vshl.s32 q0, r2\n"
                     "vadd.i32 q0, q0, r3\n"
                     "ldr    lr, [r12, #4]\n"
                     "ldr    r9, [r12, #16]\n"
                     "vmov   r0, r4, q0[2], q0[0]\n"
                     "vmov   r2, r6, q0[3], q0[1]\n"
                     "asrs   r1, r0, #31\n"
                     "asrs   r3, r2, #31\n"
                     "asrs   r5, r4, #31\n"
                     "asrs   r7, r6, #31\n"
                     "wls    lr, lr, 3f\n"
                     "2:\n"
                     EIGHT_COLUMNS
                     EIGHT_COLUMNS
                     "le     lr, 2b\n"
                     "3:\n"
                     "ldr    lr, [r12, #8]\n"
                     "cmp    lr, #0\n"
                     "beq    6f\n"
                     "tst    lr, #8\n"
                     "beq    4f\n"
                     EIGHT_COLUMNS
                     "4:\n"
                     "ldr    r10, [r12, #12]\n"
                     "cmp    r10, #0\n"
                     "beq    5f\n"
                     "vpst\n"
                     "vldrht.u16 q2, [r9]\n"
                     EVEN_COLUMNS_OF_ROW(r0, r1)
                     "add    r8, r8, #1\n"
                     EVEN_COLUMNS_OF_ROW(r2, r3)
                     "add    r8, r8, #3\n"
                     EVEN_COLUMNS_OF_ROW(r4, r5)
                     "add    r8, r8, #1\n"
                     EVEN_COLUMNS_OF_ROW(r6, r7)
                     "sub    r8, r8, #5\n"
                     "add    r8, r8, r10, lsl #2\n"
                     "add    r9, r9, r10, lsl #1\n"
                     "5:\n"
                     "tst    lr, #1\n"
                     "beq    6f\n"
                     "ldrsh  lr, [r9]\n"
                     ODD_COLUMN_OF_ROW(r0, r1, 0)
                     ODD_COLUMN_OF_ROW(r2, r3, 1)
                     ODD_COLUMN_OF_ROW(r4, r5, 2)
                     ODD_COLUMN_OF_ROW(r6, r7, 3)
                     "add    r8, r8, #4\n"
                     "6:\n"
                     "ldrd   lr, r10, [r12, #40]\n"
                     "asrl   r0, r1, lr\n"
                     "asrl   r2, r3, lr\n"
                     "asrl   r4, r5, lr\n"
                     "asrl   r6, r7, lr\n"
                     "ssat   r0, #16, r0\n"
                     "ssat   r2, #16, r2\n"
                     "ssat   r4, #16, r4\n"
                     "ssat   r6, #16, r6\n"
                     "pkhbt  r0, r0, r2, lsl #16\n"
                     "pkhbt  r4, r4, r6, lsl #16\n"
                     "str    r0, [r11], #4\n"
                     "str    r4, [r11], #4\n"
                     "subs   r10, r10, #1\n"
                     "str    r10, [r12, #44]\n"
                     "bne    1b\n"
                     "vpop   {d8-d9}\n"
                     "pop    {r4-r11, pc}\n");
}

/* sum + x * w, n > 0 */
static inline int64_t dot(const int16_t *x, const int8_t *w, uint32_t n, int64_t sum)
{
    __asm__ volatile("dlstp.16 lr, %[n]\n"
                     "1: vldrh.u16 q0, [%[x]], #16\n"
                     "vldrb.s16 q1, [%[w]], #8\n"
                     "vmlaldava.s16 %Q[sum], %R[sum], q0, q1\n"
                     "letp lr, 1b\n"
                     : [sum] "+r"(sum), [x] "+r"(x), [w] "+l"(w)
                     : [n] "r"(n)
                     : "lr", "q0", "q1", "memory");
    return sum;
}

void nnom_dense_x2_s16_mve(const nnom_dense_t *p, const int16_t *in, int16_t *out)
{
    static const uint16_t columns_at[8] = {0, 2, 8, 10, 16, 18, 24, 26}; /* of row 0 */
    static const int8_t no_bias[4] = {0};
    const nnom_scale_t *s = &p->scale;
    const uint32_t columns = p->columns, rows = p->rows, grouped = rows - rows % 4u;
    const bool has_bias = s->bias != NULL;
    const int32_t left = has_bias ? *s->bias_shift : 0;
    if (left > 22) { /* a group begins with 32 bits */
        nnom_dense_x2_s16_plain(p, in, out);
        return;
    }
    groups_t g = {.weights = p->weights,
                  .sixteens = columns / 16,
                  .rest = columns % 16,
                  .even = columns % 8 & ~1u,
                  .in = in,
                  .out = out,
                  .bias = has_bias ? s->bias : no_bias,
                  .bias_step = has_bias ? 4 : 0,
                  .left = left,
                  .round = nnom_round(*s->out_shift),
                  .right = *s->out_shift,
                  .groups = grouped / 4,
                  .columns_at = columns_at};
    if (grouped > 0) {
        run_groups(&g);
    }
    for (uint32_t r = grouped; r < rows; r++) {
        const int64_t sum = dot(in, p->weights + r * columns, columns, nnom_start_wide(s, r));
        out[r] = nnom_finish_s16(s, r, sum);
    }
}

#endif
