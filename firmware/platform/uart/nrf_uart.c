/* SPDX-License-Identifier: Apache-2.0
 * UART of the nRF51 and nRF52 (the one without DMA); the board's [startup] selects its pins. */
#include "platform/uart/uart.h"

#include "board_config.h"
#include "platform/registers.h"

#define UART_START_RX (CONFIG_UART_BASE + 0x000u)
#define UART_START_TX (CONFIG_UART_BASE + 0x008u)
#define UART_RX_READY (CONFIG_UART_BASE + 0x108u)
#define UART_TX_READY (CONFIG_UART_BASE + 0x11Cu)
#define UART_INTENSET (CONFIG_UART_BASE + 0x304u)
#define UART_ENABLE (CONFIG_UART_BASE + 0x500u)
#define UART_RXD (CONFIG_UART_BASE + 0x518u)
#define UART_TXD (CONFIG_UART_BASE + 0x51Cu)
#define UART_BAUDRATE (CONFIG_UART_BASE + 0x524u)

#define ENABLE 4u
#define INT_RX_READY (1u << 2)

void uart_init(uint32_t baud)
{
    /* 2^32 * baud / clock, in steps of 2^12 as the documented values are */
    const uint64_t rate = ((uint64_t)baud << 32) / CONFIG_UART_CLOCK_HZ;
    reg_write(UART_BAUDRATE, (uint32_t)(rate + 0x800u) & ~0xFFFu);
    reg_write(UART_ENABLE, ENABLE);
    reg_write(UART_RX_READY, 0);
    reg_write(UART_INTENSET, INT_RX_READY);
    reg_write(UART_START_TX, 1);
    reg_write(UART_START_RX, 1);
    (void)reg_read(UART_RXD); /* what came before the reset is nobody's any more */
    nvic_enable(CONFIG_UART_IRQ);
}

void uart_drain(void)
{
    /* uart_put() has waited for its byte */
}

void uart_put(uint8_t byte)
{
    reg_write(UART_TX_READY, 0);
    reg_write(UART_TXD, byte);
    while (reg_read(UART_TX_READY) == 0u) {
    }
}

bool uart_get(uint8_t *byte)
{
    if (reg_read(UART_RX_READY) == 0u) {
        return false;
    }
    reg_write(UART_RX_READY, 0); /* before the read, which lets the next byte in */
    *byte = (uint8_t)reg_read(UART_RXD);
    return true;
}
