/* SPDX-License-Identifier: Apache-2.0
 * weights.h, one input, one result: a whole program. */
#include "weights.h"

int main(void)
{
    uint32_t label;
    float probability;
    nnom_model_t *model = nnom_model_create();
    memset(nnom_input_data, 64, sizeof(nnom_input_data));
    nnom_predict(model, &label, &probability);
    printf("class %u, probability %.2f\n", (unsigned)label, probability);
    model_stat(model);
    model_delete(model);
    return 0;
}
