/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution of int8 data. Sixteen channels at once: the products of two taps fit 16 bits
 * together (but for -128 * -128 twice), so that sums of 32 bits take them two at a time. Elsewhere
 * eight filters at once, in 32 bits. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "inside.h"
#include "vectors.h"

size_t nnom_depthwise_s8_mve_scratch(const nnom_conv_t *p)
{
    (void)p;
    return 0;
}

/* ---- eight filters, any multiplier ------------------------------------------------------------- */

/* One output pixel; from: the filters' channels. */
__attribute__((noinline)) static void eight(const nnom_conv_t *p, const int8_t *in, nnom_span_t y,
                                            nnom_span_t x, uint32_t f, const uint16_t from[8],
                                            int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const nnom_scale_t *s = &p->scale;
    const uint16x8_t channel = vldrhq_u16(from);
    int32x4x2_t right = {{vdupq_n_s32(*s->out_shift), vdupq_n_s32(*s->out_shift)}};
    if (s->per_channel) {
        right = vld2q_s32(s->out_shift + f);
    }
    int32x4_t even = nnom_rounds(right.val[0]), odd = nnom_rounds(right.val[1]);
    if (s->bias != NULL) {
        int32x4x2_t left = {{vdupq_n_s32(*s->bias_shift), vdupq_n_s32(*s->bias_shift)}};
        if (s->per_channel) {
            left = vld2q_s32(s->bias_shift + f);
        }
        const int16x8_t bias = vldrbq_s16(s->bias + f);
        even = vaddq_s32(even, vshlq_s32(vmovlbq_s16(bias), left.val[0]));
        odd = vaddq_s32(odd, vshlq_s32(vmovltq_s16(bias), left.val[1]));
    }
    const int32_t across = w->dilation_x * w->channels, down = w->dilation_y * w->in_x * w->channels;
    const int32_t filters = p->filters, row_of_weights = w->kernel_x * filters;
    const int8_t *row = in + (y.base * w->in_x + x.base) * w->channels + y.first * down +
                        x.first * across;
    const int8_t *weights = p->weights + f;
    for (int32_t m = y.first; m < y.last; m++, row += down) {
        const int8_t *cell = row, *wt = weights + m * row_of_weights + x.first * filters;
        for (int32_t n = x.last - x.first; n > 0; n--, cell += across, wt += filters) {
            const int16x8_t tap = vldrbq_gather_offset_s16(cell, channel), weight = vldrbq_s16(wt);
            even = vaddq_s32(even, vmullbq_int_s16(tap, weight));
            odd = vaddq_s32(odd, vmulltq_int_s16(tap, weight));
        }
    }
    if (p->pad_value != 0 && nnom_leaves_image(w, y, x)) {
        const int16x8_t tap = vdupq_n_s16(p->pad_value);
        for (int32_t m = 0; m < w->kernel_y; m++) {
            for (int32_t n = 0; n < w->kernel_x; n++, weights += filters) {
                if (m < y.first || m >= y.last || n < x.first || n >= x.last) {
                    const int16x8_t weight = vldrbq_s16(weights);
                    even = vaddq_s32(even, vmullbq_int_s16(tap, weight));
                    odd = vaddq_s32(odd, vmulltq_int_s16(tap, weight));
                }
            }
        }
    }
    even = vshlq_s32(even, vnegq_s32(right.val[0]));
    odd = vshlq_s32(odd, vnegq_s32(right.val[1]));
    int16x8_t both = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), even), odd);
    both = vmaxq_s16(both, vdupq_n_s16(s->relu ? 0 : INT8_MIN));
    vstrbq_s16(out, vminq_s16(both, vdupq_n_s16(INT8_MAX)));
}

/* `count` pixels of a row from the i-th on, sixteen channels from c on. */
__attribute__((noinline)) static void padded(const nnom_conv_t *p, const int8_t *in, nnom_span_t y,
                                             uint32_t c, uint32_t i, uint32_t count, int8_t *out)
{
    for (uint32_t half = 0; half < 16; half += 8) {
        uint16_t from[8];
        for (uint32_t k = 0; k < 8; k++) {
            from[k] = (uint16_t)(c + half + k);
        }
        for (uint32_t k = 0; k < count; k++) {
            eight(p, in, y, nnom_clip_x(&p->window, i + k), c + half, from,
                  out + half + k * p->filters);
        }
    }
}

