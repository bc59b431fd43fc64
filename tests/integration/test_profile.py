"""Profiles are exact: what ran, how often, and where it went on."""

import json
import os
import struct
import subprocess
from pathlib import Path

import pytest

from nnom_hil.boards import Cpu, find_board
from nnom_hil.build import Image
from nnom_hil.cli.app import run_app
from nnom_hil.errors import TargetError
from nnom_hil.link.frame import Frame, FrameType
from nnom_hil.profiler import ModelProfile, by_function, counting_board, disassemble
from nnom_hil.profiler.counting import Block, Stretch, function_extent, plugin_options, stretches_of
from nnom_hil.profiler.layers import first_inference
from nnom_hil.profiles import ProfileRecord
from nnom_hil.report.figures import thousands
from nnom_hil.run.estimate import count_model
from nnom_hil.run.prepare import Prepared, find_model, prepare
from nnom_hil.run.profile import count_by_clock, profile_record
from nnom_hil.run.runner import build_for
from nnom_hil.target.fake import FakeModel, FakeTarget
from tests.support.emulated import BOARDS

pytestmark = pytest.mark.xdist_group("profile")  # what is counted is counted once
NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
PROGRAM = """
    .syntax unified
    .cpu cortex-m4
    .thumb
    .section .vectors, "a"
    .word 0x20001000, reset + 1
    .rept 13
    .word hang + 1
    .endr
    .word tick + 1
    .text
    .thumb_func
    .global reset
    .type reset, %function
reset:
    movw r4, #0xE010         @ SysTick
    movt r4, #0xE000
    movs r5, #0
    bl mark
    movs r0, #10
1:  adds r5, #1              @ a loop: falls into its body, goes back nine times
    subs r0, #1
    bne 1b
    movs r0, #3
2:  cbz r0, 3f               @ taken once, at the end
    ldr r1, [r4, #8]         @ a device in the middle of a block
    adds r5, r1
    subs r0, #1
    b 2b
3:  bl mark
    b.w 5f
    .balign 1024             @ what stands across the end of one of QEMU's pages
    .space 1016
5:  nop
    nop
    nop
    add.w r5, r5, #1
    bl mark
    movs r0, #100            @ an interrupt every ten instructions or so
    str r0, [r4, #4]
    str r0, [r4, #8]
    movs r0, #7
    str r0, [r4]
    movs r0, #200
4:  subs r0, #1
    bne 4b
    movs r0, #0
    str r0, [r4]
    bl mark
    ldr r0, aircr            @ reset
    ldr r1, vectkey
    str r1, [r0]
    .balign 4
aircr: .word 0xE000ED0C
vectkey: .word 0x05FA0004
    .size reset, . - reset
    .thumb_func
hang: b hang
    .thumb_func
    .global mark
mark: bx lr
    .thumb_func
    .global tick
    .type tick, %function
tick:
    push {r0, lr}
    pop {r0, pc}
    .size tick, . - tick
"""
_LINK = "SECTIONS { . = 0x08000000; .all : { *(.vectors) *(.text) } }"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    (folder / "program.S").write_text(PROGRAM)
    (folder / "link.ld").write_text(_LINK)
    command = ["arm-none-eabi-gcc", "-nostdlib", "-Tlink.ld", "program.S", "-o", "program.elf"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program.elf"


def run(elf: Path, *more: str) -> list[Stretch]:
    counts = elf.with_name("counts.txt")
    mark, _ = function_extent(elf, "mark")
    options = plugin_options(counts, [mark], aside=function_extent(elf, "tick"))
    subprocess.run(
        ["qemu-system-arm", "-machine", "netduinoplus2", "-nodefaults", "-display", "none",
         "-monitor", "none", "-no-reboot", "-kernel", elf, *options, *more],
        check=True,
        timeout=300,
    )  # fmt: skip
    stretches = stretches_of(counts)
    assert [stretch.mark for stretch in stretches] == [0, mark, mark, mark, mark]
    return list(stretches)


def executions(elf: Path, stretch: Stretch) -> dict[str, int]:
    """Return how often each instruction ran, by what it is."""
    listing = disassemble(elf, Cpu.CORTEX_M4)
    counts: dict[str, int] = {}
    for block in stretch.blocks:
        address = block.start
        for _ in range(block.instructions):
            one = listing[address]
            key = f"{one.function} {one.name} {one.operands.split(' <')[0]}"
            counts[key] = counts.get(key, 0) + block.executions
            address += one.size
    return counts


@pytest.mark.parametrize("more", [[], ["-icount", "shift=3,align=off"]], ids=["plain", "icount"])
def test_loops_and_devices_are_counted_once(program: Path, more: list[str]) -> None:
    stretch = run(program, *more)[1]
    counts = executions(program, stretch)
    by_name: dict[str, int] = {}
    for key, times in counts.items():
        name = key.split()[1]
        by_name[name] = by_name.get(name, 0) + times
    assert by_name == {
        "bx": 1,
        "movs": 2,
        "adds": 10 + 3,
        "subs": 10 + 3,
        "b": 10 + 3,
        "cbz": 4,
        "ldr": 3,
        "bl": 1,
    }
    assert stretch.instructions == sum(by_name.values())
    # bx back, bne 9 times, b 3 times, cbz once, bl
    assert sum(block.taken for block in stretch.blocks) == 1 + 9 + 3 + 1 + 1
    assert all(block.taken <= block.executions for block in stretch.blocks)


def test_end_of_a_page_is_no_branch(program: Path) -> None:
    stretch = run(program)[2]
    assert stretch.instructions == 1 + 1 + 3 + 1 + 1
    assert sum(block.taken for block in stretch.blocks) == 1 + 1 + 1  # bx, b.w, bl


def test_interrupts_are_no_branches(program: Path) -> None:
    stretch = run(program, "-icount", "shift=3,align=off")[3]
    counts = executions(program, stretch)
    interrupts = counts["tick push {r0, lr}"]
    assert interrupts > 3
    assert sum(block.taken for block in stretch.blocks) == 1 + 199 + 1


@pytest.fixture(scope="module")
def digits() -> Prepared:
    return prepare(find_model(None), None)


def profile(digits: Prepared, board: str) -> ModelProfile:
    place = counting_board(find_board(board, BOARDS))
    return count_model(place, place, build_for(place, digits.graph), digits)


@pytest.fixture(scope="module")
def counted(digits: Prepared) -> ModelProfile:
    return profile(digits, "stm32f4")


def test_counts_are_the_same_in_every_run(counted: ModelProfile, digits: Prepared) -> None:
    assert profile(digits, "stm32f4").layers == counted.layers


CORES = [
    "mps3_an547",
    "cortex_m0",
    "nucleo_g071rb",
    "stm32f103",
    "nucleo_f767zi",
    "nucleo_l552ze_q",
]


@pytest.mark.parametrize("board", ["stm32f4", *CORES * NIGHTLY])
def test_layers_are_what_systick_counts(
    board: str, counted: ModelProfile, digits: Prepared
) -> None:
    first = counted if board == "stm32f4" else profile(digits, board)
    assert [layer.name for layer in first.layers] == [node.name for node in digits.graph.nodes]
    reading = [
        first.clock_instructions(layer) - layer.stretch.instructions for layer in first.layers
    ]
    assert 0 <= min(reading) <= max(reading) < 10
    # after the first layer the same for each: what note_layer_time() runs between two readings
    assert max(reading[1:]) - min(reading[1:]) <= 2 / float(first.ticks_per_instruction) + 0.01


def test_inference_that_was_asked_for_twice_is_counted_once() -> None:
    marks = [0, 8, 4, 4, 4, 8, 4, 4, 4]  # three layers, twice
    stretches = [Stretch(mark, (Block(n, 1, 1, 0),)) for n, mark in enumerate(marks)]
    assert first_inference(stretches, 8) == stretches[1:4]
    assert first_inference(stretches[:5], 8) == stretches[1:4]
    assert first_inference(stretches[:1], 8) == []


def test_functions_and_classes_add_up(counted: ModelProfile, digits: Prepared) -> None:
    board = find_board("stm32f4")
    image = build_for(board, digits.graph)
    record = profile_record(counted, board, board, image, digits, "digits")
    listing = disassemble(image.elf, board.core.cpu)
    for layer, told in zip(counted.layers, record.layers, strict=True):
        functions = by_function(layer.stretch, listing)
        assert not functions.keys() & {"note_layer_time", "ticks_now", "systick_handler"}
        assert sum(f.instructions for f in told.functions) == told.instructions
        assert sum(told.classes.values()) == told.instructions == layer.stretch.instructions
        assert all(
            f.taken <= f.classes.get("branch", 0) + f.classes.get("load", 0) for f in told.functions
        )
    assert sum(record.classes.values()) == record.instructions
    convolution = max(record.layers, key=lambda layer: layer.macs)
    # two MACs an instruction, and the rest of the layer's loops beside them
    assert convolution.classes["SIMD multiply"] == pytest.approx(convolution.macs / 2, rel=0.1)
    lines = record.folded.splitlines()
    assert sum(int(line.split()[-1]) for line in lines) == record.instructions
    assert all(line.startswith("digits;") and line.count(";") == 3 for line in lines)


def test_names_cannot_take_stacks_apart(counted: ModelProfile, digits: Prepared) -> None:
    board = find_board("stm32f4")
    image = build_for(board, digits.graph)
    record = profile_record(counted, board, board, image, digits, "a;b\nc\x1b[31m 7")
    frames = [line.rsplit(" ", 1)[0].split(";") for line in record.folded.split("\n")[:-1]]
    assert {(len(names), names[0]) for names in frames} == {(4, r"a,b c\u001b[31m 7")}


def test_code_that_the_program_does_not_have_is_named(counted: ModelProfile) -> None:
    with pytest.raises(TargetError, match=r"ran code at 0x0800\w{4}, where the program has none"):
        by_function(counted.layers[0].stretch, {})


def test_every_core_has_a_board_to_count_on() -> None:
    own, other = find_board("stm32f4"), find_board("nucleo_f767zi")
    assert counting_board(own) is own
    place = counting_board(other)
    assert (place.core, place.name) == (other.core, "mps2_an500")
    small = counting_board(find_board("nucleo_g071rb"))
    assert (small.core.cpu, small.memory.ram.length) == (Cpu.CORTEX_M0PLUS, 4 << 20)
    with pytest.raises(TargetError, match="no core that runs code for a native"):
        counting_board(find_board("native"))


# ---- as users see it


def test_command_tells_each_layer_the_same_way_every_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folded, page = tmp_path / "p.folded", tmp_path / "p.html"
    assert run_app(["profile", "--board", "stm32f4", "--json", "--folded", str(folded)]) == 0
    first = capsys.readouterr().out
    assert run_app(["profile", "--board", "stm32f4", "--report", str(page)]) == 0
    told = capsys.readouterr().out
    record = ProfileRecord.model_validate_json(first)
    assert record.to_json() == first
    assert folded.read_text() == record.folded
    assert (record.board, record.counted_on, record.core) == ("stm32f4", "stm32f4", "cortex-m4")
    for layer in record.layers:
        assert layer.name in told
        assert f">{thousands(layer.instructions)}</td>" in page.read_text()
    assert "SIMD" in told
    assert "counted exactly in QEMU" in told
    text = page.read_text()
    assert 'class="k simd-multiply" style="left:' in text
    assert text.count("<script") == 1  # our own, which sorts


def test_run_keeps_its_profile_and_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = ["--board", "stm32f4", "--out", str(tmp_path)]
    assert run_app(["run", *board, "--profile", "--timing-only", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    folder = tmp_path / run["id"]
    record = ProfileRecord.model_validate_json((folder / "profile.json").read_text())
    assert (folder / "profile.folded").read_text() == record.folded
    assert record.image_id == run["image_id"]
    for layer, timed in zip(record.layers, run["layers"], strict=True):
        assert timed["name"] == layer.name
        assert abs(timed["instructions"] - (layer.clock_instructions or 0)) <= 1
    report = folder / "report.html"
    assert "Flame graph" in report.read_text()
    report.unlink()
    assert run_app(["report", str(folder)]) == 0
    assert "Flame graph" in report.read_text()
    (folder / "profile.json").write_text("{}")
    assert run_app(["report", str(folder)]) == 2
    assert "profile.json: not a profile:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backend", "probe", "--board", "stm32f4"], "profiles are counted in QEMU, or by"),
        (["--board", "native"], "QEMU, which has no core that runs code for a native"),
    ],
)
def test_where_nothing_can_be_counted_is_told_first(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["profile", *options]) in (2, 3)
    said = capsys.readouterr().err
    assert message in said
    assert "preparing" not in said


