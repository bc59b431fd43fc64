/* SPDX-License-Identifier: Apache-2.0
 * NNoM's port settings in this firmware. */
#ifndef NNOM_CONFIG_H
#define NNOM_CONFIG_H

#include <stdint.h>

uint32_t port_us(void);
uint32_t port_ms(void);

#define nnom_us_get() port_us()
#define nnom_ms_get() port_ms()
#define NNOM_COMPAT_043 CONFIG_COMPAT_043 /* the compiler's command line has it */

#endif
