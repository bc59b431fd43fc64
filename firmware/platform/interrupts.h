/* SPDX-License-Identifier: Apache-2.0
 * Entry points that the vector table names. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

void reset_handler(void);
void fault_handler(void);
void systick_handler(void);
/* Every device interrupt; the console's is the only one that is enabled. */
void console_irq(void);

#endif
