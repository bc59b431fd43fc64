"""Gates over made-up records: what fails, what is only said, and how each format shows it."""

import json
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from nnom_hil.cli.app import run_app
from nnom_hil.errors import StoreError, UsageError
from nnom_hil.gates import (
    Baseline,
    Gate,
    Limits,
    State,
    baseline_file,
    baseline_of,
    evaluate,
    load_baseline,
    load_limits,
    update_baseline,
)
from nnom_hil.records import RunRecord
from nnom_hil.report.gates import (
    comparison_junit,
    comparison_markdown,
    comparison_text,
    print_comparison,
)

GCC_12 = "arm-none-eabi-gcc (15:12.2.rel1-1) 12.2.1 20221205"
GCC_14 = "arm-none-eabi-gcc (15:14.2.rel1-1) 14.2.1 20241119"
MEMORY = {
    "flash": 59548, "flash_available": 1 << 20, "ram_static": 10568, "ram_heap": 10972,
    "ram_stack": 1448, "ram_available": 131072, "blocks": [], "network_buffers": None,
}  # fmt: skip
GOOD: dict[str, Any] = {
    "id": "20261128T230000000000Z-stm32f4-digits", "started": "2026-11-28T23:00:00+00:00",
    "verdict": "pass", "board": "stm32f4", "board_title": "t", "core_hz": 168_000_000,
    "model": "digits", "model_hash": "m" * 8, "vectors": 100, "vectors_planned": 100,
    "outputs_equal": True, "task": "classification", "time_source": "model", "error_percent": 21.2,
    "accuracy": {"float": 1.0, "quantised": 0.98, "top_k": [0.98]},
    "total_cycles": 1392546.0, "total_instructions": 718982, "total_time_us": 8289.0,
    "flash_bytes": 59548, "ram_bytes": 22988, "memory": MEMORY, "tools": {"compiler": GCC_12},
    "command": ["nnom-hil", "run", "--data", "my data.npz"], "commit": "abc1234",
    "outputs_hash": "0" * 64, "vectors_hash": "1" * 64,
}  # fmt: skip
WRONG = {"verdict": "fail", "reasons": ["7 outputs differ"], "outputs_hash": "2" * 64}


def record(**changed: Any) -> RunRecord:
    stack = changed.pop("stack", MEMORY["ram_stack"])
    memory = {**MEMORY, "ram_stack": stack}
    return RunRecord.model_validate_json(json.dumps({**GOOD, "memory": memory, **changed}))


@pytest.fixture
def baseline() -> Baseline:
    return baseline_of(record())


def states(changed: RunRecord, baseline: Baseline, limits: Limits | None = None) -> dict[str, str]:
    gates = evaluate(changed, baseline, limits).gates
    return {gate.name: gate.state.value for gate in gates if gate.state is not State.HELD}


def gate(changed: RunRecord, baseline: Baseline, name: str) -> Gate:
    return next(gate for gate in evaluate(changed, baseline).gates if gate.name == name)


# ---- what fails


def test_same_run_holds_every_gate(baseline: Baseline) -> None:
    names = [gate.name for gate in evaluate(record(), baseline).gates]
    assert names == [
        "verdict", "outputs", "accuracy", "instructions", "cycles", "flash", "ram", "stack"
    ]  # fmt: skip
    assert states(record(), baseline) == {}


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        (WRONG, ["verdict", "outputs"]),
        ({"accuracy": {"float": 1.0, "quantised": 0.97, "top_k": []}}, ["accuracy"]),
        ({"total_instructions": int(718982 * 1.0101)}, ["instructions"]),
        ({"total_cycles": 1392546 * 1.0201}, ["cycles"]),
        ({"flash_bytes": 60144}, ["flash"]),
        ({"ram_bytes": 23282}, ["ram"]),
        ({"stack": 1527}, ["stack"]),
    ],
)
def test_worse_figure_fails_its_gate_alone(
    baseline: Baseline, changed: dict[str, Any], failed: list[str]
) -> None:
    assert states(record(**changed), baseline) == dict.fromkeys(failed, "failed")


