/* SPDX-License-Identifier: Apache-2.0
 * What NNoM's users take from RT-Thread: its shell, ticks, memory and types. */
#ifndef RTTHREAD_H
#define RTTHREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/guest.h"

typedef int8_t rt_int8_t;
typedef int16_t rt_int16_t;
typedef int32_t rt_int32_t;
typedef uint8_t rt_uint8_t;
typedef uint16_t rt_uint16_t;
typedef uint32_t rt_uint32_t;
typedef int rt_bool_t;
typedef long rt_base_t;
typedef unsigned long rt_ubase_t;
typedef rt_base_t rt_err_t;
typedef rt_uint32_t rt_tick_t;
typedef rt_ubase_t rt_size_t;
typedef rt_base_t rt_off_t;
typedef struct rt_device *rt_device_t;

#define RT_NULL NULL
#define RT_TRUE 1
#define RT_FALSE 0
#define RT_EOK 0
#define RT_ERROR 1
#define RT_ASSERT(x) ((x) ? (void)0 : abort())
#define RT_TICK_PER_SECOND 1000
#define RT_WAITING_FOREVER (-1)
#define RT_USED __attribute__((used))
#define RT_WEAK __attribute__((weak))

#define rt_kprintf printf
#define rt_malloc malloc
#define rt_calloc calloc
#define rt_realloc realloc
#define rt_free free
#define rt_memcpy memcpy
#define rt_memset memset
#define rt_memmove memmove
#define rt_strlen strlen
#define rt_strcmp strcmp
#define rt_snprintf snprintf
#define rt_sprintf sprintf

rt_tick_t rt_tick_get(void);
rt_tick_t rt_tick_from_millisecond(rt_int32_t ms);
rt_err_t rt_thread_mdelay(rt_int32_t ms);
rt_err_t rt_thread_delay(rt_tick_t ticks);
rt_device_t rt_console_get_device(void);
rt_device_t rt_device_find(const char *name);

#define GUEST_EXPORT(list, function, text) \
    __attribute__((section(list), used)) static const guest_command guest_export_##function = { \
        text, (void (*)(int, char **))(void (*)(void))function}
#define MSH_CMD_EXPORT(function, description) GUEST_EXPORT("guest_commands", function, #function)
#define MSH_CMD_EXPORT_ALIAS(function, alias, description) \
    GUEST_EXPORT("guest_commands", function, #alias)
#define FINSH_FUNCTION_EXPORT(function, description) \
    GUEST_EXPORT("guest_commands", function, #function)
#define FINSH_FUNCTION_EXPORT_ALIAS(function, alias, description) \
    GUEST_EXPORT("guest_commands", function, #alias)
#define INIT_APP_EXPORT(function) GUEST_EXPORT("guest_inits", function, #function)

#endif
