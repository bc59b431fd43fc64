/* SPDX-License-Identifier: Apache-2.0
 * Composition root of the other personality: board, model, MLPerf Tiny's protocol. */
#include <stdio.h>

#include "app/app.h"
#include "mlperf/mlperf.h"
#include "platform/platform.h"

int main(void);

int main(void)
{
    static char line[128];
    setvbuf(stdout, line, _IOLBF, sizeof(line));
    ticks_init();
    console_init();
    const agent_model model = app_create_model();
    fflush(stdout); /* what the model printed is not sent after a host's first command */
    mlperf_serve(&model);
}
