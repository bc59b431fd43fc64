"""What tests assert of a record: the actual value comes back, or expected, actual and where."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.records import record

from nnom_hil import assertions
from nnom_hil.errors import UsageError
from nnom_hil.records import RunRecord
from nnom_hil.robot import NnomHil
from nnom_hil.times import TimeSource

HASHES = {"outputs_hash": "a" * 64, "vectors_hash": "b" * 64}
DIGITS: dict[str, Any] = {
    "task": "classification", "vectors": 50, "vectors_planned": 50, "outputs_equal": True,
    "accuracy": {"float": 0.99, "quantised": 0.94, "top_k": [0.94]},
    "confusion": [[24, 1], [2, 23]],
    "worst": [
        {"vector": v, "truth": 1, "said": 0, "margin": 9.0, "output": [9, 0], "shape": [2]}
        for v in (40, 7)
    ],
    "flash_bytes": 40_000, "ram_bytes": 9000,
    "memory": {
        "flash": 40_000, "flash_available": 65_536, "ram_static": 5000, "ram_heap": 3000,
        "ram_stack": 1000, "ram_available": 20_480, "blocks": [], "network_buffers": None,
    },
    "cross_checks": [{"what": "model_stat", "ok": True}], **HASHES,
}  # fmt: skip
RUN = record(TimeSource.MODEL, **DIGITS)  # 1,500 instructions; 127.594 us
NUMBERS: dict[str, Any] = {
    "task": "regression",
    "regression": {
        "target": {"mae": 0.5, "rmse": 1.0, "r2": None},
        "float": {"mae": 0.4, "rmse": 0.9, "r2": None},
    },
}


def changed(**facts: Any) -> RunRecord:
    return record(TimeSource.MODEL, **{**DIGITS, **facts})


Assertion = Callable[..., Any]


@pytest.mark.parametrize(
    ("assertion", "limit", "actual"),
    [
        (assertions.accuracy_at_least, (0.94,), 0.94),
        (assertions.accuracy_within, (5.01,), None),
        (assertions.inference_time_at_most, (128, "model"), 127.594),
        (assertions.layer_time_at_most, ("layer_0", 107, "model"), 106.25),
        (assertions.inference_instructions_at_most, (1500,), 1500),
        (assertions.layer_instructions_at_most, ("layer_1", 500), 500),
        (assertions.flash_at_most, (40_000,), 40_000),
        (assertions.ram_at_most, (9000,), 9000),
        (assertions.stack_at_most, (1000,), 1000),
        (assertions.verdict_is, ("pass",), None),
        (assertions.task_is, ("classification",), None),
        (assertions.outputs_equal_reference, (), None),
        (assertions.outputs_equal_those_of, (RUN,), None),
        (assertions.layers_are_timed, (), None),
        (assertions.tables_agree, (), None),
    ],
)
def test_what_holds_is_returned(assertion: Assertion, limit: tuple[Any, ...], actual: Any) -> None:
    assert assertion(RUN, *limit) == actual


@pytest.mark.parametrize(
    ("assertion", "limit", "facts", "message"),
    [
        (assertions.accuracy_at_least, (0.95,), {},
         "accuracy 0.9400, required 0.9500; class 1 was taken for 0 (2 times); "
         "class 0 was taken for 1; vectors 40, 7"),
        (assertions.accuracy_at_least, (0.95,),
         {"confusion": None, "mistakes": [[3, 8, 4]], "worst": []},
         "accuracy 0.9400, required 0.9500; class 3 was taken for 8 (4 times)"),
        (assertions.accuracy_within, (4.9,), {"confusion": None, "worst": []},
         "accuracy is 5.00 points below float, allowed 4.9"),
        (assertions.accuracy_within, (9,),
         {"accuracy": {"float": None, "quantised": 0.9, "top_k": []}}, "is not known"),
        (assertions.accuracy_at_least, (0.0,), {"accuracy": None, **NUMBERS},
         "there is no accuracy: this was judged as regression"),
        (assertions.error_at_most, (1.0,), {}, "there is no error: this was judged as classif"),
        (assertions.error_at_most, (0.4,), NUMBERS,
         "mean absolute error 0.5, allowed 0.4; the worst vectors: 40, 7"),
        (assertions.inference_time_at_most, (127, "model"), {},
         "an inference: 127.6 µs (model ±12 %), allowed 127"),
        (assertions.layer_time_at_most, ("layer_1", 20, "model"), {},
         "layer layer_1: 21.3 µs (model ±12 %), allowed 20"),
        (assertions.inference_instructions_at_most, (1499,), {},
         "an inference: 1500 instructions, allowed 1499"),
        (assertions.layer_instructions_at_most, ("layer_0", 999), {},
         "layer layer_0: 1000 instructions, allowed 999"),
        (assertions.flash_at_most, (39_999,), {}, "flash: 40000 bytes, allowed 39999"),
        (assertions.flash_at_most, (1,), {"flash_bytes": None}, "flash is not known"),
        (assertions.ram_at_most, (8999,), {}, "RAM: 9000 bytes, allowed 8999"),
        (assertions.ram_at_most, (1,), {"ram_bytes": None}, "RAM is not known"),
        (assertions.stack_at_most, (999,), {}, "stack: 1000 bytes, allowed 999"),
        (assertions.stack_at_most, (999,), {"memory": None}, "stack is not known"),
        (assertions.verdict_is, ("pass",), {"verdict": "fail", "reasons": ["x", "y"]},
         "verdict fail, expected pass: x; y"),
        (assertions.task_is, ("binary",), {}, "judged as classification, expected binary"),
        (assertions.outputs_equal_reference, (),
         {"outputs_equal": False, "outputs_different": 3,
          "first_difference": {"vector": 4, "expected": [1], "got": [2]}},
         "3 of 50 outputs differ, expected 0 of 50 planned; the first is vector 4: "
         "expected [1], got [2]"),
        (assertions.outputs_equal_those_of, (RUN,), {"outputs_hash": "c" * 64},
         "expected aaaa"),
        (assertions.layers_are_timed, (), {"layers": []}, "all, none was timed"),
        (assertions.tables_agree, (), {"cross_checks": []}, "nothing was compared"),
        (assertions.tables_agree, (),
         {"cross_checks": [{"what": "model_stat", "ok": False, "detail": "3 of 4"}]},
         "model_stat: 3 of 4"),
    ],
)  # fmt: skip
def test_what_does_not_hold_tells_expected_actual_and_where(
    assertion: Assertion, limit: tuple[Any, ...], facts: dict[str, Any], message: str
) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)):
        assertion(changed(**facts), *limit)


@pytest.mark.parametrize(
    ("assertion", "limit", "facts", "message"),
    [
        (assertions.layer_time_at_most, ("layer_2", 1, "model"), {},
         "no layer 'layer_2'; its layers: layer_0, layer_1; did you mean"),
        (assertions.inference_time_at_most, (1, "modle"), {}, "did you mean 'model'"),
        (assertions.inference_time_at_most, (1, "dwt"), {}, "cannot be compared"),
        (assertions.outputs_equal_those_of, (RUN,), {"id": "o", "vectors_hash": "d" * 64},
         "they are of other vectors"),
        (assertions.outputs_equal_those_of, (RUN,), {"id": "o", "outputs_hash": None},
         "not all vectors were answered"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_no_failure_of_the_model(
    assertion: Assertion, limit: tuple[Any, ...], facts: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        assertion(changed(**facts), *limit)


def test_an_emulator_without_the_model_has_no_time_and_a_board_no_instructions() -> None:
    with pytest.raises(UsageError, match="cannot be compared"):
        assertions.inference_time_at_most(record(TimeSource.INSTRUCTIONS), 1e9, "model")
    with pytest.raises(AssertionError, match="no instructions were counted: the source is dwt"):
        assertions.inference_instructions_at_most(record(TimeSource.DWT), 10**9)


def test_every_assertion_has_its_keyword() -> None:
    keywords = inspect.getsource(NnomHil)
    assert [name for name in assertions.__all__ if f"assertions.{name}(" not in keywords] == []