class Counting(FakeTarget):
    """A target whose clock counts instructions, as in QEMU."""

    layers = 12

    def boot(self) -> None:
        self.clock = "systick instructions=1000 plain=1344 load=1344 branch=1344"
        super().boot()

    def _dispatch(self, request: Frame) -> None:
        if request.type == FrameType.TIME:
            ticks = [round(50 * n * 1.344) for n in range(self.layers)]
            self._answer(request, struct.pack(f"<b{self.layers}I", 0, *ticks))
        else:
            super()._dispatch(request)


def fake(kind: type[FakeTarget], image: Image, digits: Prepared) -> FakeTarget:
    return kind(
        FakeModel(
            infer=lambda data: data[:10],
            input_shape=digits.graph.input.shape,
            output_shape=digits.graph.output.shape,
            image_id=image.id,
        )
    )


def test_clock_alone_tells_instructions_and_that_it_tells_no_more(digits: Prepared) -> None:
    board = find_board("stm32f4")
    image = build_for(board, digits.graph)
    record = count_by_clock(fake(Counting, image, digits), board, image, digits, "digits")
    assert [layer.instructions for layer in record.layers][:3] == [0, 50, 100]
    assert all(layer.taken is None and layer.functions == () for layer in record.layers)
    assert "can be counted in QEMU only" in record.notes[0]
    assert record.folded.splitlines()[1] == "digits;conv2d_1 50"
    with pytest.raises(TargetError, match="does not count instructions; leave out --backend"):
        count_by_clock(fake(FakeTarget, image, digits), board, image, digits, "digits")
