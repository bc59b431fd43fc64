/* SPDX-License-Identifier: Apache-2.0
 * RT-Thread's reception by Y-modem; what "comes" is the project's test_data.bin. */
#ifndef YMODEM_H
#define YMODEM_H

#include "rtthread.h"

enum rym_code {
    RYM_CODE_NONE = 0x00,
    RYM_CODE_SOH = 0x01,
    RYM_CODE_STX = 0x02,
    RYM_CODE_EOT = 0x04,
    RYM_CODE_ACK = 0x06,
    RYM_CODE_NAK = 0x15,
    RYM_CODE_CAN = 0x18,
    RYM_CODE_C = 0x43
};

struct rym_ctx;
typedef enum rym_code (*rym_callback)(struct rym_ctx *ctx, rt_uint8_t *buf, rt_size_t len);

struct rym_ctx {
    rym_callback on_data, on_begin, on_end;
    rt_uint8_t *buf;
    rt_device_t dev;
};

rt_err_t rym_recv_on_device(struct rym_ctx *ctx, rt_device_t dev, rt_uint16_t oflag,
                            rym_callback on_begin, rym_callback on_data, rym_callback on_end,
                            int handshake_timeout);

#endif
