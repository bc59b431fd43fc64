"""The library is plain C: the recorded set by other compilers, word sizes and byte orders."""

import os
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from tests.support.native import NNOM, ROOT, Runner, Toolchain, library_sources
from tests.unit.test_golden import MATCHED

TOOLCHAINS = {
    "unsigned-char": Toolchain(("cc", "-O1", "-funsigned-char")),
    # GCC 12 takes the branch of model_delete() that frees a model of its own for possible
    "lto": Toolchain(("cc", "-O3", "-flto=auto", "-Wno-free-nonheap-object")),
    "32-bit": Toolchain(("cc", "-O2", "-m32")),
    "clang": Toolchain(("clang", "-O2")),
    "big-endian": Toolchain(("powerpc-linux-gnu-gcc", "-O2", "-static"), ("qemu-ppc",)),
}
NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
PACKAGES = {
    "32-bit": "gcc-multilib",
    "clang": "clang",
    "big-endian": "gcc-powerpc-linux-gnu libc6-dev-powerpc-cross qemu-user",
}


def toolchain_for(name: str, folder: Path) -> Toolchain:
    """Skip, naming the packages, where this machine cannot build or run such programs."""
    if name in PACKAGES and not NIGHTLY:
        pytest.skip("needs NNOM_HIL_NIGHTLY: the library is compiled for another machine")
    toolchain = TOOLCHAINS[name]
    program = folder / "probe"
    source = folder / "probe.c"
    source.write_text("#include <stdint.h>\nint main(void) { return 0; }\n")
    found = all(
        shutil.which(words[0]) for words in (toolchain.command, toolchain.emulator) if words
    )
    if (
        not found
        or subprocess.run(
            [*toolchain.command, source, "-o", program], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip(f"needs {PACKAGES[name]}: make nightly installs it")
    subprocess.run([*toolchain.emulator, program], check=True)
    return toolchain


@pytest.mark.parametrize("name", TOOLCHAINS)
def test_recorded_set(name: str, tmp_path: Path) -> None:
    runner = Runner.build(tmp_path, compat=True, toolchain=toolchain_for(name, tmp_path))
    runs = runner.run([(case.graph, case.x) for case in MATCHED])
    wrong = [
        (case.id, layer)
        for case, run in zip(MATCHED, runs, strict=True)
        for layer, recorded in case.crc32.items()
        if run.compile_status or [zlib.crc32(r.tobytes()) for r in run.layers[layer]] != recorded
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ["32-bit", "clang", "big-endian"])
def test_programs_of_the_library(name: str, tmp_path: Path) -> None:
    """What the other tests run on this machine by its own compiler."""
    toolchain = toolchain_for(name, tmp_path)
    flags = ["-std=c99", "-DNNOM_LOG(...)=((void)0)", f"-I{NNOM / 'inc'}", f"-I{NNOM / 'port'}"]
    command = [*toolchain.command, *flags]
    library = [str(p) for p in library_sources()]
    subprocess.run([*command, "-c", *library], cwd=tmp_path, check=True, capture_output=True)
    objects = list(tmp_path.glob("*.o"))
    for main in ("quirks_main.c", "wide_main.c", "kernels_main.c"):
        program = tmp_path / main.removesuffix(".c")
        source = ROOT / "tests/native" / main
        subprocess.run(
            [*command, source, *objects, "-lm", "-o", program], check=True, capture_output=True
        )
        done = subprocess.run(
            [*toolchain.emulator, program], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{main}: {done.stderr[-2000:]}"
