"""Which vectors a reader is shown first, by hand-made answers."""

from base64 import b64decode
from typing import Any

import numpy as np
import pytest

from nnom_hil.records import Task, WorstVector
from nnom_hil.run.judge import Answers
from nnom_hil.run.task import Head, Output, Truth
from nnom_hil.run.worst import worst_vectors

SHAPE = (2, 2, 1)


def worst(
    rows: Any, *, task: Task, head: Head, labels: Any = None, keras: Any = None,
    shape: tuple[int, ...] | None = None, vectors: list[int] | None = None,
) -> tuple[WorstVector, ...]:  # fmt: skip
    """rows: int8 outputs, in units of 1/64."""
    int8 = np.array(rows, dtype=np.int8)
    n = len(int8)
    floats = np.zeros(int8.shape) if keras is None else np.array(keras, dtype=float)
    x = np.arange(4 * 100, dtype=np.int64).reshape(100, 4).astype(np.int8)
    return worst_vectors(
        Output(shape=shape or (int8.shape[1],), head=head),
        Truth(task=task, labels=None if labels is None else np.array(labels)),
        Answers(int8=int8, keras=floats, scale=1 / 64),
        x,
        vectors=vectors or list(range(n)),
        shape=SHAPE,
    )


def test_wrong_ones_come_by_their_margin_then_the_least_sure() -> None:
    rows = [[64, 0], [32, 32], [10, 30], [20, 30], [33, 32], [32, 32]]
    found = worst(rows, task=Task.CLASSIFICATION, head=Head.SOFTMAX, labels=[0, 0, 0, 0, 0, 1])
    told = [(w.vector, w.truth, w.said, w.margin) for w in found]
    assert told == [
        (2, 0, 1, -20 / 64),
        (3, 0, 1, -10 / 64),
        (5, 1, 0, 0.0),  # of equal ones the first is said, which is wrong here
        (1, 0, 0, 0.0),
        (4, 0, 0, 1 / 64),
        (0, 0, 0, 1.0),
    ]
    assert found[0].output == (10, 30)
    assert found[0].shape == SHAPE
    assert found[0].input is not None
    assert list(b64decode(found[0].input)) == [8, 9, 10, 11]


def test_vectors_keep_their_numbers_where_some_were_not_answered() -> None:
    found = worst(
        [[0, 9], [9, 0]], task=Task.CLASSIFICATION, head=Head.SOFTMAX, labels=[1, 1],
        vectors=[7, 40],
    )  # fmt: skip
    assert [w.vector for w in found] == [40, 7]
    assert found[0].input is not None
    assert b64decode(found[0].input)[0] == 160


def test_no_more_than_twelve_are_kept() -> None:
    rows = [[i, 0] for i in range(40)]
    found = worst(rows, task=Task.CLASSIFICATION, head=Head.SOFTMAX, labels=[0] * 40)
    assert [w.vector for w in found] == list(range(12))


def test_binary_answers_are_as_far_as_the_threshold() -> None:
    rows, labels = [[64], [32], [31], [0]], [0, 1, 1, 0]
    found = worst(rows, task=Task.BINARY, head=Head.SIGMOID, labels=labels)
    assert [(w.vector, w.truth, w.said, w.margin) for w in found] == [
        (0, 0, 1, -0.5), (2, 1, 0, -1 / 64), (1, 1, 1, 0.0), (3, 0, 0, 0.5),
    ]  # fmt: skip


def test_of_several_labels_or_places_the_worst_counts() -> None:
    labels = [[1, 0], [1, 1]]
    found = worst([[64, 0], [64, 16]], task=Task.MULTI_LABEL, head=Head.SIGMOID, labels=labels)
    assert [(w.vector, w.margin, w.truth, w.said) for w in found] == [
        (1, -0.25, None, None), (0, 0.5, None, None),
    ]  # fmt: skip
    places = worst(
        [[9, 0, 0, 9], [9, 0, 3, 0]], task=Task.CLASSIFICATION, head=Head.SOFTMAX, shape=(2, 2),
        labels=[[0, 1], [0, 1]],
    )  # fmt: skip
    assert [(w.vector, w.margin, w.said) for w in places] == [(1, -3 / 64, None), (0, 9 / 64, None)]


@pytest.mark.parametrize("labelled", [True, False])
def test_numbers_come_by_their_error(labelled: bool) -> None:
    """Against the targets; without any, against the float model."""
    targets = [[1.0, 1.0], [0.0, 0.0]]
    found = worst(
        [[64, 32], [64, 64]], head=Head.LINEAR,
        task=Task.REGRESSION if labelled else Task.NONE,
        labels=targets if labelled else None, keras=None if labelled else targets,
    )  # fmt: skip
    assert [(w.vector, w.margin) for w in found] == [(1, 1.0), (0, 0.25)]


def test_without_labels_the_least_sure_come_first() -> None:
    found = worst([[64, 0], [0, 3]], task=Task.NONE, head=Head.SOFTMAX)
    assert [(w.vector, w.truth, w.said, w.margin) for w in found] == [
        (1, None, 1, 3 / 64), (0, None, 0, 1.0),
    ]  # fmt: skip
    found = worst([[64], [31]], task=Task.NONE, head=Head.SIGMOID)
    assert [(w.vector, w.margin) for w in found] == [(1, 1 / 64), (0, 0.5)]


def test_large_data_is_left_out() -> None:
    output = Output(shape=(2000,), head=Head.LINEAR)
    answers = Answers(int8=np.zeros((1, 2000), dtype=np.int8), keras=np.zeros((1, 2000)), scale=1.0)
    x = np.zeros((1, (16 << 10) + 1), dtype=np.int8)
    (one,) = worst_vectors(
        output, Truth(task=Task.NONE), answers, x, vectors=[0], shape=(x.shape[1],)
    )
    assert (one.output, one.input, one.shape) == ((), None, (16385,))
