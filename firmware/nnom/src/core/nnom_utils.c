/* SPDX-License-Identifier: Apache-2.0
 * Evaluation: predictions, statistics and the printed tables. */
#include "nnom_core.h"

nnom_predict_t *prediction_create(nnom_model_t *m, int8_t *buf_prediction, size_t label_num,
                                  size_t top_k_size)
{
    if (m == NULL || buf_prediction == NULL || label_num == 0) {
        return NULL;
    }
    if (label_num > SIZE_MAX / sizeof(uint16_t) / label_num ||
        top_k_size > SIZE_MAX / sizeof(uint32_t)) {
        return NULL; /* more than can be addressed */
    }
    const size_t matrix_size = label_num * label_num * sizeof(uint16_t);
    const size_t top_k_bytes = (top_k_size > 0 ? top_k_size : 1) * sizeof(uint32_t);
    nnom_predict_t *pre = nnom_malloc(sizeof(nnom_predict_t));
    uint32_t *top_k = nnom_malloc(top_k_bytes);
    uint16_t *matrix = nnom_malloc(matrix_size);
    if (pre == NULL || top_k == NULL || matrix == NULL) {
        nnom_free(matrix);
        nnom_free(top_k);
        nnom_free(pre);
        return NULL;
    }
    nnom_memset(pre, 0, sizeof(nnom_predict_t));
    nnom_memset(top_k, 0, top_k_bytes);
    nnom_memset(matrix, 0, matrix_size);
    pre->confusion_mat = matrix;
    pre->top_k = top_k;
    pre->model = m;
    pre->buf_prediction = buf_prediction;
    pre->label_num = (uint32_t)label_num;
    pre->top_k_size = (uint32_t)top_k_size;
    pre->t_predict_start = (uint32_t)nnom_ms_get();
    return pre;
}

/* first maximum */
static uint32_t argmax(const int8_t *out, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++) {
        best = out[i] > out[best] ? i : best;
    }
    return best;
}

/* outputs that stand before the true label: larger ones, and equal ones with a lower index */
static uint32_t rank_of(const int8_t *out, uint32_t n, uint32_t label)
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (out[i] > out[label] || (out[i] == out[label] && i < label)) {
            rank++;
        }
    }
    return rank;
}

nnom_status_t prediction_run(nnom_predict_t *pre, uint32_t true_label, uint32_t *predict_label,
                             float *prob)
{
    NNOM_NULL_CHECK(pre);
    const int8_t *out = pre->buf_prediction;
    if (pre->label_num > 1 && true_label >= pre->label_num) {
        return NN_ARGUMENT_ERROR;
    }
    const uint32_t start = (uint32_t)nnom_ms_get();
    const nnom_status_t status = model_run(pre->model);
    if (status != NN_SUCCESS) {
        return status; /* what lies in the buffer is no prediction */
    }
    pre->t_run_total += (uint32_t)nnom_ms_get() - start;

    uint32_t label;
    float p;
    if (pre->label_num > 1) {
        const uint32_t rank = rank_of(out, pre->label_num, true_label);
        if (rank < pre->top_k_size) {
            pre->top_k[rank]++;
        }
        label = argmax(out, pre->label_num);
        p = (float)out[label] / 127.f;
        uint16_t *cell = &pre->confusion_mat[true_label * pre->label_num + label];
        if (*cell < UINT16_MAX) {
            (*cell)++;
        }
    } else {
        p = (float)out[0] / 127.f;
        label = p >= 0.5f;
    }
    pre->predict_count++;
    if (predict_label != NULL) {
        *predict_label = label;
    }
    if (prob != NULL) {
        *prob = p;
    }
    return NN_SUCCESS;
}

void prediction_end(nnom_predict_t *pre)
{
    if (pre != NULL) {
        pre->t_predict_total = (uint32_t)nnom_ms_get() - pre->t_predict_start;
    }
}

