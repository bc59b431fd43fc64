/* SPDX-License-Identifier: Apache-2.0
 * A fault is reported over the console, as text and as a frame, and ends the program. */
#include <stdio.h>

#include "agent/agent.h"
#include "platform/interrupts.h"
#include "platform/registers.h"

void fault_report(const uint32_t *stacked, uint32_t exc_return);

/* stacked: r0 r1 r2 r3 r12 lr pc xpsr, as the core pushed them */
__attribute__((used)) void fault_report(const uint32_t *stacked, uint32_t exc_return)
{
    uint32_t ipsr;
    __asm__ volatile("mrs %0, ipsr" : "=r"(ipsr));
    agent_fault fault = {
        .exception = ipsr,
        .exc_return = exc_return,
        .pc = stacked[6],
        .lr = stacked[5],
        .xpsr = stacked[7],
        .sp = (uint32_t)(uintptr_t)stacked,
    };
#if __ARM_ARCH >= 7 && !defined(__ARM_ARCH_8M_BASE__)
    fault.cfsr = reg_read(SCB_CFSR);
    fault.hfsr = reg_read(SCB_HFSR);
    fault.mmfar = reg_read(SCB_MMFAR);
    fault.bfar = reg_read(SCB_BFAR);
#endif
    agent_report_fault(&fault);
    for (;;) {
    }
}

__attribute__((naked)) void fault_handler(void)
{
    __asm__ volatile("mrs r0, msp\n"
                     "mov r1, lr\n"
                     "ldr r2, =fault_report\n"
                     "bx r2\n"
                     ".ltorg\n");
}
