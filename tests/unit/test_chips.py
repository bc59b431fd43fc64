"""Board files against their chips: clocks are computed, planted errors are named."""

import os
import re
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.board_table import board_table, in_docs

from nnom_hil.boards import examine, find_board, find_chip, list_chips, load_board
from nnom_hil.boards.baud import baud_fault, real_baud
from nnom_hil.boards.board import Board, Startup, Step
from nnom_hil.boards.chip import ChipRegister
from nnom_hil.boards.state import decode, register_of
from nnom_hil.build import drivers
from nnom_hil.errors import BoardError
from nnom_hil.paths import boards_dir
from nnom_hil.run.boardfiles import check_board

SHIPPED = [load_board(path) for path in sorted(boards_dir().glob("*.toml"))]
HARDWARE = [board for board in SHIPPED if board.backend.native is None]
CHIPS = {name: find_chip(name) for name in list_chips()}
F446 = (boards_dir() / "nucleo_f446re.toml").read_text()


@pytest.mark.parametrize("board", HARDWARE, ids=lambda b: b.name)
def test_shipped_board_is_what_its_chip_allows(board: Board) -> None:
    assert board.chip is not None
    found = examine(board, CHIPS[board.chip])
    assert found.faults == ()
    assert len(found.steps) == len(board.startup.steps)
    assert found.tree is not None
    assert found.tree.clocks["core"] == board.clock.core_hz
    assert not any("?" in step for step in found.steps)


@pytest.mark.parametrize("board", HARDWARE, ids=lambda b: b.name)
def test_each_table_of_a_shipped_board_has_a_source(board: Board) -> None:
    assert board.unsourced == []


def test_table_in_the_docs_is_what_comes_out() -> None:
    assert len(HARDWARE) >= 25
    assert board_table().count("\n") == len(HARDWARE) + 2
    assert in_docs() == board_table(), "python -m tests.support.board_table"


@pytest.mark.parametrize("name", CHIPS)
def test_each_chip_has_sources(name: str) -> None:
    assert {"registers", "limits", "memory"} <= set(CHIPS[name].facts.sources)


