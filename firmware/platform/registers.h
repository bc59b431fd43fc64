/* SPDX-License-Identifier: Apache-2.0
 * Typed access to hardware registers, and the core's own ones. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <stdint.h>

static inline void reg_write(uintptr_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static inline uint32_t reg_read(uintptr_t address)
{
    return *(volatile uint32_t *)address;
}

#define SYST_CSR 0xE000E010u
#define SYST_RVR 0xE000E014u
#define SYST_CVR 0xE000E018u
#define NVIC_ISER 0xE000E100u
#define NVIC_ICER 0xE000E180u
#define SCB_CPUID 0xE000ED00u
#define SCB_ICSR 0xE000ED04u
#define SCB_VTOR 0xE000ED08u
#define SCB_AIRCR 0xE000ED0Cu
#define SCB_CCR 0xE000ED14u
#define SCB_CFSR 0xE000ED28u
#define SCB_HFSR 0xE000ED2Cu
#define SCB_MMFAR 0xE000ED34u
#define SCB_BFAR 0xE000ED38u
#define SCB_CCSIDR 0xE000ED80u
#define SCB_CSSELR 0xE000ED84u
#define SCB_CPACR 0xE000ED88u
#define SCB_ICIALLU 0xE000EF50u
#define SCB_DCISW 0xE000EF60u

#define AIRCR_VECTKEY 0x05FA0000u
#define AIRCR_SYSRESETREQ (1u << 2)
#define CCR_DC (1u << 16)
#define CCR_IC (1u << 17)
#define CCR_LOB (1u << 19)
#define ICSR_PENDSTSET (1u << 26)

static inline void nvic_enable(uint32_t irq)
{
    reg_write(NVIC_ISER + 4u * (irq / 32u), 1u << (irq % 32u));
}

static inline void nvic_disable(uint32_t irq)
{
    reg_write(NVIC_ICER + 4u * (irq / 32u), 1u << (irq % 32u));
    __asm__ volatile("dsb\n isb" ::: "memory"); /* no instruction behind this is interrupted */
}

static inline void irq_disable(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
}

static inline void irq_enable(void)
{
    __asm__ volatile("cpsie i" ::: "memory");
}

static inline void wait_for_interrupt(void)
{
    __asm__ volatile("dsb\n wfi" ::: "memory");
}

#endif
