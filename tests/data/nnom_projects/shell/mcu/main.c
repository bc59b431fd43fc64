#include <rtthread.h>
#include <rtdevice.h>
#include <board.h>

#include "nnom.h"
#include "image.h"
#include "weights.h"

static nnom_model_t *model;

static void classify(int argc, char **argv)
{
    if (argc < 2) {
        rt_kprintf("usage: classify N\n");
        return;
    }
    int n = atoi(argv[1]);
    rt_tick_t start = rt_tick_get();
    memcpy(nnom_input_data, img[n], sizeof(nnom_input_data));
    model_run(model);
    rt_kprintf("Time: %d tick\n", (int)(rt_tick_get() - start));
    rt_kprintf("Truth label: %d\n", (int)label[n]);
    rt_kprintf("Predicted: %d (%d against %d)\n", nnom_output_data[1] > nnom_output_data[0],
               nnom_output_data[0], nnom_output_data[1]);
}
MSH_CMD_EXPORT(classify, classify image N);

static void nn_stat(void)
{
    model_stat(model);
}
MSH_CMD_EXPORT(nn_stat, print nn model statistic);

int main(void)
{
    model = nnom_model_create();
    model_run(model);
    return 0;
}
