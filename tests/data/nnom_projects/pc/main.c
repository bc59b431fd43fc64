#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "nnom.h"
#include "weights.h"

#define BLOCK 128

#ifdef NNOM_USING_STATIC_MEMORY
static uint8_t static_buf[1024 * 500];
#endif

int main(int argc, char *argv[])
{
    static uint8_t labels[BLOCK];
    FILE *in = fopen("test_data.bin", "rb");
    assert(in != NULL);
    FILE *out = fopen("result.csv", "w");
    assert(out != NULL);
    fseek(in, 0, SEEK_END);
    long total = ftell(in), done = 0;
    fseek(in, 0, SEEK_SET);
#ifdef NNOM_USING_STATIC_MEMORY
    nnom_set_static_buf(static_buf, sizeof(static_buf));
#endif
    printf("validation size: %d\n", (int)total);
    fprintf(out, "label, prob\n");
    nnom_model_t *model = nnom_model_create();
    nnom_predict_t *pre = prediction_create(model, nnom_output_data, sizeof(nnom_output_data), 2);
    while (done < total) {
        size_t n = fread(labels, 1, BLOCK, in);
        done += n;
        for (size_t i = 0; i < n && done < total; i++) {
            uint32_t label;
            float probability;
            done += fread(nnom_input_data, 1, sizeof(nnom_input_data), in);
            prediction_run(pre, labels[i], &label, &probability);
            fprintf(out, "%d,%f\n", (int)label, probability);
        }
        printf("Processing %d%%\n", (int)(100 * done / total));
    }
    fclose(in);
    fclose(out);
    prediction_end(pre);
    prediction_summary(pre);
    prediction_delete(pre);
    model_stat(model);
    model_delete(model);
    return 0;
}