@pytest.mark.parametrize(
    "changed",
    [
        {"accuracy": {"float": 1.0, "quantised": 0.99, "top_k": []}},
        {"total_instructions": int(718982 * 1.0099)},
        {"total_cycles": 1392546 * 1.0199},
        {"flash_bytes": 60143, "ram_bytes": 23281, "stack": 1526},
        {"total_time_us": 1e9, "link": None},  # no gate on time
        {"total_instructions": 1, "total_cycles": 1.0, "flash_bytes": 1},
    ],
)
def test_what_is_allowed_or_better_holds(baseline: Baseline, changed: dict[str, Any]) -> None:
    assert states(record(**changed), baseline) == {}


def test_error_of_a_regression_may_not_grow() -> None:
    deviation = {"mae": 0.1, "rmse": 0.2, "r2": None}
    facts = {"task": "regression", "accuracy": None}
    before = record(**facts, regression={"target": deviation, "float": deviation})
    added_in_another_order = {**deviation, "mae": 0.1 + 1e-16}
    more = {**deviation, "mae": 0.1001}
    baseline = baseline_of(before)
    same = record(**facts, regression={"target": added_in_another_order, "float": deviation})
    worse = record(**facts, regression={"target": more, "float": deviation})
    assert states(same, baseline) == {}
    assert states(worse, baseline) == {"error": "failed"}


@pytest.mark.parametrize(
    ("gone", "name"),
    [
        ({"accuracy": None}, "accuracy"),
        ({"total_cycles": None}, "cycles"),
        ({"total_instructions": None}, "instructions"),
        ({"flash_bytes": None}, "flash"),
        ({"ram_bytes": None}, "ram"),
        ({"stack": None}, "stack"),
        ({"outputs_hash": None}, "outputs"),
    ],
)
def test_figure_that_vanished_fails(baseline: Baseline, gone: dict[str, Any], name: str) -> None:
    assert states(record(**gone), baseline) == {name: "failed"}
    assert gate(record(**gone), baseline, name).actual is None


def test_figure_that_is_new_is_said_and_not_judged() -> None:
    baseline = baseline_of(record(total_cycles=None, stack=None))
    assert states(record(), baseline) == {"cycles": "new", "stack": "new"}


# ---- compilers and sources of time


def test_another_compiler_is_held_to_outputs_and_accuracy_only(baseline: Baseline) -> None:
    other = record(tools={"compiler": GCC_14}, flash_bytes=10**6)
    new = dict.fromkeys(["instructions", "cycles", "flash", "ram", "stack"], "new")
    assert states(other, baseline) == new
    detail = gate(other, baseline, "flash").detail
    assert detail == "the baseline has nothing of gcc 14, only of gcc 12"
    wrong = record(**WRONG, tools={"compiler": GCC_14})
    assert states(wrong, baseline) == {**new, "verdict": "failed", "outputs": "failed"}