/* At least eight filters, eight by eight. */
__attribute__((noinline)) static void by_eight(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const uint32_t filters = p->filters, multiplier = filters / w->channels;
    for (uint32_t f = 0; f < filters; f += 8) {
        f = f + 8 <= filters ? f : filters - 8; /* the last eight, some of them once more */
        uint16_t from[8];
        for (uint32_t k = 0; k < 8; k++) {
            from[k] = (uint16_t)((f + k) / multiplier);
        }
        int8_t *result = out + f;
        for (uint32_t j = 0; j < w->out_y; j++) {
            const nnom_span_t y = nnom_clip_y(w, j);
            for (uint32_t i = 0; i < w->out_x; i++, result += filters) {
                eight(p, in, y, nnom_clip_x(w, i), f, from, result);
            }
        }
    }
}

/* ---- sixteen channels, a filter each ----------------------------------------------------------- */

/* A run of output pixels of a row whose windows are cut alike. */
typedef struct {
    const int8_t *in, *weights;
    int8_t *out;
    int32_t pixels, in_step, out_step;
    int32_t rows, pairs, single; /* taps: rows of so many pairs and perhaps one */
    int32_t across, weights_across;
    int32_t down, weights_down; /* from behind a row's last tap to the next row */
    int32_t least;
    int32_t start[4][4], right[4][4]; /* of channels 0, 4, 8, 12; 2...; 1...; 3... */
} run_t;

_Static_assert(offsetof(run_t, pixels) == 12 && offsetof(run_t, rows) == 24 &&
                   offsetof(run_t, across) == 36 && offsetof(run_t, least) == 52 &&
                   offsetof(run_t, start) == 56 && offsetof(run_t, right) == 120,
               "as in the code below");

/* In all: r0 the tap, r1 its weights, r2 and r3 what leads to the next tap of a row. Sums: q0 to q3. */
#define TAP                                                                                        \
    "vldrb.8 q4, [r0]\n"                                                                           \
    "vldrb.8 q5, [r1]\n"                                                                           \
    "vmullb.s8 q6, q4, q5\n"                                                                       \
    "vmullt.s8 q4, q4, q5\n"
#define ADD_PRODUCTS                                                                               \
    "vmovlb.s16 q5, q6\n"                                                                          \
    "vadd.i32 q0, q0, q5\n"                                                                        \
    "vmovlt.s16 q6, q6\n"                                                                          \
    "vadd.i32 q1, q1, q6\n"                                                                        \
    "vmovlb.s16 q5, q4\n"                                                                          \
    "vadd.i32 q2, q2, q5\n"                                                                        \
    "vmovlt.s16 q4, q4\n"                                                                          \
    "vadd.i32 q3, q3, q4\n"
/* no register is left for the second tap's odd channels, so that it is loaded twice */
#define SECOND_TAP                                                                                 \
    "vldrb.8 q5, [r0]\n"                                                                           \
    "vldrb.8 q7, [r1]\n"                                                                           \
    "vmullb.s8 q5, q5, q7\n"                                                                       \
    "vadd.i16 q6, q6, q5\n"                                                                        \
    "vldrb.8 q5, [r0]\n"                                                                           \
    "vmullt.s8 q5, q5, q7\n"                                                                       \
    "vadd.i16 q4, q4, q5\n"
#define RIGHT "add r0, r0, r2\nadd r1, r1, r3\n"
#define LEFT "sub r0, r0, r2\nsub r1, r1, r3\n"
#define DOWN "add r0, r0, r4\nadd r1, r1, r5\n"

#define BEGIN                                                                                      \
    "push   {r4-r8, lr}\n"                                                                         \
    "vpush  {d8-d15}\n"                                                                            \
    "mov    r12, r0\n"                                                                             \
    "ldrd   r2, r3, [r12, #36]\n"                                                                  \
    "ldrd   r4, r5, [r12, #44]\n"                                                                  \
    "ldrd   r7, r8, [r12, #8]\n" /* results, pixels */                                             \
    "1:\n"                                                                                         \
    "ldrd   r0, r1, [r12]\n"                                                                       \
    "vldrw.32 q0, [r12, #56]\n"                                                                    \
    "vldrw.32 q1, [r12, #72]\n"                                                                    \
    "vldrw.32 q2, [r12, #88]\n"                                                                    \
    "vldrw.32 q3, [r12, #104]\n"

