"""What a target printed against its graph: right tables pass, each wrong entry is named."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.random_graphs import random_graph
from tests.support.tables import tables

from nnom_hil.console import (
    PredictionSummary,
    parse_compile_log,
    parse_io_format,
    parse_model_stat,
)
from nnom_hil.model.assemble import make_qgraph
from nnom_hil.model.graph import (
    ActivationKind,
    Cropping,
    Flatten,
    GlobalPool,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.qgraph import (
    CellKind,
    Concat,
    Copy,
    Merge,
    MergeKind,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOp,
    QOutput,
    QRnn,
    QSoftmax,
    in_run_order,
)
from nnom_hil.records import CrossCheck
from nnom_hil.run.verdict import (
    Predictions,
    activation_name,
    check_compile_log,
    check_io_format,
    check_io_shapes,
    check_model_stat,
    check_prediction,
    first_difference,
    layer_type,
    predictions,
    printed_macs,
    top_k_of,
)

MHZ = 1_000_000
RELU = QActivation(kind=ActivationKind.RELU, dec=7)


def conv(**changes: Any) -> QConv:
    plain = QConv(
        weight=np.ones((2, 3, 3, 1), np.int8),
        bias=None,
        weight_dec=(7,),
        bias_dec=(7,),
        output_shift=(7,),
        bias_shift=(0,),
        stride=(1, 1),
        dilation=(1, 1),
        padding=Padding.VALID,
        depthwise=False,
        dims=2,
    )
    return replace(plain, **changes)


def dense(units: int, inputs: int, shift: int) -> QDense:
    return QDense(
        weight=np.ones((units, inputs), np.int8),
        bias=None,
        weight_dec=(7,),
        bias_dec=(7,),
        output_shift=(shift,),
        bias_shift=(0,),
    )


def pool(kind: PoolKind, output_shift: int = 0) -> Pool:
    return Pool(
        kind=kind,
        size=(2, 2),
        stride=(2, 2),
        padding=Padding.VALID,
        dims=2,
        output_shift=output_shift,
    )


def rnn(kind: CellKind) -> QRnn:
    ones = np.ones((1, 1), np.int8)
    return QRnn(
        kind=kind,
        weight=ones,
        recurrent=ones,
        bias=None,
        weight_dec=7,
        recurrent_dec=7,
        bias_dec=7,
    )


def net() -> QGraph:
    """A net of every kind of entry: with and without activation, MACs, a changed format."""
    return make_qgraph(
        "net",
        [
            ("x", QInput(shape=(6, 6, 1), dec=7), (), None, ""),
            ("c", conv(), ("x",), RELU, "c_act"),
            ("p", pool(PoolKind.AVERAGE, output_shift=1), ("c",), None, ""),
            ("d", dense(1500, 8, 9), ("p",), None, ""),
            ("s", QSoftmax(), ("d",), None, ""),
            ("out", QOutput(), ("s",), None, ""),
        ],
    )


# As NNOM_COMPAT.md 4.1 to 4.3 have them.
COMPILE = """Start compiling model...
#1   Input      -          - (   6,   6,   1,)          (    36,    36,     0)    1 - - -  - - - -
#2   Conv2D     - ReLU     - (   4,   4,   2,)      288 (    36,    32,     0)    1 1 - -  - - - -
#3   AvgPool    -          - (   2,   2,   2,)          (    32,     8,     0)    1 1 1 -  - - - -
#4   Dense      -          - (   1,1500,     )      12k (     8,  1500,    16)    1 1 1 -  - - - -
#5   Softmax    -          - (   1,1500,     )          (  1500,  1500,     0)    1 - 1 -  - - - -
#6   Output     -          - (   1,1500,     )          (  1500,  1500,     0)    1 - - -  - - - -
Memory cost by each block:
 blk_0:1504  blk_1:1504  blk_2:16  blk_3:0
 Memory cost by network buffers: 3024 bytes
"""
TICKS = (1607, 1608, 0, 7, 24, 160)  # at 16 MHz; halves are rounded up, nothing is printed as 0
STAT = """Print running stat..
#1  Input      -       100
#2  Conv2D     -       101          288     2.85
#3  AvgPool    -         1
#4  Dense      -         1          12k     12000.00
#5  Softmax    -         2
#6  Output     -        10

