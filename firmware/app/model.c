/* SPDX-License-Identifier: Apache-2.0
 * The one file that includes the generated header. */
#include "app/app.h"

#include "weights.h"

agent_model app_create_model(void)
{
    const agent_model m = {
        .model = nnom_model_create(),
        .input = nnom_input_data,
        .output = nnom_output_data,
        .input_size = sizeof(nnom_input_data),
        .output_size = sizeof(nnom_output_data),
    };
    return m;
}
