/* SPDX-License-Identifier: Apache-2.0
 * The header's network without its program: pseudo-random inputs, a check sum of each output. */
#include <stdio.h>

#include "nnom.h" /* headers before NNoM 0.4 may leave it to the program */
#include GUEST_HEADER

#include "guest/guest.h"

#define VECTORS 16
#define SEED 0x2545F491u

static uint32_t next(uint32_t x)
{
    x ^= x << 13; /* xorshift32, Marsaglia 2003 */
    x ^= x >> 17;
    return x ^ x << 5;
}

int guest_main(int argc, char **argv);

int guest_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    nnom_model_t *model = nnom_model_create();
    uint32_t state = SEED;
    printf("[vectors: %u bytes to %u]\n", (unsigned)sizeof(nnom_input_data),
           (unsigned)sizeof(nnom_output_data));
    for (int i = 0; i < VECTORS; i++) {
        for (size_t k = 0; k < sizeof(nnom_input_data); k++) {
            state = next(state);
            nnom_input_data[k] = (int8_t)((int)(state >> 24) - 128);
        }
        const int status = (int)model_run(model);
        uint32_t sum = 2166136261u; /* FNV-1a */
        for (size_t k = 0; k < sizeof(nnom_output_data); k++) {
            sum = (sum ^ (uint8_t)nnom_output_data[k]) * 16777619u;
        }
        printf("[vector %d: status %d sum %08lx]\n", i, status, (unsigned long)sum);
    }
    model_stat(model);
    return 0;
}
