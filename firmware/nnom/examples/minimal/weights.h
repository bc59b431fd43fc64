/* SPDX-License-Identifier: Apache-2.0
 * Input(4) - Dense(2) - ReLU - Softmax, as the converter writes it. */
#include "nnom.h"
#define TENSOR_DENSE_KERNEL_0 {64, -32, 16, 8, -64, 32, 96, -8}
#define TENSOR_DENSE_KERNEL_0_DEC_BITS {7}
#define TENSOR_DENSE_BIAS_0 {32, -16}
#define TENSOR_DENSE_BIAS_0_DEC_BITS {9}
#define DENSE_BIAS_LSHIFT {5}
#define DENSE_OUTPUT_RSHIFT {8}
#define INPUT_1_OUTPUT_DEC 7
#define INPUT_1_OUTPUT_OFFSET 0
#define SOFTMAX_OUTPUT_DEC 7
static int8_t nnom_input_data[4] = {0};
const nnom_shape_data_t tensor_input_1_dim[] = {4};
const nnom_qformat_param_t tensor_input_1_dec[] = {7};
const nnom_qformat_param_t tensor_input_1_offset[] = {0};
const nnom_tensor_t tensor_input_1 = {
    .p_data = (void*)nnom_input_data, .dim = (nnom_shape_data_t*)tensor_input_1_dim,
    .q_dec = (nnom_qformat_param_t*)tensor_input_1_dec, .q_offset = (nnom_qformat_param_t*)tensor_input_1_offset,
    .qtype = NNOM_QTYPE_PER_TENSOR, .num_dim = 1, .bitwidth = 8
};
const nnom_io_config_t input_1_config = { .super = {.name = "input_1"}, .tensor = (nnom_tensor_t*)&tensor_input_1 };
const int8_t tensor_dense_kernel_0_data[] = TENSOR_DENSE_KERNEL_0;
const nnom_shape_data_t tensor_dense_kernel_0_dim[] = {4, 2};
const nnom_qformat_param_t tensor_dense_kernel_0_dec[] = TENSOR_DENSE_KERNEL_0_DEC_BITS;
const nnom_qformat_param_t tensor_dense_kernel_0_offset[] = {0};
const nnom_tensor_t tensor_dense_kernel_0 = {
    .p_data = (void*)tensor_dense_kernel_0_data, .dim = (nnom_shape_data_t*)tensor_dense_kernel_0_dim,
    .q_dec = (nnom_qformat_param_t*)tensor_dense_kernel_0_dec, .q_offset = (nnom_qformat_param_t*)tensor_dense_kernel_0_offset,
    .qtype = NNOM_QTYPE_PER_TENSOR, .num_dim = 2, .bitwidth = 8
};
const int8_t tensor_dense_bias_0_data[] = TENSOR_DENSE_BIAS_0;
const nnom_shape_data_t tensor_dense_bias_0_dim[] = {2};
const nnom_qformat_param_t tensor_dense_bias_0_dec[] = TENSOR_DENSE_BIAS_0_DEC_BITS;
const nnom_qformat_param_t tensor_dense_bias_0_offset[] = {0};
const nnom_tensor_t tensor_dense_bias_0 = {
    .p_data = (void*)tensor_dense_bias_0_data, .dim = (nnom_shape_data_t*)tensor_dense_bias_0_dim,
    .q_dec = (nnom_qformat_param_t*)tensor_dense_bias_0_dec, .q_offset = (nnom_qformat_param_t*)tensor_dense_bias_0_offset,
    .qtype = NNOM_QTYPE_PER_TENSOR, .num_dim = 1, .bitwidth = 8
};
const nnom_qformat_param_t dense_output_shift[] = DENSE_OUTPUT_RSHIFT;
const nnom_qformat_param_t dense_bias_shift[] = DENSE_BIAS_LSHIFT;
const nnom_dense_config_t dense_config = {
    .super = {.name = "dense"}, .qtype = NNOM_QTYPE_PER_TENSOR,
    .weight = (nnom_tensor_t*)&tensor_dense_kernel_0, .bias = (nnom_tensor_t*)&tensor_dense_bias_0,
    .output_shift = (nnom_qformat_param_t *)&dense_output_shift, .bias_shift = (nnom_qformat_param_t *)&dense_bias_shift
};
const nnom_softmax_config_t softmax_config = { .super = {.name = "softmax"} };
static int8_t nnom_output_data[2] = {0};
const nnom_shape_data_t tensor_output0_dim[] = {2};
const nnom_qformat_param_t tensor_output0_dec[] = {SOFTMAX_OUTPUT_DEC};
const nnom_qformat_param_t tensor_output0_offset[] = {0};
const nnom_tensor_t tensor_output0 = {
    .p_data = (void*)nnom_output_data, .dim = (nnom_shape_data_t*)tensor_output0_dim,
    .q_dec = (nnom_qformat_param_t*)tensor_output0_dec, .q_offset = (nnom_qformat_param_t*)tensor_output0_offset,
    .qtype = NNOM_QTYPE_PER_TENSOR, .num_dim = 1, .bitwidth = 8
};
const nnom_io_config_t output0_config = { .super = {.name = "output0"}, .tensor = (nnom_tensor_t*)&tensor_output0 };
#define NNOM_MODEL_VERSION (10000*0 + 100*4 + 3)
static nnom_model_t* nnom_model_create(void)
{
	static nnom_model_t model;
	nnom_layer_t* layer[5];
	check_model_version(NNOM_MODEL_VERSION);
	new_model(&model);
	layer[0] = input_s(&input_1_config);
	layer[1] = model.hook(dense_s(&dense_config), layer[0]);
	layer[2] = model.active(act_relu(), layer[1]);
	layer[3] = model.hook(softmax_s(&softmax_config), layer[2]);
	layer[4] = model.hook(output_s(&output0_config), layer[3]);
	model_compile(&model, layer[0], layer[4]);
	return &model;
}
