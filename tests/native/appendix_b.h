/* The same model in the layer API, NNOM_COMPAT.md appendix B. */
#include "nnom.h"
#define DENSE_OUTPUT_RSHIFT (7+7-6)
#define DENSE_BIAS_LSHIFT   (7+7-9)
static const int8_t dense_weights[] = {64, -32, 16, 8, -64, 32, 96, -8};
static const nnom_weight_t dense_w = { (const void*)dense_weights, DENSE_OUTPUT_RSHIFT};
static const int8_t dense_bias[] = {32, -16};
static const nnom_bias_t dense_b = { (const void*)dense_bias, DENSE_BIAS_LSHIFT};
static int8_t nnom_input_data[4];
static int8_t nnom_output_data[2];
static nnom_model_t* nnom_model_create(void)
{
	static nnom_model_t model;
	nnom_layer_t* layer[5];
	new_model(&model);
	layer[0] = Input(shape(4,1,1), nnom_input_data);
	layer[1] = model.hook(Dense(2, &dense_w, &dense_b), layer[0]);
	layer[2] = model.active(act_relu(), layer[1]);
	layer[3] = model.hook(Softmax(), layer[2]);
	layer[4] = model.hook(Output(shape(2,1,1), nnom_output_data), layer[3]);
	model_compile(&model, layer[0], layer[4]);
	return &model;
}
