"""The history of runs: made from records, kept in step, asked, exported, and never in the way."""

import csv
import json
import logging
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.runs import document, write_run

from nnom_hil.cli.app import run_app
from nnom_hil.errors import StoreError, ToolError, UsageError
from nnom_hil.files import remove_tree
from nnom_hil.history import (
    COLUMNS,
    Filter,
    History,
    export,
    history_file,
    keeping,
    open_history,
    rebuild,
    since,
)
from nnom_hil.records import RunRecord
from nnom_hil.run.store import RunFolder

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
HOSTILE = "=cmd|\"<script>alert(1)</script>\n\x1b[31m,;'[x]*"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The usual folder of runs, whose history is beside it."""
    folder = tmp_path / "reports" / "runs"
    monkeypatch.setattr(keeping, "runs_dir", lambda: folder)
    folder.mkdir(parents=True)
    return folder


def rows_of(runs: Path, wanted: Filter | None = None) -> list[dict[str, Any]]:
    history, _ = open_history(runs)
    with history:
        return list(history.rows(wanted))


def ids(runs: Path, **wanted: Any) -> list[str]:
    return [row["id"].removeprefix("run-0000") for row in rows_of(runs, Filter(**wanted))]


def in_a_process(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], text=True, stderr=subprocess.PIPE
    )


# ---- in step


def test_history_has_what_the_records_have(runs: Path) -> None:
    write_run(runs, 1)
    (row,) = rows_of(runs)
    told = {**row}
    assert told.pop("folder") == told["id"] == "run-00001"
    assert list(told) == [column.name for column in COLUMNS]
    assert (row["board"], row["model"], row["verdict"]) == ("stm32f4", "digits", "pass")
    assert row["started"] == "2026-01-01T01:00:00+00:00"
    assert (row["accuracy"], row["instructions"], row["cycles"]) == (0.75, 700_000, 1e6)
    assert (row["outputs_equal"], row["compat"]) == (True, False)
    assert row["kernels"] == "dsp plain"
    assert row["compiler"] == "arm-none-eabi-gcc 12.2.1"
    assert row["mean_error"] is None
    assert history_file(runs) == runs.parent / "history.db"


def test_times_are_compared_in_utc(runs: Path) -> None:
    for number, started in enumerate(
        ("2026-05-01T12:00:00+02:00", "2026-05-01T11:00:00+00:00", "2026-05-01T10:30:00", "soon")
    ):
        write_run(runs, number, started=started)
    assert ids(runs) == ["3", "1", "2", "0"]
    assert ids(runs, since="2026-05-01T10:15:00+00:00") == ["3", "1", "2"]


def test_runs_are_taken_up_when_they_end(runs: Path) -> None:
    folder = RunFolder(runs, "b-m")
    with History(history_file(runs)) as history:
        assert history.count() == 0
        folder.finish(RunRecord.model_validate(document(3)))
        assert history.count() == 1  # at once, without being asked for


def test_other_folders_have_a_history_where_it_was_asked_for(tmp_path: Path) -> None:
    RunFolder(tmp_path, "b-m").finish(RunRecord.model_validate(document(1)))
    assert not list(tmp_path.glob("*.db"))
    assert run_app(["history", "rebuild", "--runs", str(tmp_path)]) == 0
    RunFolder(tmp_path, "b-n").finish(RunRecord.model_validate(document(2)))
    with History(tmp_path / "history.db") as history:
        assert history.count() == 2


def test_what_came_otherwise_or_changed_is_found(runs: Path) -> None:
    """Copied folders, runs that were resumed, and those whose end the history did not see."""
    folder = write_run(runs, 1)
    write_run(runs, 2)
    assert ids(runs) == ["2", "1"]
    write_run(runs, 1, verdict="fail", reasons=["worse"])
    assert [row["verdict"] for row in rows_of(runs)] == ["pass", "fail"]
    (folder / "run.json").unlink()
    assert ids(runs) == ["2", "1"]  # what was known stays
    count, synced = rebuild(runs)
    assert (count, synced.dropped) == (1, 1)
    assert ids(runs) == ["2"]


def test_what_is_no_record_is_left_out_and_told(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(runs, 1)
    broken = write_run(runs, 2) / "run.json"
    broken.write_text(broken.read_text().replace("digits", "digit5"))
    for _ in range(2):  # also when nothing is new
        assert run_app(["history", "--runs", str(runs), "--json"]) == 0
        out, err = capsys.readouterr()
        assert [row["id"] for row in json.loads(out)] == ["run-00001"]
        assert f"1 record is left out; {broken}: not a run record" in err
    write_run(runs, 2)
    assert ids(runs) == ["2", "1"]


def test_history_of_an_earlier_version_gets_what_came_since(runs: Path) -> None:
    """Runs whose folders are gone stay in it; of the others the new columns are read."""
    gone = write_run(runs, 1)
    write_run(runs, 2)
    assert ids(runs) == ["2", "1"]
    remove_tree(gone)
    with sqlite3.connect(history_file(runs)) as older:
        for name in ("ram", "kernels"):
            older.execute(f"ALTER TABLE runs DROP COLUMN {name}")
    older.close()
    newest, oldest = rows_of(runs)
    assert (newest["ram"], newest["kernels"], newest["flash"]) == (22_000, "dsp plain", 60_000)
    assert (oldest["ram"], oldest["kernels"], oldest["flash"]) == (None, None, 60_000)


# ---- asking


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "4321"),
        ({"model": "digits"}, "421"),
        ({"model": "k?s"}, "3"),
        ({"board": "stm32*"}, "31"),
        ({"commit": "00000000000000000000000000000000000000"}, "431"),
        ({"commit": "abc"}, "2"),
        ({"verdict": "fail"}, "4"),
        ({"kernels": "dsp"}, "321"),
        ({"kernels": "ds"}, ""),
        ({"kernels": "plain"}, "4321"),
        ({"compiler": "gcc 14"}, "3"),
        ({"library": "CMSIS-NN"}, "2"),
        ({"source": "dwt"}, "2"),
        ({"since": "2026-01-01T03:00:00+00:00"}, "43"),
        ({"until": "2026-01-01T03:00:00+00:00"}, "21"),
        ({"model": "digits", "board": "mps2"}, "4"),
        ({"model": "[dk]*"}, ""),  # no set of letters: names may have brackets
    ],
)
def test_runs_are_found_by_what_they_are(wanted: dict[str, str], found: str, runs: Path) -> None:
    write_run(runs, 1)
    write_run(runs, 2, board="nucleo", commit="abcdef", time_source="dwt", error_percent=None,
        total_instructions=None, tools={"CMSIS-NN": "CMSIS_5 1234"})  # fmt: skip
    write_run(runs, 3, model="kws", tools={"compiler": "arm-none-eabi-gcc 14.1"})
    write_run(runs, 4, board="mps2", verdict="fail", reasons=["r"], kernels={"conv_s8": "plain"})
    assert ids(runs, **wanted) == list(found)


def test_newest_ones_are_shown_forward_in_time(runs: Path) -> None:
    for number in (3, 1, 2):
        write_run(runs, number)
    history, _ = open_history(runs)
    with history:
        assert [r["id"] for r in history.rows(newest=2)] == ["run-00003", "run-00002"]
        forward = [r["id"] for r in history.rows(newest=2, forward=True)]
        assert forward == ["run-00002", "run-00003"]
        assert history.places() == [("stm32f4", "digits")]


def test_times_are_given_as_dates_or_as_so_long_ago() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert since("7d", now) == "2026-02-22T12:00:00+00:00"
    assert since("90m", now) == "2026-03-01T10:30:00+00:00"
    assert since("2026-02-01") == "2026-02-01T00:00:00+00:00"
    assert since("2026-02-01T12:00+02:00") == "2026-02-01T10:00:00+00:00"
    for wrong in ("yesterday", "7", "999999w", "2026-13-01", ""):
        with pytest.raises(UsageError, match="is no time: 2026-11-01"):
            since(wrong, now)


def test_list_on_the_terminal(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(runs, 1, commit="abcdef0123456789+changes")
    write_run(runs, 2, time_source="virtual", error_percent=None, total_instructions=None,
        total_cycles=None, model=HOSTILE, id="run-\x1b[31m[bold]")  # fmt: skip
    for columns, shown in ((150, ("8.29 ms (model ±21.2 %)", "58.6 KiB")), (80, ())):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert run_app(["history", "--runs", str(runs), "-n", "5"]) == 0
        out = capsys.readouterr().out
        for text in (
            "abcdef01+",
            "700\u202f000",
            "75.00 %",
            "run-\\u001b[31m[bold]",
            "2 runs",
            *shown,
        ):
            assert text in out, text
        assert "\x1b[31m" not in out
        assert "8.29 ms (virtual)" not in out  # it is nobody's time
    assert run_app(["history", "--runs", str(runs), "--model", "x"]) == 0
    assert capsys.readouterr().out == "0 runs\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--verdict", "passed"],
            "--verdict 'passed' is unknown; there are: pass, fail, error; did",
        ),
        (["--source", "dtw"], "did you mean 'dwt'?"),
        (["--since", "never"], "'never' is no time"),
        (["--export", "a.xls"], "a.xls: ends in neither .csv nor .parquet"),
        (["--runs", "nowhere"], "nowhere: no runs yet; start one with: nnom-hil run"),
        (["rebuild", "--runs", "nowhere"], "nowhere: no runs yet"),
    ],
)
def test_wrong_wishes_are_told(
    words: list[str], said: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(runs)
    place = [] if "--runs" in words else ["--runs", str(runs)]
    assert run_app(["history", *words, *place]) == 2
    assert said in capsys.readouterr().err


# ---- files for others


def test_csv_has_all_of_it_as_text(runs: Path, tmp_path: Path) -> None:
    write_run(runs, 1, model=HOSTILE, board="-1")
    write_run(runs, 2)
    file = tmp_path / "a.csv"
    assert run_app(["history", "--runs", str(runs), "--export", str(file)]) == 0
    with file.open(newline="") as text:
        newest, oldest = csv.DictReader(text)
    assert list(newest) == [column.name for column in COLUMNS]
    assert (newest["instructions"], newest["accuracy"], newest["outputs_equal"]) == (
        "700000", "0.75", "True",
    )  # fmt: skip
    assert newest["mean_error"] == ""
    assert oldest["model"] == "'" + HOSTILE.replace("\x1b", "\\u001b")  # no formula, no escape
    assert oldest["board"] == "'-1"


def test_parquet_has_types(runs: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow not found")
    write_run(runs, 1, model=HOSTILE)
    file = tmp_path / "a.parquet"
    assert export(rows_of(runs), file) == 1
    (row,) = parquet.read_table(file).to_pylist()
    expected = dict(rows_of(runs)[0])
    del expected["folder"]
    assert row == expected
    assert export([], file) == 0
    assert parquet.read_table(file).num_rows == 0


def test_without_pyarrow_its_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ToolError, match=r"unlike .csv, needs pyarrow.*'nnom-hil\[parquet\]'"):
        export([], tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_export_that_breaks_off_leaves_the_old_file(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "out" / "a.csv"
    file.parent.mkdir()
    file.write_text("old")

    def rows() -> Any:
        yield from rows_of(runs)
        raise StoreError("broken")

    write_run(runs)
    with pytest.raises(StoreError):
        export(rows(), file)
    assert [(p.name, p.read_text()) for p in file.parent.iterdir()] == [("a.csv", "old")]


# ---- nothing fails by it


def spoil_by_other_bytes(file: Path) -> None:
    file.write_bytes(b"no database at all" * 100)


def spoil_by_another_database(file: Path) -> None:
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()


def spoil_by_a_newer_version(file: Path) -> None:
    History(file).close()
    with sqlite3.connect(file) as ours:
        ours.execute("ALTER TABLE runs ADD COLUMN colour TEXT")
    ours.close()


def spoil_in_the_middle(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    file.write_bytes(data)


@pytest.mark.parametrize(
    "spoil",
    [spoil_by_other_bytes, spoil_by_another_database, spoil_by_a_newer_version,
     spoil_in_the_middle],
)  # fmt: skip
def test_broken_history_is_a_warning_and_made_again(
    spoil: Callable[[Path], None], runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_run(runs, 1)
    assert ids(runs) == ["1"]
    file = history_file(runs)
    if spoil is not spoil_in_the_middle:
        file.unlink()
    spoil(file)
    folder = RunFolder(runs, "b-m")
    with caplog.at_level(logging.WARNING):
        folder.finish(RunRecord.model_validate(document(2)))
    assert (folder.path / "run.json").is_file()
    assert folder.trouble is None
    assert "nnom-hil history rebuild; the run and its record are not touched" in caplog.text
    with pytest.raises(
        UsageError, match="make it again from the records: nnom-hil history rebuild"
    ):
        rows_of(runs)
    assert rebuild(runs)[0] == 2
    assert len(rows_of(runs)) == 2


def test_history_that_cannot_be_written_is_a_warning(
    runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history_file(runs).mkdir()  # root may write to files and folders of any permissions
    write_run(runs, 1)
    folder = RunFolder(runs, "b-m")
    with caplog.at_level(logging.WARNING):
        folder.finish(RunRecord.model_validate(document(2)))
        assert "history.db: cannot keep the history: unable to open" in caplog.text
        assert len(rows_of(runs)) == 2  # made up in memory
    assert "made up from the records, for now" in caplog.text
    with pytest.raises(StoreError, match="cannot keep the history"):
        rebuild(runs)


FULL = """
import resource, sys, signal
from pathlib import Path
from nnom_hil.history import History
from nnom_hil.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file, runs = map(Path, sys.argv[1:])
with History(file) as history:
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, resource.RLIM_INFINITY))
    try:
        history.sync(runs)
    except StoreError as exc:
        sys.exit(f"told: {exc}")
