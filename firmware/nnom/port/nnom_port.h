/* SPDX-License-Identifier: Apache-2.0
 * The one file of the library a user edits, or overrides with -D: memory, clock, console, switches. */
#ifndef NNOM_PORT_H
#define NNOM_PORT_H

#include <stdio.h>
#include <stdlib.h>

/* A project keeps its settings in a header of its own: -DNNOM_PORT_CONFIG='"my_port.h"'. What it
 * defines wins over the defaults below. */
#ifdef NNOM_PORT_CONFIG
#include NNOM_PORT_CONFIG
#endif

/* Memory. With NNOM_USING_STATIC_MEMORY the library allocates from one buffer that the user sets
 * with nnom_set_static_buf() before creating a model. */
/* #define NNOM_USING_STATIC_MEMORY */
#ifndef NNOM_USING_STATIC_MEMORY
#ifndef nnom_malloc
#define nnom_malloc(n) malloc(n)
#endif
#ifndef nnom_free
#define nnom_free(p) free(p)
#endif
#endif

#ifndef nnom_memset
#define nnom_memset(p, v, s) memset(p, v, s)
#endif
#ifndef nnom_memcpy
#define nnom_memcpy(dst, src, len) memcpy(dst, src, len)
#endif

/* Clock. Microseconds time each layer, milliseconds whole predictions; both unsigned, both may
 * wrap. 0 means "no clock": times print as 0. */
#ifndef nnom_us_get
#define nnom_us_get() 0
#endif
#ifndef nnom_ms_get
#define nnom_ms_get() 0
#endif

/* Console: everything the library prints. */
#ifndef NNOM_LOG
#define NNOM_LOG(...) printf(__VA_ARGS__)
#endif

/* Buffers that can be alive at the same time. */
#ifndef NNOM_BLOCK_NUM
#define NNOM_BLOCK_NUM (8)
#endif

/* 1: dense layers read interleaved weights, as the converters write them. 0: plain row-major. */
#ifndef DENSE_WEIGHT_OPT
#define DENSE_WEIGHT_OPT (1)
#endif

/* Define to floor when shifting results right; by default they are rounded half up. */
/* #define NNOM_TRUNCATE */

/* 1: int8 results of NNoM 0.4.3, byte for byte, its [KEEP] faults included (docs/numerics.md).
 * 0: the right results. */
#ifndef NNOM_COMPAT_043
#define NNOM_COMPAT_043 0
#endif

/* 1: the network buffer is planned per tensor, which takes less than NNoM's shared blocks; a
 * layer's out->mem->blk is NULL then, its data is at out->tensor->p_data. 0: NNoM's blocks. */
#ifndef NNOM_MEMORY_PLAN
#define NNOM_MEMORY_PLAN (!NNOM_COMPAT_043)
#endif

/* Define for channel-first data inside the network; input and output stay channel-last. */
/* #define NNOM_USING_CHW */

/* plain: the kernels in C99 on every core; auto: the best that the core has (src/kernels). */
#ifndef NNOM_KERNELS
#define NNOM_KERNELS auto
#endif

/* Define to let your CMSIS-NN serve convolutions and dense layers: CMSIS 5's q7 functions, or the
 * newest one's s8 functions. Its Include folder must be on the include path and its sources in the
 * build. The bytes stay the same: what CMSIS-NN would round otherwise runs on our kernels. */
/* #define NNOM_USING_CMSIS_NN */

#endif
