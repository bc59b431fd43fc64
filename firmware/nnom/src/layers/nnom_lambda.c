/* SPDX-License-Identifier: Apache-2.0
 * Lambda layer. */
#include "nnom_layer.h"

nnom_layer_t *Lambda(nnom_status_t (*run)(nnom_layer_t *), nnom_status_t (*build)(nnom_layer_t *),
                     nnom_status_t (*free)(nnom_layer_t *), void *parameters)
{
    nnom_layer_t *layer = nnom_layer_new(sizeof(nnom_lambda_layer_t), NNOM_LAMBDA,
                                         NNOM_TENSOR_BUF_TEMP, false,
                                         run != NULL ? run : default_run,
                                         build != NULL ? build : default_build);
    if (layer != NULL) {
        layer->free = free;
        ((nnom_lambda_layer_t *)layer)->parameters = parameters;
    }
    return layer;
}

nnom_layer_t *lambda_s(const nnom_lambda_config_t *config)
{
    if (config == NULL) {
        return NULL;
    }
    return nnom_layer_with_config(Lambda(config->run_func_name, config->build_func_name,
                                 config->free_func_name, config->parameters), config);
}