"""


def test_full_disk_leaves_the_old_history_whole(runs: Path) -> None:
    write_run(runs, 1)
    assert ids(runs) == ["1"]
    for number in range(2, 60):
        write_run(runs, number)
    child = in_a_process(FULL, history_file(runs), runs)
    told = child.communicate()[1]
    assert "told: " in told
    assert "cannot keep the history: " in told
    with History(history_file(runs)) as history:
        assert [row["id"] for row in history.rows()] == ["run-00001"]
    assert len(ids(runs)) == 59


KILLED = """
import os, signal, sys
from pathlib import Path
from nnom_hil.history import History
file, runs = map(Path, sys.argv[1:])
history = History(file)
table = history._table
table.execute("PRAGMA cache_size = 1")  # pages go to the disk before the end
table.execute("BEGIN IMMEDIATE")
row = table.execute("SELECT * FROM runs").fetchone()
marks = ",".join("?" * len(row))
for i in range(2000):
    table.execute(f"INSERT INTO runs VALUES ({marks})", (f"x{i}", *row[1:]))
table.execute("UPDATE runs SET board = 'wrong'")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_while_it_is_written_leaves_the_old_history_whole(runs: Path) -> None:
    write_run(runs, 1)
    before = rows_of(runs)
    size = history_file(runs).stat().st_size
    child = in_a_process(KILLED, history_file(runs), runs)
    child.communicate()
    assert child.returncode == -9
    assert history_file(runs).stat().st_size > size  # there was something to take back
    assert rows_of(runs) == before


