/* SPDX-License-Identifier: Apache-2.0
 * NNoM's port settings for a guest that has no nnom_port.h of its own. */
#ifndef GUEST_PORT_H
#define GUEST_PORT_H

#include <stdint.h>

uint32_t guest_ms(void);
uint32_t guest_us(void);

#define nnom_us_get() guest_us()
#define nnom_ms_get() guest_ms()

#endif
