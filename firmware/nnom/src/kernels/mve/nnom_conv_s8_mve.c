/* SPDX-License-Identifier: Apache-2.0
 * Convolution of int8 data. Windows are gathered three at a time, whatever rows of the image they lie
 * in, then four filters at once go over the three. Windows that lie in one piece in the image (1 x 1,
 * or one row high) are read there. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "inside.h"
#include "pixel.h"

static uint32_t bytes_of_window(const nnom_window_t *w)
{
    return (uint32_t)w->kernel_x * w->kernel_y * w->channels;
}

static int32_t reach(uint16_t kernel, uint16_t dilation)
{
    return (kernel - 1) * dilation + 1;
}

/* Are windows inside the image one piece of it? */
static bool is_one_piece(const nnom_window_t *w)
{
    return w->dilation_x == 1 &&
           (w->kernel_y == 1 || (w->kernel_x == w->in_x && w->dilation_y == 1));
}

static bool all_inside(const nnom_window_t *w)
{
    return w->pad_x == 0 && w->pad_y == 0 &&
           (w->out_x - 1) * w->stride_x + reach(w->kernel_x, w->dilation_x) <= w->in_x &&
           (w->out_y - 1) * w->stride_y + reach(w->kernel_y, w->dilation_y) <= w->in_y;
}

/* Where the last cell of a window lies, from its first. */
static uint32_t span_of(const nnom_window_t *w)
{
    return (uint32_t)(((w->kernel_y - 1) * w->dilation_y * w->in_x +
                       (w->kernel_x - 1) * w->dilation_x + 1) *
                          w->channels -
                      1);
}

/* Small windows of few channels are gathered by a table of offsets, a byte each. */
static bool has_table(const nnom_window_t *w)
{
    return w->channels < 4 && !is_one_piece(w) && span_of(w) <= UINT8_MAX;
}

size_t nnom_conv_s8_mve_scratch(const nnom_conv_t *p)
{
    const nnom_window_t *w = &p->window;
    if (is_one_piece(w) && all_inside(w)) {
        return 0;
    }
    return (size_t)bytes_of_window(w) * (has_table(w) ? 4 : 3);
}

static void make_table(const nnom_window_t *w, uint8_t *table)
{
    for (uint32_t m = 0; m < w->kernel_y; m++) {
        for (uint32_t n = 0; n < w->kernel_x; n++) {
            for (uint32_t c = 0; c < w->channels; c++) {
                *table++ = (uint8_t)((m * w->dilation_y * w->in_x + n * w->dilation_x) *
                                         w->channels +
                                     c);
            }
        }
    }
}

static inline void gather_by_table(int8_t *patch, const int8_t *from, const uint8_t *table,
                                   uint32_t n)
{
    __asm__ volatile("dlstp.8 lr, %3\n"
                     "1: vldrb.8 q0, [%1], #16\n"
                     "vldrb.u8 q1, [%2, q0]\n"
                     "vstrb.8 q1, [%0], #16\n"
                     "letp lr, 1b\n"
                     : "+r"(patch), "+r"(table)
                     : "r"(from), "r"(n)
                     : "lr", "q0", "q1", "memory");
}

/* Three windows that are waited for, and where their results go. */
typedef struct {
    const nnom_conv_t *p;
    const uint8_t *table; /* NULL: none */
    int8_t *out[3];
    uint32_t count;
    int32_t row, across, down; /* bytes: of a window's row, from a tap to the next */
    nnom_mve_dots_t dots;
    nnom_scale_4_t scale;
} windows_t;

/* Copies taps of a window: of each row [first, last) so many cells, from the one at `from` on. */
static inline void gather(const windows_t *t, int8_t *patch, const int8_t *from, int32_t first,
                          int32_t last, int32_t taps)
{
    const int32_t channels = t->p->window.channels;
    patch += first * t->row;
    for (; first < last && taps > 0; first++, patch += t->row, from += t->down) {
        if (t->across == channels) {
            nnom_copy(patch, from, (uint32_t)(taps * channels));
            continue;
        }
        for (int32_t n = 0; n < taps; n++) {
            nnom_copy(patch + n * channels, from + n * t->across, (uint32_t)channels);
        }
    }
}