void prediction_delete(nnom_predict_t *pre)
{
    if (pre != NULL) {
        nnom_free(pre->top_k);
        nnom_free(pre->confusion_mat);
        nnom_free(pre);
    }
}

void prediction_matrix(nnom_predict_t *pre)
{
    if (pre == NULL) {
        return;
    }
    NNOM_LOG("\nConfusion matrix:\n");
    NNOM_LOG("predict");
    for (uint32_t i = 0; i < pre->label_num; i++) {
        NNOM_LOG("%6d", (int)i);
    }
    NNOM_LOG("\nactual\n");
    for (uint32_t i = 0; i < pre->label_num; i++) {
        const uint16_t *row = &pre->confusion_mat[i * pre->label_num];
        uint32_t total = 0;
        NNOM_LOG(" %3d | ", (int)i);
        for (uint32_t j = 0; j < pre->label_num; j++) {
            NNOM_LOG("%6d", row[j]);
            total += row[j];
        }
        NNOM_LOG("   |%4d%%\n", total == 0 ? 0 : (int)(row[i] * 100u / total));
    }
    NNOM_LOG("\n");
}

void prediction_top_k(nnom_predict_t *pre)
{
    if (pre == NULL) {
        return;
    }
    const uint64_t n = pre->predict_count;
    uint64_t hits = 0;
    for (uint32_t i = 0; i < pre->top_k_size; i++) {
        hits += pre->top_k[i];
        if (hits < n) {
            NNOM_LOG("Top %d Accuracy: %d.%02d%% \n", (int)(i + 1), (int)(hits * 100 / n),
                     (int)(hits * 10000 / n % 100));
        } else {
            NNOM_LOG("Top %d Accuracy: 100%% \n", (int)(i + 1));
        }
    }
}

void prediction_summary(nnom_predict_t *pre)
{
    if (pre == NULL) {
        return;
    }
    const uint32_t n = pre->predict_count;
    const uint32_t ms = pre->t_run_total;
    NNOM_LOG("\nPrediction summary:\n");
    NNOM_LOG("Test frames: %d\n", (int)n);
    NNOM_LOG("Test running time: %d sec\n", (int)(pre->t_predict_total / 1000));
    NNOM_LOG("Model running time: %d ms\n", (int)ms);
    if (n != 0) {
        NNOM_LOG("Average prediction time: %d us\n", (int)((uint64_t)ms * 1000 / n));
    }
    if (ms != 0) {
        const uint64_t us = (uint64_t)ms * 1000;
        const uint64_t ops = (uint64_t)pre->model->total_ops * n;
        NNOM_LOG("Average effeciency: %d.%02d ops/us\n", (int)(ops / us),
                 (int)(ops * 100 / us % 100));
    }
    if (ms != 0 && n != 0) {
        /* runs faster than a millisecond each have no whole ms to divide by */
        const uint32_t each = ms / n;
        const uint64_t tenths = each != 0 ? 10000 / each : (uint64_t)n * 10000 / ms;
        NNOM_LOG("Average frame rate: %d.%d Hz\n", (int)(tenths / 10), (int)(tenths % 10));
    }
    if (pre->label_num > 1) {
        prediction_top_k(pre);
        prediction_matrix(pre);
    }
}

nnom_status_t nnom_predict(nnom_model_t *m, uint32_t *label, float *prob)
{
    NNOM_NULL_CHECK(m);
    NNOM_NULL_CHECK(m->tail);
    const nnom_status_t status = model_run(m);
    if (status != NN_SUCCESS) {
        return status;
    }
    const int8_t *out = (const int8_t *)m->tail->out->tensor->p_data;
    const size_t n = tensor_size(m->tail->out->tensor);
    uint32_t best;
    float p;
    if (n > 1) {
        best = argmax(out, (uint32_t)n);
        p = (float)out[best] / 127.f;
    } else {
        p = (float)out[0] / 127.f;
        best = p >= 0.5f;
    }
    if (label != NULL) {
        *label = best;
    }
    if (prob != NULL) {
        *prob = p;
    }
    return NN_SUCCESS;
}

