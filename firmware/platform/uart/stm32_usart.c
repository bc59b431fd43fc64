/* SPDX-License-Identifier: Apache-2.0
 * USART of STM32F1, F2, F4 and L1: one data register, errors cleared by reading it. */
#include "platform/uart/uart.h"

#include "board_config.h"
#include "platform/registers.h"

#define USART_SR (CONFIG_UART_BASE + 0x00u)
#define USART_DR (CONFIG_UART_BASE + 0x04u)
#define USART_BRR (CONFIG_UART_BASE + 0x08u)
#define USART_CR1 (CONFIG_UART_BASE + 0x0Cu)

#define SR_RXNE (1u << 5)
#define SR_TC (1u << 6)
#define SR_TXE (1u << 7)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_RXNEIE (1u << 5)
#define CR1_UE (1u << 13)

void uart_init(uint32_t baud)
{
    reg_write(USART_BRR, (CONFIG_UART_CLOCK_HZ + baud / 2u) / baud);
    reg_write(USART_CR1, CR1_UE | CR1_TE | CR1_RE | CR1_RXNEIE);
    (void)reg_read(USART_DR); /* what came before the reset is nobody's any more */
    nvic_enable(CONFIG_UART_IRQ);
}

void uart_drain(void)
{
    while ((reg_read(USART_SR) & SR_TC) == 0u) {
    }
}

void uart_put(uint8_t byte)
{
    while ((reg_read(USART_SR) & SR_TXE) == 0u) {
    }
    reg_write(USART_DR, byte);
}

bool uart_get(uint8_t *byte)
{
    if ((reg_read(USART_SR) & SR_RXNE) == 0u) {
        return false;
    }
    *byte = (uint8_t)reg_read(USART_DR);
    return true;
}
