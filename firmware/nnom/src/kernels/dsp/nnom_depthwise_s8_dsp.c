/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution of int8 data, four channels at a time: one load and two SXTB16 bring the
 * cells of channels 0 and 2, 1 and 3; their weights lie ready as such pairs, expanded once for all
 * pixels. With a multiplier, each channel's first filters go first, then their second ones. */
#include "../kernels.h"

#if NNOM_HAS_DSP

#include <arm_acle.h>

#include "dot.h"

#include "../window.h"

#define FEW_TAPS 9 /* whose weights find room on the stack */
#define MOST_TAPS 255

/* Pixels side by side whose windows have the same taps. The assembly knows where members are. */
typedef struct {
    const int8_t *cell; /* of the first tap */
    int8_t *out;
    uint32_t count;
    uint32_t rows;           /* of taps, 0 to 3 where they are unrolled */
    const uint32_t *weights; /* of the first tap */
    int32_t step_y;          /* from a row's cell to the next row's; any: from behind the row */
    uint32_t step_x;         /* from a tap's cell to the next */
    uint32_t columns, weights_gap; /* of a row of taps; bytes from behind it to the next */
    int32_t start[4], out_shift[4];
    uint32_t relu;
    uint32_t multiplier; /* from a result to that of the next channel */
    uint32_t out_step;   /* from a pixel's results to the next's */
    uint32_t step;       /* from a pixel's first cell to the next's */
} job_t;

#define CELLS(from)                  \
    "ldr    r5, " from "\n"          \
    "ldrd   r7, r8, [r2], #8\n"      \
    "sxtb16 r6, r5, ror #8\n"        \
    "sxtb16 r5, r5\n"                \
    "smlabb r9, r5, r7, r9\n"        \
    "smlabb r10, r6, r8, r10\n"      \
    "smlatt r11, r5, r7, r11\n"      \
    "smlatt r12, r6, r8, r12\n"

/* rows to lr, weights to r2, step_x to r4, step_y to r3 */
#define BEGIN_PIXEL                         \
    "add    r9, r0, #12\n"                  \
    "ldmia  r9!, {r1-r4}\n"                 \
    "mov    lr, r1\n"                       \
    "ldr    r1, [r0]\n"                     \
    "add    r9, r9, #8\n"                   \
    "ldm    r9, {r9-r12}\n"

/* r0 job, r1 cell, r2 weights, r3 columns left or the step to the next row, r4 step_x, r5 and r6
 * cells, r7 and r8 weights, r9 to r12 sums, lr rows left. */
#define FINISH_PIXEL                        \
    "add    lr, r0, #52\n"                  \
    "ldm    lr, {r1-r7, lr}\n" /* out_shift, relu, multiplier, out_step, step */ \
    "asr    r9, r9, r1\n"                   \
    "asr    r10, r10, r2\n"                 \
    "asr    r11, r11, r3\n"                 \
    "asr    r12, r12, r4\n"                 \
    "cbz    r5, 8f\n"                       \
    "usat   r9, #7, r9\n"                   \
    "usat   r10, #7, r10\n"                 \
    "usat   r11, #7, r11\n"                 \
    "usat   r12, #7, r12\n"                 \
    "b      9f\n"                           \
    "8:\n"                                  \
    "ssat   r9, #8, r9\n"                   \
    "ssat   r10, #8, r10\n"                 \
    "ssat   r11, #8, r11\n"                 \
    "ssat   r12, #8, r12\n"                 \
    "9:\n"                                  \
    "ldm    r0, {r1-r3}\n" /* cell, out, count */ \
    "add    r4, r2, r6, lsl #1\n"           \
    "strb   r9, [r2]\n"                     \
    "strb   r10, [r2, r6]\n"                \
    "strb   r11, [r4]\n"                    \
    "strb   r12, [r4, r6]\n"                \
    "add    r1, r1, lr\n"                   \
    "add    r2, r2, r7\n"                   \
    "subs   r3, r3, #1\n"                   \
    "stm    r0, {r1-r3}\n"                  \
    "bne    0b\n"                           \
    "pop    {r4-r11, pc}\n"

#define THREE_CELLS CELLS("[r1]") CELLS("[r1, r4]") CELLS("[r1, r4, lsl #1]")

/* Windows of three columns and up to three rows. */
NNOM_NAKED static void pixels_of_three(job_t *job NNOM_UNSEEN)
{
    __asm__("push   {r4-r11, lr}\n"
            "0:\n" BEGIN_PIXEL
            "tbb    [pc, lr]\n"
            "7:\n"
            ".byte  (4f - 7b) / 2, (3f - 7b) / 2, (2f - 7b) / 2, (1f - 7b) / 2\n"
            "1:\n" THREE_CELLS
            "add    r1, r1, r3\n"
            "2:\n" THREE_CELLS
            "add    r1, r1, r3\n"
            "3:\n" THREE_CELLS
            "4:\n" FINISH_PIXEL);
}