#define END                                                                                        \
    "vldrw.32 q4, [r12, #120]\n"                                                                   \
    "vshl.s32 q0, q0, q4\n"                                                                        \
    "vldrw.32 q5, [r12, #136]\n"                                                                   \
    "vshl.s32 q1, q1, q5\n"                                                                        \
    "vldrw.32 q4, [r12, #152]\n"                                                                   \
    "vshl.s32 q2, q2, q4\n"                                                                        \
    "vldrw.32 q5, [r12, #168]\n"                                                                   \
    "vshl.s32 q3, q3, q5\n"                                                                        \
    "vqmovnb.s32 q4, q0\n"                                                                         \
    "vqmovnt.s32 q4, q1\n"                                                                         \
    "vqmovnb.s32 q5, q2\n"                                                                         \
    "vqmovnt.s32 q5, q3\n"                                                                         \
    "vqmovnb.s16 q4, q4\n"                                                                         \
    "vqmovnt.s16 q4, q5\n"                                                                         \
    "ldr    r0, [r12, #52]\n"                                                                      \
    "vdup.8 q5, r0\n"                                                                              \
    "vmax.s8 q4, q4, q5\n"                                                                         \
    "ldrd   r0, r1, [r12, #16]\n"                                                                  \
    "vstrb.8 q4, [r7]\n"                                                                           \
    "add    r7, r7, r1\n"                                                                          \
    "ldr    r1, [r12]\n"                                                                           \
    "add    r1, r1, r0\n"                                                                          \
    "str    r1, [r12]\n"                                                                           \
    "subs   r8, r8, #1\n"                                                                          \
    "bne    1b\n"                                                                                  \
    "vpop   {d8-d15}\n"                                                                            \
    "pop    {r4-r8, pc}\n"

__attribute__((naked)) static void run(run_t *r __attribute__((unused)))
{
    __asm__ volatile(BEGIN
                     "ldr    r6, [r12, #24]\n"
                     "2:\n" /* a row */
                     "ldr    lr, [r12, #28]\n"
                     "wls    lr, lr, 4f\n"
                     "3:\n"
                     TAP RIGHT SECOND_TAP RIGHT ADD_PRODUCTS
                     "le     lr, 3b\n"
                     "4:\n"
                     "ldr    lr, [r12, #32]\n"
                     "cmp    lr, #0\n"
                     "beq    5f\n"
                     TAP RIGHT ADD_PRODUCTS
                     "5:\n"
                     DOWN
                     "subs   r6, r6, #1\n"
                     "bne    2b\n"
                     END);
}

/* 3 x 3, to and fro; here `down` leads to the tap below. */
__attribute__((naked)) static void run_3x3(run_t *r __attribute__((unused)))
{
    __asm__ volatile(BEGIN
                     TAP RIGHT SECOND_TAP RIGHT ADD_PRODUCTS
                     TAP DOWN SECOND_TAP LEFT ADD_PRODUCTS
                     TAP LEFT SECOND_TAP DOWN ADD_PRODUCTS
                     TAP RIGHT SECOND_TAP RIGHT ADD_PRODUCTS
                     TAP ADD_PRODUCTS
                     END);
}

/* Does no channel have the least weight in two taps beside each other, or below each other? */
static bool pairs_fit(const nnom_conv_t *p)
{
    const uint32_t filters = p->filters, row = p->window.kernel_x * filters;
    const uint32_t size = row * p->window.kernel_y;
    int8x16_t least = vdupq_n_s8(INT8_MAX);
    for (uint32_t k = 0; k < 2; k++) {
        const uint32_t apart = k == 0 ? filters : row;
        for (int32_t left = (int32_t)(size - apart), i = 0; left > 0; left -= 16, i += 16) {
            const mve_pred16_t some = vctp8q((uint32_t)left);
            const int8x16_t one = vldrbq_z_s8(p->weights + i, some);
            const int8x16_t other = vldrbq_z_s8(p->weights + i + apart, some);
            least = vminq_s8(least, vmaxq_s8(one, other));
        }
    }
    return vminvq_s8(INT8_MAX, least) > INT8_MIN;
}

/* start and right of channels c to c + 15 */
__attribute__((noinline)) static void scale_16(run_t *r, const nnom_scale_t *s, uint32_t c)
{
    for (uint32_t k = 0; k < 16; k++, c++) {
        const uint32_t at = 2 * (k & 1) + (k >> 1 & 1); /* 0 2 1 3 */
        r->start[at][k / 4] = nnom_start(s, c);
        r->right[at][k / 4] = -nnom_out_shift(s, c);
    }
}

/* The next pixels of a row; in and weights: of the first row of taps, without its first columns. */
static inline void pixels(run_t *r, const int8_t *in, const int8_t *weights, int32_t rows,
                          int32_t kernel, nnom_span_t x, int32_t down)
{
    const int32_t channels = r->out_step, taps = x.last - x.first;
    r->in = in + x.base * channels + x.first * r->across;
    r->weights = weights + x.first * channels;
    if (rows == 3 && taps == 3) {
        r->down = down;
        r->weights_down = kernel * channels;
        run_3x3(r);
        return;
    }
    const bool is_empty = rows <= 0 || taps <= 0;
    r->rows = is_empty ? 1 : rows;
    r->pairs = is_empty ? 0 : taps / 2;
    r->single = is_empty ? 0 : taps % 2;
    r->down = down - taps * r->across;
    r->weights_down = (kernel - taps) * channels;
    run(r);
}