static void print_name(const nnom_layer_t *layer, uint32_t index)
{
    NNOM_LOG("#%-3d", (int)index);
    nnom_print_name(layer);
}

void model_stat(nnom_model_t *m)
{
    if (m == NULL) {
        return;
    }
    size_t total_ops = 0;
    uint32_t total_time = 0;
    uint32_t index = 1;

    NNOM_LOG("\nPrint running stat..\n");
    NNOM_LOG("Layer(#)        -   Time(us)     ops(MACs)   ops/us \n");
    NNOM_LOG("--------------------------------------------------------\n");
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        const size_t macc = layer->stat.macc;
        const uint32_t time = layer->stat.time;
        print_name(layer, index++);
        NNOM_LOG(" %8d      ", (int)time);
        nnom_print_macc(macc, "            ", "     ");
        if (macc != 0 && time != 0) {
            NNOM_LOG("%d.%02d\n", (int)(macc / time), (int)((uint64_t)macc * 100 / time % 100));
        } else {
            NNOM_LOG("\n");
        }
        total_ops += macc;
        total_time += time;
    }
    NNOM_LOG("\nSummary:\n");
    NNOM_LOG("Total ops (MAC): %d", (int)total_ops);
    NNOM_LOG("(%d.%02dM)\n", (int)(total_ops / 1000000), (int)(total_ops % 1000000 / 10000));
    NNOM_LOG("Prediction time :%dus\n", (int)total_time);
    if (total_time != 0) {
        NNOM_LOG("Efficiency %d.%02d ops/us\n", (int)(total_ops / total_time),
                 (int)((uint64_t)total_ops * 100 / total_time % 100));
    }
    NNOM_LOG("Total memory:%d\n", (int)nnom_mem_stat());
}

void model_io_format(nnom_model_t *m)
{
    if (m == NULL) {
        return;
    }
    uint32_t index = 1;
    NNOM_LOG("\nPrint layer input/output..\n");
    NNOM_LOG("Layer(#)        -  Input(Qnm)  Output(Qnm)   Oshape \n");
    NNOM_LOG("----------------------------------------------------------\n");
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        if (layer->in->tensor == NULL || layer->out->tensor == NULL) {
            break; /* compilation stopped here */
        }
        const int32_t in_dec = layer->in->tensor->q_dec[0];
        const int32_t out_dec = layer->out->tensor->q_dec[0];
        print_name(layer, index++);
        NNOM_LOG("  %2d.%2d", (int)(7 - in_dec), (int)in_dec);
        NNOM_LOG("     %2d.%2d", (int)(7 - out_dec), (int)out_dec);
        NNOM_LOG("      ");
        nnom_print_shape(layer->out->tensor);
        NNOM_LOG(")\n");
    }
}

void model_memory(nnom_model_t *m)
{
    if (m == NULL || !m->is_inited) {
        return;
    }
    size_t blocks_size = 0;
    uint32_t index = 1;
    NNOM_LOG("\nPrint memory plan..\n");
    NNOM_LOG("Layer(#)        -    Offset      Size\n");
    NNOM_LOG("-------------------------------------\n");
    for (nnom_layer_t *layer = m->head; layer != NULL; layer = layer->shortcut) {
        nnom_tensor_t *t = layer->out->tensor;
        print_name(layer, index++);
        NNOM_LOG(" %8d  %8d\n", (int)((const uint8_t *)t->p_data - (const uint8_t *)m->buffer),
                 (int)tensor_size_byte(t));
    }
    for (uint32_t i = 0; i < NNOM_BLOCK_NUM; i++) {
        blocks_size += m->blocks[i].size;
    }
    NNOM_LOG(" Memory cost by network buffers: %d bytes\n", (int)m->buffer_size);
    NNOM_LOG(" Memory cost by blocks: %d bytes\n", (int)blocks_size);
}
