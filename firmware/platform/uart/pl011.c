/* SPDX-License-Identifier: Apache-2.0
 * Arm PrimeCell UART (PL011), as in Stellaris and RP2040 chips. */
#include "platform/uart/uart.h"

#include "board_config.h"
#include "platform/registers.h"

#define UART_DR (CONFIG_UART_BASE + 0x00u)
#define UART_FR (CONFIG_UART_BASE + 0x18u)
#define UART_IBRD (CONFIG_UART_BASE + 0x24u)
#define UART_FBRD (CONFIG_UART_BASE + 0x28u)
#define UART_LCRH (CONFIG_UART_BASE + 0x2Cu)
#define UART_CR (CONFIG_UART_BASE + 0x30u)
#define UART_IMSC (CONFIG_UART_BASE + 0x38u)
#define UART_ICR (CONFIG_UART_BASE + 0x44u)

#define FR_BUSY (1u << 3)
#define FR_RX_EMPTY (1u << 4)
#define FR_TX_FULL (1u << 5)
#define LCRH_FIFOS (1u << 4)
#define LCRH_8_BITS (3u << 5)
#define CR_ENABLE (1u << 0 | 1u << 8 | 1u << 9) /* UART, transmitter, receiver */
#define INT_RX (1u << 4)
#define INT_RX_TIMEOUT (1u << 6)

void uart_init(uint32_t baud)
{
    /* the divider counts 64ths of clock / 16 / baud */
    const uint32_t divider = (4u * CONFIG_UART_CLOCK_HZ + baud / 2u) / baud;
    reg_write(UART_CR, 0);
    reg_write(UART_IBRD, divider / 64u);
    reg_write(UART_FBRD, divider % 64u);
    reg_write(UART_LCRH, LCRH_8_BITS | LCRH_FIFOS); /* takes the divider over */
    reg_write(UART_IMSC, INT_RX | INT_RX_TIMEOUT);
    reg_write(UART_CR, CR_ENABLE);
    (void)reg_read(UART_DR); /* what came before the reset is nobody's any more */
    nvic_enable(CONFIG_UART_IRQ);
}

void uart_drain(void)
{
    while ((reg_read(UART_FR) & FR_BUSY) != 0u) {
    }
}

void uart_put(uint8_t byte)
{
    while ((reg_read(UART_FR) & FR_TX_FULL) != 0u) {
    }
    reg_write(UART_DR, byte);
}

bool uart_get(uint8_t *byte)
{
    /* cleared before the look: a byte that arrives after it raises the interrupt again */
    reg_write(UART_ICR, INT_RX | INT_RX_TIMEOUT);
    if ((reg_read(UART_FR) & FR_RX_EMPTY) != 0u) {
        return false;
    }
    *byte = (uint8_t)reg_read(UART_DR);
    return true;
}
