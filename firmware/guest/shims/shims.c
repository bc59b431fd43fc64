/* SPDX-License-Identifier: Apache-2.0
 * Functions of RT-Thread and of ST's HAL that NNoM's users call around a network. All are weak: what
 * a project brings of its own wins. */
#include "guest/guest.h"
#include "hal.h"
#include "rtthread.h"
#include "ymodem.h"

#define WEAK __attribute__((weak))
#define PACKET 1024

uint32_t us_timer_get(void);

WEAK rt_tick_t rt_tick_get(void)
{
    return guest_ms();
}

WEAK rt_tick_t rt_tick_from_millisecond(rt_int32_t ms)
{
    return (rt_tick_t)ms;
}

WEAK rt_err_t rt_thread_mdelay(rt_int32_t ms)
{
    const uint32_t start = guest_ms();
    while (guest_ms() - start < (uint32_t)ms) {
    }
    return RT_EOK;
}

WEAK rt_err_t rt_thread_delay(rt_tick_t ticks)
{
    return rt_thread_mdelay((rt_int32_t)ticks);
}

WEAK rt_device_t rt_console_get_device(void)
{
    return NULL;
}

WEAK rt_device_t rt_device_find(const char *name)
{
    (void)name;
    return NULL;
}

WEAK uint32_t HAL_GetTick(void)
{
    return guest_ms();
}

WEAK void HAL_Delay(uint32_t ms)
{
    (void)rt_thread_mdelay((rt_int32_t)ms);
}

WEAK uint32_t us_timer_get(void)
{
    return guest_us();
}

/* The first packet is name and size, each with a zero; the last is filled up. */
WEAK rt_err_t rym_recv_on_device(struct rym_ctx *ctx, rt_device_t dev, rt_uint16_t oflag,
                                 rym_callback on_begin, rym_callback on_data, rym_callback on_end,
                                 int handshake_timeout)
{
    static uint8_t packet[PACKET];
    (void)dev, (void)oflag, (void)handshake_timeout;
    FILE *file = fopen("test_data.bin", "rb");
    if (file == NULL) {
        printf("[guest: Y-modem: the project has no test_data.bin]\n");
        return -RT_ERROR;
    }
    (void)fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    const int name = snprintf((char *)packet, sizeof(packet), "test_data.bin") + 1;
    (void)snprintf((char *)packet + name, sizeof(packet) - (size_t)name, "%ld", size);
    if (on_begin != NULL) {
        (void)on_begin(ctx, packet, 128);
    }
    while (fread(packet, 1, sizeof(packet), file) > 0) {
        if (on_data != NULL && on_data(ctx, packet, sizeof(packet)) == RYM_CODE_CAN) {
            break;
        }
        memset(packet, 0x1A, sizeof(packet));
    }
    if (on_end != NULL) {
        (void)on_end(ctx, packet, 0);
    }
    (void)fclose(file);
    return RT_EOK;
}
