"""Consoles of other people's firmware become records; what contradicts itself is said."""

import os
import threading
import time
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nnom_hil.cli.app import run_app
from nnom_hil.errors import DataError
from nnom_hil.records import PrintedFigures, PrintedMemory, RunRecord, TimeSource, Verdict
from nnom_hil.report.formats import FORMATS, Format
from nnom_hil.report.html import Shown
from nnom_hil.report.terminal import summary
from nnom_hil.run.monitor import ConsoleRequest, judge_console, monitor

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
MUTATIONS = 1_000_000 if NIGHTLY else 2000

NEW = """NNoM version 0.4.3
Start compiling model...
Layer(#)         Activation    output shape    ops(MAC)   mem(in, out, buf)      mem blk lifetime
-------------------------------------------------------------------------------------------------
#1   Input      -          - (   8,   8,   1,)          (    64,    64,     0)    1 - - -  - - - -
#2   Conv2D     - ReLU     - (   8,   8,   4,)     2304 (    64,   256,     0)    1 1 - -  - - - -
#3   MaxPool    -          - (   4,   4,   4,)          (   256,    64,     0)    1 1 1 -  - - - -
#4   Dense      -          - (   3,          )      192 (    64,     3,   128)    1 1 1 -  - - - -
#5   Output     -          - (   3,          )          (     3,     3,     0)    1 - - -  - - - -
-------------------------------------------------------------------------------------------------
Memory cost by each block:
 blk_0:128  blk_1:256  blk_2:64  blk_3:0  blk_4:0  blk_5:0  blk_6:0  blk_7:0
 Memory cost by network buffers: 448 bytes
 Total memory occupied: 2000 bytes

Print running stat..
Layer(#)        -   Time(us)     ops(MACs)   ops/us
--------------------------------------------------------
#1  Input      -         3
#2  Conv2D     -       120         2304     19.20
#3  MaxPool    -        17
#4  Dense      -        10          192     19.20
#5  Output     -         1

Summary:
Total ops (MAC): 2496(0.00M)
Prediction time :151us
Efficiency 16.52 ops/us
Total memory:2000

Print layer input/output..
Layer(#)        -  Input(Qnm)  Output(Qnm)   Oshape
----------------------------------------------------------
#1  Input      -    0. 7      0. 7      (   8,   8,   1,)
#2  Conv2D     -    0. 7      3. 4      (   8,   8,   4,)
#3  MaxPool    -    3. 4      3. 4      (   4,   4,   4,)
#4  Dense      -    3. 4      5. 2      (   3,          )
#5  Output     -    5. 2      5. 2      (   3,          )

Prediction summary:
Test frames: 20
Test running time: 1 sec
Model running time: 3 ms
Top 1 Accuracy: 85.00%
Top 2 Accuracy: 100%

Confusion matrix:
predict     0     1     2
actual
   0 |      6     1     0   |  85%
   1 |      0     5     1   |  83%
   2 |      1     0     6   |  85%

"""

OLD = """Start compiling model...
Layer(#)         Activation    output shape    ops(MAC)   mem(in, out, buf)      mem blk lifetime
-------------------------------------------------------------------------------------------------
#1   Input      -          - (   8,   8,   1)          (    64,    64,     0)    1 - - -  - - - -
#2   Conv2D     - ReLU     - (   8,   8,  40)    1.02M (    64,  2560,    36)    1 1 1 -  - - - -
#3   Dense      -          - (   3,   1,   1)       7k (  2560,     3,  5120)    1 1 1 -  - - - -
-------------------------------------------------------------------------------------------------
Memory cost by each block:
 blk_0:5120  blk_1:2560  blk_2:64
 Total memory cost by network buffers: 7744 bytes
Compling done in 76 ms

Print running stat..
Layer(#)        -   Time(us)     ops(MACs)   ops/us
--------------------------------------------------------
#1        Input -        11
#2       Conv2D -      5848        1.02M     175.10
#3        Dense -        96           7k     80.00

Summary:
Total ops (MAC): 1031680(1.03M)
Prediction time :5955us
Efficiency 173.24 ops/us
NNOM: Total Mem: 20236
"""


def record_of(text: str, folder: Path) -> RunRecord:
    (folder / "log.txt").write_bytes(text.encode())
    request = ConsoleRequest(file=folder / "log.txt", runs=folder / "runs", core_hz=100_000_000)
    return monitor(request).record


