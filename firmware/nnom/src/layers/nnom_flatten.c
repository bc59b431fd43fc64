/* SPDX-License-Identifier: Apache-2.0
 * Flatten layer. */
#include "nnom_layer.h"

nnom_layer_t *Flatten(void)
{
    return nnom_layer_new(sizeof(nnom_layer_t), NNOM_FLATTEN, NNOM_RESHAPED_BUF, false, flatten_run,
                          flatten_build);
}

nnom_layer_t *flatten_s(const nnom_flatten_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return nnom_layer_with_config(Flatten(), config);
}

nnom_status_t flatten_build(nnom_layer_t *layer)
{
    const nnom_status_t status = nnom_layer_take_inputs(layer);
    if (status != NN_SUCCESS) {
        return status;
    }
    const size_t size = tensor_size(layer->in->tensor);
    if (size > UINT16_MAX) {
        return NN_SIZE_MISMATCH; /* a dimension has 16 bits */
    }
    const nnom_shape_data_t dim[1] = {(nnom_shape_data_t)size};
    return nnom_layer_new_output(layer, dim, 1, layer->in->tensor->q_dec[0]);
}

nnom_status_t flatten_run(nnom_layer_t *layer)
{
    return nnom_reshape_copy(layer);
}
