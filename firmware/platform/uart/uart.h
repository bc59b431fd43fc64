/* SPDX-License-Identifier: Apache-2.0
 * One UART; the board file says which driver, where and how fast. */
#ifndef UART_H
#define UART_H

#include <stdbool.h>
#include <stdint.h>

/* Enables the UART with its receive interrupt, 8N1; again, at another rate. */
void uart_init(uint32_t baud);
/* Waits until the last byte has left. */
void uart_drain(void);
/* Blocks until the byte can be taken. */
void uart_put(uint8_t byte);
/* A received byte; false when there is none. Acknowledges the interrupt. */
bool uart_get(uint8_t *byte);

#endif
