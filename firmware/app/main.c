/* SPDX-License-Identifier: Apache-2.0
 * Composition root: board, model, agent. */
#include <stdio.h>

#include "agent/agent.h"
#include "app/app.h"
#include "platform/platform.h"

int main(void);

int main(void)
{
    static char line[128];
    setvbuf(stdout, line, _IOLBF, sizeof(line));
    ticks_init();
    console_init();
    agent_announce_boot();
    const agent_model model = app_create_model();
    agent_serve(&model);
}