def test_whole_console_is_a_record(tmp_path: Path) -> None:
    record = record_of(NEW, tmp_path)
    assert record.verdict is Verdict.PASS
    assert record.time_source is TimeSource.PRINTED
    assert [layer.type for layer in record.layers] == [
        "Input", "Conv2D", "MaxPool", "Dense", "Output",
    ]  # fmt: skip
    conv = record.layers[1]
    assert (conv.macs, conv.time_us, conv.dec, conv.shape) == (2304, 120.0, 4, (8, 8, 4))
    assert conv.activation == "ReLU"
    assert (record.macs, record.total_time_us, record.ram_bytes) == (2496, 151.0, 2000)
    assert record.confusion == ((6, 1, 0), (0, 5, 1), (1, 0, 6))
    assert record.accuracy is not None
    assert record.accuracy.top_k == (0.85, 1.0)
    folder = next((tmp_path / "runs").iterdir())
    page = (folder / "report.html").read_text()
    assert "Tables against each other" in page
    assert "DISAGREES" not in page


def test_old_console_is_a_record(tmp_path: Path) -> None:
    record = record_of(OLD, tmp_path)
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.ram_bytes == 20236
    assert record.layers[1].macs == 1_020_000
    assert record.layers[1].time_us == 5848.0


EVERY = (
    NEW.replace(
        "NNoM version 0.4.3\n",
        """Model version: 0.4.2
NNoM version 0.4.3
Data format: Channel first (CHW)
Backend optimization: CMSIS-NN
Static memory size set to: 65536
""",
    )
    .replace(
        " 2000 bytes\n",
        """ 1999 bytes
Compling done in 76 ms
WARNING: the last layer 'Dense' is not the Output Layer, please check carefully.
""",
    )
    .replace(
        "Model running time: 3 ms\n",
        """Model running time: 300 ms
Average prediction time: 15000 us
Average effeciency: 0.17 ops/us
Average frame rate: 66.6 Hz
""",
    )
)


def test_every_figure_that_nnom_prints_is_kept_and_shown(tmp_path: Path) -> None:
    record = record_of(EVERY, tmp_path)
    assert record.printed_memory == PrintedMemory(
        blocks=(128, 256, 64, 0, 0, 0, 0, 0), blocks_total=448, network_buffers=448,
        total=1999, stat_total=2000, static=65536,
    )  # fmt: skip
    assert record.printed == PrintedFigures(
        version="0.4.3", model_version="0.4.2", data_format="Channel first (CHW)",
        backend="CMSIS-NN", compile_ms=76, time_us=151, rate=16.52, frames=20, test_s=1,
        model_ms=300, average_us=15000, average_rate=0.17, frames_per_s=66.6,
    )  # fmt: skip
    conv, dense = record.layers[1], record.layers[3]
    assert (conv.elements_in, conv.elements_out, conv.scratch_bytes) == (64, 256, 0)
    assert (conv.dec_in, conv.printed_rate, conv.blocks) == (7, 19.2, (1, 1, 0, 0, 0, 0, 0, 0))
    assert (dense.scratch_bytes, dense.blocks[:3]) == (128, (1, 1, 1))
    assert record.notes == ("NNoM printed: WARNING: the last layer 'Dense' is not the Output "
        "Layer, please check carefully.",)  # fmt: skip
    text = StringIO()
    Console(width=140, file=text).print(summary(record))
    shown = " ".join(text.getvalue().split())
    for figure in (
        "memory blocks 448 B (128 B + 256 B + 64 B)", "network buffers 448 B",
        "all memory, when compiled 1 999 B", "all memory, at model_stat() 2 000 B",
        "static memory 65 536 B", "NNoM 0.4.3", "header made for NNoM 0.4.2",
        "data format Channel first (CHW)", "backend CMSIS-NN", "compiled in 76 ms (printed)",
        "prediction time 151 µs (printed)", "efficiency 16.52 MAC/µs (printed)",
        "test frames 20", "test running time 1 s (printed)", "model running time 300 ms (printed)",
        "average prediction time 15 000 µs (printed)", "average efficiency 0.17 MAC/µs (printed)",
        "average frame rate 66.60 Hz (printed)",
    ):  # fmt: skip
        assert f"printed: {figure}" in shown, figure
    for form in (Format.HTML, Format.MARKDOWN, Format.CSV):  # each figure, in its own markup
        page = FORMATS[form].run(Shown(record=record))
        for amount in ("1 999 B", "2 000 B", "65 536 B", "448 B", "76 ms", "16.52", "66.60 Hz"):
            assert amount.replace(" ", "\u202f", amount.count(" ") - 1) in page, (form, amount)
    page = FORMATS[Format.HTML].run(Shown(record=record))
    assert "Layers as printed" in page
    assert '<td class="word">1 1 0 0 0 0 0 0</td>' in page
    assert 'data-v="19.2">19.20</td>' in page


