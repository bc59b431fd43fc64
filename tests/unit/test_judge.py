"""Figures of every task against their definitions; and a wrong printed count is always found."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnom_hil.console import PredictionSummary
from nnom_hil.records import (
    Accuracy,
    Deviation,
    LabelFigures,
    MultiLabel,
    Regression,
    Task,
)
from nnom_hil.run.judge import CONFUSION_CLASSES, Answers, judge, most_frequent_mistakes
from nnom_hil.run.task import Head, Output, Truth
from nnom_hil.run.verdict import check_prediction, predictions, top_k_of


def answers(rng: np.random.Generator, n: int, outputs: int, dec: int = 7) -> Answers:
    return Answers(
        int8=rng.integers(-128, 128, (n, outputs)).astype(np.int8),
        keras=rng.normal(size=(n, outputs)).astype(np.float32),
        scale=2.0**-dec,
    )


@settings(deadline=None, max_examples=60)
@given(
    classes=st.one_of(st.integers(2, 20), st.sampled_from([100, 1000])),
    n=st.integers(1, 30),
    coarse=st.booleans(),
    seed=st.integers(0, 99),
)
def test_ranks_are_those_of_a_stable_sort(classes: int, n: int, coarse: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    outputs = rng.integers(-2, 3, (n, classes)) if coarse else rng.integers(-128, 128, (n, classes))
    labels = rng.integers(0, classes, n)
    found = predictions(outputs.astype(np.int8), labels)
    order = [sorted(range(classes), key=lambda c: (-row[c], c)) for row in outputs.tolist()]
    ranks = [o.index(label) for o, label in zip(order, labels, strict=True)]
    assert found.top_k == tuple(sum(r <= k for r in ranks) for k in range(min(5, classes)))
    assert found.confusion.sum() == n
    assert np.trace(found.confusion) == found.top_k[0]


@settings(deadline=None, max_examples=60)
@given(outputs=st.integers(1, 6), n=st.integers(1, 20), seed=st.integers(0, 99))
def test_several_labels_are_counted_one_by_one(outputs: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    given_, wanted = answers(rng, n, outputs), rng.integers(0, 2, (n, outputs))
    output = Output(shape=(outputs,), head=Head.SIGMOID)
    facts = judge(output, Truth(task=Task.MULTI_LABEL, labels=wanted), given_)
    said = given_.int8 >= 64
    exact = sum(s == w for s, w in zip(said.tolist(), wanted.astype(bool).tolist(), strict=True))
    assert facts["multi_label"].exact == exact / n
    for i, label in enumerate(facts["multi_label"].labels):
        pairs = list(zip(said[:, i].tolist(), wanted[:, i].tolist(), strict=True))
        assert label.accuracy == sum(s == w for s, w in pairs) / n
        tp, wrong = sum(s and w for s, w in pairs), sum(s != w for s, w in pairs)
        assert label.f1 == (2 * tp / (2 * tp + wrong) if tp or wrong else None)
    assert facts["accuracy"].quantised == pytest.approx(np.mean(said == wanted))
    assert facts["accuracy"].top_k == ()


@pytest.mark.parametrize(
    ("head", "right"), [(Head.SIGMOID, 0.75), (Head.LINEAR, 0.5), (Head.RELU, 0.75)]
)
def test_a_single_output_is_cut_where_its_head_says(head: Head, right: float) -> None:
    """63 is just below one half of Q0.7; logits are cut at zero."""
    int8 = np.array([[-5], [63], [64], [3]], np.int8)
    given_ = Answers(int8=int8, keras=int8.astype(np.float32) / 128, scale=2.0**-7)
    truth = Truth(task=Task.BINARY, labels=np.array([0, 0, 1, 1]))
    facts = judge(Output(shape=(1,), head=head), truth, given_)
    expected = right if head is not Head.LINEAR else 0.75
    assert facts["accuracy"].quantised == facts["accuracy"].float_ == expected
    assert np.trace(facts["confusion"]) == 4 * expected
    assert facts["agreement"] == 1.0


@settings(deadline=None, max_examples=40)
@given(dec=st.integers(-3, 10), outputs=st.integers(1, 5), seed=st.integers(0, 99))
def test_errors_are_of_numbers_by_their_definition(dec: int, outputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    given_, wanted = answers(rng, 9, outputs, dec), rng.normal(size=(9, outputs))
    output = Output(shape=(outputs,), head=Head.LINEAR)
    facts = judge(output, Truth(task=Task.REGRESSION, labels=wanted), given_)
    numbers = given_.int8 / 2.0**dec
    for got, against, figures in (
        (numbers, wanted, facts["regression"].target),
        (given_.keras, wanted, facts["regression"].float_),
        (numbers, given_.keras, facts["against_float"]),
    ):
        true = np.asarray(against, dtype=np.float64)
        error = got - true
        assert figures.mae == pytest.approx(abs(error).mean())
        assert figures.rmse == pytest.approx((error**2).mean() ** 0.5)
        spread = ((true - true.mean()) ** 2).sum()
        assert figures.r2 == pytest.approx(1 - (error**2).sum() / spread, rel=1e-5)
    assert "accuracy" not in facts
    assert "agreement" not in facts


def test_constant_targets_have_no_r2() -> None:
    """Rounding makes a variance of six times 0.1."""
    given_ = answers(np.random.default_rng(0), 6, 1)
    truth = Truth(task=Task.REGRESSION, labels=np.full((6, 1), 0.1))
    facts = judge(Output(shape=(1,), head=Head.LINEAR), truth, given_)
    assert facts["regression"].target.r2 is None
    assert facts["against_float"].r2 is not None


@pytest.mark.parametrize(
    ("head", "outputs", "key"),
    [
        (Head.SOFTMAX, 3, "agreement"),
        (Head.SIGMOID, 1, "agreement"),
        (Head.SIGMOID, 3, "agreement"),
        (Head.LINEAR, 3, "against_float"),
        (Head.RELU, 1, "against_float"),
    ],
)
def test_without_labels_keras_is_the_measure(head: Head, outputs: int, key: str) -> None:
    given_ = answers(np.random.default_rng(0), 8, outputs)
    facts = judge(Output(shape=(outputs,), head=head), Truth(task=Task.NONE), given_)
    assert facts.keys() == {"task", key}


def test_many_classes_keep_their_mistakes_instead_of_a_matrix() -> None:
    classes = CONFUSION_CLASSES + 1
    given_ = answers(np.random.default_rng(0), 300, classes)
    labels = np.random.default_rng(1).integers(0, classes, 300)
    output = Output(shape=(classes,), head=Head.SOFTMAX)
    facts = judge(output, Truth(task=Task.CLASSIFICATION, labels=labels), given_)
    assert "confusion" not in facts
    assert 0 < len(facts["mistakes"]) <= 20
    matrix = np.array([[9, 0, 2], [5, 9, 0], [0, 1, 9]])
    assert most_frequent_mistakes(matrix) == ((1, 0, 5), (0, 2, 2), (2, 1, 1))


def test_a_class_for_each_place_is_counted_over_all_places() -> None:
    given_ = answers(np.random.default_rng(0), 4, 6)
    labels = np.random.default_rng(1).integers(0, 3, (4, 2))
    output = Output(shape=(2, 3), head=Head.LINEAR)
    facts = judge(output, Truth(task=Task.CLASSIFICATION, labels=labels), given_)
    said = given_.int8.reshape(4, 2, 3).argmax(axis=2)
    assert facts["accuracy"].quantised == (said == labels).mean()
    assert sum(map(sum, facts["confusion"])) == 8


# ---- every figure of a task, by hand


def answered(int8: list[list[int]], keras: list[list[float]], **changes: Any) -> Answers:
    plain = Answers(int8=np.array(int8, np.int8), keras=np.array(keras, np.float32), scale=2.0**-7)
    return replace(plain, **changes)


def test_figures_of_a_classification() -> None:
    """The target is right in rows 0 and 2, Keras in all; row 1 is right at the second try."""
    given_ = answered(
        [[9, 1, 0], [9, 8, 0], [0, 1, 9], [9, 8, 7]],
        [[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]],
    )
    truth = Truth(task=Task.CLASSIFICATION, labels=np.array([0, 1, 2, 2]))
    assert judge(Output(shape=(3,), head=Head.SOFTMAX), truth, given_) == {
        "task": Task.CLASSIFICATION,
        "accuracy": Accuracy(float_=1.0, quantised=0.5, top_k=(0.5, 0.75, 1.0)),
        "confusion": ((1, 0, 0), (1, 0, 0), (1, 0, 1)),
        "agreement": 0.5,
    }


def test_figures_of_a_binary_task() -> None:
    """The target says no, yes, yes, no; Keras no, yes, no, no."""
    given_ = answered([[63], [64], [127], [-128]], [[0.1], [0.5], [0.49], [0.2]])
    truth = Truth(task=Task.BINARY, labels=np.array([1, 1, 0, 0]))
    facts = judge(Output(shape=(1,), head=Head.SIGMOID), truth, given_)
    assert facts == {
        "task": Task.BINARY,
        "accuracy": Accuracy(float_=0.75, quantised=0.5, top_k=(0.5,)),
        "confusion": ((1, 1), (1, 1)),
        "agreement": 0.75,
    }
    truth = replace(truth, labels=np.array([1, 1, 1, 0]))
    facts = judge(Output(shape=(1,), head=Head.SIGMOID), truth, given_)
    assert facts["confusion"] == ((1, 0), (1, 2))  # rows are true


def test_figures_of_several_labels() -> None:
    """Of three labels nobody has or says the last: it has no F1, and counts in no mean."""
    given_ = answered(
        [[64, 0, 0], [64, 64, 0], [0, 64, 0], [0, 0, 0]],
        [[0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.9, 0.0], [0.9, 0.0, 0.0]],
    )
    labels = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]])
    truth = Truth(task=Task.MULTI_LABEL, labels=labels)
    facts = judge(Output(shape=(3,), head=Head.SIGMOID), truth, given_)
    f1, float_f1 = (4 / 5, 2 / 3), (4 / 6, 1.0)
    assert facts == {
        "task": Task.MULTI_LABEL,
        "accuracy": Accuracy(float_=10 / 12, quantised=10 / 12, top_k=()),
        "multi_label": MultiLabel(
            labels=(
                LabelFigures(accuracy=0.75, f1=f1[0]),
                LabelFigures(accuracy=0.75, f1=f1[1]),
                LabelFigures(accuracy=1.0, f1=None),
            ),
            f1=sum(f1) / 2,
            exact=0.5,
            float_f1=sum(float_f1) / 2,
            float_exact=0.5,
        ),
        "agreement": 10 / 12,
    }
    better = replace(given_, keras=labels.astype(np.float32))
    figures = judge(Output(shape=(3,), head=Head.SIGMOID), truth, better)
    assert figures["accuracy"] == Accuracy(float_=1.0, quantised=10 / 12, top_k=())
    assert (figures["multi_label"].float_exact, figures["multi_label"].float_f1) == (1.0, 1.0)


def test_labels_that_nobody_has_or_says_have_no_f1() -> None:
    truth = Truth(task=Task.MULTI_LABEL, labels=np.zeros((2, 2), np.int64))
    given_ = answered([[0, 0], [0, 0]], [[0, 0], [0, 0]])
    figures = judge(Output(shape=(2,), head=Head.SIGMOID), truth, given_)["multi_label"]
    assert (figures.f1, figures.float_f1, figures.exact) == (None, None, 1.0)


def test_figures_of_a_regression() -> None:
    """Answers of an int8 with a zero of its own: (int8 - 10) / 2."""
    given_ = answered([[10], [12], [16]], [[0.0], [2.0], [4.0]], scale=0.5, zero=10)
    truth = Truth(task=Task.REGRESSION, labels=np.array([[0.0], [2.0], [4.0]]))
    assert given_.numbers.tolist() == [[0.0], [1.0], [3.0]]
    off = Deviation(mae=2 / 3, rmse=(2 / 3) ** 0.5, r2=1 - 2 / 8)
    assert judge(Output(shape=(1,), head=Head.LINEAR), truth, given_) == {
        "task": Task.REGRESSION,
        "regression": Regression(target=off, float_=Deviation(mae=0.0, rmse=0.0, r2=1.0)),
        "against_float": off,
    }
    facts = judge(
        Output(shape=(1,), head=Head.LINEAR), replace(truth, task=Task.RECONSTRUCTION), given_
    )
    assert facts.keys() == {"task", "regression", "against_float"}


@pytest.mark.parametrize(
    ("shape", "head", "facts"),
    [
        ((2,), Head.SOFTMAX, {"agreement": 0.5}),  # rows 0 and 3 choose alike
        ((2, 1), Head.SOFTMAX, None),  # one class has no choice
        ((2,), Head.SIGMOID, {"agreement": 0.75}),
        ((2,), Head.LINEAR, None),
        ((2,), Head.RELU, None),
    ],
)
def test_agreement_is_of_answers_where_there_are_any(
    shape: tuple[int, ...], head: Head, facts: dict[str, float] | None
) -> None:
    given_ = answered(
        [[64, 0], [64, 65], [0, 1], [127, 0]],
        [[0.9, 0.1], [0.7, 0.6], [0.6, 0.2], [0.8, 0.6]],
    )
    found = judge(Output(shape=shape, head=head), Truth(task=Task.NONE), given_)
    if facts is not None:
        assert found == {"task": Task.NONE, **facts}
    else:
        assert found.keys() == {"task", "against_float"}
        errors = np.abs(given_.numbers - given_.keras.astype(np.float64))
        assert found["against_float"].mae == pytest.approx(errors.mean())


def test_places_choose_each_for_itself() -> None:
    """Two places of three classes; the first place of row 1 differs from Keras'."""
    given_ = answered(
        [[9, 0, 0, 0, 9, 0], [0, 9, 0, 0, 0, 9]], [[9, 0, 0, 0, 9, 0], [9, 0, 0, 0, 0, 9]]
    )
    output = Output(shape=(2, 3), head=Head.SOFTMAX)
    assert judge(output, Truth(task=Task.NONE), given_)["agreement"] == 0.75
    truth = Truth(task=Task.CLASSIFICATION, labels=np.array([[0, 1], [0, 2]]))
    facts = judge(output, truth, given_)
    assert facts["accuracy"] == Accuracy(float_=1.0, quantised=0.75, top_k=(0.75, 1.0, 1.0))
    assert facts["agreement"] == 0.75


