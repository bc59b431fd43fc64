#ifndef __NNOM_PORT_H__
#define __NNOM_PORT_H__

#include <stdlib.h>
#include <stdio.h>
#include "rtthread.h"

#define nnom_malloc(n) rt_malloc(n)
#define nnom_free(p) rt_free(p)
#define nnom_memset(p, v, s) memset(p, v, s)
#define nnom_memcpy(dst, src, len) memcpy(dst, src, len)
#define nnom_us_get() (rt_tick_get() * 1000)
#define nnom_ms_get() rt_tick_get()
#define NNOM_LOG(...) rt_kprintf(__VA_ARGS__)
#define NNOM_BLOCK_NUM (8)
#define DENSE_WEIGHT_OPT (1)

#endif
