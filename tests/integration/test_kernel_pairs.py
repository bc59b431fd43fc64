"""Each form of a kernel gives its twin's bytes, on every kind of core, in random cases."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.test_cores import CORES, NIGHTLY
from tests.support.emulated import EmulatedProgram
from tests.support.native import NNOM, ROOT, build_native
from tests.unit.test_kernel_rooms import OWN_ROWS

MAIN = ROOT / "tests" / "native" / "pairs_main.c"
CASES = 2000 if NIGHTLY else 200
HAVE = {
    "plain": set(CORES),
    "v6m": set(CORES),
    "v7m": {"M3", "M4", "M7", "M33", "M55"},
    "dsp": {"M4", "M7", "M33", "M55"},
    "mve": {"M55"},
}
SLIPS = {
    "dsp": [
        ("dsp/dot.h", "ssat %0, #8", "ssat %0, #7"),
        ("dsp/bytes.h", "sel %0, %1, %2", "sel %0, %2, %1"),
        ("dsp/bytes.h", "(0xFFu >> n)", "(0x7Fu >> n)"),
        ("dsp/nnom_dense_x2_s16_dsp.c", "ssat   r9, #16, r9", "ssat   r9, #15, r9"),
        ("dsp/nnom_depthwise_s8_dsp.c", "ssat   r9, #8, r9", "ssat   r9, #7, r9"),
    ],
    "v6m": [
        ("maxpool_words.h", "row + channels", "row"),
        ("maxpool_words.h", "(is_a << 8) - is_a", "(is_a << 7)"),
        ("v6m/finish.h", "(value >> 31) ^ INT8_MAX", "(value >> 31) ^ 126"),
        ("v6m/finish.h", "(value >> 31) ^ INT16_MAX", "(value >> 31) ^ 126"),
    ],
    "v7m": [
        ("v7m/nnom_maxpool_s8_v7m.c", "(w, in, out);", "(w, in, out), *out ^= 1;"),
        ("v7m/finish.h", "ssat %0, #8", "ssat %0, #7"),
        ("v7m/finish.h", "ssat %0, #16", "ssat %0, #15"),
    ],
    "mve": [
        ("mve/vectors.h", "vdupq_n_s32(INT8_MAX)", "vdupq_n_s32(63)"),
        ("mve/nnom_conv_s8_mve.c", "vmin.s32 q1, q1, %q[most]", "nop"),
        ("mve/nnom_dense_x2_s16_mve.c", "vmovlt.s8 q1, q1", "vmovlb.s8 q1, q1"),
        ("mve/nnom_depthwise_s8_mve.c", "vqmovnt.s16 q4, q5", "vmovnt.i16 q4, q5"),
        ("mve/nnom_maxpool_s8_mve.c", "vmov.i8 q0, #128", "vmov.i8 q0, #0"),
        ("mve/sums.h", "vadd.i16 %q[sum], %q[sum], q0", "vsub.i16 %q[sum], %q[sum], q0"),
        ("mve/nnom_pixel_mve.c", "x->count * channels", "channels"),
        ("mve/pairs.h", 'store " q0', 'store " q1'),
        ("mve/nnom_blend_s16_mve.c", "vqadd.s16 q0, q0, q1", "vadd.i16 q0, q0, q2"),
        ("mve/nnom_state_s16_mve.c", "vqadd.s16 q0, q0, q1", "vqsub.s16 q0, q0, q1"),
        ("mve/look_up.h", "vaddq_n_s32(i, 1)", "vaddq_n_s32(i, 2)"),
        ("mve/nnom_mult_s8_mve.c", "vqmovnt.s16 q0, q1", "vmovnt.i16 q0, q1"),
        ("mve/nnom_relu_s8_mve.c", "vmov.i32 q1, #0", "vmov.i32 q1, #1"),
    ],
}


def differing(printed: str) -> dict[tuple[str, str], int]:
    """Return how many cases of each row gave other bytes than the twin."""
    rows = [line.split() for line in printed.splitlines() if line.count(" ") == 3]
    assert all(int(cases) == CASES for _, _, cases, _ in rows)
    return {(operation, form): int(different) for operation, form, _, different in rows}


@pytest.mark.parametrize("core", CORES)
def test_forms_give_the_same_bytes(core: str, tmp_path: Path) -> None:
    program = EmulatedProgram(CORES[core], tmp_path, MAIN, f"-DCASES={CASES}")
    expected = {(operation, form): 0 for operation, form, _ in OWN_ROWS if core in HAVE[form]}
    assert differing(program.run()) == expected


def test_forms_in_c_are_clean(tmp_path: Path) -> None:
    """Under the sanitizers: no case of the comparison leaves its buffers."""
    program = build_native(MAIN, tmp_path / "pairs", f"-DCASES={CASES}")
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert set(differing(printed)) == {(o, form) for o, form, _ in OWN_ROWS if form == "plain"}


@pytest.mark.parametrize("form", sorted(SLIPS))
def test_a_slip_is_found_in_each_kernel(form: str, tmp_path: Path) -> None:
    sources = tmp_path / "src"
    shutil.copytree(NNOM / "src", sources)
    for file, right, wrong in SLIPS[form]:
        text = (sources / "kernels" / file).read_text()
        assert right in text
        (sources / "kernels" / file).write_text(text.replace(right, wrong))
    core = min(HAVE[form])
    program = EmulatedProgram(CORES[core], tmp_path, MAIN, f"-DCASES={CASES}", sources=sources)
    found = differing(program.run())
    assert all(count > 0 for (_, f), count in found.items() if f == form), found
    assert not any(count for (_, f), count in found.items() if f != form), found
