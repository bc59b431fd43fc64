"""What a firmware tells of its kernels, and what is made of it."""

import re
from pathlib import Path

import pytest
from tests.support.native import NNOM
from tests.unit.test_kernel_rooms import FORMS, ROWS

from nnom_hil.boards import Cpu
from nnom_hil.build import Kernels, Library
from nnom_hil.errors import UsageError
from nnom_hil.report.figures import kernels_in_words
from nnom_hil.run.kernels import check_kernels, kernel_forms

OURS = Library()


def test_every_operation_with_forms_is_told() -> None:
    told = (NNOM / "src" / "kernels" / "dispatch.h").read_text().split("NNOM_KERNEL_NAMES")[1]
    names = re.findall(r'" ?(\w+)=" NNOM_QUOTE\(NNOM_(\w+)\)', told)
    assert {name for name, _ in names} == {operation for operation, _, _ in ROWS}
    assert all(name.upper() == macro for name, macro in names)


def test_words_begin_with_what_runs_most() -> None:
    forms = kernel_forms("conv_s8=dsp add_s8=plain dense_s8=dsp relu_s8=plain mult_s8=dsp")
    assert kernels_in_words(forms) == "dsp, plain (add_s8, relu_s8)"


@pytest.mark.parametrize(
    ("cpu", "told", "library", "is_right"),
    [
        (Cpu.CORTEX_M4, "conv_s8=dsp add_s8=plain", OURS, True),
        (Cpu.CORTEX_M4, "conv_s8=plain add_s8=plain", OURS, False),
        (Cpu.CORTEX_M55, "conv_s8=dsp add_s8=plain", OURS, False),
        (Cpu.CORTEX_M55, "conv_s8=mve add_s8=dsp", OURS, True),
        (Cpu.CORTEX_M0, "conv_s8=v6m", OURS, True),
        (Cpu.NATIVE, "conv_s8=plain", OURS, True),
        (Cpu.NATIVE, "conv_s8=dsp", OURS, False),
        (Cpu.CORTEX_M4, "conv_s8=plain", Library(kernels=Kernels.PLAIN), True),
        (Cpu.CORTEX_M4, "conv_s8=dsp", Library(kernels=Kernels.PLAIN), False),
    ],
)
def test_kernels_are_checked_against_the_core(
    cpu: Cpu, told: str, library: Library, is_right: bool
) -> None:
    (check,) = check_kernels(kernel_forms(told), cpu, library)
    assert check.ok is is_right
    if not is_right:
        assert cpu.value in check.detail
        assert "-mcpu" in check.detail


@pytest.mark.parametrize("told", ["", "fake", "local"])
def test_nothing_is_said_of_kernels_that_are_not_told(told: str) -> None:
    assert check_kernels(kernel_forms(told), Cpu.CORTEX_M4, OURS) == []


def test_every_core_has_a_folder_of_forms() -> None:
    from nnom_hil.run.kernels import _FORMS

    assert set(_FORMS) == set(Cpu) - {Cpu.NATIVE}
    assert set(_FORMS.values()) | {"plain"} <= set(FORMS)


def test_an_nnom_tree_has_no_choice_of_kernels() -> None:
    with pytest.raises(UsageError, match="NNoM's own library has no such choice"):
        Library(nnom=Path("nnom"), kernels=Kernels.PLAIN)
