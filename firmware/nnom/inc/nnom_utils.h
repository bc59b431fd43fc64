/* SPDX-License-Identifier: Apache-2.0
 * Evaluation on the target: predictions with statistics, and printed tables. */
#include "nnom.h" /* before the guard: this header may be the first one included */

#ifndef NNOM_UTILS_H
#define NNOM_UTILS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Times in milliseconds. confusion_mat: [label_num][label_num], row = true label. */
typedef struct _nnom_predict_t {
    uint16_t *confusion_mat;
    uint32_t *top_k;
    nnom_model_t *model;
    int8_t *buf_prediction;
    uint32_t label_num;
    uint32_t top_k_size;
    uint32_t predict_count;
    uint32_t t_run_total;
    uint32_t t_predict_start;
    uint32_t t_predict_total;
} nnom_predict_t;

/* buf_prediction: the model's output buffer. NULL if it or m is NULL, for no labels, or without memory
 * for the matrix. */
nnom_predict_t *prediction_create(nnom_model_t *m, int8_t *buf_prediction, size_t label_num,
                                  size_t top_k_size);
/* Runs the model on the data now in its input buffer and books the result. NN_ARGUMENT_ERROR for
 * NULL or a true_label out of range: then nothing is run. An error of the model's is returned, and
 * nothing booked. */
nnom_status_t prediction_run(nnom_predict_t *pre, uint32_t true_label, uint32_t *predict_label,
                             float *prob);
void prediction_end(nnom_predict_t *pre);
void prediction_delete(nnom_predict_t *pre);
void prediction_matrix(nnom_predict_t *pre);
void prediction_top_k(nnom_predict_t *pre);
void prediction_summary(nnom_predict_t *pre);

/* One run; label is the first maximum of the last layer's output, prob its value / 127. An error of
 * the model's is returned, and neither is written. */
nnom_status_t nnom_predict(nnom_model_t *m, uint32_t *label, float *prob);

void model_stat(nnom_model_t *m);
void model_io_format(nnom_model_t *m);
/* Where each layer's output lies in the network buffer, and what NNoM's blocks would take. */
void model_memory(nnom_model_t *m);

#ifdef __cplusplus
}
#endif

#endif
