/* SPDX-License-Identifier: Apache-2.0
 * A difference and then a product: no compiler may fuse these, so the input is the same everywhere.
 * Scores are sums in double of numbers that the generated header holds: no libm, no difference
 * between cores either. */
#include "mlperf/tensors.h"

#include <string.h>

#include "mlperf/say.h"

#define COUNT(list) ((uint32_t)(sizeof(list) / sizeof((list)[0])))

/* One of each, one a channel, or one an element. */
static const float centre[] = MLPERF_CENTRE;
static const float scale[] = MLPERF_SCALE;

#if MLPERF_FLOATS
static uint32_t word_at(const uint8_t *bytes, uint32_t i)
{
    const uint8_t *b = bytes + 4u * i;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static float value_at(const uint8_t *stimulus, uint32_t i)
{
    const uint32_t word = word_at(stimulus, i);
    float value;
    memcpy(&value, &word, sizeof(value));
    return value;
}

static bool is_finite(const uint8_t *stimulus)
{
    for (uint32_t i = 0; i < MLPERF_INPUTS; i++) {
        if ((word_at(stimulus, i) >> 23 & 0xFFu) == 0xFFu) {
            return false;
        }
    }
    return true;
}
#else
/* What each byte means to the model. */
static const float values[256] = MLPERF_VALUES;

static float value_at(const uint8_t *stimulus, uint32_t i)
{
    return values[stimulus[i]];
}

static bool is_finite(const uint8_t *stimulus)
{
    (void)stimulus;
    return true;
}
#endif

bool tensors_load(const agent_model *m, const uint8_t stimulus[MLPERF_BYTES])
{
    if (!is_finite(stimulus)) {
        return false;
    }
    for (uint32_t i = 0; i < MLPERF_INPUTS; i++) {
        const float from = value_at(stimulus, i) - centre[i % COUNT(centre)];
        const float value = from * scale[i % COUNT(scale)];
        const float held = value > 127.0f ? 127.0f : value < -128.0f ? -128.0f : value;
        m->input[i] = (int8_t)(held < 0.0f ? held - 0.5f : held + 0.5f);
    }
    return true;
}

#if MLPERF_ANOMALY
void tensors_watch(const agent_model *m)
{
    (void)m;
}

/* The mean squared error of the reconstruction, in the stimulus' own unit. */
void tensors_say(const agent_model *m, const uint8_t stimulus[MLPERF_BYTES])
{
    double sum = 0.0;
    for (uint32_t i = 0; i < MLPERF_OUTPUTS; i++) {
        const double off = (double)value_at(stimulus, i) - (double)m->output[i] * MLPERF_UNIT;
        sum += off * off;
    }
    say_decimal(sum / (double)MLPERF_OUTPUTS, 9);
}
#else
/* The weight of a class, by how far it is below the largest one, or by its value + 128. */
static const float weights[256] = MLPERF_WEIGHTS;

#if MLPERF_SOFTMAX
/* An int8 softmax gives 128 values: what it is made of ranks better. Layers behind write over it. */
static int8_t kept[MLPERF_OUTPUTS];
static nnom_layer_t *softmax;

static nnom_status_t keep(nnom_model_t *model, nnom_layer_t *layer)
{
    (void)model;
    if (layer->shortcut == softmax) {
        memcpy(kept, softmax->in->tensor->p_data, sizeof(kept));
    }
    return NN_SUCCESS;
}

void tensors_watch(const agent_model *m)
{
    for (nnom_layer_t *l = m->model->head; l != NULL; l = l->shortcut) {
        if (l->type == NNOM_SOFTMAX) {
            softmax = l;
        }
    }
    model_set_callback(m->model, keep);
}

static const int8_t *scored(const agent_model *m)
{
    (void)m;
    return kept;
}
#else
void tensors_watch(const agent_model *m)
{
    (void)m;
}

static const int8_t *scored(const agent_model *m)
{
    return m->output;
}
#endif

static double weight_of(const int8_t *from, uint32_t i, int32_t largest)
{
    return (double)weights[MLPERF_RELATIVE ? largest - from[i] : from[i] + 128];
}

void tensors_say(const agent_model *m, const uint8_t stimulus[MLPERF_BYTES])
{
    (void)stimulus;
    const int8_t *from = scored(m);
    int32_t largest = from[0];
    double sum = 0.0;
    for (uint32_t i = 1; i < MLPERF_OUTPUTS; i++) {
        largest = from[i] > largest ? from[i] : largest;
    }
    for (uint32_t i = 0; i < MLPERF_OUTPUTS; i++) {
        sum += weight_of(from, i, largest);
    }
    for (uint32_t i = 0; i < MLPERF_OUTPUTS; i++) {
        if (i > 0) {
            say(",");
        }
        say_decimal(weight_of(from, i, largest) / sum, 12);
    }
}
#endif
