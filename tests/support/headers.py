"""Generated headers, built with the library on this machine and run."""

import subprocess
from pathlib import Path

import numpy as np

from nnom_hil.model.qgraph import Int8
from tests.support.native import NNOM, SANITIZERS

MAIN = """
#include "weights.h"
int main(void)
{
    nnom_model_t *model = nnom_model_create();
    FILE *in = fopen("in.bin", "rb"), *out = fopen("out.bin", "wb");
    while (fread(nnom_input_data, sizeof(nnom_input_data), 1, in) == 1) {
        if (model_run(model) != NN_SUCCESS) return 1;
        fwrite(nnom_output_data, sizeof(nnom_output_data), 1, out);
    }
    fclose(in), fclose(out);
    model_delete(model);
    return 0;
}
"""


class Library:
    """The library in one configuration, compiled once for any number of headers."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._flags = ["-std=c99", "-g", "-O1", *SANITIZERS, *flags]
        self._flags += [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}"]
        self._archive = folder / "libnnom.a"
        folder.mkdir(exist_ok=True)
        sources = [str(p) for p in sorted(NNOM.glob("src/*/*.c"))]
        subprocess.run(["cc", *self._flags, "-c", *sources], cwd=folder, check=True)
        objects = [str(p) for p in folder.glob("*.o")]
        subprocess.run(["ar", "rcs", self._archive, *objects], check=True)

    def run(self, header: str, x: Int8, folder: Path) -> Int8:
        """Return the outputs (n, outputs) of a header's model for inputs x (n, ...)."""
        folder.mkdir(exist_ok=True)
        (folder / "weights.h").write_text(header)
        (folder / "main.c").write_text(MAIN)
        (folder / "in.bin").write_bytes(x.tobytes())
        command = ["cc", *self._flags, "-O0", "main.c", str(self._archive), "-lm", "-o", "run"]
        subprocess.run(command, cwd=folder, check=True)
        subprocess.run([folder / "run"], cwd=folder, check=True, capture_output=True, timeout=60)
        out = np.frombuffer((folder / "out.bin").read_bytes(), dtype=np.int8)
        return out.reshape(len(x), -1)
