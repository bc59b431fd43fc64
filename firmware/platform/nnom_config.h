/* SPDX-License-Identifier: Apache-2.0
 * NNoM's port settings in this firmware. */
#ifndef NNOM_CONFIG_H
#define NNOM_CONFIG_H

#include <stdint.h>

uint32_t port_ms(void);

#define nnom_us_get() 0 /* the agent times layers, by ticks; NNoM's readings would be part of them */
#define nnom_ms_get() port_ms()
#define NNOM_COMPAT_043 CONFIG_COMPAT_043 /* the compiler's command line has it */

#endif
