"""The rooms of the C library's kernels: who includes whom, who asks for cores, what has a row."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.support.native import NNOM, library_sources

from nnom_hil.tool import find_tool

KERNELS = NNOM / "src" / "kernels"
FORMS = sorted(p.name for p in KERNELS.iterdir() if p.is_dir())
ROWS = re.findall(
    r"^NNOM_KERNEL\((\w+), (\w+), (\w+)\)$", (KERNELS / "kernels.inc").read_text(), re.M
)
OWN_ROWS = [row for row in ROWS if not row[1].startswith("cmsis")]
KERNEL_FILES = sorted(p for p in KERNELS.rglob("*") if p.suffix in (".c", ".h", ".inc"))
COMPILERS_OWN = {"stdbool.h", "stddef.h", "stdint.h", "string.h", "arm_acle.h", "arm_mve.h"}
CMSIS = {"arm_nnfunctions.h"}  # the user's
IS_ABOUT_CORES = re.compile(r"^\s*#\s*(?:el)?if.*(?:__ARM|__thumb|NNOM_HAS_)", re.M)


def test_files_have_names_of_their_own() -> None:
    """Makefiles that put all objects into one folder are common."""
    names = [p.name for p in library_sources()]
    assert len(set(names)) == len(names)
    assert all(name.startswith("nnom") for name in names)


@pytest.mark.parametrize("file", KERNEL_FILES, ids=lambda p: p.name)
def test_kernels_know_nothing_of_the_library(file: Path) -> None:
    for name in re.findall(r'^\s*#include [<"]([^>"]+)[>"]', file.read_text(), re.M):
        inside = (file.parent / name).resolve()
        theirs = CMSIS if file.parent.name.startswith("cmsis") else set()
        known = COMPILERS_OWN | {"nnom_port.h"} | theirs
        assert name in known or inside.is_relative_to(KERNELS), name


def test_one_file_asks_what_core_it_is() -> None:
    for file in sorted((NNOM / "src").rglob("*.[ch]")):
        asked = IS_ABOUT_CORES.findall(file.read_text())
        is_form = file.parent.parent == KERNELS and file.parent.name != "plain"
        if file.name == "dispatch.h":
            assert asked
        elif is_form and file.suffix == ".c":
            assert len(asked) == 1, f"{file}: its guard and nothing else"
        else:
            assert asked == [], file


def test_the_rounding_rule_is_written_once() -> None:
    rule = re.compile(r"1 << \w+\) >> 1")
    places = [p.name for p in sorted((NNOM / "src").rglob("*.[ch]")) if rule.search(p.read_text())]
    assert places == ["requantise.h"]


def test_rows_are_the_kernels_that_there_are(tmp_path: Path) -> None:
    """A Cortex-M55 has what every form needs."""
    subprocess.run(
        [find_tool("arm-none-eabi-gcc"), "-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard",
         f"-I{NNOM / 'port'}", "-c", *KERNELS.glob("*/*.c")],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    symbols = subprocess.run(
        [find_tool("arm-none-eabi-nm"), "--defined-only", "--extern-only", *tmp_path.glob("*.o")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    named = rf" T nnom_(\w+)_({'|'.join(FORMS)})$"
    assert {(operation, form) for operation, form, _ in OWN_ROWS} == set(
        re.findall(named, symbols, re.M)
    )
    assert {operation for operation, _, _ in ROWS} == {o for o, form, _ in ROWS if form == "plain"}


def chosen(cpu: str, *flags: str) -> list[str]:
    """Return the forms of a convolution and a dense layer that a core gets."""
    source = '#include "kernels.h"\nCHOSEN nnom_conv_s8 nnom_dense_s8\n'
    done = subprocess.run(
        [find_tool("arm-none-eabi-gcc"), f"-mcpu={cpu}", "-mthumb", f"-I{KERNELS}",
         f"-I{NNOM / 'port'}", *flags, "-E", "-P", "-x", "c", "-"],
        input=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [name.rpartition("_")[2] for name in done.stdout.split("CHOSEN")[1].split()]


@pytest.mark.parametrize(
    ("cpu", "flags", "forms"),
    [
        ("cortex-m4", (), ["dsp", "dsp"]),
        ("cortex-m3", (), ["v7m", "v7m"]),
        ("cortex-m4", ("-DNNOM_KERNELS=plain",), ["plain", "plain"]),
        ("cortex-m4", ("-DNNOM_CONV_S8=plain",), ["plain", "dsp"]),
        ("cortex-m4", ("-DNNOM_KERNELS=plain", "-DNNOM_DENSE_S8=dsp"), ["plain", "dsp"]),
    ],
)
def test_forms_are_chosen(cpu: str, flags: tuple[str, ...], forms: list[str]) -> None:
    assert chosen(cpu, *flags) == forms


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("-DNNOM_KERNELS=plian", "NNOM_KERNELS is auto or plain"),
        ("-DNNOM_CONV_S8=dsp", "names a form of the kernel that this core does not have"),
    ],
)
def test_choice_that_cannot_be_is_named(flag: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        chosen("cortex-m0", flag)


@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m55"])
def test_no_frame_is_above_256_bytes(cpu: str, tmp_path: Path) -> None:
    """What functions in assembly push, 100 bytes at most, GCC does not see."""
    subprocess.run(
        [find_tool("arm-none-eabi-gcc"), f"-mcpu={cpu}", "-mthumb", "-O2", "-std=gnu11",
         *(["-mfloat-abi=hard"] if cpu == "cortex-m55" else []),
         f"-I{NNOM / 'port'}", "-fstack-usage", "-c", *KERNELS.glob("*/*.c")],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    rows = [
        line.split("\t") for su in tmp_path.glob("*.su") for line in su.read_text().splitlines()
    ]
    assert len(rows) > 50
    assert [(name, size) for name, size, _ in rows if int(size) > 256] == []
