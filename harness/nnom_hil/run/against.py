"""Our int8 conversion beside TensorFlow's own (TFLite): same models, same data, one table."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from nnom_hil.codegen.layouts import HeaderOptions
from nnom_hil.deadline import Deadline
from nnom_hil.errors import ToolError
from nnom_hil.extras import need
from nnom_hil.records import Task
from nnom_hil.run.asked import Against
from nnom_hil.run.conversion import weight_bytes
from nnom_hil.run.judge import Answers, judge
from nnom_hil.run.prepare import ConvertOptions, find_model, prepare
from nnom_hil.run.request import for_header
from nnom_hil.run.task import Output, Truth
from nnom_hil.temporary import private_folder
from nnom_hil.tool import run_tool
from nnom_hil.zoo.data import DataSet, zoo_model, zoo_models

__all__ = ["Against", "Comparison", "Figures", "figures", "measure_against"]

_MODULE: Final = "nnom_hil.model.keras_import.tflite"
_MOST_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How int8 answers follow the float model's.

    agreement: share of the same answers; None where none is chosen, as for a regression.
    accuracy: share of right ones; None without labels, or where the task has none. sqnr_db: power
    of the float outputs over that of the error. size: bytes of weights and biases, or of a whole
    TFLite file.
    """

    agreement: float | None
    accuracy: float | None
    sqnr_db: float | None
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One model, converted by us (way: how) and by TFLite of TensorFlow `version`; None where it
    cannot, and why. float_accuracy: None as accuracy is.
    """

    model: str
    task: Task
    vectors: int
    float_accuracy: float | None
    way: str
    nnom_hil: Figures
    tflite: Figures | None
    why: str | None
    version: str | None


def measure_against(
    model: Path | None,
    data: Path | None,
    wish: ConvertOptions,
    header: HeaderOptions,
    on_step: Callable[[str], None] = lambda _: None,
) -> list[Comparison]:
    """Compare one model, or without model and data every bundled one.

    Raises as prepare() does, and ToolError where a package is missing.
    """
    every = model is None and data is None
    paths = [zoo_model(name) for name in zoo_models()] if every else [find_model(model)]
    options = for_header(wish, header)
    return [_compare(path, data, options, on_step) for path in paths]


def _compare(
    path: Path, data: Path | None, options: ConvertOptions, on_step: Callable[[str], None]
) -> Comparison:
    on_step(f"{path.stem}: {options.describe()}")
    prepared = prepare(path, data, options=options)
    ours = Answers(
        int8=prepared.expected(len(prepared.x), compat=False),
        keras=prepared.float_outputs,
        scale=2.0**-prepared.graph.output.dec,
    )
    on_step(f"{path.stem}: TFLite int8")
    found = _ask_tflite(path, data)
    theirs = None
    if "outputs" in found:
        theirs = Answers(
            int8=found["outputs"],
            keras=prepared.float_outputs,
            scale=float(found["scale"]),
            zero=int(found["zero"]),
        )
    output, truth = prepared.output, prepared.truth
    accuracy = judge(output, truth, ours).get("accuracy")
    return Comparison(
        model=path.stem,
        task=truth.task,
        vectors=len(prepared.x),
        float_accuracy=None if accuracy is None else accuracy.float_,
        way=options.describe(),
        nnom_hil=figures(output, truth, ours, weight_bytes(prepared.graph)),
        tflite=None if theirs is None else figures(output, truth, theirs, int(found["bytes"])),
        why=found.get("why"),
        version=None if theirs is None else str(found["version"]),
    )


def figures(output: Output, truth: Truth, answers: Answers, size: int) -> Figures:
    """Return the figures of answers to all vectors."""
    from nnom_hil.model.quantise import decibels

    facts = judge(output, truth, answers)
    accuracy = facts.get("accuracy")
    return Figures(
        agreement=facts.get("agreement"),
        accuracy=None if accuracy is None else accuracy.quantised,
        sqnr_db=decibels(answers.keras, answers.numbers),
        size=size,
    )


def _vectors(path: Path, data: Path | None) -> DataSet:
    """Return the vectors as the model takes them; those that are prepared are int8."""
    from nnom_hil.run.source import source_of
    from nnom_hil.run.vectors import vectors_for

    return vectors_for(source_of(path), path, data)


def _ask_tflite(path: Path, data: Path | None) -> dict[str, Any]:
    """Return outputs, scale, zero, bytes and version, or `why` there are none.

    Raises ToolError where a package is missing.
    """
    need("convert", "--against tflite")
    vectors = _vectors(path, data)
    with private_folder() as folder:
        given, result = folder / "given.npz", folder / "result.npz"
        np.savez(given, x=vectors.x, x_calibration=vectors.x_calibration)
        root = str(Path(__file__).parents[2])
        modules = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        command: list[str | Path] = [sys.executable, "-P", "-m", _MODULE, path, given, result]
        try:
            run_tool(command, deadline=Deadline.after(_MOST_SECONDS), env={"PYTHONPATH": modules})
        except ToolError as exc:
            return {"why": f"TensorFlow gave no answer: {str(exc).removeprefix(f'{command[0]}: ')}"}
        with np.load(result, allow_pickle=False) as npz:
            found = {name: npz[name] for name in npz.files}
    if "missing" in found:
        raise ToolError(f"--against tflite: {found['missing']}")
    return found | ({"why": str(found["why"])} if "why" in found else {})
