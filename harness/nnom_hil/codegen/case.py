"""A vector and what is right for it as C that a person can compile against the NNoM API; pure."""

import numpy as np

from nnom_hil.codegen.pieces import values
from nnom_hil.model.qgraph import Int8
from nnom_hil.text import printable

__all__ = ["case_files"]

_MAIN = """\
/* {comment} */
#include <stdio.h>
#include <string.h>

#include "nnom.h"
#include "vectors.h"
#include "weights.h"

int main(void)
{{
    nnom_model_t *model = nnom_model_create();
    memcpy(nnom_input_data, case_input, sizeof(case_input));
    if (model == NULL || model_run(model) != NN_SUCCESS) {{
        printf("the model does not run\\n");
        return 2;
    }}
    for (unsigned i = 0; i < sizeof(case_expected); i++) {{
        if (nnom_output_data[i] != case_expected[i]) {{
            printf("differs: value %u: expected %d, got %d\\n", i, case_expected[i],
                   nnom_output_data[i]);
            return 1;
        }}
    }}
    printf("equal: all %u values\\n", (unsigned)sizeof(case_expected));
    return 0;
}}
"""


def case_files(weights_h: str, x: Int8, expected: Int8, got: Int8, says: str) -> dict[str, str]:
    """Return main.c, weights.h and vectors.h by name.

    x, expected, got: the input, the right output, and what a target gave. says: what is wrong.
    """
    comment = printable(says).replace("*/", "* /").replace("\n", " ")
    arrays = [
        f"static const int8_t {name}[{data.size}] = {values(np.ravel(data))};"
        for name, data in (("case_input", x), ("case_expected", expected))
    ]
    seen = f"/* the target gave {values(np.ravel(got))} */"
    head = ["/* Input and right output. */", "#include <stdint.h>", ""]
    return {
        "main.c": _MAIN.format(comment=comment),
        "weights.h": weights_h,
        "vectors.h": "\n".join([*head, *arrays, "", seen]) + "\n",
    }
