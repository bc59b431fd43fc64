#include <rtthread.h>

#include "ymodem.h"
#include "nnom.h"
#include "weights.h"

#define LABELS 128

static nnom_model_t *model;
static nnom_predict_t *pre;
static rt_uint8_t labels[LABELS];
static size_t at, size, taken;

static enum rym_code begin(struct rym_ctx *ctx, rt_uint8_t *buf, rt_size_t len)
{
    size = strtoul((char *)buf + strlen((char *)buf) + 1, NULL, 10);
    rt_kprintf("receiving %s, %d bytes\n", (char *)buf, (int)size);
    return RYM_CODE_ACK;
}

static enum rym_code data(struct rym_ctx *ctx, rt_uint8_t *buf, rt_size_t len)
{
    for (rt_size_t i = 0; i < len && taken < size; i++, taken++) {
        if (taken < LABELS) {
            labels[taken] = buf[i];
            continue;
        }
        nnom_input_data[at++] = (int8_t)buf[i];
        if (at == sizeof(nnom_input_data)) {
            uint32_t label;
            float probability;
            prediction_run(pre, labels[(taken - LABELS) / sizeof(nnom_input_data)], &label, &probability);
            at = 0;
        }
    }
    return RYM_CODE_ACK;
}

static void predict(void)
{
    struct rym_ctx rctx;
    at = taken = 0;
    pre = prediction_create(model, nnom_output_data, sizeof(nnom_output_data), 2);
    if (rym_recv_on_device(&rctx, rt_console_get_device(), 0, begin, data, NULL, 1000) == RT_EOK) {
        prediction_end(pre);
        prediction_summary(pre);
    }
    prediction_delete(pre);
}
MSH_CMD_EXPORT(predict, validate NNoM model by Y-modem);

int main(void)
{
    model = nnom_model_create();
    return 0;
}
