"""The cycle model: costs by Arm's tables and measurements on silicon, and the flash term."""

import ctypes
import re
import subprocess
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.native import ROOT

from nnom_hil.boards import Cpu, FlashReads, core_timing, find_board, list_boards, timed_cores
from nnom_hil.boards.timing import CoreTiming
from nnom_hil.errors import BoardError
from nnom_hil.profiler import (
    Block,
    Instruction,
    InstructionClass,
    Stretch,
    stretch_cycles,
)
from nnom_hil.profiler.operands import operands_of
from nnom_hil.profiler.pipeline import branch_cycles, straight_cycles


def timing(core: Cpu) -> CoreTiming:
    found = core_timing(core)
    assert found is not None
    return found


M0, M0PLUS, M3, M4, M7, M33, M55 = (
    timing(core)
    for core in (
        Cpu.CORTEX_M0, Cpu.CORTEX_M0PLUS, Cpu.CORTEX_M3, Cpu.CORTEX_M4, Cpu.CORTEX_M7,
        Cpu.CORTEX_M33, Cpu.CORTEX_M55,
    )
)  # fmt: skip


def code(*lines: str) -> list[Instruction]:
    """ "name operands" each; a name with .n has 16 bits."""
    made, address = [], 0x100
    for line in lines:
        name, _, operands = line.partition(" ")
        size = 2 if name.endswith(".n") else 4
        made.append(Instruction(address, size, name.removesuffix(".n"), operands, "f"))
        address += size
    return made


def cycles(core: CoreTiming, *lines: str) -> float:
    return sum(straight_cycles(code(*lines), core))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["ldr r0, [r1]", "add r2, r2, #1"], 3),  # LDR 2
        (["ldr r0, [r1]", "ldr r2, [r1, #4]", "add r3, r3, #1"], 4),  # pipelined: 2 + 1
        (["ldr r0, [r1]", "ldr r2, [r0]"], 4),  # the address is the first one's data
        (["ldr r0, [r1], #4", "ldr r2, [r1], #4"], 4),  # indexed, on one base
        (["ldr r0, [r1], #4", "ldr r2, [r3], #4"], 3),  # on two
        (["ldr r0, [r1]", "str r2, [r3]"], 2),  # a store takes the load's stall away
        (["str r0, [r1]", "ldr r2, [r1]"], 4),
        (["str r0, [r1, r2]"], 2),
        (["ldmia r0!, {r1, r2, r3, r4}"], 5),
        (["push {r4, r5, r6, lr}"], 5),
        (["ldrd r0, r1, [r2]"], 3),
        (["smlad r0, r1, r2, r0", "smlad r0, r3, r4, r0"], 2),
        (["umull r0, r1, r2, r3"], 1),
        (["add r0, r0, #4", "ldr r1, [r0]"], 4),  # an address that is just computed
        (["sdiv r0, r1, r2"], 7),
        (["cmp.n r0, #0", "it.n eq", "moveq.n r1, r2"], 2),  # IT is folded
        (["vdiv.f32 s0, s1, s2"], 14),
    ],
)
def test_costs_of_a_cortex_m4(lines: list[str], expected: int) -> None:
    lines = [line.replace("moveq", "mov").replace("vdiv.f32", "vdiv") for line in lines]
    assert cycles(M4, *lines) == expected


def test_costs_that_differ_on_other_cores() -> None:
    assert cycles(M3, "mla r0, r1, r2, r3") == 2
    assert cycles(M3, "smlal r0, r1, r2, r3") == 4
    two_loads = ("ldr.n r0, [r1]", "ldr.n r2, [r1, #4]", "add.n r3, #1")
    assert [cycles(core, *two_loads) for core in (M0, M0PLUS, M33)] == [5, 5, 3]
    assert cycles(M0, "ldmia.n r0!, {r1, r2}") == 3


def test_two_at_once_on_a_cortex_m7() -> None:
    mac, load = "smlad r0, r1, r2, r0", "ldr r3, [r4]"
    assert cycles(M7, mac, mac) == 2  # never two products
    assert cycles(M7, mac, load) == 1
    assert cycles(M7, "str r0, [r1]", mac) == 2
    assert cycles(M7, "sxtb16 r0, r1", "smlad r2, r3, r4, r2") == 1
    assert cycles(M7, "sxtb16 r0, r1", "sxtb16 r2, r3") == 2
    assert cycles(M7, "ldr r3, [r4]", "smlad r0, r3, r2, r0") == 3  # no load of the cycle before
    assert cycles(M7, "ldmia r0!, {r1, r2, r3}") == 2
    assert cycles(M7, "add r0, r0, #1", "add r0, r0, #1") == 2  # it needs the first