def test_baseline_holds_figures_of_each_compiler(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    update_baseline(file, record())
    update_baseline(file, record(tools={"compiler": GCC_14}, flash_bytes=50_000))
    baseline = load_baseline(file)
    assert sorted(baseline.builds) == ["gcc 12", "gcc 14"]
    assert states(record(), baseline) == {}
    grown = record(tools={"compiler": GCC_14}, flash_bytes=59_548)
    assert states(grown, baseline) == {"flash": "failed"}


def test_figures_of_other_outputs_are_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    update_baseline(file, record())
    update_baseline(file, record(tools={"compiler": GCC_14}, outputs_hash="3" * 64))
    assert list(load_baseline(file).builds) == ["gcc 14"]


BOARD = {"time_source": "dwt", "error_percent": None, "total_instructions": None}


def test_boards_cycles_do_not_meet_an_emulators(baseline: Baseline, tmp_path: Path) -> None:
    real = record(**BOARD, total_cycles=1e9)
    assert states(real, baseline) == {"cycles": "new"}
    assert gate(real, baseline, "cycles").expected is None
    assert "source model, the run's of dwt" in gate(real, baseline, "cycles").detail
    file = tmp_path / "b.json"
    update_baseline(file, record())
    update_baseline(file, real)
    both = load_baseline(file)
    assert states(real, both) == states(record(), both) == {}
    assert states(record(**BOARD, total_cycles=1.03e9), both) == {"cycles": "failed"}


def test_emulator_that_tells_less_than_another_one_fails(baseline: Baseline) -> None:
    facts = {"error_percent": None, "total_time_us": None, "total_cycles": None}
    counted = record(**facts, time_source="instructions")  # run --no-estimate
    assert states(counted, baseline) == {"cycles": "failed", "instructions": "failed"}
    assert "not compared" in gate(counted, baseline, "instructions").detail


def test_clock_of_this_machine_is_no_gate() -> None:
    facts = {"error_percent": None, "total_cycles": None, "total_instructions": None}
    native = record(**facts, time_source="host")
    baseline = baseline_of(native)
    assert baseline.builds["gcc 12"].speed == {}
    assert states(record(**facts, time_source="host", total_time_us=1e12), baseline) == {}


# ---- what is refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"board": "mps2_an386"}, "it is of board 'stm32f4'"),
        ({"vectors": 99, "vectors_planned": 99}, "compare a run with --limit 100"),
        ({"vectors_hash": "5" * 64}, "has other vectors"),
        ({"vectors_hash": None}, "does not tell its vectors"),
    ],
)
def test_run_that_is_not_of_the_same_is_refused(
    baseline: Baseline, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(record(**changed), baseline)


def test_run_that_was_cut_off_is_compared_and_fails(baseline: Baseline) -> None:
    error = {"kind": "LinkError", "message": "silent"}
    half = record(
        verdict="error", reasons=["silent"], error=error, vectors=40, outputs_hash=None,
        outputs_equal=False,
    )  # fmt: skip
    assert states(half, baseline) == {"verdict": "failed", "outputs": "failed"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (WRONG, "its verdict is fail: a baseline is made of a run that passes"),
        ({"outputs_hash": None}, "does not tell outputs and vectors"),
        ({"vectors": 0, "vectors_planned": 0}, "does not tell outputs and vectors"),
    ],
)
def test_no_baseline_is_made_of_a_wrong_run(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        baseline_of(record(**changed))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not a baseline"),
        ("{}", "not a baseline"),
        ('{"builds": []}', "not a baseline"),
        ('{"builds": {"gcc 12": {"command": "\\""}}}', "not a baseline"),
        ("[" * 100_000, "not a baseline"),
    ],
)
def test_file_that_is_no_baseline_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_baseline(file)


def test_wrong_figure_of_a_baseline_is_named(baseline: Baseline, tmp_path: Path) -> None:
    document = json.loads(baseline.to_json())
    document["builds"]["gcc 12"]["flash"] = -1
    file = tmp_path / "b.json"
    file.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"b\.json: not a baseline: builds\.gcc 12\.flash: "):
        load_baseline(file)


def test_missing_baseline_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nnom-hil compare RUN --update"):
        load_baseline(tmp_path / "b.json")


# ---- limits


def test_limits_are_overridden_one_by_one(baseline: Baseline, tmp_path: Path) -> None:
    file = tmp_path / "gates.toml"
    file.write_text('outputs = "off"\naccuracy = 1.5\nflash = 100\nstack = "off"\n')
    limits = load_limits(file)
    changed = {"outputs_hash": "6" * 64, "flash_bytes": 119_096, "stack": None}
    worse = record(**changed, accuracy={"float": 1.0, "quantised": 0.966, "top_k": []})
    assert states(worse, baseline, limits) == {"outputs": "off", "stack": "off"}
    worse = record(**changed, accuracy={"float": 1.0, "quantised": 0.964, "top_k": []})
    assert states(worse, baseline, limits)["accuracy"] == "failed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flsh = 1", r"gates\.toml: the gates file is wrong at flsh: unknown key; there are: .*"
         "did you mean 'flash'"),
        ("flash = -1", "wrong at flash"),
        ("flash = 'of'", "wrong at flash: 'of' is neither \"off\" nor a number"),
        ("flash = nan", "wrong at flash: nan is neither"),
        ("flash = true", "wrong at flash: True is neither"),
        ("outputs = 1", "wrong at outputs: Input should be 'equal' or 'off'"),
        ("flash 1", "not valid TOML"),
    ],
)  # fmt: skip
def test_wrong_limit_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "gates.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_limits(file)


# ---- how it is told


def cases_with(outcome: str, document: str) -> list[str | None]:
    cases = ElementTree.fromstring(document).iter("testcase")
    return [case.get("name") for case in cases if case.find(outcome) is not None]