def test_a_console_is_read_again_by_its_record(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_text(NEW)
    request = ConsoleRequest(file=file, runs=tmp_path / "runs", core_hz=80_000_000, quiet_s=2.5)
    words = monitor(request).record.command
    assert words == ("nnom-hil", "monitor", str(file), "--quiet", "2.5", "--core-mhz", "80.0")
    assert run_app([*words[1:], "--json", "--out", str(tmp_path / "again")]) == 0


def noisy(text: str) -> str:
    """Return what a terminal shows of it: colours, prompts, echoes, other tasks between."""
    lines = []
    for i, line in enumerate(text.splitlines()):
        lines.append(("\x1b[32m" if i % 3 == 0 else "") + line + "\x1b[0m")
        if i % 4 == 0:
            lines.append("msh />")
        if i % 5 == 0:
            lines.append("[I/wifi] rssi -63 dBm (ch 6, bw 20)")
    return "msh />nnom\r\n" + "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize("text", [NEW, OLD], ids=["new", "old"])
def test_noise_between_the_lines_changes_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    clean, dirty = record_of(text, tmp_path / "a"), record_of(noisy(text), tmp_path / "b")
    assert dirty.layers == clean.layers
    assert dirty.cross_checks == clean.cross_checks
    assert dirty.confusion == clean.confusion


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("-       120 ", "-       121 ", "layer times add up to the prediction's"),
        ("(MAC): 2496", "(MAC): 2946", "layers' MACs add up to the model's"),
        ("blk_1:256", "blk_1:265", "blocks add up to the network buffers"),
        ("#3   MaxPool", "?3   MaxPool", "compile log is whole"),
        ("(   8,   8,   4,)     2304", "(   8,   3,   4,)     2304", "outputs have their shapes'"),
        ("   1 |      0     5     1", "   1 |      0     6     1", "confusion matrix holds every"),
        ("   2 |      1     0     6", "   2 |      1     0      ", "confusion matrix is square"),
        ("Top 1 Accuracy: 85", "Top 1 Accuracy: 58", "Top 1 is the matrix' diagonal"),
        ("Top 2 Accuracy: 100", "Top 2 Accuracy: 101", "shares are at most 100 %"),
        ("#2  Conv2D     -       120", "#2  Conv1D     -       120", "tables list the same layers"),
    ],
)
def test_damage_is_told(old: str, new: str, what: str, tmp_path: Path) -> None:
    assert old in NEW
    record = record_of(NEW.replace(old, new), tmp_path)
    assert record.verdict is Verdict.FAIL
    assert any(reason.startswith(what) for reason in record.reasons), record.reasons


def verdict_of(text: str, what: str) -> bool:
    """Whether a check held."""
    return next(check.ok for check in judge_console(text) if check.what == what)


@pytest.mark.parametrize(
    ("printed", "low", "high"),
    [("  2304", 2304, 2304), ("   12k", 12_000, 12_999), (" 3.07M", 3_070_000, 3_079_999)],
)
def test_macs_are_printed_cut(printed: str, low: int, high: int) -> None:
    """A total is right up to the last unit that a layer's figure leaves out, and not beyond."""
    for layers, ok in ((low, True), (high, True), (low - 1, False), (high + 1, False)):
        text = NEW.replace("120         2304 ", f"120       {printed} ")
        text = text.replace("(MAC): 2496", f"(MAC): {layers + 192}")
        assert verdict_of(text, "layers' MACs add up to the model's") is ok, (layers, printed)


def counted(right: int, wrong: int, classes: int, printed: str) -> str:
    """A console whose every class was right and wrong so often, with another Top 1."""
    head, _ = NEW.split("   0 |", 1)
    head = head.replace("Test frames: 20", f"Test frames: {(right + wrong) * classes}")
    head = head.replace("Top 1 Accuracy: 85.00%", f"Top 1 Accuracy: {printed}%")
    matrix = np.eye(classes, dtype=int) * right + np.eye(classes, dtype=int)[::-1] * wrong
    lines = [f" {i:3} | {''.join(f'{n:6}' for n in row)}   |   0%" for i, row in enumerate(matrix)]
    return head + "\n".join([*lines, "", ""])


