"""nnom-hil tune, as users type it; of a small space, whose every point is a real build."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnom_hil.cli.app import run_app
from nnom_hil.run import tune

SEARCH = ["tune", "gru", "--board", "mps2_an386", "-j", "2"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "_METHODS", ({}, {"method": "max_min"}))
    monkeypatch.setattr(tune, "_AXES", (({}, {"per_channel": False}), ({}, {"optimise": "os"})))


def found(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "tune.json").read_text())
    assert isinstance(document, dict)
    return document


def test_a_search_finds_what_its_commands_give(
    small: None, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "search"
    assert run_app([*SEARCH, "--out", str(folder)]) == 0
    said = capsys.readouterr().out
    record = found(folder)
    points = record["points"]
    assert [p["options"] for p in points[:3]] == [{}, {"per_channel": False}, {"optimise": "os"}]
    assert record["front"]
    assert all(points[place]["equal"] for place in record["front"])
    default = points[0]
    for place in record["front"]:  # on vectors that chose nothing
        point = points[place]
        costs = [point[name] < 0.995 * default[name] for name in ("cycles", "flash", "ram")]
        assert place == 0 or any(costs) or point["level"] < default["level"]
        assert point["command"] in said
    unseen = np.load(folder / "unseen.npz")
    everything = np.load(folder / "data.npz")
    n = record["vectors"]
    assert np.array_equal(everything["x"][n["choosing"] : n["choosing"] + n["unseen"]], unseen["x"])

    # the command of a point gives its figures
    small_one = points[record["front"][-1]]
    capsys.readouterr()
    words = [*small_one["command"].split()[1:], "--out", str(tmp_path / "runs"), "--json"]
    assert run_app(words) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["accuracy"]["quantised"] == small_one["unseen"]
    assert run["flash_bytes"] == small_one["flash"]
    assert run["total_cycles"] == pytest.approx(small_one["cycles"], rel=1e-3)
    assert run["ram_bytes"] == pytest.approx(small_one["ram"], rel=0.05)

    assert run_app([*SEARCH, "--out", str(folder)]) != 0
    assert "a search is there already; go on with it" in capsys.readouterr().err

    # a journal whose last lines are gone goes on to the same end
    journal = folder / "tried.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-2]) + lines[-2][:20])
    assert run_app(["tune", "--resume", str(folder)]) == 0
    again = found(folder)
    for document in (record, again):
        for point in document["points"]:
            point["run"] = None  # each check is a run of its own
    assert again == record


def test_limits_that_nothing_keeps(
    small: None, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SEARCH, "--out", str(tmp_path / "s"), "--max-flash", "1000", "--trials", "1"]
    assert run_app(words) == 1
    said = capsys.readouterr().out
    assert "bytes of flash, at most 1000" in said
    assert "1 of 3 ways were measured" in said
    data = np.load(tmp_path / "s" / "data.npz")
    np.savez(tmp_path / "s" / "data.npz", **{**data, "x": data["x"] / 2})
    assert run_app(["tune", "--resume", str(tmp_path / "s")]) != 0
    assert "its data or what converts them is not what it was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--board", "native"], "a process of this machine"),
        (["--data", "{few}"], "vectors are too few to part them"),
        (["--resume", "{here}"], "not a search's folder"),
        (["--board", "stm32f5"], "no board 'stm32f5'"),
    ],
)
def test_what_cannot_be_searched(
    words: list[str], said: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "few.npz", x=np.zeros((20, 8, 8), np.float32))
    given = [w.format(few=tmp_path / "few.npz", here=tmp_path) for w in words]
    assert run_app(["tune", "gru", "--out", str(tmp_path / "s"), *given]) != 0
    assert said in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
