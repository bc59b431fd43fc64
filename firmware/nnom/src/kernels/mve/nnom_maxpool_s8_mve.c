/* SPDX-License-Identifier: Apache-2.0
 * Max pooling of int8 data: sixteen channels at once over all taps. */
#include "../kernels.h"

#if NNOM_HAS_MVE

#include "../window.h"
#include "vectors.h"

/* The maximum over rows x columns cells, `across` and `down` bytes apart, of all channels. */
static inline void largest(const int8_t *in, int32_t rows, int32_t columns, int32_t across,
                           int32_t down, int8_t *out)
{
#ifdef __OPTIMIZE__ /* else not all of the registers are free */
    const int8_t *row, *cell;
    int32_t more_rows, more_columns;
    __asm__ volatile("wlstp.8 lr, %[across], 4f\n"
                     "1: vmov.i8 q0, #128\n"
                     "mov %[row], %[in]\n"
                     "mov %[more_rows], %[rows]\n"
                     "2: mov %[cell], %[row]\n"
                     "mov %[more_columns], %[columns]\n"
                     "3: vldrb.8 q1, [%[cell]]\n"
                     "add %[cell], %[cell], %[across]\n"
                     "vmax.s8 q0, q0, q1\n"
                     "subs %[more_columns], %[more_columns], #1\n"
                     "bne 3b\n"
                     "add %[row], %[row], %[down]\n"
                     "subs %[more_rows], %[more_rows], #1\n"
                     "bne 2b\n"
                     "add %[in], %[in], #16\n"
                     "vstrb.8 q0, [%[out]], #16\n"
                     "letp lr, 1b\n"
                     "4:"
                     : [in] "+r"(in), [out] "+r"(out), [row] "=&r"(row), [cell] "=&r"(cell),
                       [more_rows] "=&r"(more_rows), [more_columns] "=&r"(more_columns)
                     : [rows] "r"(rows), [columns] "r"(columns), [across] "r"(across),
                       [down] "r"(down)
                     : "lr", "cc", "q0", "q1", "memory");
#else
    for (int32_t c = 0; c < across; c += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)(across - c));
        int8x16_t most = vdupq_n_s8(INT8_MIN);
        for (int32_t m = 0; m < rows; m++) {
            for (int32_t n = 0; n < columns; n++) {
                most = vmaxq_s8(most, vldrbq_z_s8(in + m * down + n * across + c, some));
            }
        }
        vstrbq_p_s8(out + c, most, some);
    }
#endif
}

/* The same over 2 x 2 cells. */
static inline void largest_of_four(const int8_t *a, uint32_t across, uint32_t down, int8_t *out)
{
    const int8_t *b = a + across, *c = a + down, *d = b + down;
    __asm__ volatile("wlstp.8 lr, %[across], 2f\n"
                     "1: vldrb.8 q0, [%[a]], #16\n"
                     "vldrb.8 q1, [%[b]], #16\n"
                     "vmax.s8 q0, q0, q1\n"
                     "vldrb.8 q2, [%[c]], #16\n"
                     "vmax.s8 q0, q0, q2\n"
                     "vldrb.8 q1, [%[d]], #16\n"
                     "vmax.s8 q0, q0, q1\n"
                     "vstrb.8 q0, [%[out]], #16\n"
                     "letp lr, 1b\n"
                     "2:"
                     : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [out] "+r"(out)
                     : [across] "r"(across)
                     : "lr", "q0", "q1", "q2", "memory");
}

void nnom_maxpool_s8_mve(const nnom_window_t *w, const int8_t *in, int8_t *out)
{
    const int32_t channels = w->channels, down = w->in_x * channels;
    const int32_t stride = w->stride_x, in_x = w->in_x, kernel = w->kernel_x;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        const int32_t rows = y.last - y.first;
        const int8_t *const first = in + (y.base + y.first) * down;
        int32_t base = -w->pad_x;
        for (int32_t i = w->out_x; i > 0; i--, base += stride, out += channels) {
            const int32_t before = base < 0 ? -base : 0;
            const int32_t columns = (in_x - base < kernel ? in_x - base : kernel) - before;
            const int8_t *cell = first + (base + before) * channels;
            if (rows == 2 && columns == 2) {
                largest_of_four(cell, w->channels, (uint32_t)down, out);
            } else if (rows <= 0 || columns <= 0) {
                nnom_fill(out, INT8_MAX, w->channels); /* NNoM's result for a window with no taps */
            } else {
                largest(cell, rows, columns, channels, down, out);
            }
        }
    }
}

#endif
