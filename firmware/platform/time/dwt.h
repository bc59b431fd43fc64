/* SPDX-License-Identifier: Apache-2.0
 * The core's own cycle counter (DWT's CYCCNT), where there is one and it counts. */
#ifndef DWT_H
#define DWT_H

#include <stdbool.h>
#include <stdint.h>

#include "platform/registers.h"

#define DEMCR 0xE000EDFCu
#define DWT_CTRL 0xE0001000u
#define DWT_CYCCNT 0xE0001004u
#define DWT_LAR 0xE0001FB0u /* its software lock, on the Cortex-M7 */

#define DEMCR_TRCENA (1u << 24)
#define CTRL_CYCCNTENA (1u << 0)
#define CTRL_NOCYCCNT (1u << 25)
#define LAR_KEY 0xC5ACCE55u

/* Armv6-M and Armv8-M Baseline have none, and their DWT must not be touched. */
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB >= 2

static inline uint32_t dwt_count(void)
{
    return reg_read(DWT_CYCCNT);
}

/* Starts the counter at 0; false where it does not move: left out of the chip, not modelled by an
 * emulator, or held by the chip's debug authentication, as in a secure state it may be. */
static inline bool dwt_start(void)
{
    reg_write(DEMCR, reg_read(DEMCR) | DEMCR_TRCENA);
    reg_write(DWT_LAR, LAR_KEY);
    if ((reg_read(DWT_CTRL) & CTRL_NOCYCCNT) != 0u) {
        return false;
    }
    reg_write(DWT_CYCCNT, 0);
    reg_write(DWT_CTRL, reg_read(DWT_CTRL) | CTRL_CYCCNTENA);
    const uint32_t before = dwt_count();
    (void)reg_read(SYST_CVR); /* takes a cycle or two; Renode's time catches up when it is read */
    return dwt_count() != before;
}

#else

static inline uint32_t dwt_count(void)
{
    return 0;
}

static inline bool dwt_start(void)
{
    return false;
}

#endif

/* The count in 64 bits. about: what another clock of the same rate says, less than 2^31 off, which
 * it stays as long as the core does not sleep. */
static inline uint64_t dwt_extend(uint64_t about, uint32_t count)
{
    return about + (uint64_t)(int64_t)(int32_t)(count - (uint32_t)about);
}

#endif