CROWD = """
import sys
from pathlib import Path
from nnom_hil.history import History, rebuild
from tests.support.runs import write_run
runs, file, first = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + 20):
    folder = write_run(runs, number)
    with History(file) as history:
        history.add(folder)
        if number % 10 == 0:
            history.sync(runs, anew=True)
"""


def test_crowd_of_processes_loses_no_run(tmp_path: Path) -> None:
    """All begin where there is no history yet; some make it anew meanwhile."""
    runs = tmp_path / "runs"
    runs.mkdir()
    children = [in_a_process(CROWD, runs, runs / "history.db", n * 20) for n in range(5)]
    told = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0] * 5, told
    with History(runs / "history.db") as history:
        assert history.count() == 100


# ---- many


@pytest.mark.skipif(not NIGHTLY, reason="NNOM_HIL_NIGHTLY is not set")
def test_ten_thousand_runs_are_asked_for_quickly(tmp_path: Path) -> None:
    """CPU seconds of a whole command, and memory that does not follow the runs."""
    for number in range(10_000):
        write_run(tmp_path, number % 700, id=f"run-{number:05d}")
    assert rebuild(tmp_path)[0] == 10_000
    code = "from nnom_hil.cli import main; raise SystemExit(main())"
    for words in (["--model", "digits", "--since", "2026-01-10"], ["--json"]):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        argv = [sys.executable, "-c", code, "history", "--runs", str(tmp_path), *words]
        subprocess.run(argv, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if "--json" not in words:
            assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.5
    assert after.ru_maxrss < 80 << 10
