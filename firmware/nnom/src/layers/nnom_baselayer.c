/* SPDX-License-Identifier: Apache-2.0
 * Base layer. */
#include "layers/nnom_baselayer.h"

#include "nnom_layer.h"

nnom_layer_t *BaseLayer(void)
{
    return nnom_layer_new(sizeof(nnom_layer_t), NNOM_BASE, NNOM_TENSOR_BUF_NULL, false, default_run,
                          default_build);
}

nnom_layer_t *baselayer_s(const nnom_layer_config_t *config)
{
    nnom_layer_t *layer = BaseLayer();
    if (layer != NULL) {
        layer->config = (nnom_layer_config_t *)(uintptr_t)config;
    }
    return layer;
}