def test_nothing_answered_agrees_in_nothing() -> None:
    empty = Answers(int8=np.empty((0, 2), np.int8), keras=np.empty((0, 2), np.float32), scale=1.0)
    output = Output(shape=(2,), head=Head.SOFTMAX)
    assert judge(output, Truth(task=Task.NONE), empty)["agreement"] == 0.0


@pytest.mark.parametrize(("classes", "key"), [(100, "confusion"), (101, "mistakes")])
def test_matrix_is_kept_up_to_a_hundred_classes(classes: int, key: str) -> None:
    given_ = answers(np.random.default_rng(0), 20, classes)
    labels = np.random.default_rng(1).integers(0, classes, 20)
    truth = Truth(task=Task.CLASSIFICATION, labels=labels)
    facts = judge(Output(shape=(classes,), head=Head.SOFTMAX), truth, given_)
    assert facts.keys() == {"task", "accuracy", "agreement", key}
    assert CONFUSION_CLASSES == 100


def test_of_many_mistakes_the_first_twenty_are_told() -> None:
    """Equally frequent ones come in the order of their classes."""
    matrix = np.full((8, 8), 3)
    matrix[7, 6] = 4
    before = matrix.copy()
    pairs = [(t, s, 3) for t in range(8) for s in range(8) if t != s]
    assert most_frequent_mistakes(matrix) == ((7, 6, 4), *pairs[:19])
    assert (matrix == before).all()
    assert most_frequent_mistakes(np.array([[5, 1], [0, 5]])) == ((0, 1, 1),)


