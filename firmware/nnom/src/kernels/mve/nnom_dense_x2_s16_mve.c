/* SPDX-License-Identifier: Apache-2.0
 * Fully connected int16 data with int8 weights in the order "q7_q15", the products of recurrent
 * cells. Sums have as many bits as the plain form's 64 need here. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "vectors.h"

/* Whose sum fits 32 bits together with a start below 2^29: a product has 22. */
#define MOST_COLUMNS 380

/* Groups of four rows. */
typedef struct {
    const int8_t *weights;
    uint32_t eights; /* of columns */
    uint32_t rest;   /* columns beside those */
    const int16_t *in;
    int16_t *out;
    const int8_t *bias; /* of a group; the next one's is bias_step further */
    uint32_t bias_step, groups;
    int32_t left, round, right; /* right: a shift to the left, which is negative */
    const uint16_t *columns_at;
} groups_t;

_Static_assert(offsetof(groups_t, in) == 12 && offsetof(groups_t, bias) == 20 &&
                   offsetof(groups_t, groups) == 28 && offsetof(groups_t, right) == 40 &&
                   offsetof(groups_t, columns_at) == 44,
               "as in the code below");

/* Eight columns: VLD2 puts rows 0 and 1 into q0, 2 and 3 into q1, a row in each second byte. 32
 * products in eleven instructions. MAC(k): sum k += q2 * a register. */
#define EIGHT_COLUMNS(MAC)                                                                         \
    "vld20.32 {q0, q1}, [r8]\n"                                                                    \
    "vld21.32 {q0, q1}, [r8]!\n"                                                                   \
    "vldrh.u16 q2, [r9], #16\n"                                                                    \
    "vmovlb.s8 q3, q0\n" MAC(0) "q3\n"                                                            \
    "vmovlt.s8 q0, q0\n" MAC(1) "q0\n"                                                            \
    "vmovlb.s8 q3, q1\n" MAC(2) "q3\n"                                                            \
    "vmovlt.s8 q1, q1\n" MAC(3) "q1\n"

/* The columns left over: pairs are gathered, as P0 has them; then one, whose datum is lr. */
#define PAIR_OF_ROW(MAC, row)                                                                      \
    "vpst\n"                                                                                       \
    "vldrbt.s16 q3, [r8, q4]\n" MAC(row) "q3\n"
#define REST(MAC, ONE)                                                                             \
    "ldr    lr, [r12, #8]\n"                                                                       \
    "lsrs   r10, lr, #1\n"                                                                         \
    "beq    4f\n"                                                                                  \
    "vpst\n"                                                                                       \
    "vldrht.u16 q2, [r9]\n" PAIR_OF_ROW(MAC, 0)                                                    \
    "add    r8, r8, #1\n" PAIR_OF_ROW(MAC, 1)                                                      \
    "add    r8, r8, #3\n" PAIR_OF_ROW(MAC, 2)                                                      \
    "add    r8, r8, #1\n" PAIR_OF_ROW(MAC, 3)                                                      \
    "sub    r8, r8, #5\n"                                                                          \
    "add    r8, r8, r10, lsl #3\n"                                                                 \
    "add    r9, r9, r10, lsl #2\n"                                                                 \
    "4:\n"                                                                                         \
    "tst    lr, #1\n"                                                                              \
    "beq    5f\n"                                                                                  \
    "ldrsh  lr, [r9]\n"                                                                            \
    "ldrsb  r10, [r8]\n" ONE(0)                                                                    \
    "ldrsb  r10, [r8, #1]\n" ONE(1)                                                                \
    "ldrsb  r10, [r8, #2]\n" ONE(2)                                                                \
    "ldrsb  r10, [r8, #3]\n" ONE(3)                                                                \
    "add    r8, r8, #4\n"                                                                          \
    "5:\n"

#define LOW_0 "r0"
#define LOW_1 "r2"
#define LOW_2 "r4"
#define LOW_3 "r6"
#define BOTH_0 "r0, r1"
#define BOTH_1 "r2, r3"
#define BOTH_2 "r4, r5"
#define BOTH_3 "r6, r7"
#define MAC_32(k) "vmladava.s16 " LOW_##k ", q2, "
#define MAC_64(k) "vmlaldava.s16 " BOTH_##k ", q2, "
#define ONE_32(k) "mla " LOW_##k ", lr, r10, " LOW_##k "\n"
#define ONE_64(k) "smlal " BOTH_##k ", lr, r10\n"