#define MOST_PATCHED 9 /* taps */

/* One pixel that meets cells around the image: its window is put together, sixteen bytes a tap. */
__attribute__((noinline)) static void patched(run_t *r, const nnom_conv_t *p, const int8_t *in,
                                              const int8_t *weights, nnom_span_t y, nnom_span_t x)
{
    const nnom_window_t *w = &p->window;
    const int32_t channels = w->channels, across = r->across;
    const int32_t down = w->dilation_y * w->in_x * channels, kernel_x = w->kernel_x;
    int8_t patch[16 * MOST_PATCHED];
    nnom_fill(patch, p->pad_value, 16u * w->kernel_x * w->kernel_y);
    const int8_t *row = in + (y.base * w->in_x + x.base) * channels + y.first * down +
                        x.first * across;
    for (int32_t m = y.first; m < y.last; m++, row += down) {
        const int8_t *cell = row;
        int8_t *tap = patch + 16 * (m * kernel_x + x.first);
        for (int32_t n = x.last - x.first; n > 0; n--, cell += across, tap += 16) {
            vstrbq_s8(tap, vldrbq_s8(cell));
        }
    }
    r->in = patch;
    r->weights = weights;
    r->pixels = 1;
    r->across = 16;
    r->rows = w->kernel_y;
    r->pairs = w->kernel_x / 2;
    r->single = w->kernel_x % 2;
    r->down = r->weights_down = 0;
    if (w->kernel_y == 3 && w->kernel_x == 3) {
        r->down = 3 * 16;
        r->weights_down = 3 * channels;
        run_3x3(r);
    } else {
        run(r);
    }
    r->across = across;
}

/* Sixteen channels, to which in, weights, and r->out point. */
__attribute__((noinline)) static void sixteen(run_t *r, const nnom_conv_t *p, uint32_t c, const int8_t *in,
                    const int8_t *weights)
{
    const nnom_window_t *w = &p->window;
    const uint32_t inside_from = nnom_inside_from(w), inside_to = nnom_inside_to(w);
    const int32_t row = w->in_x * w->channels, weights_row = w->kernel_x * w->channels;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        const int32_t rows = y.last - y.first;
        const int8_t *const cells = in + (y.base + y.first * w->dilation_y) * row;
        const int8_t *const taps = weights + y.first * weights_row;
        for (uint32_t i = 0; i < w->out_x;) {
            nnom_span_t x = {(int32_t)i * w->stride_x - w->pad_x, 0, w->kernel_x};
            const bool inside = i >= inside_from && i < inside_to;
            uint32_t count = inside ? inside_to - i : 1;
            if (p->pad_value != 0 && (rows < w->kernel_y || !inside)) {
                if (w->kernel_x * w->kernel_y > MOST_PATCHED) {
                    padded(p, in - c, y, c, i, count, r->out);
                } else {
                    patched(r, p, in, weights, y, nnom_clip_x(w, i));
                    count = 1;
                }
            } else {
                if (!inside) {
                    x = nnom_clip_x(w, i);
                }
                r->pixels = (int32_t)count;
                pixels(r, cells, taps, rows, w->kernel_x, x, w->dilation_y * row);
            }
            r->out += (int32_t)count * r->out_step;
            i += count;
        }
    }
}

__attribute__((noinline)) static void by_sixteen(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const uint32_t channels = p->filters;
    run_t r;
    r.in_step = p->window.stride_x * p->window.channels;
    r.out_step = r.weights_across = p->window.channels;
    r.across = p->window.dilation_x * p->window.channels;
    r.least = p->scale.relu ? 0 : INT8_MIN;
    for (uint32_t c = 0; c < channels; c += 16) {
        c = c + 16 <= channels ? c : channels - 16; /* the last sixteen, some of them once more */
        scale_16(&r, &p->scale, c);
        r.out = out + c;
        sixteen(&r, p, c, in + c, p->weights + c);
    }
}

void nnom_depthwise_s8_mve(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    if (p->filters < 8) {
        nnom_depthwise_s8_plain(p, in, out);
    } else if (p->filters == p->window.channels && p->filters >= 16 && pairs_fit(p)) {
        by_sixteen(p, in, out);
    } else {
        by_eight(p, in, out);
    }
}

#endif
