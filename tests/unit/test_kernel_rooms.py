"""The rooms of the C library's kernels: who includes whom, who asks for cores, what has a row."""

import re
from pathlib import Path

import pytest
from tests.support.native import NNOM, library_sources

KERNELS = NNOM / "src" / "kernels"
FORMS = sorted(p.name for p in KERNELS.iterdir() if p.is_dir())
ROWS = re.findall(
    r"^NNOM_KERNEL\((\w+), (\w+), (\w+)\)$", (KERNELS / "kernels.inc").read_text(), re.M
)
KERNEL_FILES = sorted(p for p in KERNELS.rglob("*") if p.suffix in (".c", ".h", ".inc"))
COMPILERS_OWN = {"stdbool.h", "stddef.h", "stdint.h", "string.h", "arm_acle.h", "arm_mve.h"}
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
        assert name in COMPILERS_OWN | {"nnom_port.h"} or inside.is_relative_to(KERNELS), name


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


def test_rows_are_the_kernels_that_there_are() -> None:
    definition = re.compile(rf"^void nnom_(\w+)_({'|'.join(FORMS)})\(", re.M)
    defined = {
        found for file in KERNELS.glob("*/*.c") for found in definition.findall(file.read_text())
    }
    assert {(operation, form) for operation, form, _ in ROWS} == defined
    assert {operation for operation, _, _ in ROWS} == {o for o, form, _ in ROWS if form == "plain"}
