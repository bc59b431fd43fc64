/* SPDX-License-Identifier: Apache-2.0
 * Dot products of int8 vectors on cores with Helium. VMLADAV sums sixteen products into one of the
 * even registers; the loops are counted and cut at the last byte by the core (DLSTP, LETP). */
#ifndef NNOM_MVE_DOTS_H
#define NNOM_MVE_DOTS_H

#include "vectors.h"

/* Four rows of weights, `apart` bytes from one to the next, beside three windows; size > 0
 * bytes each. */
typedef struct {
    const int8_t *weights;
    uint32_t apart, size;
    const int8_t *window[3];
    int32_t sum[3][4]; /* of each window; dot 4 x 3 begins each with `start` */
    int32_t start[4];
} nnom_mve_dots_t;

/* sum[k][row] = start[row] + row * window[k] */
void nnom_mve_dots_4x3(nnom_mve_dots_t *d);

/* The same with one window. */
typedef struct {
    const int8_t *weights;
    uint32_t apart, size;
    const int8_t *window;
    int32_t sum[4];
} nnom_mve_rows_t;

/* sum[row] += row * window */
void nnom_mve_dots_4x1(nnom_mve_rows_t *d);

/* sum[row] += row * window, the rows interleaved as tiles of the order "x4" (docs/numerics.md);
 * size: groups of sixteen columns, more than none. */
void nnom_mve_dots_x4(nnom_mve_rows_t *d);

/* sum + x * w, n > 0 */
static inline int32_t nnom_mve_dot(const int8_t *x, const int8_t *w, uint32_t n, int32_t sum)
{
    __asm__ volatile("dlstp.8 lr, %[n]\n"
                     "1: vldrb.8 q0, [%[x]], #16\n"
                     "vldrb.8 q1, [%[w]], #16\n"
                     "vmladava.s8 %[sum], q0, q1\n"
                     "letp lr, 1b\n"
                     : [sum] "+Te"(sum), [x] "+r"(x), [w] "+r"(w)
                     : [n] "r"(n)
                     : "lr", "q0", "q1", "memory");
    return sum;
}

/* sum + the sum of w, n > 0 */
static inline int32_t nnom_mve_sum(const int8_t *w, uint32_t n, int32_t sum)
{
    __asm__ volatile("dlstp.8 lr, %[n]\n"
                     "1: vldrb.8 q0, [%[w]], #16\n"
                     "vaddva.s8 %[sum], q0\n"
                     "letp lr, 1b\n"
                     : [sum] "+Te"(sum), [w] "+r"(w)
                     : [n] "r"(n)
                     : "lr", "q0", "memory");
    return sum;
}

/* Windows of at most sixteen bytes, which stay in registers, beside 4 * groups rows of weights;
 * finished and stored. */
typedef struct {
    const int8_t *weights;
    uint32_t size, groups;
    const int8_t *window[3];
    int8_t *out[3];
    const int8_t *bias;
    int32_t left, round, right; /* right: a shift to the left, which is negative */
    int32_t least[4];
} nnom_mve_small_t;

void nnom_mve_small(const nnom_mve_small_t *s);

#endif
