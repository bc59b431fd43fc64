/* SPDX-License-Identifier: Apache-2.0
 * NNoM's clock, from ticks. */
#include "board_config.h"
#include "platform/platform.h"

uint32_t port_ms(void)
{
    return (uint32_t)(time_now() / (CONFIG_CORE_HZ / 1000u));
}