/* Fewer than four filters: each of them as four rows of weights. */
__attribute__((noinline)) static void filter_few(windows_t *t)
{
    const nnom_scale_t *s = &t->p->scale;
    nnom_mve_dots_t *d = &t->dots;
    d->apart = 0;
    for (uint32_t f = 0; f < t->p->filters; f++) {
        d->weights = t->p->weights + f * d->size;
        vstrwq_s32(d->start, vdupq_n_s32(nnom_start(s, f)));
        nnom_mve_dots_4x3(d);
        for (uint32_t k = 0; k < 3; k++) {
            t->out[k][f] = nnom_finish_s8(s, f, d->sum[k][0]);
        }
    }
}

/* The sums' results, four to each place, which is the next one then. Written out because compilers
 * put each address into a register of its own. */
static inline void finish_12(const nnom_mve_dots_t *d, int32x4_t right, int32x4_t least, int32x4_t most,
                             int8_t **out_0, int8_t **out_1, int8_t **out_2)
{
    __asm__ volatile("vldrw.32 q0, [%[d], #24]\n"
                     "vldrw.32 q1, [%[d], #40]\n"
                     "vldrw.32 q2, [%[d], #56]\n"
                     "vshl.s32 q0, q0, %q[right]\n"
                     "vshl.s32 q1, q1, %q[right]\n"
                     "vshl.s32 q2, q2, %q[right]\n"
                     "vmax.s32 q0, q0, %q[least]\n"
                     "vmax.s32 q1, q1, %q[least]\n"
                     "vmax.s32 q2, q2, %q[least]\n"
                     "vmin.s32 q0, q0, %q[most]\n"
                     "vmin.s32 q1, q1, %q[most]\n"
                     "vmin.s32 q2, q2, %q[most]\n"
                     "vstrb.32 q0, [%[out_0]], #4\n"
                     "vstrb.32 q1, [%[out_1]], #4\n"
                     "vstrb.32 q2, [%[out_2]], #4\n"
                     : [out_0] "+l"(*out_0), [out_1] "+l"(*out_1), [out_2] "+l"(*out_2)
                     : [d] "r"(d), [right] "w"(right), [least] "w"(least), [most] "w"(most)
                     : "q0", "q1", "q2", "memory");
}

/* All filters of three windows that are short enough for nnom_mve_small(). */
__attribute__((noinline)) static void filter_small(const windows_t *t)
{
    const nnom_conv_t *p = t->p;
    const uint32_t size = t->dots.size, end = p->filters - 4;
    nnom_mve_small_t s = {.weights = p->weights,
                          .size = size,
                          .groups = p->filters / 4u,
                          .window = {t->dots.window[0], t->dots.window[1], t->dots.window[2]},
                          .out = {t->out[0], t->out[1], t->out[2]},
                          .bias = p->scale.bias,
                          .left = t->scale.left,
                          .round = t->scale.round,
                          .right = t->scale.right};
    vstrwq_s32(s.least, vdupq_n_s32(t->scale.least));
    nnom_mve_small(&s);
    if (p->filters % 4u != 0) { /* the last four, some of them once more */
        s.groups = 1;
        s.weights += end * size;
        s.bias += end;
        for (uint32_t k = 0; k < 3; k++) {
            s.out[k] += end;
        }
        nnom_mve_small(&s);
    }
}

/* All filters of three windows. */
__attribute__((noinline)) static void filter(windows_t *t)
{
    nnom_mve_dots_t *const d = &t->dots;
    uint32_t left = t->p->filters;
    t->count = 0;
    if (left < 4) {
        filter_few(t);
        return;
    }
    if (d->size <= 16 && t->scale.bias != NULL && t->scale.out_shift == NULL) {
        filter_small(t);
        return;
    }
    nnom_scale_4_t scale = t->scale;
    int32x4_t right = vdupq_n_s32(scale.right);
    const int32x4_t least = vdupq_n_s32(scale.least), most = vdupq_n_s32(INT8_MAX);
    int8_t *out_0 = t->out[0], *out_1 = t->out[1], *out_2 = t->out[2];
    const int8_t *weights = t->p->weights;
    const uint32_t apart = d->apart;
    for (;;) {
        d->weights = weights;
        vstrwq_s32(d->start, nnom_start_4(&scale, &right));
        nnom_mve_dots_4x3(d);
        finish_12(d, right, least, most, &out_0, &out_1, &out_2);
        left -= 4;
        if (left == 0) {
            return;
        }
        weights += 4 * apart;
        if (left < 4) { /* the last four, some of them once more */
            const uint32_t again = 4 - left;
            nnom_scale_back(&scale, again);
            weights -= again * apart;
            out_0 -= again, out_1 -= again, out_2 -= again;
            left = 4;
        }
    }
}

