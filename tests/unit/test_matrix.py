"""A matrix of runs: its cells, its processes (with made-up runs), a kill, its report."""

import csv
import errno
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console
from tests.unit.test_gates import record as run_record

from nnom_hil.cli.app import run_app
from nnom_hil.errors import ModelError, StoreError, UsageError
from nnom_hil.files import Appender
from nnom_hil.gates import baseline_file, update_baseline
from nnom_hil.locks import FileLock
from nnom_hil.matrix import CellFigures, CellRecord, MatrixRecord, expand, load_matrix, pareto
from nnom_hil.paths import boards_dir
from nnom_hil.records import RunRecord, Verdict
from nnom_hil.report.html import Shown
from nnom_hil.report.matrix import matrix_files, print_matrix
from nnom_hil.run import cell_work, matrix
from nnom_hil.run import cells as cells_module
from nnom_hil.run.matrix import begin_matrix, resume_matrix
from nnom_hil.run.plan import MatrixObserver
from nnom_hil.run.shown import Outcome
from nnom_hil.times import TimeSource

TWO_BY_TWO = """
[options]
limit = 100

[matrix]
model = ["digits", "gru"]
board = ["stm32f4", "mps2_an386"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "nightly.toml"
    path.write_text(text)
    return path


def cells(folder: Path, text: str) -> list[dict[str, Any]]:
    path = written(folder, text)
    return expand(load_matrix(path), path)


# ---- cells


def test_cells_are_the_product_of_the_axes(tmp_path: Path) -> None:
    assert cells(tmp_path, TWO_BY_TWO) == [
        {"limit": 100, "model": model, "board": board}
        for model in ("digits", "gru")
        for board in ("stm32f4", "mps2_an386")
    ]


def test_exclude_takes_out_every_cell_it_matches(tmp_path: Path) -> None:
    more = '[[exclude]]\nmodel = "gru"\nboard = "stm32f4"\n[[exclude]]\nboard = "mps2_an386"\n'
    assert cells(tmp_path, TWO_BY_TWO + more) == [
        {"limit": 100, "model": "digits", "board": "stm32f4"}
    ]


def test_include_is_githubs(tmp_path: Path) -> None:
    """The example of GitHub's documentation, "Expanding or adding matrix configurations"."""
    text = """
        [matrix]
        fruit = ["apple", "pear"]
        animal = ["cat", "dog"]
        [[include]]
        color = "green"
        [[include]]
        color = "pink"
        animal = "cat"
        [[include]]
        fruit = "apple"
        shape = "circle"
        [[include]]
        fruit = "banana"
        [[include]]
        fruit = "banana"
        animal = "cat"
    """
    assert cells(tmp_path, text) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[matrix]\nboard = []", r"nightly\.toml:2: \[matrix\] board: an axis needs values"),
        ("[matrix]\nboard = ['a', 'a']", ":2: .* a value stands there twice"),
        ("[options]\nboard = 'a'\n[matrix]\nboard = ['b']", "it is in .options. too"),
        ("", "it has no cells"),
        ("[matrx]", "unknown key; there are: .* did you mean 'matrix'"),
        ("[options]\nlimit = [1]", r"options\.limit: \[1\]: needs text in quotes"),
        ("[matrix]\nboard = 'a'", r"matrix\.board"),
        (TWO_BY_TWO + "[[exclude]]\nbord = 'a'", "'bord' is no axis .*did you mean 'board'"),
        (TWO_BY_TWO + "[[exclude]]\nboard = 'a'", "item 1: it matches no cell: board a"),
        (f"[matrix]\nlimit = {list(range(200))}\nseed = {list(range(200))}", "40000 cells"),
    ],
)
def test_wrong_file_is_named_with_key_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cells(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bord = 'a'", r"nightly\.toml:2: .*'bord' is no option of a run in a matrix; did you mean "
         "'board'"),
        ("resume = 'a'", "is no option of a run in a matrix"),
        ("kernels = 'plan'", ":2: .*did you mean 'plain'"),
        ("limit = 0", ":2: .*--limit 0: must be 1"),
        ("limit = true", "needs a whole number"),
        ("min_accuracy = 'high'", "needs a number"),
        ("compat = 1", "needs true or false"),
        ("model = 1", "needs text in quotes"),
        ("baselines = 1", "needs a path"),
        ("board = 'stm32f44'", "did you mean 'stm32f4'"),
        ("model = 'digit'", "did you mean 'digits'"),
        ("data = 'none.npz'", r"none\.npz"),
    ],
)  # fmt: skip
def test_wrong_option_is_told_before_there_is_a_folder(
    tmp_path: Path, text: str, message: str
) -> None:
    file = written(tmp_path, f"[options]\n{text}\n[matrix]\nseed = [1]\n")
    with pytest.raises(UsageError, match=message):
        begin_matrix(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_paths_are_beside_the_matrix_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "stm32f4.toml"
    mine.parent.mkdir()
    mine.write_bytes((boards_dir() / "stm32f4.toml").read_bytes())
    text = "[options]\nbaselines = 'b'\n[matrix]\nboard = ['mine/stm32f4.toml', 'stm32f4']\n"
    one, two = begin_matrix(written(tmp_path, text), tmp_path / "out")._cells.values()
    assert one.options["board"] == str(mine)
    assert two.options == {"board": "stm32f4", "baselines": str(tmp_path / "b")}


# ---- processes, with made-up runs


class Watch(MatrixObserver):
    """Remembers what became of cells; does something when the first has ended."""

    def __init__(self, at_end: Callable[[], None] = lambda: None) -> None:
        self.ended: dict[str, str] = {}
        self.before = -1
        self.at_end = at_end

    def begin(self, done: int, total: int) -> None:
        self.before = done

    def end(self, name: str, said: str) -> None:
        self.ended[name] = said
        self.at_end()


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let runs be made up in the processes; return the folder with a file for each that began."""
    begun = tmp_path / "begun"
    begun.mkdir()

    def run(request: Any, _: object) -> Outcome:
        name = f"{request.model_file.stem}-{request.board.name}"
        (begun / f"{name}-{os.getpid()}").touch()
        facts: dict[str, Any] = {"board": request.board.name, "model": request.model_file.stem}
        if name == "gru-mps2_an386":
            if (begun / "kill").exists():
                os.kill(os.getpid(), signal.SIGKILL)
            if (begun / "fail").exists():
                facts |= {"verdict": "fail", "reasons": ["wrong <b>"], "outputs_hash": "9" * 64}
            if (begun / "refuse").exists():
                raise ModelError("does not fit")
        record = run_record(**facts, id=f"{name}-{os.getpid()}")
        folder = request.runs / record.id
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(record.to_json())
        return Outcome(folder=folder, shown=Shown(record=record))

    def prepare(model: Path, *_: object, **__: object) -> None:
        (begun / f"convert-{model.stem}-{os.getpid()}").touch()
        if model.stem == "gru" and (begun / "bad-model").exists():
            raise ModelError("a Lambda layer")
        if model.stem == "gru" and (begun / "bad-memory").exists():
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(cell_work, "run_and_report", run)
    monkeypatch.setattr(cell_work, "prepare", prepare)
    return begun


def begin(tmp_path: Path, text: str = TWO_BY_TWO) -> matrix.MatrixRun:
    return begin_matrix(written(tmp_path, text), tmp_path / "out", ("nnom-hil", "matrix"))


def names(begun: Path) -> list[str]:
    return sorted(path.name.rpartition("-")[0] for path in begun.iterdir() if "-" in path.name)


RUNS = ["digits-mps2_an386", "digits-stm32f4", "gru-mps2_an386", "gru-stm32f4"]


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_cell_runs_once_and_models_are_converted_by_one(
    tmp_path: Path, made_up: Path, jobs: int
) -> None:
    watch = Watch()
    record = begin(tmp_path).execute(jobs, watch)
    assert names(made_up) == ["convert-digits", "convert-gru", *RUNS]
    assert len({p.name.rpartition("-")[2] for p in made_up.glob("convert-*")}) == 1
    assert record.passed
    assert [cell.name for cell in record.cells] == [
        "digits on stm32f4", "digits on mps2_an386", "gru on stm32f4", "gru on mps2_an386"
    ]  # fmt: skip
    assert watch.ended == {cell.name: "pass" for cell in record.cells}
    assert all((tmp_path / "out" / "runs" / str(cell.run)).is_dir() for cell in record.cells)


@pytest.mark.parametrize(
    ("trouble", "verdict", "reason"),
    [
        ("fail", "fail", "wrong <b>"),
        ("refuse", "error", "does not fit"),
        ("kill", "error", "ended by SIGKILL; is there enough memory?"),
    ],
)
def test_cell_that_fails_stops_no_other(
    tmp_path: Path, made_up: Path, trouble: str, verdict: str, reason: str
) -> None:
    (made_up / trouble).touch()
    record = begin(tmp_path).execute(2)
    assert [cell.passed for cell in record.cells] == [True, True, True, False]
    bad = record.cells[-1]
    assert (bad.verdict, record.passed) == (verdict, False)
    assert reason in bad.reasons[0]


@pytest.mark.parametrize(
    ("trouble", "reason"), [("bad-model", "a Lambda layer"), ("bad-memory", "SIGKILL")]
)
def test_model_that_cannot_be_converted_fails_its_cells_alone(
    tmp_path: Path, made_up: Path, trouble: str, reason: str
) -> None:
    (made_up / trouble).touch()
    record = begin(tmp_path).execute(2)
    assert [cell.verdict for cell in record.cells] == ["pass", "pass", "error", "error"]
    assert reason in record.cells[-1].reasons[0]
    assert names(made_up).count("convert-gru") == 1


def kill_us() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_matrix_goes_on_and_runs_nothing_twice(tmp_path: Path, made_up: Path) -> None:
    run = begin(tmp_path)
    process = multiprocessing.get_context("fork").Process(
        target=run.execute, args=(1, Watch(kill_us))
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    out = tmp_path / "out"
    half = out / "runs" / "half"
    half.mkdir()
    with (out / "cells.jsonl").open("a") as file:
        file.write('{"key": "cut o')
    watch = Watch()
    record = resume_matrix(out).execute(1, watch)
    assert record.passed
    assert len(record.cells) == 4
    assert watch.before == 1
    assert len(watch.ended) == 3
    assert [name for name in names(made_up) if not name.startswith("convert")] == RUNS
    assert not half.exists()
    again = Watch()
    assert resume_matrix(out).execute(1, again) == record
    assert again.ended == {}


def test_killed_matrix_takes_its_processes_with_it(
    tmp_path: Path, made_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(*_: object) -> None:
        (made_up / f"asleep-{os.getpid()}").touch()
        time.sleep(3600)

    monkeypatch.setattr(cell_work, "run_and_report", sleep)
    run = begin(tmp_path)
    process = multiprocessing.get_context("fork").Process(target=run.execute, args=(2,))
    process.start()
    while len(asleep := list(made_up.glob("asleep-*"))) < 2:
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    for file in asleep:
        while is_running(int(file.name.partition("-")[2])):
            time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_interrupted_matrix_ends_its_processes(tmp_path: Path, made_up: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    run = begin(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.execute(2, Watch(interrupt))
    assert multiprocessing.active_children() == []
    assert resume_matrix(tmp_path / "out").execute(2).passed


def test_cells_that_could_not_run_are_run_again(tmp_path: Path, made_up: Path) -> None:
    for trouble in ("refuse", "fail"):
        (made_up / trouble).touch()
    begin(tmp_path).execute(2)
    (made_up / "refuse").unlink()
    watch = Watch()
    resume_matrix(tmp_path / "out").execute(2, watch)
    assert watch.ended == {"gru on mps2_an386": "fail"}
    watch = Watch()
    resume_matrix(tmp_path / "out").execute(2, watch)  # a verdict is one
    assert watch.ended == {}


def test_resuming_refuses_what_is_not_the_same(
    tmp_path: Path, made_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path).execute(2)
    with pytest.raises(UsageError, match="a matrix is there already; go on with it"):
        begin(tmp_path)
    with pytest.raises(UsageError, match="not a matrix's folder"):
        resume_matrix(tmp_path)
    monkeypatch.setattr(cells_module, "preparation_key", lambda *_: "another")
    with pytest.raises(UsageError, match="digits on stm32f4: its model, its data or"):
        resume_matrix(tmp_path / "out")


def test_damaged_journal_runs_its_cell_again(
    tmp_path: Path, made_up: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begin(tmp_path).execute(2)
    journal = tmp_path / "out" / "cells.jsonl"
    lines = journal.read_text().splitlines()
    lines[2] = lines[2].replace('"pass"', '"fail"')
    journal.write_text("\n".join(lines) + "\n")
    watch = Watch()
    assert resume_matrix(tmp_path / "out").execute(2, watch).passed
    assert len(watch.ended) == 1
    assert "cells.jsonl:3: not as it was written" in caplog.text
    journal.write_text("x\n")
    with pytest.raises(UsageError, match="not a matrix's journal"):
        resume_matrix(tmp_path / "out")


def test_folder_that_cannot_be_written_is_named(tmp_path: Path, made_up: Path) -> None:
    run = begin(tmp_path)
    (tmp_path / "out").touch()
    with pytest.raises(StoreError, match=r"cannot write the matrix: .*--out DIR"):
        run.execute(2)


def test_one_process_at_a_matrix(tmp_path: Path, made_up: Path) -> None:
    (tmp_path / "out").mkdir()
    lock = FileLock(tmp_path / "out" / ".lock")
    assert lock.acquire()
    with pytest.raises(UsageError, match="another process is at this matrix"):
        begin(tmp_path).execute(2)
    lock.release()


def test_full_disk_ends_a_matrix_that_can_be_gone_on_with(
    tmp_path: Path, made_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, write = begin(tmp_path), Appender.write

    def full(self: Appender, data: bytes) -> None:
        if b"gru on stm32f4" in data and b"verdict" in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, data)

    monkeypatch.setattr(Appender, "write", full)
    with pytest.raises(StoreError, match=r"cells\.jsonl: cannot write .* --resume "):
        run.execute(1)
    assert multiprocessing.active_children() == []
    monkeypatch.setattr(Appender, "write", write)
    watch = Watch()
    assert resume_matrix(tmp_path / "out").execute(2, watch).passed
    assert sorted(watch.ended) == ["gru on mps2_an386", "gru on stm32f4"]


def test_cells_are_held_against_their_baselines(tmp_path: Path, made_up: Path) -> None:
    folder = tmp_path / "baselines"
    good = run_record(model="digits", flash_bytes=59_548)
    update_baseline(baseline_file(folder, "stm32f4", "digits"), good)
    smaller = run_record(model="gru", flash_bytes=40_000)
    update_baseline(baseline_file(folder, "stm32f4", "gru"), smaller)
    text = TWO_BY_TWO.replace("limit = 100", "baselines = 'baselines'\ngates = 'gates.toml'")
    (tmp_path / "gates.toml").write_text("stack = 'off'\n")
    record = begin(tmp_path, text).execute(2)
    assert [cell.said for cell in record.cells] == ["pass", "pass", "gates: flash", "pass"]
    assert [bool(cell.ungated) for cell in record.cells] == [False, True, False, True]
    assert not record.passed
    assert record.cells[0].gates is not None
    assert record.cells[0].gates.gates[-1].state == "off"
    updated = resume_matrix(tmp_path / "out").execute(2, update=True)
    assert updated.passed
    assert all(cell.gates is not None for cell in updated.cells)


# ---- the report


def cell(name: str, **facts: Any) -> CellRecord:
    figures = {"time_source": TimeSource.MODEL, "error_percent": 20.0, **facts.pop("figures", {})}
    known = {"key": name, "name": name, "options": {"model": "m"}, "verdict": Verdict.PASS}
    return CellRecord(**{**known, **facts}, figures=CellFigures(**figures), run=f"run-{name}")


def matrix_of(*cells: CellRecord) -> MatrixRecord:
    return MatrixRecord(name="nightly", started="2026-11-28T23:00:00+00:00", cells=cells)


def printed(record: MatrixRecord) -> str:
    text = StringIO()
    print_matrix(record, Console(width=100, file=text))
    return text.getvalue()


def test_every_format_tells_cells_figures_and_what_failed() -> None:
    record = matrix_of(
        cell("a", figures={"accuracy": 0.99, "time_us": 8000.0, "flash": 60_000}),
        cell("b", figures={"accuracy": 0.98, "time_us": 9000.0, "flash": 70_000}),
        cell("c", verdict=Verdict.FAIL, reasons=("3 outputs differ",)),
    )
    files = matrix_files(record)
    for text in (printed(record), files["report.md"], files["report.html"]):
        assert "2 of 3 cells passed" in text
        assert "99.00 %" in text
        assert "8.00 ms (model ±20 %)" in text
        assert "3 outputs differ" in text
    root = ElementTree.fromstring(files["junit.xml"])
    assert [c.get("name") for c in root.iter("testcase") if c.find("failure") is not None] == ["c"]
    rows = list(csv.DictReader(StringIO(files["matrix.csv"])))
    assert [row["time_us"] for row in rows] == ["8000.0", "9000.0", ""]
    assert [row["time_source"] for row in rows] == ["model"] * 3
    assert (
        MatrixRecord.model_validate(
            {k: v for k, v in json.loads(files["matrix.json"]).items() if k != "passed"}
        )
        == record
    )
    assert files["report.html"].count("<svg") == 2
    assert 'href="runs/run-a/report.html"' in files["report.html"]


def test_heat_is_of_one_model_and_times_of_one_source() -> None:
    from nnom_hil.report.matrix import _COLUMNS, _heat

    other = {"options": {"model": "n"}}
    record = matrix_of(
        cell("a", figures={"time_us": 10.0, "flash": 10, "accuracy": 0.99}),
        cell("b", figures={"time_us": 1000.0, "flash": 1000, "accuracy": 0.97}),
        cell("c", figures={"time_us": 20.0, "flash": 20, "accuracy": 0.5}),
        cell("d", figures={"time_us": 1.0, "flash": 1}, **other),
        cell("e", figures={"time_us": 1e6, "time_source": "dwt", "error_percent": None}),
    )
    columns = {column.name: _heat(record, column) for column in _COLUMNS}
    by_the_tens = [0, 1, pytest.approx(0.301, abs=1e-3), None, None]
    assert [heat.share for heat in columns["flash"]] == by_the_tens
    assert [heat.share for heat in columns["an inference"]] == by_the_tens
    shares = [heat.share for heat in columns["accuracy"]]
    assert shares == [0, pytest.approx(0.2), 1, None, None]


def test_pareto_front_is_what_no_other_beats() -> None:
    points = {"cheap": (1, 0.8), "good": (5, 0.99), "beaten": (5, 0.9), "twin": (1, 0.8)}
    assert set(pareto(points)) == {"cheap", "good", "twin"}


def test_only_cells_with_the_same_data_beat_each_other() -> None:
    from nnom_hil.report.matrix import _front

    gru, net, wide = ({"model": "gru"}, {"model": "n", "data": "x"}, {"model": "w", "data": "x"})
    found = [
        (cell("gru", options=gru), (9.0, 0.5)),
        (cell("net", options=net), (2.0, 0.9)),
        (cell("wide", options=wide), (3.0, 0.9)),
    ]
    assert _front(found, 1) == {"gru", "net"}
    assert _front([(c, (x, 1 - y)) for c, (x, y) in found], -1) == {"gru", "net"}


def test_text_of_others_is_text_in_every_format() -> None:
    name = "<script>alert('1')</script>\n\x1b[31m=1+1|*x*\""
    record = matrix_of(
        cell(name, verdict=Verdict.FAIL, reasons=(name,), options={"model": "=1+1"}),
        cell("b", figures={"accuracy": 1.0, "flash": 1}),
    )
    files = matrix_files(record)
    assert "<script>alert" not in files["report.html"]
    assert "<script>" not in files["report.md"].replace("\\<", "")
    assert not any("\x1b" in text for text in files.values())
    assert "'=1+1" in files["matrix.csv"]
    suite = ElementTree.fromstring(files["junit.xml"]).find("testsuite/testcase")
    assert suite is not None
    assert "<script>" in str(suite.get("name"))


# ---- the command


def test_command_runs_resumes_and_judges(
    tmp_path: Path, made_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = written(tmp_path, TWO_BY_TWO), tmp_path / "out"
    assert run_app(["matrix"]) == 2
    assert run_app(["matrix", str(file), "--resume", str(out)]) == 2
    capsys.readouterr()
    (made_up / "refuse").touch()
    assert run_app(["matrix", str(file), "--out", str(out)]) == 1
    shown = capsys.readouterr()
    assert "FAIL: 3 of 4 cells passed" in shown.out
    assert "[4/4]" in shown.err
    (made_up / "refuse").unlink()
    assert run_app(["matrix", "--resume", str(out), "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["passed"] is True
    assert shown.err == ""
    assert sorted(p.name for p in out.iterdir() if p.is_file()) == [
        "cells.jsonl", "junit.xml", "matrix.csv", "matrix.json", "report.html", "report.md"
    ]  # fmt: skip


def test_runs_can_lie_among_others(tmp_path: Path, made_up: Path) -> None:
    """As in reports/runs, which nothing is removed from and the history is made of."""
    runs = tmp_path / "reports" / "runs"
    (runs / "of-another").mkdir(parents=True)
    out = tmp_path / "reports" / "matrix" / "one"
    record = begin_matrix(written(tmp_path, TWO_BY_TWO), out, runs=runs).execute(2)
    assert record.passed
    file = runs / str(record.cells[0].run) / "run.json"
    assert RunRecord.model_validate_json(file.read_text()).verdict is Verdict.PASS
    resume_matrix(out).execute(2)
    assert (runs / "of-another").is_dir()
    link = f'href="../../runs/{record.cells[0].run}/report.html"'
    assert link in matrix_files(record)["report.html"]
