/* SPDX-License-Identifier: Apache-2.0
 * The generated model, as the rest of the firmware sees it. */
#ifndef APP_H
#define APP_H

#include "agent/agent.h"

/* Creates the model of weights.h, which prints its compile log. */
agent_model app_create_model(void);

#endif