@pytest.mark.parametrize("right", [0, 1, 6, 12, 13, 14])
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_top_1_is_printed_cut(right: int, off: int) -> None:
    share = abs(right * 10_000 // 14 + off)  # in hundredths of a percent
    printed = "100" if share == 10_000 else f"{share // 100}.{share % 100:02d}"
    text = counted(right, 14 - right, 2, printed)
    assert verdict_of(text, "Top 1 is the matrix' diagonal") is (off == 0)


def test_top_1_of_more_frames_than_32_bits_hold() -> None:
    """NNoM multiplies the hits by 10,000 in 32 bits."""
    wrapped = f"85.{600_000 * 10_000 % 2**32 // 700_000 % 100:02d}"
    assert wrapped not in {"85.70", "85.71", "85.72"}
    for printed, ok in (("85.71", True), (wrapped, True), ("85.72", False), ("85.70", False)):
        text = counted(60_000, 10_000, 10, printed)
        assert verdict_of(text, "Top 1 is the matrix' diagonal") is ok, printed


def test_errors_of_nnom_are_told(tmp_path: Path) -> None:
    text = NEW + "Error: #4 Dense layer return error code:-1\n"
    record = record_of(text, tmp_path)
    assert record.verdict is Verdict.FAIL
    assert record.reasons == ("NNoM printed: Error: #4 Dense layer return error code:-1",)


def test_text_without_tables_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.txt").write_text("hello\n")
    runs = str(tmp_path / "runs")
    assert run_app(["monitor", str(tmp_path / "log.txt"), "--out", runs]) == 2
    assert "log.txt: no table of NNoM's in 6 characters" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert run_app(["monitor", str(tmp_path / "none.txt"), "--out", runs]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err
    assert run_app(["monitor"]) == 2
    assert "name either a FILE or a --port" in capsys.readouterr().err


def test_console_on_a_port_is_read_until_it_is_quiet(tmp_path: Path) -> None:
    target, host = os.openpty()

    heard: list[str] = []

    def play() -> None:
        """Write it all, once the port is open, which forgets what came before."""
        while not heard:
            os.write(target, b"boot\n")
            time.sleep(0.05)
        for line in noisy(NEW).splitlines(keepends=True):
            os.write(target, line.encode())

    player = threading.Thread(target=play)
    player.start()
    request = ConsoleRequest(port=os.ttyname(host), quiet_s=3.0, runs=tmp_path)
    record = monitor(request, heard.append).record
    player.join()
    os.close(target)
    os.close(host)
    assert record.verdict is Verdict.PASS, record.reasons
    assert len(record.layers) == 5
    assert "Conv2D" in "".join(heard)


def test_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    from nnom_hil.errors import LinkError

    with pytest.raises(LinkError, match="no such port"):
        monitor(ConsoleRequest(port=str(tmp_path / "tty"), runs=tmp_path))


@given(st.text())
def test_any_text_is_judged_without_a_fault(text: str) -> None:
    judge_console(text)


@pytest.mark.timeout(7200)
def test_damaged_consoles_are_told_or_give_the_same_figures() -> None:
    """No crash, and no layer time or total that differs without a word."""
    rng = np.random.default_rng(1)
    original = np.frombuffer(NEW.encode(), np.uint8)
    whole = {c.what for c in judge_console(NEW)}
    for _ in range(MUTATIONS):
        damaged = original.copy()
        places = rng.integers(0, len(damaged), int(rng.integers(1, 4)))
        damaged[places] = rng.integers(0, 256, len(places))
        text = damaged.tobytes().decode("utf-8", errors="replace")
        checks = judge_console(text)
        if {c.what for c in checks} == whole and all(c.ok for c in checks):
            # every time, and their total, are then what they were
            from nnom_hil.console import clean_console, parse_model_stat

            stat = parse_model_stat(clean_console(text))
            assert stat is not None
            times = [layer.time_us for layer in stat.layers]
            assert sum(times) == stat.time_us
            if places.size == 1:
                assert times == [3, 120, 17, 10, 1]
                assert stat.total_macs == 2496


def test_monitor_refuses_unknown_text_as_data_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(DataError):
        monitor(ConsoleRequest(file=tmp_path / "x", runs=tmp_path))


def test_timer_that_is_not_ported_is_told(tmp_path: Path) -> None:
    stopped = NEW
    for time_us in ("  3", "120", " 17", " 10", "  1"):
        stopped = stopped.replace(f"-       {time_us}", "-         0", 1)
    record = record_of(stopped.replace("time :151us", "time :0us"), tmp_path)
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.total_time_us is None
    assert "nnom_us_get() is not ported" in record.board_title


def test_damage_that_once_was_a_crash() -> None:
    judge_console(NEW.replace("85.00%", "85..0%"))
