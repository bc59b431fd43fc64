/* The hand-written struct-API header of NNOM_COMPAT.md, appendix A: the library's example has it. */
#include "../../firmware/nnom/examples/minimal/weights.h"
