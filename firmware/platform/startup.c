/* SPDX-License-Identifier: Apache-2.0
 * Vector table and the way from reset to main. */
#include "board_config.h"

#include <stdint.h>
#include <string.h>

#include "platform/board.h"
#include "platform/interrupts.h"
#include "platform/platform.h"
#include "platform/registers.h"

extern uint32_t data_start[], data_end[], data_load[], bss_start[], bss_end[];
extern uint32_t stack_limit[], stack_top[];

int main(void);

#define STACK_PAINT 0xA5A5A5A5u
#define EXTERNAL_INTERRUPTS 112

#define VECTORS_4(handler) handler, handler, handler, handler
#define VECTORS_16(handler) \
    VECTORS_4(handler), VECTORS_4(handler), VECTORS_4(handler), VECTORS_4(handler)

typedef void (*vector_t)(void);

__attribute__((section(".vectors"), used)) static const struct {
    void *stack;
    vector_t core[15];
    vector_t external[EXTERNAL_INTERRUPTS];
} vectors = {
    .stack = stack_top,
    .core = {reset_handler, fault_handler, fault_handler, fault_handler, fault_handler,
             fault_handler, fault_handler, fault_handler, fault_handler, fault_handler,
             fault_handler, fault_handler, fault_handler, fault_handler, systick_handler},
    .external = {VECTORS_16(console_irq), VECTORS_16(console_irq), VECTORS_16(console_irq),
                 VECTORS_16(console_irq), VECTORS_16(console_irq), VECTORS_16(console_irq),
                 VECTORS_16(console_irq)},
};

/* for boards whose time does not come from SysTick */
__attribute__((weak)) void systick_handler(void)
{
}

/* runs on the stack it paints: only what lies below the stack pointer is free */
static void paint_stack(void)
{
    uint32_t *end;
    __asm__ volatile("mov %0, sp" : "=r"(end));
    for (uint32_t *p = stack_limit; p < end - 16; p++) {
        *p = STACK_PAINT;
    }
}

uint32_t memory_stack_used(void)
{
    const uint32_t *p = stack_limit;
    while (p < stack_top && *p == STACK_PAINT) {
        p++;
    }
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)p);
}

uint32_t platform_cpuid(void)
{
    return reg_read(SCB_CPUID);
}

void platform_reset(void)
{
    reg_write(SCB_AIRCR, AIRCR_VECTKEY | AIRCR_SYSRESETREQ);
    for (;;) {
    }
}

void reset_handler(void)
{
#if CONFIG_VTOR
    reg_write(SCB_VTOR, (uint32_t)(uintptr_t)&vectors); /* a boot loader may have set its own */
#endif
#if defined(__ARM_FP)
    reg_write(SCB_CPACR, reg_read(SCB_CPACR) | (0xFu << 20)); /* CP10 and CP11: the FPU */
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
#if defined(__ARM_FEATURE_MVE)
    reg_write(SCB_CCR, reg_read(SCB_CCR) | CCR_LOB); /* the core remembers where loops begin and end */
#endif
    memcpy(data_start, data_load, (size_t)((uintptr_t)data_end - (uintptr_t)data_start));
    memset(bss_start, 0, (size_t)((uintptr_t)bss_end - (uintptr_t)bss_start));
    board_startup();
    paint_stack();
    (void)main();
    platform_reset();
}