NNOM_NAKED static void pixels_of_any(job_t *job NNOM_UNSEEN)
{
    __asm__("push   {r4-r11, lr}\n"
            "0:\n" BEGIN_PIXEL
            "cmp    lr, #0\n"
            "beq    4f\n"
            "2:\n"
            "ldr    r3, [r0, #28]\n" /* columns */
            "3:\n" CELLS("[r1]")
            "add    r1, r1, r4\n"
            "subs   r3, r3, #1\n"
            "bne    3b\n"
            "ldr    r5, [r0, #20]\n" /* step_y */
            "ldr    r6, [r0, #32]\n" /* weights_gap */
            "add    r1, r1, r5\n"
            "add    r2, r2, r6\n"
            "subs   lr, lr, #1\n"
            "bne    2b\n"
            "4:\n" FINISH_PIXEL);
}

static uint32_t taps_of(const nnom_conv_t *p)
{
    return (uint32_t)p->window.kernel_x * p->window.kernel_y;
}

size_t nnom_depthwise_s8_dsp_scratch(const nnom_conv_t *p)
{
    const uint32_t taps = taps_of(p);
    const bool uses_it = taps > FEW_TAPS && taps <= MOST_TAPS && p->window.channels >= 4;
    return uses_it ? taps * 2 * sizeof(uint32_t) : 0;
}

/* What the taps outside the image add to the sums. Those of MOST_TAPS weights fit int16. */
static __attribute__((noinline)) void add_padding(const nnom_conv_t *p, const uint32_t *weights,
                                                  nnom_span_t y, nnom_span_t x, job_t *job)
{
    const nnom_window_t *w = &p->window;
    int16x2_t even = 0, odd = 0;
    for (int32_t m = 0; m < w->kernel_y; m++) {
        const bool is_row_inside = m >= y.first && m < y.last;
        for (int32_t n = 0; n < w->kernel_x; n++, weights += 2) {
            if (!is_row_inside || n < x.first || n >= x.last) {
                even = __sadd16(even, (int16x2_t)weights[0]);
                odd = __sadd16(odd, (int16x2_t)weights[1]);
            }
        }
    }
    job->start[0] += p->pad_value * (int16_t)even;
    job->start[1] += p->pad_value * (int16_t)odd;
    job->start[2] += p->pad_value * ((int32_t)even >> 16);
    job->start[3] += p->pad_value * ((int32_t)odd >> 16);
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

/* Four filters at all pixels; in: the first of their channels. Columns of pixels whose windows
 * leave the image alike go together. */
static __attribute__((noinline)) void filters_of(const nnom_conv_t *p, uint32_t f,
                                                 uint32_t *weights, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const uint32_t kernel_x = w->kernel_x, out_x = w->out_x;
    const int32_t row = w->in_x * w->channels, step_y = w->dilation_y * row;
    const int32_t last_x = w->in_x - (w->kernel_x - 1) * w->dilation_x - 1;
    uint32_t count;
    job_t job;
    begin_filters(p, f, weights, &job);
    for (uint32_t i = 0; i < out_x; i += count) {
        const nnom_span_t x = nnom_clip_x(w, i);
        const uint32_t columns = x.last > x.first ? (uint32_t)(x.last - x.first) : 0;
        const bool has_three = columns == 3 && kernel_x == 3 && w->kernel_y <= 3;
        const int8_t *cells = in + x.base * (int32_t)w->channels + x.first * (int32_t)job.step_x;
        count = 1;
        if (columns == kernel_x) { /* and pixels after it */
            count = (uint32_t)(last_x - x.base) / w->stride_x + 1;
            count = count > out_x - i ? out_x - i : count;
        }
        job.columns = columns;
        job.step_y = has_three ? step_y : step_y - (int32_t)(columns * job.step_x);
        job.weights_gap = (kernel_x - columns) * 8;
        job.out = out + i * p->filters;
        for (uint32_t j = 0; j < w->out_y; j++) {
            const nnom_span_t y = nnom_clip_y(w, j);
            const bool is_padded = p->pad_value != 0 && nnom_leaves_image(w, y, x);
            job.count = count;
            job.rows = y.last > y.first && columns > 0 ? (uint32_t)(y.last - y.first) : 0;
            job.weights = weights + (uint32_t)(y.first * w->kernel_x + x.first) * 2;
            job.cell = cells + (y.base + y.first * w->dilation_y) * row;
            int32_t start[4];
            if (is_padded) {
                memcpy(start, job.start, sizeof(start));
                add_padding(p, weights, y, x, &job);
            }
            (has_three ? pixels_of_three : pixels_of_any)(&job);
            if (is_padded) {
                memcpy(job.start, start, sizeof(start));
            }
            job.out += (out_x - count) * p->filters;
        }
    }
}

void nnom_depthwise_s8_dsp(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const uint32_t channels = p->window.channels, taps = taps_of(p);
    uint32_t few[2 * FEW_TAPS];
    uint32_t *const weights = taps <= FEW_TAPS ? few : (uint32_t *)p->scratch;
    if (channels < 4 || taps > MOST_TAPS || weights == NULL) {
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
