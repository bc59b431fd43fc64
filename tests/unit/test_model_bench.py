"""Published tables of layers, and the model held against each by what the others chose."""

import os
from pathlib import Path

import pytest

from nnom_hil.boards import FlashReads
from nnom_hil.build import Library
from nnom_hil.errors import BoardError
from nnom_hil.run import model_bench
from nnom_hil.run.model_bench import MeasuredTable, load_tables
from nnom_hil.zoo.shapes import ShapedLayer

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
CHOICES = [(taken, held) for held in (8, 256) for taken in (1, 2, 3)]


def table(*rows: tuple[float, str | None], clock_hz: int | None = 100_000_000) -> MeasuredTable:
    """A table of dense layers of so many microseconds, some of other code."""
    return MeasuredTable.model_validate(
        {
            "schema": "nnom-hil/measured/1", "title": "t", "core": "cortex-m4", "compiler": "c",
            "cmsis_nn": False, "clock_hz": clock_hz, "source": "s", "input": [4],
            "flash": FlashReads(wait_states=4, width=8, instruction_cache=1024, data_cache=8),
            "layers": [
                {"op": "dense", "size": [1], "us": us, "other_code": other} for us, other in rows
            ],
        }
    )  # fmt: skip


def estimates(of: MeasuredTable, right: tuple[int, int]) -> model_bench._Estimates:
    """Cycles that are the published ones for the right choice, and a fifth more for each other."""
    clock = of.clock_hz or 50_000_000
    return model_bench._Estimates(
        of,
        {
            choice: [
                (layer.us or 0) * clock / 1e6 * (1 if choice == right else 1.2 if i % 2 else 0.8)
                for i, layer in enumerate(of.layers)
            ]
            for choice in CHOICES
        },
    )


def test_a_table_has_no_say_in_what_it_is_checked_by() -> None:
    counted = {
        "one": estimates(table((500, None), (900, None)), (2, 8)),
        "two": estimates(table((400, None), (700, None)), (2, 8)),
        "odd": estimates(table((300, None), (800, None)), (3, 256)),
    }
    checked = {name: model_bench._left_out(name, counted) for name in counted}
    assert (checked["odd"].taken, checked["odd"].data_cache) == (2, 8)
    assert checked["odd"].errors == pytest.approx([0.2, 0.2])


def test_long_layers_count_and_those_of_other_code_are_shown() -> None:
    shown = model_bench._checked(
        estimates(table((99, None), (101, None), (500, "another compiler")), (2, 8)), (2, 8)
    )
    assert len(shown.layers) == 3
    assert len(shown.errors) == 1
    assert len(shown.errors_of_all) == 2
    assert shown.total_error == pytest.approx(0)
    document = shown.as_dict()
    assert document["clock_is_published"]
    assert document["layers"][2]["other_code"] == "another compiler"


def test_a_clock_that_is_not_named_is_one_free_factor() -> None:
    shown = model_bench._checked(
        estimates(table((500, None), (900, None), clock_hz=None), (2, 8)), (2, 8)
    )
    assert shown.clock_hz == pytest.approx(50_000_000)
    assert shown.errors == pytest.approx([0, 0])
    assert not shown.as_dict()["clock_is_published"]


def test_shipped_tables_are_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tables = load_tables()
    assert set(tables) == {"denoise_c_l476", "denoise_l476", "kws_l476", "seed15"}
    for one in tables.values():
        assert one.total_us or any(layer.us for layer in one.layers)
    (tmp_path / "cores" / "measured").mkdir(parents=True)
    (tmp_path / "cores" / "measured" / "x.toml").write_text('title = "no more than that"')
    monkeypatch.setattr("nnom_hil.run.model_bench.boards_dir", lambda: tmp_path)
    with pytest.raises(BoardError, match="not a valid table file"):
        load_tables()


@pytest.mark.skipif(not NIGHTLY, reason="needs NNOM_HIL_NIGHTLY: each table's model is built")
@pytest.mark.parametrize("name", ["denoise_l476", "kws_l476", "seed15"])
def test_models_of_the_tables_are_counted(name: str) -> None:
    """On our own library: of whose code the cycles are matters to the published ones only."""
    found = load_tables()[name]
    estimated = model_bench._estimates(found, Library())
    assert set(estimated.choices) == set(CHOICES)
    for cycles in estimated.choices.values():
        assert len(cycles) == len(found.layers)
        assert all(amount > 0 for amount in cycles)
    assert sum(estimated.choices[3, 8]) > sum(estimated.choices[1, 8])
    assert sum(estimated.choices[2, 8]) > sum(estimated.choices[2, 256])


def test_sizes_that_a_layer_cannot_have_are_refused() -> None:
    with pytest.raises(ValueError, match="Input should be"):
        ShapedLayer.model_validate({"op": "attention"})