def test_a_cortex_m33_waits_for_loads_and_products() -> None:
    assert cycles(M33, "ldr r0, [r1]", "add r2, r0, #1") == 3
    assert cycles(M33, "smlad r0, r1, r2, r0", "smlad r0, r3, r4, r0") == 2  # forwarded
    assert cycles(M33, "smlad r0, r1, r2, r3", "add r4, r0, #1") == 3
    assert cycles(M33, "ldmia r0!, {r1, r2, r3}") == 3


def test_helium_overlaps_halves_of_other_units() -> None:
    load, mac = "vldrb q0, [r0], #16", "vmladava r2, q0, q1"
    assert cycles(M55, load, load) == 4
    assert cycles(M55, load, mac, load, mac) == 5
    assert cycles(M55, mac, mac) == 4


@pytest.mark.parametrize(
    ("core", "lines", "executions", "taken", "expected"),
    [
        (M4, ["b.n 100"], 10, 9, 18),  # P = 2
        (M0, ["b.n 100"], 10, 9, 18),
        (M0, ["bl 100"], 1, 1, 3),
        (M0PLUS, ["b.n 100"], 10, 9, 9),
        (M7, ["b.n 100"], 100, 99, 8),  # predicted but for the last
        (M7, ["b.n 100"], 100, 100, 0),
        (M33, ["adds.n r0, #1", "b.n 100"], 10, 9, 9),  # paired
        (M33, ["adds r0, r0, #1", "b.n 100"], 10, 9, 18),
        (M55, ["le lr, 100"], 10, 9, 0),
        (M4, ["add r0, r0, #1"], 10, 0, 0),
    ],
)
def test_branches(
    core: CoreTiming, lines: list[str], executions: int, taken: int, expected: float
) -> None:
    assert branch_cycles(code(*lines), executions, taken, core) == expected


@pytest.mark.parametrize(
    ("line", "writes", "reads", "address"),
    [
        ("ldr r0, [r1, r2, lsl #2]", "r0", "r1 r2", "r1 r2"),
        ("ldrb r0, [r1], #1", "r0 r1", "r1", "r1"),
        ("strd r4, r5, [sp, #8]", "", "r4 r5 sp", "sp"),
        ("ldr r3, [pc, #8]", "r3", "pc", "pc"),
        ("pop {r4, pc}", "r4 pc sp", "sp", "sp"),
        ("smlal r0, r1, r2, r3", "r0 r1", "r0 r1 r2 r3", ""),
        ("sxtab16 r0, fp, r2, ror #8", "r0", "r11 r2", ""),
        ("adds r0, #4", "r0", "r0", ""),
        ("mov r0, sl", "r0", "r10", ""),
        ("cmp r0, r1", "", "r0 r1", ""),
        ("vmladava r2, q0, q1", "r2", "q0 q1", ""),
    ],
)
def test_what_an_instruction_reads_and_writes(
    line: str, writes: str, reads: str, address: str
) -> None:
    found = operands_of(code(line)[0])
    assert found.writes == set(writes.split())
    assert found.reads == set(reads.split())
    assert found.address == tuple(address.split())


def test_lists_of_registers_are_counted() -> None:
    assert operands_of(code("ldmia r0!, {r1, r4-r7, lr}")[0]).listed == 6
    assert operands_of(code("vpush {d8-d15}")[0]).listed == 8


LINES = (
    "ldr r0, [r1]", "ldr r1, [r0]", "str r0, [r1]", "smlad r2, r0, r1, r2", "add r1, r1, #4",
    "sxtb16 r0, r0", "mul r3, r2, r1", "ldmia r1!, {r4, r5}", "adds.n r0, #1",
)  # fmt: skip


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=12),
    core=st.sampled_from([M0, M0PLUS, M3, M4, M7, M33, M55]),
    times=st.integers(1, 1000),
)
def test_blocks_cost_what_they_ran(lines: list[str], core: CoreTiming, times: int) -> None:
    """Nothing is free for long, more code is never cheaper, and a block counts for each run."""
    listing = {one.address: one for one in code(*lines)}
    added = straight_cycles(list(listing.values()), core)
    assert all(cost >= 0 for cost in added)
    assert sum(added) >= len(lines) / 2
    shorter = straight_cycles(list(listing.values())[:-1], core)
    assert sum(shorter) <= sum(added) + core.cycles.load_bubble
    stretch = Stretch(0, (Block(0x100, len(lines), times, 0),))
    found = stretch_cycles(stretch, listing, core, None)
    assert found.total == pytest.approx(times * sum(added))


