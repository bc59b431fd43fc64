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
    int32_t rows;              /* of taps */
    uint32_t columns;
    uint32_t step_x;           /* from a tap's cell to the next */
    int32_t gap;               /* from behind a row of taps to the next, in bytes */
    uint32_t weights_gap;
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

/* What the taps outside the image add to the sums, times sign. */
static __attribute__((noinline)) void add_padding(const nnom_conv_t *p, uint32_t f, nnom_span_t y,
                                                  nnom_span_t x, job_t *job, int32_t sign)
{
    for (uint32_t k = 0; k < 4; k++) {
        const int8_t *wt = p->weights + f + k * job->multiplier;
        const int32_t sum = nnom_sum_outside(&p->window, y, x, wt, 1, p->filters);
        job->start[k] += sign * p->pad_value * sum;
    }
}

/* Of four filters, whose first is f: weights are expanded. */
static void begin_filters(const nnom_conv_t *p, uint32_t f, uint32_t *weights, job_t *job)
{
    const nnom_window_t *w = &p->window;
    const uint32_t multiplier = p->filters / (uint32_t)w->channels;
    const int8_t *wt = p->weights + f;
    for (uint32_t t = taps_of(p); t > 0; t--, wt += p->filters) {
        const int8_t *third = wt + 2 * multiplier;
        *weights++ = (uint16_t)wt[0] | (uint32_t)third[0] << 16;
        *weights++ = (uint16_t)wt[multiplier] | (uint32_t)third[multiplier] << 16;
    }
    for (uint32_t k = 0; k < 4; k++) {
        job->start[k] = nnom_start(&p->scale, f + k * multiplier);
        job->out_shift[k] = nnom_out_shift(&p->scale, f + k * multiplier);
    }
    job->relu = p->scale.relu;
    job->multiplier = multiplier;
    job->step = (uint32_t)w->stride_x * w->channels;
    job->step_x = (uint32_t)w->dilation_x * w->channels;
    job->out_step = p->filters;
}

/* Four filters at all pixels; in: the first of their channels. */
static __attribute__((noinline)) void filters_of(const nnom_conv_t *p, uint32_t f, uint32_t *weights,
                                                 const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const uint32_t kernel_x = w->kernel_x, out_x = w->out_x;
    const int32_t row = w->in_x * w->channels, step_y = w->dilation_y * row;
    const int32_t last_x = w->in_x - (w->kernel_x - 1) * w->dilation_x - 1;
    job_t job;
    begin_filters(p, f, weights, &job);
    job.out = out;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        const int8_t *cells = in + (y.base + y.first * w->dilation_y) * row;
        const int32_t rows = y.last > y.first ? y.last - y.first : 0;
        const uint32_t *of_row = weights + (uint32_t)y.first * kernel_x * 2;
        uint32_t count;
        for (uint32_t i = 0; i < out_x; i += count) {
            const nnom_span_t x = nnom_clip_x(w, i);
            const uint32_t columns = (uint32_t)(x.last - x.first);
            const bool is_padded = p->pad_value != 0 && nnom_leaves_image(w, y, x);
            count = 1;
            if (columns == kernel_x) { /* and pixels after it */
                count = (uint32_t)(last_x - x.base) / w->stride_x + 1;
                count = count > out_x - i ? out_x - i : count;
            }
            job.count = count;
            job.columns = columns;
            job.rows = x.last > x.first ? rows : 0;
            job.has_three = columns == 3 && kernel_x == 3;
            job.gap = step_y - (int32_t)(columns * job.step_x);
            job.weights_gap = (kernel_x - columns) * 8;
            job.weights = of_row + (uint32_t)x.first * 2;
            job.cell = cells + x.base * (int32_t)w->channels + x.first * (int32_t)job.step_x;
            if (is_padded) {
                add_padding(p, f, y, x, &job, 1);
            }
            pixels_of(&job);
            if (is_padded) {
                add_padding(p, f, y, x, &job, -1);
            }
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
