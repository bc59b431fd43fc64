/* SPDX-License-Identifier: Apache-2.0
 * A user's main.c around the header named by HEADER: one run, every table, twice over. */
#include HEADER

static nnom_status_t show(nnom_model_t *m, nnom_layer_t *layer)
{
    (void)m;
    printf("layer %s :", default_layer_names[layer->type]);
    for (size_t i = 0; i < tensor_size(layer->out->tensor); i++) {
        printf(" %d", ((int8_t *)layer->out->tensor->p_data)[i]);
    }
    printf("\n");
    return NN_SUCCESS;
}

int main(void)
{
    static const int8_t input[4] = {100, 50, -20, 127};
    for (int round = 0; round < 2; round++) {
        uint32_t label;
        float prob;
        nnom_model_t *model = nnom_model_create();
        memcpy(nnom_input_data, input, sizeof(input));
        model_set_callback(model, show);
        nnom_status_t status = model_run(model);
        printf("status %d output %d %d\n", status, nnom_output_data[0], nnom_output_data[1]);
        model_delete_callback(model);
        nnom_predict(model, &label, &prob);
        printf("label %d prob %.3f\n", (int)label, prob);
        nnom_predict_t *pre = prediction_create(model, nnom_output_data, sizeof(nnom_output_data), 2);
        prediction_run(pre, 0, &label, &prob);
        printf("out of range: %d\n", prediction_run(pre, 2, &label, &prob));
        prediction_end(pre);
        prediction_summary(pre);
        prediction_delete(pre);
        model_stat(model);
        model_io_format(model);
        model_delete(model);
        printf("memory %d\n", (int)nnom_mem_stat());
    }
    return 0;
}
