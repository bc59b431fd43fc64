"""What is judged, for every form of labels that Keras takes; what it does not take is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnom_hil.errors import DataError
from nnom_hil.records import Task
from nnom_hil.run.task import Head, Output, decide

Array = np.typing.NDArray[Any]
RNG = np.random.default_rng(0)
N = 12
HEADS = st.sampled_from(list(Head))
NUMBERS = ("i1", "i2", ">i4", "i8", "u1", "u2", "<u4", "u8", "f2", "f4", ">f8", "longdouble")
ONES = (*NUMBERS, "?")


def judged(shape: tuple[int, ...], head: Head, y: Array | None, x: Array | None = None) -> Any:
    x = RNG.normal(size=(N if y is None else len(y), 7)) if x is None else x
    return decide(Output(shape=shape, head=head), x, y, where="v.npz: array 'y'")


@settings(deadline=None, max_examples=200)
@given(
    classes=st.one_of(st.integers(2, 20), st.sampled_from([100, 1000])),
    n=st.integers(1, 9),
    kind=st.sampled_from(NUMBERS),
    form=st.sampled_from(["n", "n1", "one-hot", "fortran"]),
    head=HEADS,
    axes=st.sampled_from([0, 1, 2]),
    seed=st.integers(0, 99),
)
def test_classes_are_taken_in_every_form(
    classes: int, n: int, kind: str, form: str, head: Head, axes: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, min(classes, np.iinfo("i1").max), n)
    y: Array = labels.astype(kind)
    if form == "n1":
        y = y[:, np.newaxis]
    elif form != "n":
        y = np.eye(classes, dtype=kind)[labels]
        y = np.asfortranarray(y) if form == "fortran" else y
    truth = judged((1,) * axes + (classes,), head, y)
    assert truth.task is Task.CLASSIFICATION
    assert truth.labels.dtype == np.int64
    assert truth.labels.tolist() == labels.tolist()


@settings(deadline=None, max_examples=100)
@given(
    said=st.lists(st.integers(0, 1), min_size=1, max_size=9),
    kind=st.sampled_from(ONES),
    form=st.sampled_from(["n", "n1", "n11", "one-hot"]),
    head=HEADS,
)
def test_a_single_output_tells_two_classes(
    said: list[int], kind: str, form: str, head: Head
) -> None:
    y: Array = np.array(said).astype(kind)
    shape = {"n": (-1,), "n1": (-1, 1), "n11": (-1, 1, 1)}
    y = np.eye(2, dtype=kind)[said] if form == "one-hot" else y.reshape(shape[form])
    truth = judged((1,), head, y)
    assert truth.task is Task.BINARY
    assert truth.labels.tolist() == said


MULTI = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]])
REAL = RNG.normal(size=(N, 3))
IMAGE = RNG.normal(size=(N, 4, 4, 2)).astype(np.float32)
FORMS: dict[str, tuple[tuple[int, ...], Head, Any, Task]] = {
    "several ones a row": ((3,), Head.SIGMOID, MULTI, Task.MULTI_LABEL),
    "several, as floats": ((3,), Head.SIGMOID, MULTI.astype("f4"), Task.MULTI_LABEL),
    "several, as bool": ((3,), Head.SIGMOID, MULTI.astype(bool), Task.MULTI_LABEL),
    "several, of logits": ((3,), Head.LINEAR, MULTI, Task.MULTI_LABEL),
    "several signs, of a hinge": ((3,), Head.LINEAR, 2 * MULTI - 1, Task.MULTI_LABEL),
    "one yes for each step": ((3, 1), Head.SIGMOID, MULTI, Task.MULTI_LABEL),
    "one-hot of sigmoids": ((3,), Head.SIGMOID, np.eye(3), Task.CLASSIFICATION),
    "signs of one-hot": ((3,), Head.LINEAR, 2 * np.eye(3) - 1, Task.CLASSIFICATION),
    "smoothed one-hot": ((3,), Head.SOFTMAX, np.eye(3) * 0.7 + 0.1, Task.CLASSIFICATION),
    "a class for each step": ((3, 5), Head.LINEAR, MULTI, Task.CLASSIFICATION),
    "one-hot for each step": ((3, 5), Head.LINEAR, np.eye(5)[MULTI], Task.CLASSIFICATION),
    "signs of one output": ((1,), Head.LINEAR, np.array([-1, 1, 1]), Task.BINARY),
    "one number each": ((1,), Head.LINEAR, REAL[:, 0], Task.REGRESSION),
    "one number each, in rows": ((1,), Head.LINEAR, REAL[:, :1], Task.REGRESSION),
    "whole numbers": ((1,), Head.LINEAR, np.arange(9), Task.REGRESSION),
    "shares of a sigmoid": ((1,), Head.SIGMOID, np.array([0.25, 0.5]), Task.REGRESSION),
    "numbers": ((3,), Head.LINEAR, REAL, Task.REGRESSION),
    "numbers of a softmax": ((3,), Head.SOFTMAX, REAL, Task.REGRESSION),
    "64-bit numbers": (
        (3,), Head.LINEAR, np.full((2, 3), np.iinfo("u8").max, "u8"), Task.REGRESSION,
    ),
    "none": ((3,), Head.SOFTMAX, None, Task.NONE),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_form_of_labels(form: str) -> None:
    shape, head, y, task = FORMS[form]
    truth = judged(shape, head, y)
    assert truth.task is task
    if task is Task.MULTI_LABEL:
        assert truth.labels.tolist() == MULTI.tolist()
    if task is Task.REGRESSION:
        assert truth.labels.tolist() == y.reshape(len(y), -1).astype(float).tolist()


@pytest.mark.parametrize("head", [Head.LINEAR, Head.SIGMOID, Head.RELU])
def test_inputs_as_targets_are_reconstruction(head: Head) -> None:
    noisy = IMAGE + RNG.normal(scale=0.3, size=IMAGE.shape)
    for x, y in ((IMAGE, IMAGE), (IMAGE, IMAGE.astype("f8")), (noisy, IMAGE)):
        assert judged((4, 4, 2), head, y, x).task is Task.RECONSTRUCTION
    ones = (IMAGE > 0).astype("f4")  # not several labels a row
    assert judged((4, 4, 2), head, ones, ones).task is Task.RECONSTRUCTION
    other = RNG.normal(size=IMAGE.shape)
    assert judged((4, 4, 2), head, other, IMAGE).task is Task.REGRESSION
    assert judged((4, 4), head, IMAGE[..., 0], IMAGE[..., :1]).task is Task.RECONSTRUCTION


REFUSED: dict[str, tuple[tuple[int, ...], Head, Any, str]] = {
    "part of a class": ((3,), Head.SOFTMAX, [0.0, 1.5], "1.5 in row 1, which is no class"),
    "numbers for several outputs": ((3,), Head.LINEAR, [0.2, 0.4], "(n, 3); leave it out"),
    "too high": ((3,), Head.SOFTMAX, [0, 3, 1], "label 3 is out of range"),
    "counted from one": ((3,), Head.SOFTMAX, [1, 2, 3], "count them from 0"),
    "negative": ((3,), Head.SOFTMAX, [0, -1], "label -1 is out of range"),
    "as a float": ((3,), Head.SOFTMAX, [0.0, 1e30], "is out of range"),
    "third class of one output": ((1,), Head.SIGMOID, [0, 2], "label 2 is out of range"),
    "signs of a sigmoid": ((1,), Head.SIGMOID, [-1, 1], "use (y + 1) // 2"),
    "signs of sigmoids": ((2,), Head.SIGMOID, [[-1, 1]], "use (y + 1) // 2"),
    "signs of two classes": ((2,), Head.SOFTMAX, [-1, 1], "use (y + 1) // 2"),
    "several of a softmax": ((3,), Head.SOFTMAX, [[0, 1, 1]], "2 ones in row 0"),
    "none of a softmax": ((3,), Head.SOFTMAX, [[0, 1, 0], [0, 0, 0]], "0 ones in row 1"),
    "too few columns": ((3,), Head.SOFTMAX, [[0, 1]], "to_categorical(classes, 3)"),
    "too many columns": ((3,), Head.SIGMOID, [[0.5] * 4], "values as (n, 3)"),
    "image in a row": ((2, 2, 1), Head.LINEAR, [[0.5] * 3], "values as (n, 2, 2, 1)"),
    "image flattened": ((2, 2, 1), Head.LINEAR, [[0.5] * 4], "y.reshape(-1, 2, 2, 1)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_labels_that_do_not_fit_are_refused_with_the_remedy(case: str) -> None:
    shape, head, y, message = REFUSED[case]
    with pytest.raises(DataError) as caught:
        judged(shape, head, np.array(y))
    assert message in str(caught.value)
    assert str(caught.value).startswith("v.npz: array 'y'")


@settings(deadline=None)
@given(
    kind=st.sampled_from(["i1", "i8", "u8", "f8"]),
    extreme=st.sampled_from([-(2**63), -1, 5, 255, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]),
)
def test_the_ends_of_64_bits_are_out_of_range(kind: str, extreme: int) -> None:
    dtype = np.dtype(kind)
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= extreme <= np.iinfo(dtype).max:
        return
    y = np.array([0, extreme, 1], dtype)
    with pytest.raises(DataError, match=f"label {int(y[1])} is out of range"):
        judged((5,), Head.SOFTMAX, y)