/* The next window is at `from`, or in the next patch. */
static inline void add(windows_t *t, const int8_t *from, int8_t *out)
{
    t->dots.window[t->count] = from;
    t->out[t->count] = out;
    if (++t->count == 3) {
        filter(t);
    }
}

static inline int8_t *next_patch(const windows_t *t)
{
    return (int8_t *)t->p->scratch + t->count * t->dots.size;
}

/* Windows [first, last) of a row, some of whose taps leave the image. */
__attribute__((noinline)) static void border(windows_t *t, const int8_t *in, nnom_span_t y,
                                             uint32_t first, uint32_t last, int8_t *out)
{
    const nnom_conv_t *p = t->p;
    const nnom_window_t *w = &p->window;
    for (uint32_t i = first; i < last; i++) {
        const nnom_span_t x = nnom_clip_x(w, i);
        int8_t *patch = next_patch(t);
        nnom_fill(patch, p->pad_value, t->dots.size);
        gather(t, patch + x.first * w->channels,
               in + (y.base * w->in_x + x.base) * w->channels + y.first * t->down +
                   x.first * t->across,
               y.first, y.last, x.last - x.first);
        add(t, patch, out + i * p->filters);
    }
}

/* Windows [first, last) of a row, all inside. */
__attribute__((noinline)) static void interior(windows_t *t, const int8_t *in, nnom_span_t y, uint32_t first, uint32_t last,
                     int8_t *out)
{
    const nnom_conv_t *p = t->p;
    const nnom_window_t *w = &p->window;
    const uint32_t step = (uint32_t)w->stride_x * w->channels, filters = p->filters;
    const bool one_piece = is_one_piece(w);
    const int8_t *from = in + (y.base * w->in_x - w->pad_x) * w->channels + first * step;
    out += first * filters;
    for (; first < last; first++, from += step, out += filters) {
        const int8_t *window = from;
        if (t->table != NULL) {
            gather_by_table(next_patch(t), from, t->table, t->dots.size);
            window = next_patch(t);
        } else if (!one_piece) {
            gather(t, next_patch(t), from, 0, w->kernel_y, w->kernel_x);
            window = next_patch(t);
        }
        add(t, window, out);
    }
}

/* A row of results straight from the image, with no scratch. */
__attribute__((noinline)) static void row_in_place(const nnom_conv_t *p, const int8_t *in,
                                                   nnom_span_t y, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const nnom_taps_t rows = {y.first, 1, y.base + y.first * w->dilation_y, w->dilation_y,
                              y.last - y.first};
    for (uint32_t i = 0; i < w->out_x; i++, out += p->filters) {
        const nnom_span_t x = nnom_clip_x(w, i);
        const nnom_taps_t columns = {x.first, 1, x.base + x.first * w->dilation_x, w->dilation_x,
                                     x.last - x.first};
        nnom_mve_pixel(p, in, &rows, &columns, p->pad_value, out);
    }
}

void nnom_conv_s8_mve(const nnom_conv_t *p, const int8_t *in, int8_t *out)
{
    const nnom_window_t *w = &p->window;
    const bool is_bare = p->scratch == NULL && !(is_one_piece(w) && all_inside(w));
    windows_t t = {.p = p, .scale = nnom_scale_4(&p->scale)};
    t.dots.size = t.dots.apart = bytes_of_window(w);
    t.row = w->kernel_x * w->channels;
    t.across = w->dilation_x * w->channels;
    t.down = w->dilation_y * w->in_x * w->channels;
    if (has_table(w) && p->scratch != NULL) {
        uint8_t *const table = (uint8_t *)p->scratch + 3 * t.dots.size;
        make_table(w, table);
        t.table = table;
    }
    const uint32_t end = nnom_inside_to(w);
    const uint32_t begin = nnom_inside_from(w);
    for (uint32_t j = 0; j < w->out_y; j++, out += w->out_x * p->filters) {
        const nnom_span_t y = nnom_clip_y(w, j);
        if (is_bare) {
            row_in_place(p, in, y, out);
        } else if (y.first == 0 && y.last == w->kernel_y && begin < end) {
            border(&t, in, y, 0, begin, out);
            interior(&t, in, y, begin, end, out);
            border(&t, in, y, end, w->out_x, out);
        } else {
            border(&t, in, y, 0, w->out_x, out);
        }
    }
    while (t.count != 0) { /* the others of three are the first once more */
        add(&t, t.dots.window[0], t.out[0]);
    }
}

#endif
