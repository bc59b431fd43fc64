"""The parser of what NNoM prints, on texts as NNoM prints them and on damaged ones."""

from hypothesis import given
from hypothesis import strategies as st

from nnom_hil.console import (
    parse_compile_log,
    parse_io_format,
    parse_model_stat,
    parse_prediction,
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
Top 1 Accuracy: 87.50%\x20
Top 2 Accuracy: 100%\x20

Confusion matrix:
predict     0     1     2
actual
   0 |      0     0     1   |   0%
   1 |      0    34     0   | 100%
   2 |      0     4    14   |  77%

"""


def test_compile_log() -> None:
    log = parse_compile_log(COMPILE)
    assert log is not None
    assert [layer.name for layer in log.layers] == ["Input", "Conv2D", "RNN/GRU", "Dense", "Conv2D"]
    assert [layer.activation for layer in log.layers] == [None, "ReLU", None, "HrdSigd", None]
    assert [layer.shape for layer in log.layers][:3] == [(28, 28, 1), (28, 28, 12), (1, 24)]
    assert [layer.macs for layer in log.layers] == ["", "84k", "7752", "24", "1.50M"]
    assert (log.layers[2].size_in, log.layers[2].size_out, log.layers[2].size_buf) == (40, 24, 512)
    assert log.blocks == (4704, 9408, 2352, 0)
    assert (log.network_buffers, log.total_memory) == (16464, 20448)


def test_model_stat() -> None:
    stat = parse_model_stat(STAT)
    assert stat is not None
    assert [(x.name, x.time_us, x.macs) for x in stat.layers] == [
        ("Input", 137, ""),
        ("Conv2D", 137, "84k"),
        ("Dense", 7, "960"),
    ]
    assert (stat.total_macs, stat.time_us, stat.total_memory) == (1175424, 1644, 20448)


def test_io_format() -> None:
    layers = parse_io_format(FORMAT)
    assert layers is not None
    assert [(x.input_dec, x.output_dec) for x in layers] == [(7, 7), (7, 6), (8, 9)]
    assert layers[2].shape == (10,)


def test_prediction_summary() -> None:
    summary = parse_prediction(PREDICTION)
    assert summary is not None
    assert (summary.frames, summary.model_time_ms) == (200, 2600)
    assert summary.top_k == ("87.50", "100")
    assert summary.confusion == ((0, 0, 1), (0, 34, 0), (0, 4, 14))


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
