/* SPDX-License-Identifier: Apache-2.0
 * Max pooling of int8 data. */
#include "../window.h"

void nnom_maxpool_s8_plain(const nnom_window_t *window, const int8_t *in, int8_t *out)
{
    const nnom_window_t copy = *window, *w = &copy; /* which no store can change */
    const uint32_t channels = w->channels;
    for (uint32_t j = 0; j < w->out_y; j++) {
        const nnom_span_t y = nnom_clip_y(w, j);
        for (uint32_t i = 0; i < w->out_x; i++, out += channels) {
            const nnom_span_t x = nnom_clip_x(w, i);
            if (y.first >= y.last || x.first >= x.last) {
                nnom_memset(out, INT8_MAX, channels); /* NNoM's result for a window with no taps */
                continue;
            }
            nnom_memset(out, INT8_MIN, channels);
            for (int32_t m = y.first; m < y.last; m++) {
                const int8_t *cell =
                    in + ((uint32_t)(y.base + m) * w->in_x + (uint32_t)(x.base + x.first)) * channels;
                for (int32_t n = x.first; n < x.last; n++) {
                    for (uint32_t c = 0; c < channels; c++, cell++) {
                        if (*cell > out[c]) {
                            out[c] = *cell;
                        }
                    }
                }
            }
        }
    }
}
