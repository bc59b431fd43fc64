/* SPDX-License-Identifier: Apache-2.0
 * Functions that are written in assembly: loops for which compilers find too few registers. */
#ifndef NNOM_ASSEMBLY_H
#define NNOM_ASSEMBLY_H

#define ASSEMBLY static __attribute__((naked, noinline))
#define ARGUMENT __attribute__((unused)) /* compilers do not see its use */

#endif