/* r8 the weights, r9 the data, r11 the results, r12 groups_t; starts come to r0, r2, r4, r6. */
#define BEGIN                                                                                      \
    "push   {r4-r11, lr}\n"                                                                        \
    "vpush  {d8-d9}\n"                                                                             \
    "mov    r12, r0\n"                                                                             \
    "ldrd   r0, r1, [r12, #8]\n"                                                                   \
    "ldr    r8, [r12]\n"                                                                           \
    "ldr    r11, [r12, #16]\n"                                                                     \
    "bic    r0, r0, #1\n"                                                                          \
    "vctp.16 r0\n"                                                                                 \
    "ldr    r0, [r12, #44]\n"                                                                      \
    "vldrh.u16 q4, [r0]\n"                                                                         \
    "1:\n"                                                                                         \
    "ldrd   r0, r1, [r12, #20]\n"                                                                  \
    "ldrd   r2, r3, [r12, #32]\n"                                                                  \
    "vldrb.s32 q0, [r0]\n"                                                                         \
    "add    r0, r0, r1\n"                                                                          \
    "str    r0, [r12, #20]\n"                                                                      \
    "vshl.s32 q0, r2\n"                                                                            \
    "vadd.i32 q0, q0, r3\n"                                                                        \
    "ldr    lr, [r12, #4]\n"                                                                       \
    "ldr    r9, [r12, #12]\n"                                                                      \
    "vmov   r0, r4, q0[2], q0[0]\n"                                                                \
    "vmov   r2, r6, q0[3], q0[1]\n"

#define COLUMNS(MAC, ONE)                                                                          \
    "wls    lr, lr, 3f\n"                                                                          \
    "2:\n" EIGHT_COLUMNS(MAC)                                                                      \
    "le     lr, 2b\n"                                                                              \
    "3:\n" REST(MAC, ONE)

#define END                                                                                        \
    "ldr    r10, [r12, #28]\n"                                                                     \
    "subs   r10, r10, #1\n"                                                                        \
    "str    r10, [r12, #28]\n"                                                                     \
    "bne    1b\n"                                                                                  \
    "vpop   {d8-d9}\n"                                                                             \
    "pop    {r4-r11, pc}\n"

/* sums of 32 bits */
__attribute__((naked)) static void run_groups(groups_t *g __attribute__((unused)))
{
    __asm__ volatile(BEGIN COLUMNS(MAC_32, ONE_32)
                     "vmov   q0[2], q0[0], r0, r4\n"
                     "vmov   q0[3], q0[1], r2, r6\n"
                     "ldr    r1, [r12, #40]\n"
                     "mov    r3, r11\n"
                     "vshl.s32 q0, r1\n"
                     "vqmovnb.s32 q0, q0\n"
                     "add    r11, r11, #8\n"
                     "vstrh.32 q0, [r3]\n"
                     END);
}

/* of 64 bits, as the plain form has them */
__attribute__((naked)) static void run_wide_groups(groups_t *g __attribute__((unused)))
{
    __asm__ volatile(BEGIN
                     "asrs   r1, r0, #31\n"
                     "asrs   r3, r2, #31\n"
                     "asrs   r5, r4, #31\n"
                     "asrs   r7, r6, #31\n"
                     COLUMNS(MAC_64, ONE_64)
                     "ldr    lr, [r12, #40]\n"
                     "rsb    lr, lr, #0\n"
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
                     END);
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
                  .eights = columns / 8,
                  .rest = columns % 8,
                  .in = in,
                  .out = out,
                  .bias = has_bias ? s->bias : no_bias,
                  .bias_step = has_bias ? 4 : 0,
                  .groups = grouped / 4,
                  .left = left,
                  .round = nnom_round(*s->out_shift),
                  .right = -*s->out_shift,
                  .columns_at = columns_at};
    if (grouped > 0 && columns <= MOST_COLUMNS && left <= 21 && *s->out_shift <= 29) {
        run_groups(&g);
    } else if (grouped > 0) {
        run_wide_groups(&g);
    }
    for (uint32_t r = grouped; r < rows; r++) {
        const int64_t sum = dot(in, p->weights + r * columns, columns, nnom_start_wide(s, r));
        out[r] = nnom_finish_s16(s, r, sum);
    }
}

#endif