def test_reads_of_flash_wait() -> None:
    flash = FlashReads(wait_states=5, width=8, instruction_cache=64, data_cache=8)
    stretch = Stretch(0, (Block(0x100, 1, 10, 0, following=3, elsewhere=2, data=7),))
    listing = {one.address: one for one in code("nop.n")}
    found = stretch_cycles(stretch, listing, M4, flash)
    assert found.code == 2 * 5 + 3 * (5 - 2)  # the read behind is fetched ahead for two cycles
    assert found.data == 7 * 5
    assert found.total == 10 + found.code + found.data
    assert stretch_cycles(stretch, listing, M4, None).total == 10


@pytest.fixture(scope="module")
def flash_reads(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The plugin's cache as a library: reads(width, bytes, addresses, n, held) returns nothing."""
    folder = tmp_path_factory.mktemp("flash")
    (folder / "flash.c").write_text(
        '#include "flash.h"\n'
        "void reads(uint32_t width, uint32_t bytes, const uint32_t *at, uint32_t n, uint8_t *out)\n"
        "{ flash_cache_t c = {0}; flash_cache_init(&c, width, bytes);\n"
        "  for (uint32_t i = 0; i < n; i++) out[i] = (uint8_t)flash_read(&c, at[i]);\n"
        "  free(c.reads); }\n"
    )
    command = ["cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
    where = ROOT / "firmware" / "profiler"
    library = folder / "flash.so"
    subprocess.run([*command, f"-I{where}", folder / "flash.c", "-o", library], check=True)
    return ctypes.CDLL(str(library))


@settings(max_examples=200)
@given(
    width=st.sampled_from([4, 8, 16, 32]),
    held=st.sampled_from([1, 2, 3, 4, 32]),
    addresses=st.lists(st.integers(0x0800_0000, 0x0800_0400), min_size=1, max_size=200),
)
def test_a_cache_holds_what_was_read_last(
    flash_reads: ctypes.CDLL, width: int, held: int, addresses: list[int]
) -> None:
    out = (ctypes.c_uint8 * len(addresses))()
    given_ = (ctypes.c_uint32 * len(addresses))(*addresses)
    flash_reads.reads(width, width * held, given_, len(addresses), out)
    ways = min(held, 4)
    sets: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(held // ways)]
    before = -1
    for address, told in zip(addresses, out, strict=True):
        read = address // width
        own = sets[(read + 1) % len(sets)]
        expected = 0 if read in own else 1 if read == before + 1 else 2
        assert told == expected
        own.pop(read, None)
        own[read] = None
        while len(own) > ways:
            own.popitem(last=False)
        before = read


def test_every_core_of_a_board_has_a_model() -> None:
    cores = {find_board(name).core.cpu for name in list_boards()} - {Cpu.NATIVE}
    assert cores <= set(timed_cores())
    assert core_timing(Cpu.NATIVE) is None
    for core in timed_cores():
        assert timing(core).core is core
    assert [core for core in timed_cores() if timing(core).checked] == [Cpu.CORTEX_M4]


def test_kinds_in_core_files_exist() -> None:
    kinds = {kind.value for kind in InstructionClass}
    for core in timed_cores():
        if (pairs := timing(core).pairs) is not None:
            named = {*pairs.first, *pairs.second, *pairs.not_first, *pairs.not_second}
            assert named | {kind for pair in pairs.never for kind in pair} <= kinds


def test_wait_states_are_those_that_start_up_sets() -> None:
    """FLASH_ACR's lowest four bits, where a board file sets it; H7 counts them in AXI cycles."""
    seen = 0
    for name, path in list_boards().items():
        board = find_board(name)
        value = re.search(r"value = 0x([\dA-F_]+) \}, # FLASH_ACR", path.read_text())
        if value is None:
            assert board.flash is None, name
            continue
        waits = int(value[1].replace("_", ""), 16) & 0xF
        assert board.flash is not None, name
        assert board.flash.wait_states == waits * (2 if name == "nucleo_h753zi" else 1), name
        seen += 1
    assert seen >= 19


def test_a_wrong_core_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cores").mkdir()
    monkeypatch.setattr("nnom_hil.boards.timing.boards_dir", lambda: tmp_path)
    file = tmp_path / "cores" / "cortex-m4.toml"
    text = (ROOT / "boards" / "cores" / "cortex-m4.toml").read_text()
    file.write_text(text.replace("taken = 2", "taken = -2"))
    with pytest.raises(BoardError, match="not a valid core file"):
        core_timing(Cpu.CORTEX_M4)
    file.write_text(text.replace("error = ", "mistake = "))
    with pytest.raises(BoardError, match="no error: say where its numbers are from"):
        core_timing(Cpu.CORTEX_M4)
    file.write_text("[[")
    with pytest.raises(BoardError, match="not valid TOML"):
        core_timing(Cpu.CORTEX_M4)
