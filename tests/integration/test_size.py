"""What the library costs in flash: layers that a model does not use are not linked."""

import subprocess
from pathlib import Path

import pytest

from nnom_hil.tool import find_tool
from tests.support.native import NNOM, library_sources

MAIN = """
#include "nnom.h"
static const int8_t w[288], b[8];
static int8_t in[64], out[8];
static const nnom_weight_t weights = {w, 7};
static const nnom_bias_t bias = {b, 1};
int main(void)
{
    static nnom_model_t m;
    new_model(&m);
    nnom_layer_t *x = Input(shape(8, 8, 1), in);
    nnom_layer_t *y = m.hook(
        Conv2D(4, kernel(3, 3), stride(1, 1), dilation(1, 1), PADDING_SAME, &weights, &bias), x);
    y = m.hook(Dense(8, &weights, &bias), m.active(act_relu(), y));
    y = m.hook(Output(shape(8, 1, 1), out), y);
    model_compile(&m, x, y);
    model_run(&m);
    return out[0];
}
"""
OTHERS = (
    "rnn", "lstm", "gru", "pool", "softmax", "concat", "upsampl", "padding", "cropp", "sigmoid",
    "tanh", "depthwise", "trans_", "flatten", "reshape", "lambda", "mult", "CHW",
)  # fmt: skip
# by GCC's major version; when written: 12,071 and 12,495 with the DSP kernels, 9,200 and 9,616
# with those in C99
MAX_BYTES = {
    "auto": {12: 12_140, 14: 12_560},
    "plain": {12: 9_260, 14: 9_680},
}


def sizes(file: Path) -> dict[str, int]:
    """Bytes of each function and constant that an object or a program defines."""
    symbols = subprocess.run(
        [find_tool("arm-none-eabi-nm"), "-S", "--defined-only", file],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    rows = [line.split() for line in symbols.splitlines()]
    return {r[3]: int(r[1], 16) for r in rows if len(r) == 4 and r[2] in "tTrR"}


@pytest.mark.parametrize("kernels", MAX_BYTES)
def test_unused_layers_cost_nothing(kernels: str, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(MAIN)
    elf = tmp_path / "main.elf"
    flags = ["-std=c99", "-Os", "-mcpu=cortex-m4", "-mthumb", "-ffunction-sections",
             "-fdata-sections", "-DNNOM_LOG(...)=((void)0)",
             f"-DNNOM_KERNELS={kernels}"]  # fmt: skip
    folders = [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}"]
    link = ["--specs=nano.specs", "--specs=nosys.specs", "-Wl,--gc-sections", "-Wl,-w"]
    command: list[str | Path] = [find_tool("arm-none-eabi-gcc"), *flags, *folders]
    library = library_sources()
    subprocess.run([*command, "-c", *library], cwd=tmp_path, check=True, capture_output=True)
    objects = sorted(tmp_path.glob("*.o"))
    command += [tmp_path / "main.c", *objects, *link, "-o", elf]
    subprocess.run(command, check=True, capture_output=True)
    of_library = set().union(*map(sizes, objects))
    own = {name: size for name, size in sizes(elf).items() if name in of_library}
    linked = [name for name in own if any(other in name for other in OTHERS)]
    assert not linked
    version = subprocess.run(
        [command[0], "-dumpversion"], capture_output=True, text=True, check=True
    )
    known = MAX_BYTES[kernels]
    limit = known.get(int(version.stdout.split(".")[0]), max(known.values()))
    assert 4_000 < sum(own.values()) < limit, sum(own.values())
