/* SPDX-License-Identifier: Apache-2.0
 * NNoM's port in the graph runner: allocations that can be made to fail. */
#ifndef RUNNER_PORT_H
#define RUNNER_PORT_H

#include <stddef.h>

void *runner_malloc(size_t size);

#define nnom_malloc(n) runner_malloc(n)

#endif
