"""The parser of what NNoM prints, on texts as NNoM prints them and on damaged ones."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnom_hil.console import (
    Banner,
    CompiledLayer,
    CompileLog,
    FormatLayer,
    ModelStat,
    PredictionSummary,
    StatLayer,
    clean_console,
    error_lines,
    parse_banner,
    parse_compile_log,
    parse_io_format,
    parse_model_stat,
    parse_prediction,
    warning_lines,
)

COMPILE = """Model version: 0.4.3
NNoM version 0.4.3
Start compiling model...
Layer(#)         Activation    output shape    ops(MAC)   mem(in, out, buf)      mem blk lifetime
-------------------------------------------------------------------------------------------------
#1   Input      -          - (  28,  28,   1,)          (   784,   784,     0)    1 - - -  - - - -\x20
#2   Conv2D     - ReLU     - (  28,  28,  12,)      84k (   784,  9408,     0)    1 1 - -  - - - -\x20
#3   RNN/GRU    -          - (   1,  24,     )     7752 (    40,    24,   512)    2 1 2 -  - - - -\x20
#4   Dense      - HrdSigd  - (   1,          )       24 (    96,     1,   192)    1 1 1 -  - - - -\x20
#5   Conv2D     -          - (  14,  14,  24,)    1.50M (  2352,  4704,     0)    1 - 1 -  - - - -\x20
-------------------------------------------------------------------------------------------------
Memory cost by each block:
 blk_0:4704  blk_1:9408  blk_2:2352  blk_3:0\x20\x20
 Memory cost by network buffers: 16464 bytes
 Total memory occupied: 20448 bytes
Compling done in 26 ms
"""
STAT = """
Print running stat..
Layer(#)        -   Time(us)     ops(MACs)   ops/us\x20
--------------------------------------------------------
#1  Input      -       137                  \x20
#2  Conv2D     -       137          84k     618.04
#10 Dense      -         7          960     137.14

Summary:
Total ops (MAC): 1175424(1.17M)
Prediction time :1644us
Efficiency 714.97 ops/us
Total memory:20448
"""
FORMAT = """
Print layer input/output..
Layer(#)        -  Input(Qnm)  Output(Qnm)   Oshape\x20
----------------------------------------------------------
#1  Input      -    0. 7      0. 7      (  28,  28,   1,)
#2  Conv2D     -    0. 7      1. 6      (  28,  28,  12,)
#3  Dense      -   -1. 8     -2. 9      (  10,          )
"""
PREDICTION = """
Prediction summary:
Test frames: 200
Test running time: 5 sec
Model running time: 2600 ms
Average prediction time: 13000 us
Average effeciency: 90.41 ops/us
Average frame rate: 76.9 Hz
Top 1 Accuracy: 87.50%\x20
Top 2 Accuracy: 100%\x20

Confusion matrix:
predict     0     1     2
actual
   0 |      0     0     1   |   0%
   1 |      0    34     0   | 100%
   2 |      0     4    14   |  77%

"""


def compiled(
    index: int, name: str, activation: str | None, shape: tuple[int, ...], macs: str,
    sizes: tuple[int, int, int], users: tuple[int, ...],
) -> CompiledLayer:  # fmt: skip
    size_in, size_out, size_buf = sizes
    return CompiledLayer(
        index=index, name=name, activation=activation, shape=shape, macs=macs,
        size_in=size_in, size_out=size_out, size_buf=size_buf, blocks=(*users, 0, 0, 0, 0, 0),
    )  # fmt: skip


LOG = CompileLog(
    layers=(
        compiled(1, "Input", None, (28, 28, 1), "", (784, 784, 0), (1, 0, 0)),
        compiled(2, "Conv2D", "ReLU", (28, 28, 12), "84k", (784, 9408, 0), (1, 1, 0)),
        compiled(3, "RNN/GRU", None, (1, 24), "7752", (40, 24, 512), (2, 1, 2)),
        compiled(4, "Dense", "HrdSigd", (1,), "24", (96, 1, 192), (1, 1, 1)),
        compiled(5, "Conv2D", None, (14, 14, 24), "1.50M", (2352, 4704, 0), (1, 0, 1)),
    ),
    blocks=(4704, 9408, 2352, 0),
    network_buffers=16464,
    blocks_total=16464,
    total_memory=20448,
    compile_ms=26,
)
BANNER = Banner(
    version="0.4.3", model_version="0.4.3", data_format=None, backend=None, static_memory=None
)
RUN = ModelStat(
    layers=(
        StatLayer(index=1, name="Input", time_us=137, macs=""),
        StatLayer(index=2, name="Conv2D", time_us=137, macs="84k", rate=618.04),
        StatLayer(index=10, name="Dense", time_us=7, macs="960", rate=137.14),
    ),
    total_macs=1175424,
    time_us=1644,
    total_memory=20448,
    rate=714.97,
)
FORMATS = (
    FormatLayer(index=1, name="Input", input_dec=7, output_dec=7, shape=(28, 28, 1)),
    FormatLayer(index=2, name="Conv2D", input_dec=7, output_dec=6, shape=(28, 28, 12)),
    FormatLayer(index=3, name="Dense", input_dec=8, output_dec=9, shape=(10,)),
)
SUMMARY = PredictionSummary(
    frames=200,
    model_time_ms=2600,
    top_k=("87.50", "100"),
    confusion=((0, 0, 1), (0, 34, 0), (0, 4, 14)),
    test_s=5,
    average_us=13000,
    average_rate=90.41,
    frames_per_s=76.9,
)


def test_tables_are_read_whole() -> None:
    assert parse_compile_log(COMPILE) == LOG
    assert parse_banner(COMPILE) == BANNER
    assert parse_model_stat(STAT) == RUN
    assert parse_io_format(FORMAT) == FORMATS
    assert parse_prediction(PREDICTION) == SUMMARY


def test_what_the_library_says_of_itself_is_read() -> None:
    said = (
        "NNoM version 0.3.0\nBackend optimization: CMSIS-NN\nStart compiling model...\n"
        "NNoM version 0.4.3\nData format: Channel first (CHW)\nStatic memory size set to: 4096\n"
        "Start compiling model...\nWARNING: the last layer 'Softmax' is not the Output Layer\n"
        "Model version: 0.4.2\n"
    )
    banner = parse_banner(said)
    assert banner == Banner(
        version="0.4.3",
        model_version="0.4.2",
        data_format="Channel first (CHW)",
        backend=None,
        static_memory=4096,
    )
    assert parse_banner("nothing") == Banner(
        version=None, model_version=None, data_format=None, backend=None, static_memory=None
    )
    assert warning_lines(said) == ("WARNING: the last layer 'Softmax' is not the Output Layer",)


def test_each_table_is_found_among_the_others() -> None:
    """Numbers and rows of one table are never taken for another's."""
    for text in (COMPILE + STAT + FORMAT + PREDICTION, PREDICTION + FORMAT + STAT + COMPILE):
        assert parse_compile_log(text) == LOG
        assert parse_model_stat(text) == RUN
        assert parse_io_format(text) == FORMATS
        assert parse_prediction(text) == SUMMARY


def test_text_without_tables_has_none() -> None:
    for text in ("", "hello\n#1  Input      -    0. 7      0. 7      (  28,  28,   1,)\n"):
        assert parse_compile_log(text) is None
        assert parse_model_stat(text) is None
        assert parse_io_format(text) is None
        assert parse_prediction(text) is None


def test_planned_buffer_is_told_from_the_blocks() -> None:
    """Our library's buffer may take less than NNoM's blocks, and says both."""
    text = COMPILE.replace("16464 bytes", "9408 bytes (blocks: 16464 bytes)")
    assert parse_compile_log(text) == replace(LOG, network_buffers=9408)


def test_older_releases_print_no_memory() -> None:
    text = COMPILE.replace(" Total memory occupied: 20448 bytes\n", "")
    assert parse_compile_log(text) == replace(LOG, total_memory=None)
    assert parse_model_stat(STAT.replace("Total memory:20448\n", "")) == replace(
        RUN, total_memory=None
    )
    assert parse_model_stat(STAT.replace("Total memory:20448", "Total Mem: 31")) == replace(
        RUN, total_memory=31
    )


def test_times_end_at_the_summary() -> None:
    """What a program prints afterwards is no layer, though it looks like one."""
    other = "#11 Sensor     -         5\nSummary: all sensors read\n"
    assert parse_model_stat(STAT + other) == RUN
    assert parse_model_stat(STAT.replace("Summary:\n", "")) == RUN


def test_summary_of_one_output_has_frames_only() -> None:
    text = PREDICTION.partition("Top 1")[0]
    assert parse_prediction(text) == replace(SUMMARY, top_k=(), confusion=())
    text = text.replace("Model running time: 2600 ms\n", "")
    assert parse_prediction(text) == replace(SUMMARY, model_time_ms=0, top_k=(), confusion=())


def test_last_matrix_counts() -> None:
    text = PREDICTION + "Confusion matrix:\n   0 |      7   | 100%\n"
    assert parse_prediction(text) == replace(SUMMARY, confusion=((7,),))


def test_table_has_no_more_rows_than_a_network_has_layers() -> None:
    row = "#1  Input      -       137\n"
    stat = parse_model_stat(STAT.replace("Layer(#)", "Layer").replace(row.strip(), row * 10_000))
    assert stat is not None
    assert len(stat.layers) == 10_000
    assert {layer.name for layer in stat.layers} == {"Input"}


def test_failures_are_taken_from_where_they_begin() -> None:
    text = (
        "#3   Dense      -          - ERROR! No enough memory block for parallel buffers \n"
        "ERROR: No enough memory for network buffer, required 9 bytes\nnothing\n"
        "Error: #2 Conv2D layer return error code:-3\nno error: none\n"
    )
    assert error_lines(text) == (
        "ERROR! No enough memory block for parallel buffers",
        "ERROR: No enough memory for network buffer, required 9 bytes",
        "Error: #2 Conv2D layer return error code:-3",
    )


def test_of_many_failures_the_first_are_told() -> None:
    found = error_lines("".join(f"Error: {i}\n" for i in range(101)))
    assert found == tuple(f"Error: {i}" for i in range(100))
    long = "Error: " + "x" * 400
    assert error_lines(long) == (long[:300],)


# ---- what consoles put around it


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("\x1b[1;32mok\x1b[0m", "ok"),
        ("\x1b[?25l\x1b[2Jx\x1bM", "x"),
        ("a\tb", "a\tb"),
        ("a\x00\x07\x0b\x7f\x85\x9f\u061c\u202e\u2066\u2028b", "ab"),
        ("\u00fc \u4e2d", "\u00fc \u4e2d"),
        # a broken sequence does not become whole once what breaks it is gone
        ("\x1b\x00[2J", "[2J"),
        ("\x1b\x1b[0m[2J", "[2J"),
        ("\x1b[\x002J", "[2J"),
        ("a\x1b", "a"),
    ],
)
def test_hidden_characters_are_dropped(text: str, clean: str) -> None:
    assert clean_console(text) == clean


PIECES = st.sampled_from(
    ["\x1b", "[", "2", ";", "J", "m", "\x00", "\r", "\n", "\x9b", "\u202e", "é"]
)


@given(st.lists(PIECES | st.characters(), max_size=30).map("".join))
def test_nothing_that_moves_a_cursor_is_left(text: str) -> None:
    clean = clean_console(text)
    assert not [c for c in clean if unicodedata.category(c) in {"Cc", "Cs"} and c not in "\t\n"]
    assert clean_console(clean) == clean


def test_prompts_and_colours_change_no_table() -> None:
    text = "".join(f"\x1b[32mmsh >{line}\x1b[0m\r\n" for line in COMPILE.split("\n"))
    assert parse_compile_log(clean_console(text)) == LOG


# ---- damage


def test_last_table_counts_when_a_target_started_twice() -> None:
    log = parse_compile_log(COMPILE + COMPILE.replace("16464", "99"))
    assert log is not None
    assert log.network_buffers == 99


def test_table_that_breaks_off_is_none() -> None:
    assert parse_compile_log(COMPILE.partition("Memory cost")[0]) is None
    assert parse_model_stat(STAT.partition("Prediction time")[0]) is None


@given(st.data())
def test_damaged_text_never_raises(data: st.DataObject) -> None:
    text = COMPILE + STAT + FORMAT + PREDICTION
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 200))
    noisy = text[:start] + data.draw(st.text(max_size=20)) + text[start + length :]
    parse_compile_log(noisy)
    parse_model_stat(noisy)
    parse_io_format(noisy)
    parse_prediction(noisy)


def test_numbers_that_nothing_prints_are_no_numbers() -> None:
    """Python converts at most 4300 digits."""
    long = "9" * 5000
    assert parse_model_stat(STAT.replace("1175424(", f"{long}(")) is None
    assert parse_model_stat(STAT.replace(":1644us", f":{long}us")) is None
    stat = parse_model_stat(STAT.replace("Conv2D     -       137", f"Conv2D     -  {long}"))
    assert stat is not None
    assert [layer.name for layer in stat.layers] == ["Input", "Dense"]
    log = parse_compile_log(COMPILE.replace("blk_0:4704", f"blk_0:{long}").replace("28,  28", long))
    assert log is not None
    assert log.blocks == (9408, 2352, 0)
    assert [layer.index for layer in log.layers] == [3, 4, 5]
    assert parse_prediction(PREDICTION.replace("200", long)) is None
    formats = parse_io_format(FORMAT.replace("28,  28", long))
    assert formats is not None
    assert [layer.index for layer in formats] == [3]