# Ten copies and more of one board, each with one mistake; what `boards check` says of it.
PLANTED = [
    ("divider", "0x2840_2D04", "0x2840_2D08",
        r"core_hz = 180000000 \(180 MHz\) in \[clock\]: the steps make it 90 MHz \(.*HSE / 8 \* 180 / 2"),
    ("multiplier", "0x2840_2D04", "0x2840_1904",
        r"core_hz = 180000000 .* the steps make it 100 MHz"),
    ("vco", "0x2840_2D04", "0x2840_3804", "step 8 .*the PLL's VCO is 448 MHz; it may be 100 MHz to 432"),
    ("pll_input", "0x2840_2D04", "0x2840_2D02", "the PLL's input is 4 MHz; it may be 0.95 MHz to 2.1"),
    ("reserved", "value = 0x2840_2D04", "value = 0x2848_2D04",
        r"step 7 \(RCC.PLLCFGR\): reserved bits 0x00080000 .* write 0x28402D04"),
    ("reserved_set", "bits = 0x1002_0000", "bits = 0x1002_0200",
        r"step 1 \(RCC.APB1ENR\): bits 0x00000200 of RCC.APB1ENR are reserved"),
    ("address", "write = 0x4002_3804", "write = 0x4002_2804",
        "step 7 .*0x40022804 is no register that stm32f446re is known to have; the nearest is"),
    ("read_only", "{ set = 0x4002_3800, bits = 0x0100_0000 }", "{ set = 0x4002_3800, bits = 0x0300_0000 }",
        r"step 8 \(RCC.CR\): RCC.CR.PLLRDY is read only \(bits 0x02000000\)"),
    ("pin_function", "0x0000_7700", "0x0000_7800",
        r"tx = PA2: GPIOA.AFRL.AFSEL2 is 8 after the steps; USART2 has AF7 there"),
    ("pin_mode", "0x0000_00A0 }", "0x0000_0060 }", "rx = PA3: GPIOA.MODER.MODE3 is 1 .* 2 is alternate"),
    ("other_pin", 'tx = "PA2"', 'tx = "PD8"', r"tx = 'PD8' in \[console\] is no TX of USART2: PA2"),
    ("wait_states", "0x0000_0705", "0x0000_0703",
        r"step 14 \(RCC.CFGR\): 3 wait states for flash at 180 MHz; it needs 5"),
    ("irq", "irq = 38", "irq = 37", r"irq = 37 in \[console\]: USART2 of stm32f446re has 38"),
    ("uart_base", "base = 0x4000_4400", "base = 0x4001_1000",
        r"clock_hz = 45000000 \(45 MHz\) in \[console\]: the steps make it 90 MHz \(USART1 has APB2"),
    ("no_uart", "base = 0x4000_4400", "base = 0x4000_4404", "is no UART of stm32f446re: USART1 0x40011000"),
    ("driver", '"stm32_usart"', '"stm32_usart_v2"', "USART2 needs 'stm32_usart'"),
    ("uart_enable", "bits = 0x1002_0000", "bits = 0x1000_0000",
        r"USART2 has no clock after the steps: set RCC.APB1ENR.USART2EN \(0x40023840, bits 0x00020000\)"),
    ("port_enable", "bits = 0x0000_0001", "bits = 0x0000_0002",
        r"step 16 \(GPIOA.MODER\): GPIOA cannot be reached yet: set RCC.AHB1ENR.GPIOAEN"),
    ("power_enable", "bits = 0x1002_0000", "bits = 0x0002_0000",
        r"step 3 \(PWR.CR\): PWR cannot be reached yet: set RCC.APB1ENR.PWREN"),
    ("never", "{ set = 0x4002_3800, bits = 0x0005_0000 }", "{ set = 0x4002_3800, bits = 0x0004_0000 }",
        r"step 6 \(RCC.CR\): waits for HSERDY=1, which never comes: it follows RCC.CR.HSEON, which is 0"),
    ("never_switched", "value = 0x0000_0008 }, # SWS", "value = 0x0000_0004 }, # SWS",
        r"step 15 \(RCC.CFGR\): waits for SWS=1, which never comes"),
    ("not_waited", "    { wait = 0x4002_3800, bits = 0x0002_0000 }, # HSERDY\n", "",
        "step 7 .*the PLL has HSE for its source, which is not ready: switch it on and wait for it before"),
    ("over_drive", "    { set = 0x4000_7000, bits = 0x0002_0000 }, # PWR_CR: ODSWEN\n"
        "    { wait = 0x4000_7004, bits = 0x0002_0000 }, # PWR_CSR: ODSWRDY\n", "",
        r"step 12 \(RCC.CFGR\): core is 180 MHz; it may be up to 168 MHz"),
    ("bus", "value = 0x0000_9402", "value = 0x0000_8002",
        r"step 14 \(RCC.CFGR\): APB1 is 180 MHz; it may be up to 45 MHz"),
    ("bypass", "bypass = true\n", "", "RCC.CR.HSEBYP is 1, and the board's oscillator is a crystal"),
    ("oscillator", "oscillator_hz = 8_000_000", "oscillator_hz = 16_000_000",
        "the PLL's input is 4 MHz"),
    ("no_oscillator", "oscillator_hz = 8_000_000 # MCO of the ST-LINK\nbypass = true\n", "",
        "names no oscillator_hz"),
    ("locked", "{ wait = 0x4002_3800, bits = 0x0200_0000 }", "{ write = 0x4002_3804, value = 0x2840_2D08 }",
        r"RCC.PLLCFGR cannot be changed while RCC.CR.PLLON is 1"),
    ("ram", "length = 0x0002_0000", "length = 0x0003_0000",
        r"0x20000000 to 0x2002FFFF in \[memory.ram\]: stm32f446re has 0x20000000 to 0x2001FFFF"),
    ("flash", "length = 0x0008_0000", "length = 0x0010_0000", r"in \[memory.flash\]: stm32f446re has"),
    ("cpu", '"cortex-m4"\nfpu = "fpv4-sp-d16"', '"cortex-m3"', "stm32f446re has a cortex-m4"),
    ("unlocked", "value = 0xAA00", "value = 0xBB00", r"unlocked = 0xbb00 .* stm32f446re has 0xaa00"),
    ("debug_port", "bits = 0x0000_00F0, value = 0x0000_00A0", "bits = 0x0C00_00F0, value = 0x0000_00A0",
        "GPIOA.MODER.MODE13 is 0 after the steps; it must be 2"),
    ("id", "value = 0x421", "value = 0x431", r"id = 0x431 at 0xe0042000 .* stm32f446re has 0x421"),
    ("baud", "baud = 115_200", "baud = 2_750_000", "gets 2812500 from 45000000 Hz, .2.3 %"),
    ("chip", '"stm32f446re"', '"stm32f446rx"', "no chip 'stm32f446rx'; known: .* did you mean"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "old", "new", "message"), PLANTED, ids=[fault for fault, *_ in PLANTED]
)
def test_planted_error_is_named(
    fault: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in F446, fault
    path = tmp_path / "nucleo_f446re.toml"
    path.write_text(F446.replace(old, new, 1))
    with pytest.raises(BoardError, match=message) as caught:
        check_board(path, build=False)
    assert str(path) in str(caught.value) or fault == "chip"


def test_without_a_chip_a_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "nucleo_f446re.toml"
    path.write_text(F446.replace('chip = "stm32f446re"\n', ""))
    assert any(
        "no chip is named" in line
        and line.endswith("chip = 'stm32f446re' is like the probe's target")
        for line in check_board(path, build=False)
    )
    path.write_text(path.read_text().replace("baud = 115_200", "baud = 2_750_000"))
    with pytest.raises(BoardError, match="gets 2812500"):  # known without a chip
        check_board(path, build=False)


def test_emulators_need_no_step(tmp_path: Path) -> None:
    path = tmp_path / "nucleo_f446re.toml"
    text = re.sub(r"steps = \[.*?\n\]", "steps = []", F446, flags=re.DOTALL)
    path.write_text(re.sub(r"\[backend.probe\].*?\n\n", "", text, flags=re.DOTALL))
    assert any("no clock to check" in line for line in check_board(path, build=False))
    path.write_text(text)  # a real board runs at 16 MHz without
    with pytest.raises(BoardError, match="the steps make it 16 MHz"):
        check_board(path, build=False)


STARTED = [board for board in HARDWARE if board.startup.steps]


def faults_with(board: Board, **changed: object) -> tuple[str, ...]:
    assert board.chip is not None
    return examine(board.model_copy(update=changed), CHIPS[board.chip]).faults


def faults_with_step(board: Board, number: int, step: Step) -> tuple[str, ...]:
    steps = list(board.startup.steps)
    steps[number] = step
    return faults_with(board, startup=Startup(steps=tuple(steps)))


@pytest.mark.parametrize("board", STARTED, ids=lambda b: b.name)
def test_planted_in_each_step_of_each_board(board: Board) -> None:
    """Another address, and every reserved bit that the register has, are named with the step."""
    assert board.chip is not None
    chip = CHIPS[board.chip]
    for number, step in enumerate(board.startup.steps):
        kind, address = register_of(step)
        register = chip.at(address)
        assert register is not None
        place = f"step {number + 1} ({register.path}): "
        gap = next(a for a in range(address, 2**32, 4) if chip.at(a) is None)
        faults = faults_with_step(board, number, step.model_copy(update={kind: gap}))
        assert any(f.startswith(f"step {number + 1} (0x{gap:08X}): ") for f in faults)
        for bit in (1 << n for n in range(32) if not register.known >> n & 1):
            key = "value" if kind == "write" else "bits"
            changed = step.model_copy(update={key: (getattr(step, key) or 0) ^ bit})
            assert any(f.startswith(place) for f in faults_with_step(board, number, changed)), bit


@pytest.mark.parametrize("board", HARDWARE, ids=lambda b: b.name)
def test_planted_in_each_table_of_each_board(board: Board) -> None:
    console, clock, memory = board.console, board.clock, board.memory
    banks = CHIPS[board.chip or ""].facts.memory

    def named(word: str, **changed: object) -> bool:
        return any(word in fault for fault in faults_with(board, **changed))

    for key, value in (("irq", console.irq + 1), ("driver", "posix"), ("base", console.base + 4)):
        table = console.model_copy(update={key: value})
        assert named(f"{key} = ", console=table) or named(f"{key} = 0x", console=table)
    assert named("clock_hz = ", console=console.model_copy(update={"clock_hz": 7_000_000}))
    assert named("core_hz = ", clock=clock.model_copy(update={"core_hz": 7_000_000}))
    for kind in ("flash", "ram"):
        longest = sum(bank.length for bank in getattr(banks, kind))
        region = getattr(memory, kind).model_copy(update={"length": longest + 1024})
        assert named(f"[memory.{kind}]", memory=memory.model_copy(update={kind: region}))


@pytest.mark.parametrize("board", STARTED, ids=lambda b: b.name)
def test_console_needs_its_pins_and_its_clock(board: Board) -> None:
    """Without the steps on pins, and without those that enable clocks, the check fails."""
    assert board.chip is not None
    chip = CHIPS[board.chip]
    for number, step in enumerate(board.startup.steps):
        register = chip.at(register_of(step)[1])
        assert register is not None
        if re.search(r"MODER|AFR|CRH|PIN_CNF|PSEL|AFSEL|DEN|ENR|RCGC", register.path):
            rest = board.startup.steps[:number] + board.startup.steps[number + 1 :]
            pins = ("tx = ", "rx = ", "has no clock", "cannot be reached")
            faults = faults_with(board, startup=Startup(steps=rest))
            assert any(word in fault for fault in faults for word in pins), register.path


def test_registers_of_the_core_are_anybodys(tmp_path: Path) -> None:
    path = tmp_path / "nucleo_f446re.toml"
    step = "{ set = 0xE000_ED88, bits = 0x00F0_0000 }, # SCB_CPACR\n    { set = 0x4002_3840"
    path.write_text(F446.replace("{ set = 0x4002_3840", step, 1))
    assert any("18 steps are right" in line for line in check_board(path, build=False))


CHIP_MISTAKES = [
    ("field", "PLLR 30:28", "PLLR=30", "PLLCFGR: 'PLLR=30' is no field"),
    ("overlap", "PLLR 30:28", "PLLR 30:27", "PLLCFGR: PLLR has bits of another field"),
    ("outside", "PLLR 30:28", "PLLR 33:28", "PLLCFGR: PLLR has bits of another field, or none of 31:0"),
    ("backwards", "PLLR 30:28", "PLLR 28:30", "PLLCFGR: PLLR has bits"),
    ("status", '"PWR.CR.ODEN"', '"PWR.CR.ODDEN"', "'PWR.CR.ODDEN' names no field"),
    ("uart", "[uarts.USART2]", "[uarts.USART9]", "uarts.USART9"),
    ("family", 'family = "stm32f4"', 'family = "stm32f9"', "family = 'stm32f9'; known: "),
    ("name", 'name = "stm32f446re"', 'name = "stm32f446"', "it must be the file's name"),
    ("key", "[memory]", "[colour]\n[memory]", "unknown key 'colour' at the top"),
    ("syntax", "[memory]", "[memory", "not valid TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "old", "new", "message"), CHIP_MISTAKES,
    ids=[fault for fault, *_ in CHIP_MISTAKES])  # fmt: skip
def test_mistake_in_a_chip_file_is_named(
    fault: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    text = (boards_dir() / "chips" / "stm32f446re.toml").read_text()
    assert old in text, fault
    path = tmp_path / "stm32f446re.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BoardError, match=message) as caught:
        find_chip("stm32f446re", tmp_path)
    assert str(path) in str(caught.value)


def test_own_chip_lies_beside_the_board(tmp_path: Path) -> None:
    (tmp_path / "chips").mkdir()
    shutil.copy(boards_dir() / "chips" / "stm32f446re.toml", tmp_path / "chips" / "mine.toml")
    chip = tmp_path / "chips" / "mine.toml"
    chip.write_text(chip.read_text().replace('name = "stm32f446re"', 'name = "mine"'))
    path = tmp_path / "nucleo_f446re.toml"
    path.write_text(F446.replace('chip = "stm32f446re"', 'chip = "mine"'))
    assert any("chip mine: " in line for line in check_board(path, build=False))


REGISTERS = [register for chip in CHIPS.values() for register in chip.registers.values()]


@given(register=st.sampled_from(REGISTERS), word=st.integers(0, 2**32 - 1))
def test_decoded_fields_are_the_word(register: ChipRegister, word: int) -> None:
    text = decode(Step(write=register.address, value=word), register)
    fields = {field.name: field for field in register.fields}
    back = 0
    for name, value in re.findall(r"(\w+)=(\d+)", text):
        back |= int(value) << fields[name].low
    assert back == word & register.known


def f446(steps: list[Step], hz: int = 8_000_000) -> Board:
    board = find_board("nucleo_f446re")
    clock = board.clock.model_copy(update={"oscillator_hz": hz})
    return board.model_copy(update={"startup": Startup(steps=tuple(steps)), "clock": clock})


@given(
    m=st.integers(0, 63), n=st.integers(0, 511), p=st.integers(0, 3), hse=st.booleans(),
    mhz=st.integers(4, 26), ahb=st.integers(0, 15), apb=st.integers(0, 7),
)  # fmt: skip
def test_pll_against_its_formula(
    m: int, n: int, p: int, hse: bool, mhz: int, ahb: int, apb: int
) -> None:
    steps = list(find_board("nucleo_f446re").startup.steps)
    word = m | n << 6 | p << 16 | hse << 22 | 8 << 24 | 2 << 28
    steps[6] = Step(write=0x4002_3804, value=word)
    steps[13] = Step(write=0x4002_3808, value=2 | ahb << 4 | apb << 10 | apb << 13)
    found = examine(f446(steps, mhz * 1_000_000), CHIPS["stm32f446re"])
    assert found.tree is not None
    source = Fraction((mhz if hse else 16) * 1_000_000)
    vco = source / max(m, 1) * n
    shift = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 6, 7, 8, 9][ahb]
    core = vco / (2, 4, 6, 8)[p] / 2**shift
    assert found.tree.clocks["core"] == core
    assert found.tree.clocks["APB1"] == core / 2 ** max(0, apb - 3)
    inside = (
        m >= 2 and 50 <= n <= 432 and 950_000 <= source / max(m, 1) <= 2_100_000
        and 100_000_000 <= vco <= 432_000_000 and core <= 180_000_000
        and core / 2 ** max(0, apb - 3) <= 45_000_000
    )  # fmt: skip
    limits = [f for f in found.faults if f.startswith("step")]
    assert inside == (limits == [])


WORDS = st.integers(0, 2**32 - 1) | st.sampled_from([1 << n for n in range(32)])
# registers that clocks depend on come up more often
CLOCKED = re.compile(r"RCC|PWR|FLASH|SYSCTL|CLOCK|NVMC")
ADDRESSES = {
    board.name: [
        register.address
        for register in CHIPS[board.chip or ""].registers.values()
        for _ in range(9 if CLOCKED.match(register.path) else 1)
    ]
    for board in STARTED
}


@st.composite
def any_step(draw: st.DrawFn, addresses: list[int]) -> Step:
    kind = draw(st.sampled_from(["write", "set", "clear", "modify", "wait"]))
    address = draw(st.sampled_from(addresses) | st.integers(1, 2**29 - 1).map(lambda n: 4 * n))
    bits = draw(WORDS.filter(bool))
    match kind:
        case "write":
            return Step(write=address, value=draw(WORDS))
        case "modify" | "wait":
            return Step.model_validate({kind: address, "bits": bits, "value": draw(WORDS) & bits})
        case _:
            return Step.model_validate({kind: address, "bits": bits})


@pytest.mark.parametrize("board", STARTED, ids=lambda b: b.name)
def test_oscillator_that_no_step_waits_for_is_no_clock_yet(board: Board) -> None:
    """It may be switched on for later; the tree has what can be used, and can be shown."""
    assert board.chip is not None
    chip = CHIPS[board.chip]
    for path in ("RCC.CR.HSION", "RCC.CR.HSEON"):
        if (found := chip.field(path)) is None or path not in chip.facts.status.values():
            continue
        on = Step(set=found[0].address, bits=found[1].mask)
        steps = Startup(steps=(*board.startup.steps, on))
        tree = examine(board.model_copy(update={"startup": steps}), chip).tree
        assert tree is not None
        assert list(tree.how) == list(tree.clocks)
        assert tree.lines()


@settings(max_examples=1_000 if os.environ.get("NNOM_HIL_NIGHTLY") else 60)
@given(data=st.data(), board=st.sampled_from(STARTED))
def test_any_steps_are_judged(data: st.DataObject, board: Board) -> None:
    """Steps at random before, after, and between those of the board: no exception, a verdict."""
    steps = list(board.startup.steps) if data.draw(st.booleans()) else []
    for step in data.draw(st.lists(any_step(ADDRESSES[board.name]), max_size=12)):
        steps.insert(data.draw(st.integers(0, len(steps))), step)
    assert board.chip is not None
    changed = board.model_copy(update={"startup": Startup(steps=tuple(steps))})
    found = examine(changed, CHIPS[board.chip])
    assert len(found.steps) == len(steps)
    assert found.tree is not None
    assert len(found.tree.lines()) == len(found.tree.clocks)
    for number, text in enumerate(found.steps, 1):
        unknown = "0x" in text.split()[2] and not text.split()[2].startswith("0xE000")
        assert unknown == any(f.startswith(f"step {number} (0x") for f in found.faults)


@given(
    driver=st.sampled_from(["stm32_usart", "stm32_usart_v2", "stm32_lpuart", "pl011", "cmsdk_uart"]),
    hz=st.integers(1_000_000, 200_000_000), baud=st.integers(1200, 4_000_000),
)  # fmt: skip
def test_baud_rate_of_a_driver(driver: str, hz: int, baud: int) -> None:
    real = real_baud(driver, hz, baud)
    if real is not None and hz >= 64 * baud:
        assert abs(real - baud) <= baud * Fraction(2, 100)
        assert baud_fault(driver, hz, baud) is None
    if hz < baud:
        assert baud_fault(driver, hz, baud) is not None


def test_every_driver_has_its_arithmetic() -> None:
    for driver in set(drivers("uart")) - {"posix"}:
        assert real_baud(driver, 16_000_000, 115_200)


@given(baud=st.sampled_from([1200, 2400, 9600, 57_600, 115_200, 230_400, 460_800, 1_000_000]))
def test_baud_rate_of_the_nrf(baud: int) -> None:
    assert baud_fault("nrf_uart", 16_000_000, baud) is None
    real = real_baud("nrf_uart", 16_000_000, baud)
    assert real is not None
    assert abs(real - baud) < baud / 100