# ---- what the target printed of it


def summary(classes: int, n: int) -> tuple[Any, PredictionSummary]:
    rng = np.random.default_rng(classes)
    outputs = rng.integers(-128, 128, (n, classes)).astype(np.int8)
    host = predictions(outputs, rng.integers(0, classes, n))
    shares = [hits * 10000 // n for hits in host.top_k]
    printed = PredictionSummary(
        frames=n,
        model_time_ms=0,
        top_k=tuple("100" if s == 10000 else f"{s // 100}.{s % 100:02d}" for s in shares),
        confusion=tuple(tuple(int(v) for v in row) for row in host.confusion),
    )
    return host, printed


@pytest.mark.parametrize("classes", [*range(2, 21), 100])
def test_printed_counts_agree_unless_one_is_wrong(classes: int) -> None:
    host, printed = summary(classes, 37)
    assert len(printed.top_k) == top_k_of(classes) == min(5, classes)
    assert all(check.ok for check in check_prediction(printed, 37, host))

    def is_found(**wrong: Any) -> bool:
        checks = check_prediction(replace(printed, **wrong), 37, host)
        return sum(not check.ok for check in checks) == 1

    assert is_found(frames=36)
    for k, share in enumerate(printed.top_k):
        other = "99.99" if share != "99.99" else "0.00"
        assert is_found(top_k=(*printed.top_k[:k], other, *printed.top_k[k + 1 :]))
    assert is_found(top_k=printed.top_k[:-1])
    assert is_found(top_k=(*printed.top_k, "100"))
    matrix = [list(row) for row in printed.confusion]
    matrix[-1][-1] += 1
    assert is_found(confusion=tuple(map(tuple, matrix)))
    assert is_found(confusion=printed.confusion[:-1])


def test_a_single_output_has_frames_only() -> None:
    printed = PredictionSummary(frames=5, model_time_ms=0, top_k=(), confusion=())
    assert [c.ok for c in check_prediction(printed, 5, None)] == [True]
    assert [c.ok for c in check_prediction(printed, 6, None)] == [False]
    assert [c.ok for c in check_prediction(None, 5, None)] == [False]


def test_counts_stop_where_the_target_s_do() -> None:
    host, printed = summary(2, 3)
    host = replace(host, confusion=np.array([[70_000, 1], [2, 3]]))
    cut = replace(printed, confusion=((65_535, 1), (2, 3)))
    assert all(check.ok for check in check_prediction(cut, 3, host))
