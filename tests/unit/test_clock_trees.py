"""Clock trees of the STM32 with M, N and R against their formula, and what is outside is told."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnom_hil.boards import Board, Examination, examine, find_board, find_chip, load_board
from nnom_hil.boards.board import Startup, Step
from nnom_hil.boards.chip import Chip
from nnom_hil.paths import boards_dir

HSI, MSI = 16_000_000, 4_000_000
EVEN, ALL = (2, 4, 6, 8), (1, 2, 3, 4, 5, 6, 7, 8)


@dataclass(frozen=True, kw_only=True)
class Family:
    """board: one that has it. pll: the PLL's fields. r: by its field. source: field's value, Hz."""

    board: str
    source: tuple[int, int]
    r: tuple[int, ...]
    sw: int
    pll: str = "RCC.PLLCFGR.PLL"
    cfgr: str = "RCC.CFGR"


FAMILIES = [
    Family(board="nucleo_g071rb", source=(2, HSI), r=ALL, sw=2),
    Family(board="nucleo_g474re", source=(2, HSI), r=EVEN, sw=3),
    Family(board="nucleo_l552ze_q", source=(1, MSI), r=EVEN, sw=3),
    Family(board="nucleo_wb55rg", source=(1, MSI), r=ALL, sw=3),
]


def word(chip: Chip, **fields: int) -> Step:
    """A step that writes these fields of one register; the rest as after a reset."""
    parts = {path.replace("__", "."): value for path, value in fields.items()}
    register, _ = chip.field(next(iter(parts))) or pytest.fail(f"no {parts}")
    value = register.reset
    for path, number in parts.items():
        found = chip.field(path)
        assert found is not None, path
        assert number << found[1].low & ~found[1].mask == 0, path
        value = value & ~found[1].mask | number << found[1].low
    return Step(write=register.address, value=value)


def settled(board: Board, *steps: Step) -> Examination:
    assert board.chip is not None
    startup = Startup(steps=steps)
    return examine(board.model_copy(update={"startup": startup}), find_chip(board.chip))


@settings(deadline=None)
@given(
    family=st.sampled_from(FAMILIES), m=st.integers(1, 8), n=st.integers(1, 127),
    r=st.integers(0, 7), ahb=st.integers(0, 3),
)  # fmt: skip
def test_core_is_source_by_m_times_n_by_r(family: Family, m: int, n: int, r: int, ahb: int) -> None:
    board, (chosen, hz) = find_board(family.board), family.source
    chip = find_chip(board.chip or "")
    divider = family.r[r % len(family.r)]
    pll, cfgr = family.pll, family.cfgr
    hsi_on = [Step(set=chip.registers["RCC.CR"].address, bits=0x100)]
    found = settled(
        board,
        *hsi_on,
        word(chip, **{f"{pll}SRC": chosen, f"{pll}M": m - 1, f"{pll}N": n,
                      f"{pll}R": r % len(family.r), f"{pll}REN": 1}),
        Step(set=chip.registers["RCC.CR"].address, bits=0x0100_0000),
        Step(wait=chip.registers["RCC.CR"].address, bits=0x0200_0000),
        word(chip, **{f"{cfgr}.SW": family.sw, f"{cfgr}.HPRE": (0, 8, 9, 10)[ahb]}),
    )  # fmt: skip
    assert found.tree is not None
    vco = Fraction(hz, m) * n
    assert found.tree.clocks["core"] == vco / divider / (1, 2, 4, 8)[ahb]
    said = "\n".join(found.faults)
    for what, inside in (
        ("the PLL's input is", limit(chip, "pll_in_hz", Fraction(hz, m))),
        ("the PLL's VCO is", limit(chip, "vco_hz", vco)),
        ("PLLN = ", limit(chip, "pll_n", n) and divider > 1),
    ):
        assert (what in said) != inside, (what, said)


def limit(chip: Chip, name: str, value: Fraction | int) -> bool:
    low, high = chip.facts.limits[name]  # type: ignore[misc]
    return bool(low <= value <= high)


@settings(deadline=None)
@given(m=st.integers(1, 16), n=st.integers(1, 512), r=st.integers(1, 128), high=st.booleans())
def test_pll1_of_the_u5(m: int, n: int, r: int, high: bool) -> None:
    board = find_board("nucleo_u575zi_q")
    chip, steps = find_chip("stm32u575zi"), list(board.startup.steps)
    rge, pll = 3 * high, "RCC.PLL1CFGR.PLL1"
    steps[1] = word(chip, **{f"{pll}SRC": 1, f"{pll}RGE": rge, f"{pll}M": m - 1, f"{pll}REN": 1})
    steps[6] = word(chip, **{"RCC.PLL1DIVR.PLL1N": n - 1, "RCC.PLL1DIVR.PLL1R": r - 1})
    found = settled(board, *steps)
    assert found.tree is not None
    assert found.tree.clocks["core"] == Fraction(MSI, m) * n / r
    said = "\n".join(found.faults)
    span = (8_000_000, 16_000_000) if high else (4_000_000, 8_000_000)
    assert ("PLL1's input is" in said) != (span[0] <= Fraction(MSI, m) <= span[1])
    assert ("PLL1's VCO is" in said) != (128_000_000 <= Fraction(MSI, m) * n <= 544_000_000)
    assert ("of PLL1: N is 4" in said) == (n < 4 or (r > 1 and r % 2 == 1))


# one mistake in a copy of a board file's steps, and what is said of it
PLANTED = [
    ("nucleo_g071rb", "value = 0x0000_0102", "value = 0x0000_0101", "1 wait states .* it needs 2"),
    ("nucleo_g071rb", "0x3000_0802", "0x2000_0802", "PLLREN is 0: nothing comes out of R"),
    ("nucleo_g071rb", "0x0000_1100", "0x0000_7700", "AFSEL2 is 7 after the steps; USART2 has AF1"),
    ("nucleo_g474re", "{ clear = 0x4000_7080", "{ set = 0x4000_7080",
        "core is 170 MHz; it may be up to 150 MHz"),
    ("nucleo_g474re", "0x0100_5532", "0x0100_5530", "the PLL has none for its source"),
    ("nucleo_g474re", "0x0000_CC00", "0x0000_7700", "AFSEL2 is 7 .*; LPUART1 has AF12"),
    ("nucleo_l552ze_q", "{ clear = 0x4000_7000, bits = 0x0000_0600 }, # PWR_CR1: VOS range 0\n", "",
        "core is 110 MHz; it may be up to 26 MHz"),
    ("nucleo_l552ze_q", "bits = 0x0000_0200 }, # PWR_CR2", "bits = 0x0000_0400 }, # PWR_CR2",
        "GPIOG cannot be reached yet: set PWR.CR2.IOSV"),
    ("nucleo_u575zi_q", "{ modify = 0x4602_080C, bits = 0x0007_0000, value = 0x0007_0000 }",
        "{ modify = 0x4602_080C, bits = 0x0003_0000, value = 0x0003_0000 }",
        "waits for BOOSTRDY=1, which never comes"),
    ("nucleo_u575zi_q", "bits = 0x0000_C000 }, # VOS", "bits = 0x0000_8000 }, # VOS",
        "core is 80 MHz; it may be up to 55 MHz"),
    ("nucleo_u575zi_q", "0x0101_024F", "0x0101_0250", "core_hz = 160000000 .* make it 162 MHz"),
    ("nucleo_u575zi_q", "0x0004_0001 }, # RCC_PLL1CFGR", "0x0004_0000 }, # RCC_PLL1CFGR",
        "the booster has no clock: PLL1SRC is none"),
    ("nucleo_u575zi_q", "value = 0x0000_0008 }, # RCC_CFGR2", "value = 0x0000_0000 }, # RCC_CFGR2",
        "the core goes from 4 MHz over 80 MHz at once: AHB / 2 first"),
    ("nucleo_l552ze_q", "value = 0x0000_0083 }, # RCC_CFGR", "value = 0x0000_0003 }, # RCC_CFGR",
        "the core goes from 4 MHz over 80 MHz at once"),
    ("nucleo_wb55rg", "value = 0x0000_0080 }, # RCC_EXT", "value = 0x0000_0000 }, # RCC_EXT",
        "core 2 is 64 MHz; it may be up to 32 MHz"),
    ("nucleo_wb55rg", "0x3204_2001", "0x3204_2041", "PLL's input is 0.8 MHz"),
    ("blackpill_f411ce", "value = 0x2440_3219", "value = 0x2440_190C",
        "core_hz = 100000000 .* the steps make it 104.1666667 MHz"),
    ("nucleo_f411re", "value = 0x0000_1002", "value = 0x0000_0002", "APB1 is 100 MHz.* to 50 MHz"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "message"), PLANTED)
def test_planted_error_is_named(
    name: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    text = (boards_dir() / f"{name}.toml").read_text()
    assert old in text
    path = tmp_path / f"{name}.toml"
    path.write_text(text.replace(old, new, 1))
    board = load_board(path)
    faults = examine(board, find_chip(board.chip or "")).faults
    assert any(re.search(message, fault) for fault in faults), faults
