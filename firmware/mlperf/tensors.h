/* SPDX-License-Identifier: Apache-2.0
 * From the bytes of a stimulus to the model's input, and from its output to what is answered. */
#ifndef MLPERF_TENSORS_H
#define MLPERF_TENSORS_H

#include <stdbool.h>

#include "agent/agent.h"
#include "mlperf_config.h"

/* False, and nothing changed, where the stimulus holds a float that is no finite number. */
bool tensors_load(const agent_model *m, const uint8_t stimulus[MLPERF_BYTES]);
/* Has runs keep what scores are made of, where that is not the output. */
void tensors_watch(const agent_model *m);
/* Says the scores of the last run: the anomaly score, or one number a class whose sum is 1. */
void tensors_say(const agent_model *m, const uint8_t stimulus[MLPERF_BYTES]);

#endif
