"""The C library as its users see it: their programs, its printed text, its answers to mistakes."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.support.native import NNOM, ROOT, Toolchain, build_native, library_sources

from nnom_hil.tool import find_tool

NATIVE = ROOT / "tests" / "native"

COMPILE_LOG = """Model version: 0.4.3
NNoM version 0.4.3
To disable logs, please void the marco 'NNOM_LOG(...)' in 'nnom_port.h'.
Data format: Channel last (HWC)
Start compiling model...
Layer(#)         Activation    output shape    ops(MAC)   mem(in, out, buf)      mem blk lifetime
-------------------------------------------------------------------------------------------------
#1   Input      -          - (   1,   1,   4,)          (     4,     4,     0)    1 - - -  - - - -\x20
#2   Dense      - ReLU     - (   1,   2,     )        8 (     4,     2,     8)    1 1 1 -  - - - -\x20
#3   Softmax    -          - (   1,   2,     )          (     2,     2,     0)    1 - 1 -  - - - -\x20
#4   Output     -          - (   1,   2,     )          (     2,     2,     0)    1 - - -  - - - -\x20
-------------------------------------------------------------------------------------------------
Memory cost by each block:
 blk_0:8  blk_1:8  blk_2:8  blk_3:0  blk_4:0  blk_5:0  blk_6:0  blk_7:0 \x20
 Memory cost by network buffers: 16 bytes (blocks: 24 bytes)
"""

PREDICTION = """
Prediction summary:
Test frames: 1
Test running time: 0 sec
Model running time: 0 ms
Average prediction time: 0 us
Top 1 Accuracy: 100%\x20
Top 2 Accuracy: 100%\x20

Confusion matrix:
predict     0     1
actual
   0 |      1     0   | 100%
   1 |      0     0   |   0%

"""

STAT = """
Print running stat..
Layer(#)        -   Time(us)     ops(MACs)   ops/us\x20
--------------------------------------------------------
#1  Input      -         0                  \x20
#2  Dense      -         0            8     \x20
#3  Softmax    -         0                  \x20
#4  Output     -         0                  \x20

Summary:
Total ops (MAC): 8(0.00M)
Prediction time :0us
"""

IO_FORMAT = """
Print layer input/output..
Layer(#)        -  Input(Qnm)  Output(Qnm)   Oshape\x20
----------------------------------------------------------
#1  Input      -    0. 7      0. 7      (   1,   1,   4,)
#2  Dense      -    0. 7      1. 6      (   1,   2,     )
#3  Softmax    -    1. 6      0. 7      (   1,   2,     )
#4  Output     -    0. 7      0. 7      (   1,   2,     )
"""


def output_of(program: Path) -> str:
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def appendix_a(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("a") / "a"
    main = NATIVE / "appendix_main.c"
    return output_of(build_native(main, out, '-DHEADER="appendix_a.h"', warnings=False))


@pytest.mark.parametrize("table", [COMPILE_LOG, PREDICTION, STAT, IO_FORMAT])
def test_printed_text_is_exactly_the_specification(appendix_a: str, table: str) -> None:
    # the users' program runs everything twice, so a second model must print the same
    text = table.replace(
        "#2  Dense      -         0            8     \x20",
        "#2  Dense      -         0            8     ",
    )
    lines = [line.rstrip() for line in text.splitlines()]
    printed = [line.rstrip() for line in appendix_a.splitlines()]
    joined = "\n".join(printed)
    assert joined.count("\n".join(lines)) == 2


def test_trailing_blanks_are_kept(appendix_a: str) -> None:
    assert "1 - - -  - - - - \n" in appendix_a
    assert "ops/us \n" in appendix_a
    assert "Oshape \n" in appendix_a
    assert "Top 1 Accuracy: 100% \n" in appendix_a
    assert "blk_7:0  \n" in appendix_a


def test_users_program_gets_the_specified_outputs(appendix_a: str, tmp_path: Path) -> None:
    """By default a true softmax: e^(25/64) is 1.48 times 1. NNoM takes 25 for a power of two."""
    flags = ['-DHEADER="appendix_a.h"', "-DNNOM_COMPAT_043=1"]
    compat = output_of(
        build_native(NATIVE / "appendix_main.c", tmp_path / "c", *flags, warnings=False)
    )
    for text, result, prob in ((appendix_a, "76 52", "0.598"), (compat, "127 0", "1.000")):
        layers = f"layer Dense : 25 0\nlayer Softmax : {result}\nlayer Output : {result}"
        assert text.count(layers) == 2
        told = f"status 0 output {result}\nlabel 0 prob {prob}\nout of range: -1"
        assert text.count(told) == 2
        assert text.count("memory 0\n") == 2


def test_layer_api_gives_the_same_classes(tmp_path: Path) -> None:
    """Without formats: its softmax has base two."""
    main = NATIVE / "appendix_main.c"
    program = build_native(main, tmp_path / "b", '-DHEADER="appendix_b.h"', warnings=False)
    text = output_of(program)
    assert text.count("status 0 output 127 0") == 2
    assert "#1   Input      -          - (   4,   1,   1,)" in text


BEFORE_04 = """
#include "nnom.h"
static const int8_t w[9] = {0, 0, 0, 0, 64, 0, 0, 0, 0}, b[1] = {0};
static const nnom_weight_t cw = {w, 6};
static const nnom_bias_t cb = {b, 0};
int main(void)
{
    static int8_t in[4] = {1, 2, 3, 4}, out[4];
    nnom_model_t m;
    new_model(&m);
    nnom_layer_t *x = Input(shape(2, 2, 1), in);
    nnom_layer_t *y = m.hook(Conv2D(1, kernel(3, 3), stride(1, 1), PADDING_SAME, &cw, &cb), x);
    y = m.hook(DW_Conv2D(1, kernel(3, 3), stride(1, 1), PADDING_SAME, &cw, &cb), y);
    y = m.hook(Conv2D(1, kernel(3, 3), stride(1, 1), dilation(1, 1), PADDING_SAME, &cw, &cb), y);
    y = m.hook(Output(shape(2, 2, 1), out), y);
    model_compile(&m, x, y);
    model_run(&m);
    printf("result %d %d %d %d\\n", out[0], out[1], out[2], out[3]);
    model_delete(&m);
    return 0;
}
"""


def test_headers_before_04_call_convolutions_without_dilation(tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text(BEFORE_04)
    program = build_native(main, tmp_path / "run", "-DNNOM_API_BEFORE_04")
    assert "result 1 2 3 4" in output_of(program)
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(
            ["cc", "-fsyntax-only", f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}", main],
            check=True, capture_output=True,
        )  # fmt: skip


def test_static_memory_serves_the_same_program(tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text(
        """
#include "appendix_a.h"
int main(void)
{
    static uint8_t memory[4096];
    nnom_set_static_buf(memory + 1, sizeof(memory) - 1);
    nnom_model_t *model = nnom_model_create();
    memcpy(nnom_input_data, "\\x64\\x32\\xec\\x7f", 4);
    model_run(model);
    printf("output %d %d\\n", nnom_output_data[0], nnom_output_data[1]);
    nnom_set_static_buf(memory, 300);
    model = nnom_model_create();
    printf("too small: %d\\n", model_run(model));
    return 0;
}
"""
    )
    flags = ["-DNNOM_USING_STATIC_MEMORY", f"-I{NATIVE}"]
    text = output_of(build_native(main, tmp_path / "s", *flags, warnings=False))
    assert "Static memory size set to: 40" in text
    assert "output 76 52" in text
    assert "No memory! Static buffer size(300) not big enough" in text
    assert "too small: -1" in text


WITH_SCRATCH = """
#include "nnom.h"
static int8_t w[8 * 9 * 8], b[8], memory[16384];
static int8_t in[6 * 6 * 8], out[6 * 6 * 8], first[6 * 6 * 8];
static const nnom_weight_t weights = {w, 7};
static const nnom_bias_t bias = {b, 1};
static nnom_layer_t *conv(uint32_t filters)
{
    return Conv2D(filters, kernel(3, 3), stride(1, 1), dilation(1, 1), PADDING_SAME, &weights,
                  &bias);
}
int main(void)
{
    int with = 0, without = 0;
    for (unsigned i = 0; i < sizeof(w); i++) {
        w[i] = (int8_t)(i * 37), in[i % sizeof(in)] = (int8_t)(i * 11);
    }
    for (size_t size = sizeof(memory); size > 0; size -= 8) {
        nnom_model_t m;
        nnom_set_static_buf(memory, size);
        new_model(&m);
        nnom_layer_t *x = Input(shape(6, 6, 8), in);
        nnom_layer_t *y = conv(1), *narrow = conv(1), *wide = conv(8);
        nnom_layer_t *z = Output(shape(6, 6, 8), out);
        if (x == NULL || y == NULL || narrow == NULL || wide == NULL || z == NULL) {
            break;
        }
        m.hook(z, m.hook(wide, m.hook(narrow, m.hook(y, x))));
        if (model_compile(&m, x, z) != NN_SUCCESS) {
            break;
        }
        memset(out, 0, sizeof(out));
        model_run(&m);
        if (size == sizeof(memory)) {
            memcpy(first, out, sizeof(out));
        }
        if (memcmp(first, out, sizeof(out)) != 0) {
            printf("other bytes with %d\\n", (int)size);
        }
        *(y->scratch_words > 0 ? &with : &without) += 1;
    }
    printf("with %d without %d\\n", with > 0, without);
    return 0;
}
"""


@pytest.mark.parametrize("plan", [0, 1])
def test_model_that_fits_without_scratch_does_without(plan: int, tmp_path: Path) -> None:
    """A buffer that is sized for the network alone has served so far: it still does."""
    main = tmp_path / "main.c"
    main.write_text(WITH_SCRATCH)
    flags = ["-DNNOM_USING_STATIC_MEMORY", f"-DNNOM_MEMORY_PLAN={plan}"]
    silent = "-DNNOM_LOG(...)=((void)0)"
    text = output_of(build_native(main, tmp_path / "s", *flags, silent, warnings=False))
    assert "other bytes" not in text
    found = re.search(r"with 1 without (\d+)", text)
    assert found is not None
    assert (int(found[1]) > 0) is (plan == 1)  # blocks take what the buffer has left


@pytest.mark.parametrize("compat", [0, 1])
def test_kernels_and_wrong_models(compat: int, tmp_path: Path) -> None:
    flags = [f"-DNNOM_COMPAT_043={compat}", "-Wno-missing-field-initializers"]
    output_of(build_native(NATIVE / "kernels_main.c", tmp_path / "k", *flags, warnings=False))


@pytest.mark.parametrize(
    "header", sorted(p.relative_to(NNOM / "inc") for p in NNOM.rglob("inc/**/*.h")), ids=str
)
def test_every_header_can_come_first_in_c_and_cpp(header: Path, tmp_path: Path) -> None:
    for compiler, standard, suffix in (("cc", "c99", ".c"), ("c++", "c++17", ".cpp")):
        source = tmp_path / f"x{suffix}"
        source.write_text(f'#include "{header.as_posix()}"\nint main(void) {{ return 0; }}\n')
        command = [compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
        folders = [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}"]
        subprocess.run([*command, *folders, str(source)], check=True)


@pytest.mark.parametrize(
    "flag",
    [
        "",
        "-DNNOM_COMPAT_043=1",
        "-DNNOM_TRUNCATE",
        "-DDENSE_WEIGHT_OPT=0",
        "-DNNOM_USING_STATIC_MEMORY",
        "-DNNOM_USING_CHW",
        "-DNNOM_MEMORY_PLAN=0",
    ],
)
def test_every_switch_compiles_without_warnings(flag: str, tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text("int main(void);\nint main(void) { return 0; }\n")
    flags = [*([flag] if flag else []), "-Wmissing-prototypes", "-pedantic"]
    build_native(main, tmp_path / "x", *flags, toolchain=Toolchain(("cc", "-O0")))


EXAMPLE = NNOM / "examples" / "minimal"


def test_library_builds_as_its_users_build_it(tmp_path: Path) -> None:
    """Two globs and two folders; no other flag is needed."""
    command = ["cc", "-std=c99", f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}", str(EXAMPLE / "main.c")]
    files = [str(p) for p in library_sources()]
    subprocess.run([*command, *files, "-o", str(tmp_path / "minimal")], check=True)
    assert "class 0, probability" in output_of(tmp_path / "minimal")


def test_library_is_a_cmake_target(tmp_path: Path) -> None:
    ninja = f"-DCMAKE_MAKE_PROGRAM={find_tool('ninja')}"
    cmake = str(find_tool("cmake"))
    configure = [cmake, "-G", "Ninja", ninja, "-S", str(EXAMPLE), "-B", str(tmp_path)]
    subprocess.run(configure, check=True, capture_output=True)
    subprocess.run([cmake, "--build", str(tmp_path)], check=True, capture_output=True)
    assert "class 0, probability" in output_of(tmp_path / "minimal")


def test_port_header_of_nnom_itself_works(tmp_path: Path) -> None:
    """It has no guards and knows none of the settings that are new here."""
    (tmp_path / "nnom_port.h").write_text(
        """
#ifndef __NNOM_PORT_H__
#define __NNOM_PORT_H__
#include <stdlib.h>
#include <stdio.h>
#define nnom_malloc(n) malloc(n)
#define nnom_free(p) free(p)
#define nnom_memset(p, v, s) memset(p, v, s)
#define nnom_memcpy(dst, src, len) memcpy(dst, src, len)
#define nnom_us_get() 0
#define nnom_ms_get() 0
#define NNOM_LOG(...) printf(__VA_ARGS__)
#define NNOM_BLOCK_NUM (8)
#define DENSE_WEIGHT_OPT (1)
#endif
"""
    )
    command = ["cc", "-std=c99", f"-I{NNOM / 'inc'}", f"-I{tmp_path}", str(EXAMPLE / "main.c")]
    files = [str(p) for p in library_sources()]
    subprocess.run([*command, *files, "-o", str(tmp_path / "minimal")], check=True)
    assert "class 0, probability" in output_of(tmp_path / "minimal")


def test_library_has_no_mutable_state_of_its_own(tmp_path: Path) -> None:
    """Models may live side by side: only NNoM's exported memory counter is left."""
    folders = [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}"]
    files = [str(p) for p in library_sources()]
    subprocess.run(["cc", "-std=c99", *folders, "-c", *files], cwd=tmp_path, check=True)
    symbols = subprocess.run(
        ["nm", *map(str, tmp_path.glob("*.o"))], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in symbols.splitlines()]
    mutable = {row[2] for row in rows if len(row) == 3 and row[1] in "bBdDsSC"}
    assert mutable == {"nnom_memory_taken"}


def test_memory_plan_is_printed(tmp_path: Path) -> None:
    """Planned: input and dense result apart, the softmax where the input was. Scratch takes nothing."""
    main = tmp_path / "main.c"
    main.write_text(
        '#include "weights.h"\nint main(void)\n{\n'
        "    nnom_model_t *model = nnom_model_create();\n"
        "    model_memory(model);\n    model_memory(NULL);\n    model_delete(model);\n}\n"
    )
    text = output_of(build_native(main, tmp_path / "m", f"-I{EXAMPLE}", warnings=False))
    plan = text.split("Print memory plan..\n")[1].splitlines()
    assert plan[2] == "#1  Input      -         0         4"
    assert plan[3] == "#2  Dense      -         8         2"
    assert plan[4] == "#3  Softmax    -         0         2"
    assert plan[6:] == [
        " Memory cost by network buffers: 16 bytes",
        " Memory cost by blocks: 24 bytes",
    ]
