/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution of int8 data, four channels at a time: one load and two SXTB16 bring the cells
 * of channels 0 and 2, 1 and 3; their weights lie ready as such pairs, expanded once for all pixels.
 * With a multiplier, each channel's first filters go first, then their second ones. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include "dot.h"

#include "../window.h"

#define FEW_TAPS 9 /* whose weights find room on the stack */

/* Pixels side by side whose windows have the same cells. The assembly knows where its members are. */
typedef struct {
    const int8_t *cell; /* of the first tap */
    int8_t *out;
    uint32_t count, step;      /* pixels, from one's first cell to the next's */
    uint32_t multiplier;       /* from a result to that of the next channel */
    uint32_t out_step;         /* from a pixel's results to the next's */
    const uint32_t *weights;   /* of the first tap */
    int32_t rows, columns;     /* of taps */
    uint32_t step_x;           /* from a tap's cell to the next */
    uint32_t gap, weights_gap; /* from behind a row of taps to the next, in bytes */
    int32_t start[4], out_shift[4];
    uint32_t relu, has_three; /* rows are of three taps, without a gap of weights */
} job_t;

#define MULTIPLY                    \
    "sxtb16 r6, r5, ror #8\n"       \
    "sxtb16 r5, r5\n"               \
    "smlabb r9, r5, r7, r9\n"       \
    "smlabb r10, r6, r8, r10\n"     \
    "smlatt r11, r5, r7, r11\n"     \
    "smlatt r12, r6, r8, r12\n"

/* r0 job, r1 cell, r2 weights, r3 columns left or the step to the next row, r4 step_x, r5 and r6
 * cells, r7 and r8 weights, r9 to r12 sums, lr rows left. */
__attribute__((naked, noinline)) static void pixels_of(job_t *job __attribute__((unused)))
{
    __asm__("push   {r4-r11, lr}\n"
            "ldr    r4, [r0, #36]\n" /* step_x */
            "0:\n"
            "ldr    r1, [r0]\n"      /* cell */
            "ldr    r5, [r0, #12]\n" /* step */
            "ldrd   r2, lr, [r0, #24]\n" /* weights, rows */
            "ldrd   r9, r10, [r0, #48]\n" /* start */
            "ldrd   r11, r12, [r0, #56]\n"
            "add    r5, r1, r5\n"
            "str    r5, [r0]\n"
            "cmp    lr, #0\n"
            "beq    4f\n"
            "ldr    r3, [r0, #84]\n" /* has_three */
            "cbz    r3, 2f\n"
            "ldr    r3, [r0, #40]\n" /* gap */
            "add    r3, r3, r4\n"
            "add    r3, r3, r4, lsl #1\n"
            "1:\n"
            "ldr    r5, [r1]\n"
            "ldrd   r7, r8, [r2], #8\n" MULTIPLY
            "ldr    r5, [r1, r4]\n"
            "ldrd   r7, r8, [r2], #8\n" MULTIPLY
            "ldr    r5, [r1, r4, lsl #1]\n"
            "ldrd   r7, r8, [r2], #8\n" MULTIPLY
            "add    r1, r1, r3\n"
            "subs   lr, lr, #1\n"
            "bne    1b\n"
            "b      4f\n"
            "2:\n"
            "ldr    r3, [r0, #32]\n" /* columns */
            "3:\n"
            "ldr    r5, [r1]\n"
            "ldrd   r7, r8, [r2], #8\n"
            "add    r1, r1, r4\n" MULTIPLY
            "subs   r3, r3, #1\n"
            "bne    3b\n"
            "ldrd   r5, r6, [r0, #40]\n" /* gap, weights_gap */
            "add    r1, r1, r5\n"
            "add    r2, r2, r6\n"
            "subs   lr, lr, #1\n"
            "bne    2b\n"
            "4:\n"
            "ldrd   r5, r6, [r0, #64]\n" /* out_shift */
            "ldrd   r7, r8, [r0, #72]\n"
            "asr    r9, r9, r5\n"
            "asr    r10, r10, r6\n"
            "asr    r11, r11, r7\n"
            "asr    r12, r12, r8\n"
            "ldr    r3, [r0, #80]\n" /* relu */
            "ldrd   r1, r2, [r0, #4]\n" /* out, count */
            "ldrd   r5, r6, [r0, #16]\n" /* multiplier, out_step */
            "cbz    r3, 5f\n"
            "usat   r9, #7, r9\n"
            "usat   r10, #7, r10\n"
            "usat   r11, #7, r11\n"
            "usat   r12, #7, r12\n"
            "b      6f\n"
            "5:\n"
            "ssat   r9, #8, r9\n"
            "ssat   r10, #8, r10\n"
            "ssat   r11, #8, r11\n"
            "ssat   r12, #8, r12\n"
            "6:\n"
            "add    r7, r1, r5, lsl #1\n"
            "strb   r9, [r1]\n"
            "strb   r10, [r1, r5]\n"
            "strb   r11, [r7]\n"
            "strb   r12, [r7, r5]\n"
            "add    r1, r1, r6\n"
            "subs   r2, r2, #1\n"
            "strd   r1, r2, [r0, #4]\n"
            "bne    0b\n"
            "pop    {r4-r11, pc}\n");
}

