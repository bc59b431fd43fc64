/* SPDX-License-Identifier: Apache-2.0
 * Low-power UART of STM32L4 and newer: the USART's registers with a finer baud rate divider. */
#define BRR_SCALE 256u
#include "platform/uart/stm32_usart_v2.c"
