/* SPDX-License-Identifier: Apache-2.0
 * The target's side of MLPerf Tiny's serial protocol (docs/mlperf.md): commands that end in '%',
 * answers in lines, each command's last one "m-ready". */
#ifndef MLPERF_H
#define MLPERF_H

#include "agent/agent.h"

/* What is said once, at power-up. */
void mlperf_announce(void);
/* Serves commands, for ever: mlperf_start(), then mlperf_take() for every byte. */
_Noreturn void mlperf_serve(const agent_model *model);
void mlperf_start(const agent_model *model);
void mlperf_take(uint8_t byte);

#endif
