#include "nnom.h"
/* as the converter before NNoM 0.4 wrote it: convolutions without a dilation */
#define CONV2D_KERNEL_0 {64, -32, 16, 8, -64, 32, 96, -8}
#define CONV2D_KERNEL_0_SHIFT (7)
#define CONV2D_BIAS_0 {32, -16}
#define CONV2D_BIAS_0_SHIFT (5)
#define CONV2D_OUTPUT_SHIFT 7
#define CONV2D_OUTPUT_RSHIFT (CONV2D_KERNEL_0_SHIFT+7-CONV2D_OUTPUT_SHIFT)
#define CONV2D_BIAS_LSHIFT (5)
static const int8_t conv2d_weights[] = CONV2D_KERNEL_0;
static const nnom_weight_t conv2d_w = {(const void *)conv2d_weights, CONV2D_OUTPUT_RSHIFT};
static const int8_t conv2d_bias[] = CONV2D_BIAS_0;
static const nnom_bias_t conv2d_b = {(const void *)conv2d_bias, CONV2D_BIAS_LSHIFT};
static int8_t nnom_input_data[4];
static int8_t nnom_output_data[2];
static nnom_model_t *nnom_model_create(void)
{
    static nnom_model_t model;
    nnom_layer_t *layer[5];
    new_model(&model);
    layer[0] = Input(shape(2, 2, 1), nnom_input_data);
    layer[1] = model.hook(Conv2D(2, kernel(2, 2), stride(1, 1), PADDING_VALID, &conv2d_w, &conv2d_b), layer[0]);
    layer[2] = model.active(act_relu(), layer[1]);
    layer[3] = model.hook(Softmax(), layer[2]);
    layer[4] = model.hook(Output(shape(2, 1, 1), nnom_output_data), layer[3]);
    model_compile(&model, layer[0], layer[4]);
    return &model;
}
