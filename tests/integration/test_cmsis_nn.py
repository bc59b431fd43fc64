"""The user's CMSIS-NN gives our bytes; NNOM_HIL_CMSIS_NN names its folders, ":" between them."""

import os
import subprocess
from pathlib import Path

import pytest

from nnom_hil.boards import find_board
from nnom_hil.build import Kernels, Library, build_program, cmsis_nn_tree
from nnom_hil.errors import UsageError
from nnom_hil.run.kernel_bench import library_against
from tests.integration.test_cores import CORES
from tests.integration.test_kernel_pairs import CASES, MAIN, differing
from tests.support.emulated import EmulatedProgram
from tests.support.native import NNOM

FOLDERS = [Path(p) for p in os.environ.get("NNOM_HIL_CMSIS_NN", "").split(":") if p]
needs_cmsis = pytest.mark.skipif(not FOLDERS, reason="NNOM_HIL_CMSIS_NN names no CMSIS-NN")
Q7 = {"conv_s8", "depthwise_s8", "dense_s8", "dense_x4_s8"}


@needs_cmsis
@pytest.mark.parametrize("core", ["M0", "M3", "M4", "M55"])
@pytest.mark.parametrize("folder", FOLDERS or [Path()], ids=lambda p: p.name)
def test_forms_give_the_same_bytes(folder: Path, core: str, tmp_path: Path) -> None:
    tree = cmsis_nn_tree(folder)
    form, operations = ("cmsis_q7", Q7) if tree.has_q7 else ("cmsis_s8", Q7 - {"dense_x4_s8"})
    sources = [
        p for p in sorted((tree.root / "Source").rglob("*.c"))
        if not p.stem.endswith(("_f16", "_f32")) and "Bindings" not in p.parts
    ]  # fmt: skip
    flags = [f"-D{name}" for name in Library(cmsis_nn=folder).switches]
    flags += ["-w", *(f"-I{p}" for p in tree.includes)]
    program = EmulatedProgram(CORES[core], tmp_path, MAIN, f"-DCASES={CASES}", *flags, more=sources)
    found = differing(program.run())
    assert {o for o, f in found if f == form} == operations
    assert not any(found.values()), found


def cmsis_5(root: Path) -> Path:
    for name in ("NN/Include/arm_nnfunctions.h", "DSP/Include/arm_math.h", "Core/Include/a.h",
                 "NN/Source/ConvolutionFunctions/arm_convolve_HWC_q7_fast.c"):  # fmt: skip
        (root / "CMSIS" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "CMSIS" / name).write_text("")
    return root


@pytest.mark.parametrize("inner", ["", "CMSIS", "CMSIS/NN"])
def test_cmsis_5_is_found_from_each_of_its_folders(inner: str, tmp_path: Path) -> None:
    tree = cmsis_nn_tree(cmsis_5(tmp_path) / inner)
    assert tree.has_q7
    assert tree.root == tmp_path / "CMSIS" / "NN"
    assert [p.relative_to(tmp_path / "CMSIS").as_posix() for p in tree.includes] == [
        "NN/Include", "DSP/Include", "Core/Include",
    ]  # fmt: skip
    assert Library(cmsis_nn=tmp_path).switches == ["NNOM_USING_CMSIS_NN"]


def test_the_newest_has_no_q7_functions(tmp_path: Path) -> None:
    root = cmsis_5(tmp_path) / "CMSIS" / "NN"
    (root / "Source" / "ConvolutionFunctions" / "arm_convolve_HWC_q7_fast.c").unlink()
    assert not cmsis_nn_tree(root).has_q7
    assert Library(cmsis_nn=root).switches == ["NNOM_USING_CMSIS_NN", "NNOM_CMSIS_NN_S8"]


def test_folders_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not CMSIS-NN: neither it nor its NN or CMSIS/NN has"):
        cmsis_nn_tree(tmp_path)
    root = cmsis_5(tmp_path) / "CMSIS"
    (root / "DSP" / "Include" / "arm_math.h").unlink()
    (root / "DSP" / "Include").rmdir()
    with pytest.raises(UsageError, match="need DSP/Include beside NN"):
        cmsis_nn_tree(root)
    with pytest.raises(UsageError, match="kernels in C99 are not CMSIS-NN's"):
        Library(kernels=Kernels.PLAIN, cmsis_nn=root)


def test_processes_of_this_machine_have_no_cmsis_nn(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="board native is a process of this machine"):
        build_program(find_board("native"), "app/main.c", Library(cmsis_nn=cmsis_5(tmp_path)))


def test_against_takes_either(tmp_path: Path) -> None:
    assert library_against(cmsis_5(tmp_path)).cmsis_nn == tmp_path
    assert library_against(NNOM).nnom == NNOM
    with pytest.raises(UsageError, match=r"not an NNoM tree.*not CMSIS-NN"):
        library_against(tmp_path / "CMSIS" / "DSP")


def test_the_switch_without_cmsis_nn_says_what_is_missing(tmp_path: Path) -> None:
    source = NNOM / "src" / "kernels" / "plain" / "nnom_conv_s8.c"
    done = subprocess.run(
        ["cc", "-DNNOM_USING_CMSIS_NN", f"-I{NNOM / 'port'}", "-c", source, "-o", tmp_path / "x.o"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "CMSIS-NN's Include folder (arm_nnfunctions.h) is not on the include path" in done.stderr