static uint32_t taps_of(const nnom_conv_t *p)
{
    return (uint32_t)p->window.kernel_x * p->window.kernel_y;
}

size_t nnom_depthwise_s8_dsp_scratch(const nnom_conv_t *p)
{
    const uint32_t taps = taps_of(p);
    return taps <= FEW_TAPS || p->window.channels < 4 ? 0 : taps * 2 * sizeof(uint32_t);
}

/* Four filters, whose first is f, at all pixels; in: the first of their channels. */
static __attribute__((noinline)) void filters_of(const nnom_conv_t *p, uint32_t f, uint32_t *weights, const int8_t *in,
                       int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const int32_t channels = w->channels, multiplier = p->filters / channels;
    const int32_t step_y = w->dilation_y * w->in_x * channels;
    job_t job;
    const int8_t *wt = p->weights + f;
    for (uint32_t t = 0; t < taps_of(p); t++, wt += p->filters) {
        const uint32_t second = (uint16_t)wt[multiplier], fourth = (uint32_t)wt[3 * multiplier];
        weights[2 * t] = (uint16_t)wt[0] | (uint32_t)wt[2 * multiplier] << 16;
        weights[2 * t + 1] = second | fourth << 16;
    }
    for (uint32_t k = 0; k < 4; k++) {
        job.out_shift[k] = nnom_out_shift(&p->scale, f + k * (uint32_t)multiplier);
    }
    job.relu = p->scale.relu;
    job.multiplier = (uint32_t)multiplier;
    job.step = (uint32_t)(w->stride_x * channels);
    job.step_x = (uint32_t)(w->dilation_x * channels);
    job.out_step = p->filters;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        uint32_t count = 1;
        for (uint32_t i = 0; i < w->out_x; i += count) {
            const nnom_span_t x = nnom_clip_x(w, i);
            const bool is_whole = x.first == 0 && x.last == w->kernel_x;
            count = 1;
            if (is_whole) { /* and pixels after it */
                const int32_t last = w->in_x - (w->kernel_x - 1) * w->dilation_x - 1;
                count = (uint32_t)(last - x.base) / w->stride_x + 1;
                count = count > w->out_x - i ? w->out_x - i : count;
            }
            job.count = count;
            job.columns = x.last - x.first;
            job.rows = y.last > y.first && job.columns > 0 ? y.last - y.first : 0;
            job.has_three = is_whole && w->kernel_x == 3;
            job.gap = (uint32_t)(step_y - job.columns * (int32_t)job.step_x);
            job.weights_gap = (uint32_t)(w->kernel_x - job.columns) * 8;
            job.weights = weights + (y.first * w->kernel_x + x.first) * 2;
            job.cell = in + ((y.base + y.first * w->dilation_y) * w->in_x + x.base +
                             x.first * w->dilation_x) *
                                channels;
            job.out = out + (j * w->out_x + i) * p->filters;
            const bool is_padded = p->pad_value != 0 && nnom_leaves_image(w, y, x);
            for (uint32_t k = 0; k < 4; k++) {
                const uint32_t filter = f + k * (uint32_t)multiplier;
                job.start[k] = nnom_start(&p->scale, filter);
                if (is_padded) {
                    job.start[k] += p->pad_value * nnom_sum_outside(w, y, x, p->weights + filter, 1,
                                                                    p->filters);
                }
            }
            pixels_of(&job);
        }
    }
}

void nnom_depthwise_s8_dsp(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const uint32_t channels = p->window.channels, taps = taps_of(p);
    uint32_t few[2 * FEW_TAPS];
    uint32_t *const weights = taps <= FEW_TAPS ? few : (uint32_t *)p->scratch;
    if (channels < 4 || weights == NULL) {
        nnom_depthwise_s8_plain(p, in, out);
        return;
    }
    const uint32_t multiplier = p->filters / channels;
    for (uint32_t c = 0; c < channels; c += 4) {
        const uint32_t first = c + 4 <= channels ? c : channels - 4; /* some are done twice */
        for (uint32_t m = 0; m < multiplier; m++) {
            const uint32_t f = first * multiplier + m;
            filters_of(p, f, weights, in + first, out + f);
        }
    }
}

#endif
