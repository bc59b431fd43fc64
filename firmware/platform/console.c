/* SPDX-License-Identifier: Apache-2.0
 * Console: a receive ring filled by interrupt, so that the link works while the core computes. */
#include "config.h"
#include "platform/interrupts.h"
#include "platform/platform.h"
#include "platform/registers.h"
#include "platform/uart/uart.h"

_Static_assert((CONFIG_RX_SIZE & (CONFIG_RX_SIZE - 1)) == 0, "the ring's size is a power of two");

/* one writer (the interrupt), one reader (the main loop) */
static struct {
    volatile uint32_t head, tail;
    volatile uint32_t overruns;
    uint8_t data[CONFIG_RX_SIZE];
} rx;

void console_irq(void)
{
    uint8_t byte;
    while (uart_get(&byte)) {
        if (rx.head - rx.tail == CONFIG_RX_SIZE) {
            rx.overruns++;
        } else {
            rx.data[rx.head % CONFIG_RX_SIZE] = byte;
            rx.head++;
        }
    }
}

void console_init(void)
{
    uart_init(CONFIG_UART_BAUD);
}

void console_set_baud(uint32_t baud)
{
    uart_drain();
    uart_init(baud);
}

void console_write(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uart_put(data[i]);
    }
}

bool console_read(uint8_t *byte)
{
    if (rx.head == rx.tail) {
        return false;
    }
    *byte = rx.data[rx.tail % CONFIG_RX_SIZE];
    rx.tail++;
    return true;
}

void console_wait(void)
{
    /* with interrupts masked a pending one still ends the wait, so none is missed in between */
    irq_disable();
    if (rx.head == rx.tail) {
        wait_for_interrupt();
    }
    irq_enable();
}

uint32_t console_overruns(void)
{
    return rx.overruns;
}

void console_hold(void)
{
    nvic_disable(CONFIG_UART_IRQ);
}

void console_release(void)
{
    nvic_enable(CONFIG_UART_IRQ); /* what waits in the UART interrupts now */
}
