"""What cppcheck and clang-tidy find in the library; docs/porting.md answers what is let pass."""

import os
import re
import shutil
import subprocess

import pytest
from tests.support.native import NNOM

pytestmark = pytest.mark.skipif(
    not os.environ.get("NNOM_HIL_NIGHTLY"),
    reason="needs NNOM_HIL_NIGHTLY: findings differ by version",
)

INCLUDES = [f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}"]
CPPCHECK = (
    "constParameter",  # NNoM's prototypes
    "constParameterPointer",
    "arrayIndexThenCheck",  # rank_of() compares an index with another, not with a limit
    "preprocessorErrorDirective",  # NNOM_PORT_CONFIG is the user's header
    "missingIncludeSystem",
)
TIDY = (
    "bugprone-*",
    "clang-analyzer-*",
    "performance-*",
    "portability-*",
    "-bugprone-easily-swappable-parameters",  # NNoM's prototypes
    "-bugprone-implicit-widening-of-multiplication-result",  # sizes are below NNOM_SIZE_LIMIT
    "-bugprone-narrowing-conversions",  # two's complement, as every compiler has it and C23 says
    "-bugprone-signed-char-misuse",  # they are numbers
    "-performance-no-int-to-ptr",  # takes const off data that the structures hold without it
)


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: make nightly installs it")
    return found


def test_cppcheck() -> None:
    command = [tool("cppcheck"), "--enable=warning,performance,portability,style", "--std=c99"]
    command += [f"--suppress={name}" for name in CPPCHECK]
    command += ["--quiet", "--error-exitcode=1", *INCLUDES, str(NNOM / "src")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", ["core", "layers", "kernels/plain", "api"])
def test_clang_tidy(folder: str) -> None:
    command = [tool("clang-tidy"), "--quiet", f"-checks=-*,{','.join(TIDY)}"]
    found = []
    for file in sorted((NNOM / "src" / folder).glob("*.c")):  # several at once confuse clang 14
        done = subprocess.run(
            [*command, file, "--", "-std=c99", *INCLUDES],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found += re.findall(r"^.*(?:warning|error):.*$", done.stdout, re.M)
    assert found == []