Summary:
Total ops (MAC): 12288(0.01M)
Prediction time :215us
"""
FORMAT = """Print layer input/output..
#1  Input      -    0. 7      0. 7      (   6,   6,   1,)
#2  Conv2D     -    0. 7      0. 7      (   4,   4,   2,)
#3  AvgPool    -    0. 7     -1. 8      (   2,   2,   2,)
#4  Dense      -   -1. 8      1. 6      (   1,1500,     )
#5  Softmax    -    1. 6      0. 7      (   1,1500,     )
#6  Output     -    0. 7      0. 7      (   1,1500,     )
"""
COMPAT = FORMAT.replace("0. 7     -1. 8", "0. 7      0. 7").replace("1. 6", "2. 5")
MISSING = "the target did not print it"


def wrong(what: str, detail: str) -> CrossCheck:
    return CrossCheck(what=what, ok=False, detail=detail)


def right(what: str) -> CrossCheck:
    return CrossCheck(what=what, ok=True, detail="")


# ---- names and numbers as the specification has them


@pytest.mark.parametrize(
    ("op", "name"),
    [
        (QInput(shape=(1,), dec=7), "Input"),
        (QOutput(), "Output"),
        (conv(), "Conv2D"),
        (conv(depthwise=True), "DW_Conv2D"),
        (conv(transposed=True), "Conv2DTrsp"),
        (dense(1, 1, 0), "Dense"),
        (RELU, "Activation"),
        (pool(PoolKind.MAX), "MaxPool"),
        (pool(PoolKind.AVERAGE), "AvgPool"),
        (pool(PoolKind.SUM), "SumPool"),
        (GlobalPool(kind=PoolKind.MAX), "GL_MaxPool"),
        (GlobalPool(kind=PoolKind.AVERAGE), "GL_AvgPool"),
        (GlobalPool(kind=PoolKind.SUM), "GL_SumPool"),
        (ZeroPadding(border=(1, 1, 1, 1)), "ZeroPad"),
        (Cropping(border=(1, 1, 1, 1)), "Cropping"),
        (UpSample(factor=(2, 2)), "UpSample"),
        (Reshape(shape=(1,)), "Reshape"),
        (Flatten(), "Flatten"),
        (QSoftmax(), "Softmax"),
        (Concat(axis=0), "Concat"),
        (Merge(kind=MergeKind.ADD, output_shift=0), "Add"),
        (Merge(kind=MergeKind.SUB, output_shift=0), "Sub"),
        (Merge(kind=MergeKind.MULT, output_shift=0), "Mult"),
        (rnn(CellKind.SIMPLE), "RNN/Simple"),
        (rnn(CellKind.GRU), "RNN/GRU"),
        (rnn(CellKind.LSTM), "RNN/LSTM"),
        (Copy(), "Lambda"),
    ],
)
def test_layers_have_nnom_s_names(op: QOp, name: str) -> None:
    assert layer_type(QNode(name="n", op=op, inputs=(), shape=(1,), dec=7)) == name


def test_tail_activations_have_nnom_s_names() -> None:
    def name(tail: QActivation | None) -> str | None:
        node = QNode(name="n", op=conv(), inputs=(), shape=(1,), dec=7, tail=tail)
        return activation_name(node)

    assert name(None) is None
    assert {kind: name(replace(RELU, kind=kind)) for kind in ActivationKind} == {
        ActivationKind.RELU: "ReLU",
        ActivationKind.LEAKY_RELU: "LkyReLU",
        ActivationKind.ADV_RELU: "AdvReLU",
        ActivationKind.TANH: "TanH",
        ActivationKind.SIGMOID: "Sigmoid",
        ActivationKind.HARD_TANH: "HrdTanH",
        ActivationKind.HARD_SIGMOID: "HrdSigd",
    }


@pytest.mark.parametrize(
    ("macs", "printed"),
    [
        (0, ""),
        (1, "1"),
        (9_999, "9999"),
        (10_000, "10k"),
        (84_672, "84k"),
        (999_999, "999k"),
        (1_000_000, "1.00M"),
        (1_009_999, "1.00M"),
        (1_010_000, "1.01M"),
        (999_999_999, "999.99M"),
        (1_000_000_000, "1.00G"),
        (1_009_999_999, "1.00G"),
        (1_010_000_000, "1.01G"),
        (4_294_967_295, "4.29G"),
    ],
)
def test_macs_are_printed_with_their_unit(macs: int, printed: str) -> None:
    assert printed_macs(macs) == printed


@given(st.integers(1, 10**12))
def test_printed_macs_are_cut_never_rounded(macs: int) -> None:
    text = printed_macs(macs)
    unit = {"k": 1000, "M": 10**6, "G": 10**9}.get(text[-1], 1)
    number = text.rstrip("kMG")
    step = Fraction(unit, 100 if "." in number else 1)
    assert 0 <= macs - Fraction(number) * unit < step
    assert step == 1 or step <= Fraction(macs, 10)  # two digits at least


# ---- tables against the graph


def test_tables_as_the_specification_has_them_agree() -> None:
    graph = net()
    assert check_compile_log(parse_compile_log(COMPILE), graph) == [
        right("compile log: layers, shapes, MACs"),
        right("compile log: sum of blocks"),
    ]
    assert check_model_stat(parse_model_stat(STAT), graph, TICKS, 16 * MHZ) == [
        right("model_stat: names, times, MACs"),
        right("model_stat: total MACs and time"),
    ]
    formats = right("model_io_format: formats and shapes")
    assert check_io_format(parse_io_format(FORMAT), graph) == formats
    assert check_io_format(parse_io_format(COMPAT), graph, compat=True) == formats
    for text in (FORMAT, COMPAT):
        assert check_io_shapes(parse_io_format(text), graph) == right("model_io_format: shapes")


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), compat=st.booleans())
def test_tables_of_any_graph_agree(seed: int, compat: bool) -> None:
    graph = in_run_order(random_graph(seed))
    printed = tables(graph, compat=compat, buffer_size=0)
    checks = check_compile_log(parse_compile_log(printed.compile_log), graph)
    formats = parse_io_format(printed.io_format)
    checks += [check_io_format(formats, graph, compat=compat), check_io_shapes(formats, graph)]
    stat = parse_model_stat(printed.model_stat)
    assert stat is not None
    layers = tuple(replace(layer, time_us=1) for layer in stat.layers)
    stat = replace(stat, layers=layers, time_us=len(layers))
    checks += check_model_stat(stat, graph, [0] * len(layers), MHZ)
    assert [check for check in checks if not check.ok] == []


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        (
            "#1   Input ", "#1   Output",
            "#1: printed ('Output', None, (6, 6, 1), ''), expected ('Input', None, (6, 6, 1), '')",
        ),
        (
            "- ReLU     - (", "-          - (",
            "#2: printed ('Conv2D', None, (4, 4, 2), '288'), "
            "expected ('Conv2D', 'ReLU', (4, 4, 2), '288')",
        ),
        (
            "(   4,   4,   2,)", "(   4,   4,   3,)",
            "#2: printed ('Conv2D', 'ReLU', (4, 4, 3), '288'), "
            "expected ('Conv2D', 'ReLU', (4, 4, 2), '288')",
        ),
        (
            "12k", "13k",
            "#4: printed ('Dense', None, (1, 1500), '13k'), "
            "expected ('Dense', None, (1, 1500), '12k')",
        ),
        (
            "#6   Output ", "#6   Softmax",
            "#6: printed ('Softmax', None, (1, 1500), ''), "
            "expected ('Output', None, (1, 1500), '')",
        ),
        ("#6 ", "6 ", "printed 5 entries, expected 6"),
        ("#6 ", COMPILE.splitlines()[-4] + "\n#7 ", "printed 7 entries, expected 6"),
    ],
)  # fmt: skip
def test_wrong_compile_log_is_named(old: str, new: str, detail: str) -> None:
    assert COMPILE.count(old) == 1
    assert check_compile_log(parse_compile_log(COMPILE.replace(old, new)), net()) == [
        wrong("compile log: layers, shapes, MACs", detail),
        right("compile log: sum of blocks"),
    ]


def test_blocks_that_do_not_add_up_are_named() -> None:
    log = parse_compile_log(COMPILE.replace("blk_2:16", "blk_2:24"))
    assert check_compile_log(log, net()) == [
        right("compile log: layers, shapes, MACs"),
        wrong("compile log: sum of blocks", "#1: printed 3024, expected 3032"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("1  Input ", "1  Output", "#1: printed ('Output', 100, ''), expected ('Input', 100, '')"),
        ("-       101", "-       100",
         "#2: printed ('Conv2D', 100, '288'), expected ('Conv2D', 101, '288')"),
        ("12k", "13k", "#4: printed ('Dense', 1, '13k'), expected ('Dense', 1, '12k')"),
        ("#6 ", "6 ", "printed 5 entries, expected 6"),
    ],
)  # fmt: skip
def test_wrong_model_stat_is_named(old: str, new: str, detail: str) -> None:
    assert STAT.count(old) == 1
    assert check_model_stat(parse_model_stat(STAT.replace(old, new)), net(), TICKS, 16 * MHZ) == [
        wrong("model_stat: names, times, MACs", detail),
        right("model_stat: total MACs and time"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("12288(", "12289(", "#1: printed 12289, expected 12288"),
        (":215us", ":214us", "#2: printed 214, expected 215"),
    ],
)
def test_wrong_totals_are_named(old: str, new: str, detail: str) -> None:
    assert check_model_stat(parse_model_stat(STAT.replace(old, new)), net(), TICKS, 16 * MHZ) == [
        right("model_stat: names, times, MACs"),
        wrong("model_stat: total MACs and time", detail),
    ]


@given(ticks=st.lists(st.integers(0, 2**32 - 1), min_size=6, max_size=6), mhz=st.integers(1, 1000))
def test_times_are_the_ticks_to_the_nearest_microsecond(ticks: list[int], mhz: int) -> None:
    """A half goes up; the shortest time is one."""
    stat = parse_model_stat(STAT)
    assert stat is not None
    times = [max(1, int(Fraction(t, mhz) + Fraction(1, 2))) for t in ticks]
    layers = tuple(replace(x, time_us=t) for x, t in zip(stat.layers, times, strict=True))
    printed = replace(stat, layers=layers, time_us=sum(times))
    assert all(check.ok for check in check_model_stat(printed, net(), ticks, mhz * MHZ))
    for i in range(6):
        other = (*layers[:i], replace(layers[i], time_us=times[i] + 1), *layers[i + 1 :])
        found = check_model_stat(replace(printed, layers=other), net(), ticks, mhz * MHZ)
        assert [check.ok for check in found] == [False, True]


@pytest.mark.parametrize("timed", [0, 3, 7])
def test_run_that_a_layer_ended_is_named(timed: int) -> None:
    """NNoM stops at a layer that returns an error; the times of the rest never come."""
    ticks = [*TICKS, 16][:timed]
    assert check_model_stat(parse_model_stat(STAT), net(), ticks, 16 * MHZ) == [
        wrong("model_stat: names, times, MACs", f"the target timed {timed} layers of 6")
    ]


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("1  Input ", "1  Output",
         "#1: printed ('Output', 7, (6, 6, 1)), expected ('Input', 7, (6, 6, 1))"),
        ("-1. 8      1. 6", "-1. 8      1. 5",
         "#4: printed ('Dense', 5, (1, 1500)), expected ('Dense', 6, (1, 1500))"),
        ("(   2,   2,   2,)", "(   2,   2,   1,)",
         "#3: printed ('AvgPool', 8, (2, 2, 1)), expected ('AvgPool', 8, (2, 2, 2))"),
        ("#6 ", "6 ", "printed 5 entries, expected 6"),
    ],
)  # fmt: skip
def test_wrong_format_is_named(old: str, new: str, detail: str) -> None:
    assert FORMAT.count(old) == 1
    printed = parse_io_format(FORMAT.replace(old, new))
    assert check_io_format(printed, net()) == wrong("model_io_format: formats and shapes", detail)
    shapes = check_io_shapes(printed, net())
    if "1. 5" in new:  # no format is known there
        assert shapes.ok
    else:
        bare = detail.replace(" 7,", "").replace(" 8,", "")
        assert shapes == wrong("model_io_format: shapes", bare)


def test_formats_of_one_mode_are_wrong_in_the_other() -> None:
    assert not check_io_format(parse_io_format(COMPAT), net()).ok
    assert not check_io_format(parse_io_format(FORMAT), net(), compat=True).ok


def test_table_that_never_came_is_named() -> None:
    graph = net()
    assert check_compile_log(None, graph) == [wrong("compile log: layers, shapes, MACs", MISSING)]
    assert check_model_stat(None, graph, TICKS, 16 * MHZ) == [
        wrong("model_stat: names, times, MACs", MISSING),
        wrong("model_stat: total MACs and time", MISSING),
    ]
    assert check_io_format(None, graph) == wrong("model_io_format: formats and shapes", MISSING)
    assert check_io_shapes(None, graph) == wrong("model_io_format: shapes", MISSING)
    assert check_prediction(None, 5, None) == [wrong("prediction_summary", MISSING)]


# ---- the target's own counts


def host(top_k: tuple[int, ...], confusion: list[list[int]], count: int = 3) -> Predictions:
    return Predictions(count=count, top_k=top_k, confusion=np.array(confusion, np.int64))


def summary(**changes: Any) -> PredictionSummary:
    plain = PredictionSummary(
        frames=3, model_time_ms=0, top_k=("66.66", "100"), confusion=((1, 0), (1, 1))
    )
    return replace(plain, **changes)


COUNTS = ("frames", "top-k", "confusion matrix")


@pytest.mark.parametrize(
    ("changes", "at", "detail"),
    [
        ({"frames": 4}, 0, "#1: printed 4, expected 3"),
        ({"top_k": ("66.67", "100")}, 1, "#1: printed 66.67, expected 66.66"),
        ({"top_k": ("66.66", "99.99")}, 1, "#2: printed 99.99, expected 100"),
        ({"top_k": ("66.66",)}, 1, "printed 1 entries, expected 2"),
        ({"confusion": ((0, 1), (1, 1))}, 2, "#1: printed (0, 1), expected (1, 0)"),
        ({"confusion": ((1, 0),)}, 2, "printed 1 entries, expected 2"),
        ({}, None, ""),
    ],
)
def test_wrong_count_is_named(changes: dict[str, Any], at: int | None, detail: str) -> None:
    checks = [right(f"prediction_summary: {what}") for what in COUNTS]
    if at is not None:
        checks[at] = wrong(checks[at].what, detail)
    assert check_prediction(summary(**changes), 3, host((2, 3), [[1, 0], [1, 1]])) == checks


@pytest.mark.parametrize(
    ("hits", "count", "share"),
    [
        (0, 0, "100"),
        (0, 5, "0.00"),
        (1, 3, "33.33"),
        (1, 16, "6.25"),
        (1, 1000, "0.10"),
        (1, 10_000, "0.01"),
        (1, 10_001, "0.00"),
        (3, 50, "6.00"),
        (19_999, 20_000, "99.99"),
        (20_000, 20_000, "100"),
    ],
)
def test_shares_are_cut_to_hundredths(hits: int, count: int, share: str) -> None:
    printed = summary(frames=count, top_k=(share,))
    counted = host((hits,), [[1, 0], [1, 1]], count)
    assert all(check.ok for check in check_prediction(printed, count, counted))


@pytest.mark.parametrize(
    ("cell", "printed"), [(65_534, 65_534), (65_535, 65_535), (65_536, 65_535)]
)
def test_cells_are_counted_as_far_as_16_bits_go(cell: int, printed: int) -> None:
    counted = host((2, 3), [[cell, 0], [1, 1]])
    agreeing = summary(confusion=((printed, 0), (1, 1)))
    assert all(check.ok for check in check_prediction(agreeing, 3, counted))
    other = check_prediction(summary(confusion=((printed - 1, 0), (1, 1))), 3, counted)
    assert [check.ok for check in other] == [True, True, False]


def test_first_maximum_wins() -> None:
    outputs = np.array([[5, 5, 1], [1, 5, 5], [7, 0, 0], [0, 0, 7]], np.int8)
    found = predictions(outputs, np.array([0, 2, 0, 1]))
    assert (found.count, found.accuracy) == (4, 0.5)
    # row 1 says class 1, and 2 next; row 3 says class 2, then 0, and 1 last
    assert found.top_k == (2, 3, 4)
    assert found.confusion.tolist() == [[2, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert found.confusion.dtype == np.int64


def test_nothing_answered_is_nothing_right() -> None:
    found = predictions(np.empty((0, 3), np.int8), np.empty(0, np.int64))
    assert (found.count, found.top_k, found.accuracy) == (0, (0, 0, 0), 0.0)


def test_no_more_than_five_answers_are_counted() -> None:
    assert [top_k_of(classes) for classes in (2, 4, 5, 6, 1000)] == [2, 4, 5, 5, 5]


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), data=st.data())
def test_first_difference_is_the_first_row_with_one(
    rows: int, columns: int, data: st.DataObject
) -> None:
    reference = np.zeros((rows, columns), np.int8)
    assert first_difference(reference.copy(), reference) is None
    places = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
    wrong_at = data.draw(st.lists(places, min_size=1))
    outputs = reference.copy()
    for place in wrong_at:
        outputs[place] = 1
    assert first_difference(outputs, reference) == min(row for row, _ in wrong_at)
