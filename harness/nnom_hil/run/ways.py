"""One model, converted in several ways and judged by the reference: no target is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnom_hil.codegen.layouts import HeaderOptions
from nnom_hil.model.quantise.options import Method
from nnom_hil.records import Task
from nnom_hil.run.judge import Answers, judge
from nnom_hil.run.prepare import ConvertOptions, find_model, prepare
from nnom_hil.run.request import for_header

__all__ = ["WayBench", "every_way", "measure_ways"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBench:
    """One model. figure: accuracy (0 to 1), mae, or agreement with float where there are no labels.

    keras: the float model's figure; int8: by how it was quantised.
    """

    model: str
    task: Task
    figure: str
    vectors: int
    macs: int
    keras: float | None
    int8: dict[str, float]


def every_way(wish: ConvertOptions) -> list[ConvertOptions]:
    """Return the wish by each method, with one format a layer and a channel."""
    return [
        replace(wish, method=method.value, per_channel=per_channel)
        for method in Method
        for per_channel in (False, True)
    ]


def measure_ways(
    model: Path | None,
    data: Path | None,
    ways: Sequence[ConvertOptions],
    header: HeaderOptions,
    on_step: Callable[[str], None] = lambda _: None,
) -> WayBench:
    """Convert one model in each way and judge the reference's answers; raises as prepare() does."""
    path, int8 = find_model(model), {}
    for way in ways:
        options = for_header(way, header)
        on_step(f"{path.stem}: {options.describe()}")
        prepared = prepare(path, data, options=options)
        answers = Answers(
            int8=prepared.expected(len(prepared.x), compat=False),
            keras=prepared.float_outputs,
            scale=2.0**-prepared.graph.output.dec,
        )
        facts = judge(prepared.output, prepared.truth, answers)
        figure, keras, value = _figure(facts)
        int8[options.describe()] = value
    return WayBench(
        model=path.stem,
        task=prepared.truth.task,
        figure=figure,
        vectors=len(prepared.x),
        macs=prepared.graph.macs,
        keras=keras,
        int8=int8,
    )


def _figure(facts: dict[str, object]) -> tuple[str, float | None, float]:
    match facts:
        case {"accuracy": accuracy}:
            return "accuracy", accuracy.float_, accuracy.quantised  # type: ignore[attr-defined]
        case {"regression": regression}:
            return "mae", regression.float_.mae, regression.target.mae  # type: ignore[attr-defined]
        case {"agreement": float(agreement)}:
            return "agreement", None, agreement
        case _:
            return "mae against float", None, facts["against_float"].mae  # type: ignore[attr-defined]
