/* SPDX-License-Identifier: Apache-2.0
 * UART of the Cortex-M System Design Kit, as on Arm's MPS2 and MPS3 boards. */
#include "platform/uart/uart.h"

#include "board_config.h"
#include "platform/registers.h"

#define UART_DATA (CONFIG_UART_BASE + 0x00u)
#define UART_STATE (CONFIG_UART_BASE + 0x04u)
#define UART_CTRL (CONFIG_UART_BASE + 0x08u)
#define UART_INTCLEAR (CONFIG_UART_BASE + 0x0Cu)
#define UART_BAUDDIV (CONFIG_UART_BASE + 0x10u)

#define STATE_TX_FULL (1u << 0)
#define STATE_RX_FULL (1u << 1)
#define CTRL_TX_ENABLE (1u << 0)
#define CTRL_RX_ENABLE (1u << 1)
#define CTRL_RX_INTERRUPT (1u << 3)
#define INT_RX (1u << 1)

void uart_init(uint32_t baud)
{
    reg_write(UART_BAUDDIV, CONFIG_UART_CLOCK_HZ / baud);
    reg_write(UART_CTRL, CTRL_TX_ENABLE | CTRL_RX_ENABLE | CTRL_RX_INTERRUPT);
    (void)reg_read(UART_DATA); /* what came before the reset is nobody's any more */
    nvic_enable(CONFIG_UART_IRQ);
}

void uart_drain(void)
{
    while ((reg_read(UART_STATE) & STATE_TX_FULL) != 0u) {
    }
}

void uart_put(uint8_t byte)
{
    while ((reg_read(UART_STATE) & STATE_TX_FULL) != 0u) {
    }
    reg_write(UART_DATA, byte);
}

bool uart_get(uint8_t *byte)
{
    /* cleared before the read: a byte that arrives after it raises the interrupt again */
    reg_write(UART_INTCLEAR, INT_RX);
    if ((reg_read(UART_STATE) & STATE_RX_FULL) == 0u) {
        return false;
    }
    *byte = (uint8_t)reg_read(UART_DATA);
    return true;
}