def test_every_format_names_the_gates_that_failed(baseline: Baseline) -> None:
    found = evaluate(record(**WRONG, flash_bytes=70_000), baseline, name="b.json")
    text = StringIO()
    print_comparison(found, Console(width=80, file=text))
    for shown in (text.getvalue(), comparison_text(found), comparison_markdown(found)):
        plain = shown.replace("\\", "")
        assert "gates: FAIL (verdict, outputs, flash)" in plain
        assert "59\u202f548" in plain
        assert "70\u202f000" in plain
        assert "+17.55 %" in plain
        assert "gcc 12, commit abc1234" in plain
    root = ElementTree.fromstring(comparison_junit(found))
    failed = [
        case.get("name") for case in root.iter("testcase") if case.find("failure") is not None
    ]
    assert failed == ["verdict", "outputs", "flash"]
    document = json.loads(found.to_json())
    assert document["passed"] is False
    assert [g["name"] for g in document["gates"] if g["state"] == "failed"] == failed


def test_gates_that_judge_nothing_are_skipped_in_junit(baseline: Baseline) -> None:
    found = evaluate(record(tools={"compiler": GCC_14}), baseline, Limits(outputs="off"))
    root = ElementTree.fromstring(comparison_junit(found))
    skipped = [
        case.get("name") for case in root.iter("testcase") if case.find("skipped") is not None
    ]
    assert skipped == ["outputs", "instructions", "cycles", "flash", "ram", "stack"]
    assert "not in the baseline: instructions, cycles, flash, ram, stack" in comparison_text(found)


def test_what_got_better_is_said(baseline: Baseline) -> None:
    notes = evaluate(record(flash_bytes=50_000), baseline).notes
    assert notes == ("better than the baseline: flash -16.03%; hold it with --update",)


def test_text_of_others_is_text(tmp_path: Path) -> None:
    name = "<script>alert('1')</script>\n\x1b[31m|*x*\""
    odd = record(model=name, commit=name)
    found = evaluate(record(model=name, **WRONG), baseline_of(odd), name=name)
    assert "<script>" not in comparison_markdown(found).replace("\\<", "")
    assert "\x1b" not in comparison_text(found) + comparison_markdown(found)
    suite = ElementTree.fromstring(comparison_junit(found)).find("testsuite")
    assert suite is not None
    assert "<script>" in str(suite.get("name"))
    file = baseline_file(tmp_path, "../..", name)
    assert file.parent.parent == tmp_path
    assert update_baseline(file, odd) == load_baseline(file)


# ---- the command


def test_command_judges_and_updates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, file = tmp_path / "run", tmp_path / "baselines" / "b.json"
    run.mkdir()
    (run / "run.json").write_text(record().to_json())
    assert run_app(["compare", str(run), "--baseline", str(file)]) == 2
    assert run_app(["compare", str(run), "--baseline", str(file), "--update"]) == 0
    assert "figures of gcc 12; review and commit it" in capsys.readouterr().out
    assert run_app(["compare", str(run), "--baseline", str(file)]) == 0
    assert "gates: PASS" in capsys.readouterr().out
    (run / "run.json").write_text(record(total_instructions=800_000).to_json())
    for form in ("terminal", "markdown", "junit", "json"):
        assert run_app(["compare", str(run), "--baseline", str(file), "--format", form]) == 1
        assert "instructions" in capsys.readouterr().out
    out = tmp_path / "gates.xml"
    asked = ["--format", "junit", "--output", str(out)]
    assert run_app(["compare", str(run), "--baseline", str(file), *asked]) == 1
    assert "gates: FAIL (instructions)" in capsys.readouterr().out
    assert ElementTree.parse(out).getroot().tag == "testsuites"


def test_baseline_is_small_sorted_and_reviewable(baseline: Baseline) -> None:
    text = baseline.to_json()
    assert len(text) < 1500
    assert "null" not in text
    assert '"command": "nnom-hil run --data \'my data.npz\'"' in text
    keys = [line.split('"')[1] for line in text.splitlines() if line.startswith(' "')]
    assert keys == sorted(keys)


def test_old_baseline_stays_where_the_new_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    file = tmp_path / "b.json"
    before = update_baseline(file, record())

    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match=r"b\.json: cannot write"):
        update_baseline(file, record(flash_bytes=1))
    monkeypatch.undo()
    assert load_baseline(file) == before
    assert list(tmp_path.iterdir()) == [file]
