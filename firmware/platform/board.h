/* SPDX-License-Identifier: Apache-2.0
 * The board's own start: the steps of its file's [startup] table. */
#ifndef BOARD_H
#define BOARD_H

/* Needs initialised data. Waits end after a bounded time, whatever the hardware says. */
void board_startup(void);

#endif
