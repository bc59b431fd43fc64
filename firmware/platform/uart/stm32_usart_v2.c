/* SPDX-License-Identifier: Apache-2.0
 * USART of STM32F0, F3, F7, G, H7, L4 and newer: separate data and interrupt-clear registers. */
#include "platform/uart/uart.h"

#include "board_config.h"
#include "platform/registers.h"

#define USART_CR1 (CONFIG_UART_BASE + 0x00u)
#define USART_BRR (CONFIG_UART_BASE + 0x0Cu)
#define USART_ISR (CONFIG_UART_BASE + 0x1Cu)
#define USART_ICR (CONFIG_UART_BASE + 0x20u)
#define USART_RDR (CONFIG_UART_BASE + 0x24u)
#define USART_TDR (CONFIG_UART_BASE + 0x28u)

#define CR1_UE (1u << 0)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_RXNEIE (1u << 5)
#define ISR_RXNE (1u << 5)
#define ISR_TC (1u << 6)
#define ISR_TXE (1u << 7)
#define ICR_ERRORS 0x0Fu /* parity, framing, noise, overrun */

#ifndef BRR_SCALE /* baud rate register: clock * BRR_SCALE / baud */
#define BRR_SCALE 1u
#endif

void uart_init(uint32_t baud)
{
    reg_write(USART_CR1, 0); /* the rate can be changed while it is off only */
    const uint64_t clock = (uint64_t)BRR_SCALE * CONFIG_UART_CLOCK_HZ;
    reg_write(USART_BRR, (uint32_t)((clock + baud / 2u) / baud));
    reg_write(USART_CR1, CR1_UE | CR1_TE | CR1_RE | CR1_RXNEIE);
    (void)reg_read(USART_RDR); /* what came before the reset is nobody's any more */
    nvic_enable(CONFIG_UART_IRQ);
}

void uart_drain(void)
{
    while ((reg_read(USART_ISR) & ISR_TC) == 0u) {
    }
}

void uart_put(uint8_t byte)
{
    while ((reg_read(USART_ISR) & ISR_TXE) == 0u) {
    }
    reg_write(USART_TDR, byte);
}

bool uart_get(uint8_t *byte)
{
    const uint32_t isr = reg_read(USART_ISR);
    /* an overrun keeps the interrupt pending until it is cleared */
    if ((isr & ICR_ERRORS) != 0u) {
        reg_write(USART_ICR, ICR_ERRORS);
    }
    if ((isr & ISR_RXNE) == 0u) {
        return false;
    }
    *byte = (uint8_t)reg_read(USART_RDR);
    return true;
}
