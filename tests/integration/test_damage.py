"""What is kept on disk is damaged in every way: right results come out, or a refusal by name."""

import contextlib
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nnom_hil.boards import find_board
from nnom_hil.cache.places import entries
from nnom_hil.cli.app import run_app
from nnom_hil.errors import UsageError
from nnom_hil.files import seal
from nnom_hil.paths import cache_dir
from nnom_hil.record_files import load_record
from nnom_hil.records import RunRecord, Verdict
from nnom_hil.run.plan import Timing
from nnom_hil.run.request import RunRequest
from nnom_hil.run.service import open_run, resume_run
from nnom_hil.run.shown import write_report
from tests.support.caches import KINDS, copy_cache

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
pytestmark = pytest.mark.xdist_group("damage")  # what is damaged is made once
VECTORS = 12
ANSWERED = 7

Damage = Callable[[bytes, random.Random], bytes]


# ---- damage to bytes


def flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def empty(_: bytes, __: random.Random) -> bytes:
    return b""


def change_digit(data: bytes, rng: random.Random) -> bytes:
    places = [m.start() for m in re.finditer(rb"\d", data)]
    at = rng.choice(places)
    return data[:at] + bytes([48 + (data[at] - 48 + rng.randrange(1, 10)) % 10]) + data[at + 1 :]


def change_number(data: bytes, rng: random.Random) -> bytes:
    numbers = list(re.finditer(rb"(?<=: )-?\d[\d.]*", data))
    found = rng.choice(numbers)
    other = rng.choice([b"-1", b"361", b"1e999", b"99999999999999999999", b"NaN", b'"x"', b"null"])
    return data[: found.start()] + other + data[found.end() :]


def lose_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def double_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"".join(lines)


def swap_lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    one, two = rng.sample(range(len(lines)), 2)
    lines[one], lines[two] = lines[two], lines[one]
    return b"".join(lines)


def shuffle(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def zero_block(data: bytes, rng: random.Random) -> bytes:
    """What a file system leaves of a block that was never written."""
    start = rng.randrange(len(data))
    return data[:start] + bytes(min(64, len(data) - start)) + data[start + 64 :]


def put_in(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    other = rng.choice(
        [rng.randbytes(9), b"\n", b"\n\n\n", b"{}\n", b"[" * 5000, b'\n{"line": 2}\n']
    )
    return data[:at] + other + data[at:]


def change_key(data: bytes, rng: random.Random) -> bytes:
    keys = list(re.finditer(rb'"(\w+)":', data))
    found = rng.choice(keys)
    return data[: found.start(1)] + b"other" + data[found.end(1) :]


def drop_line_end(data: bytes, _: random.Random) -> bytes:
    return data.rstrip(b"\n")


DAMAGES: list[Damage] = [flip, cut, change_digit, change_number, lose_line, double_line, swap_lines,
    shuffle, zero_block, put_in, change_key, drop_line_end, empty]  # fmt: skip


# ---- run folders


@dataclass(frozen=True)
class Stopped:
    """Folders of one run: cut off by a kill after some answers, stopped with a record, done."""

    killed: Path
    stopped: Path
    done: Path


@pytest.fixture(scope="module")
def stopped(tiny: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    root = tmp_path_factory.mktemp("stopped")
    request = RunRequest(
        board=find_board("native"), runs=root, model=tiny[0], data=tiny[1], limit=VECTORS,
        timing=Timing(warm_up=0, repeats=1), min_accuracy=0.0,
    )  # fmt: skip
    run = open_run(request)
    vector = run._observer.vector

    def stop(done: int, total: int) -> None:
        vector(done, total)
        if done == ANSWERED:
            shutil.copytree(run.folder.path, root / "k" / run.folder.id)
            raise KeyboardInterrupt

    run._observer.vector = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run.execute()
    done = open_run(request)
    assert done.execute().verdict is Verdict.PASS
    killed = root / "k" / run.folder.id
    (killed / ".lock").unlink(missing_ok=True)
    return Stopped(killed=killed, stopped=run.folder.path, done=done.folder.path)


def copied(folder: Path, to: Path) -> Path:
    path = to / folder.name
    shutil.copytree(folder, path)
    return path


def resumed(folder: Path) -> RunRecord:
    """Go on with a run; the record that is then on disk."""
    run = resume_run(folder)
    try:
        run.execute()
    except BaseException:
        run.finish(UsageError("stopped"))
        raise
    return load_record(folder)


def assert_right(record: RunRecord, folder: Path) -> None:
    assert record.verdict is Verdict.PASS, record.reasons
    assert (record.vectors, record.vectors_planned) == (VECTORS, VECTORS)
    assert record.outputs_equal
    lines = [json.loads(x) for x in (folder / "journal.jsonl").read_text().splitlines()]
    assert sorted(x["vector"] for x in lines[1:]) == list(range(VECTORS))  # each once


@contextlib.contextmanager
def right_or_refused(message: str) -> Iterator[None]:
    """Take a refusal that begins so for as good as a right result."""
    refused = None
    try:
        yield
    except UsageError as exc:
        refused = str(exc)
    assert refused is None or re.match(message, refused), refused


CASES = 200
CHOSEN = range(CASES) if NIGHTLY else range(0, CASES, 7)


def damage_of(case: int) -> tuple[str, Damage, random.Random]:
    name = ("journal.jsonl", "request.json", "run.json")[case % 3]
    return name, DAMAGES[case // 3 % len(DAMAGES)], random.Random(case)


@pytest.mark.parametrize("case", CHOSEN)
def test_damaged_run_is_right_or_refused_by_name(
    case: int, stopped: Stopped, tmp_path: Path
) -> None:
    name, damage, rng = damage_of(case)
    folder = copied(stopped.stopped if name == "run.json" else stopped.killed, tmp_path)
    file = folder / name
    written = file.read_bytes()
    file.write_bytes(damage(written, rng))
    refusal = rf"{file}:\d+: " if name == "journal.jsonl" else f"{file}: "
    with contextlib.nullcontext() if name == "run.json" else right_or_refused(refusal):
        assert_right(resumed(folder), folder)  # a record is made again
        assert name != "request.json" or json.loads(file.read_bytes()) == json.loads(written)


def test_damaged_record_is_reported_as_it_was_or_refused(stopped: Stopped, tmp_path: Path) -> None:
    written = (stopped.done / "run.json").read_bytes()
    file, right = tmp_path / "run.json", load_record(stopped.done)
    refused = 0
    for case in range(CASES):
        _, damage, rng = damage_of(case * 3)
        file.write_bytes(damage(written, rng))
        with right_or_refused(f"{file}: "):
            refused += 1
            assert load_record(tmp_path) == right, case
            refused -= 1
    assert refused > CASES / 2


def edit_fourth_line(folder: Path, changes: dict[str, object]) -> None:
    """Change a journal as somebody would who knows of no checks."""
    journal = folder / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    lines[3] = json.dumps(json.loads(lines[3]) | changes) + "\n"
    journal.write_text("".join(lines))


@pytest.mark.parametrize(
    "changes",
    [{"vector": -1}, {"vector": 360}, {"vector": 0}, {"vector": True}, {"output": "00"},
     {"output": "zz"}, {"status": 1}, {"status": 10**30}, {"ticks": -5}, {"line": 9}],
    ids=str,
)  # fmt: skip
def test_changed_answer_is_asked_for_again(
    changes: dict[str, object], stopped: Stopped, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copied(stopped.killed, tmp_path)
    edit_fourth_line(folder, changes)
    record = resumed(folder)
    assert_right(record, folder)
    assert record.resumed == ANSWERED - 1
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert f"{folder / 'journal.jsonl'}:4: not as it was written; what is missing" in warnings[0]


def test_line_of_another_run_is_not_taken(stopped: Stopped, tmp_path: Path) -> None:
    folder = copied(stopped.killed, tmp_path)
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[3] = (stopped.done / "journal.jsonl").read_bytes().splitlines(keepends=True)[3]
    journal.write_bytes(b"".join(lines))
    # the same model, vectors and firmware give the same first line: it is as good as ours
    assert_right(resumed(folder), folder)


def test_damaged_record_of_a_run_that_is_done_is_made_again(
    stopped: Stopped, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copied(stopped.done, tmp_path)
    with pytest.raises(UsageError, match="this run is done"):
        resume_run(folder)
    file = folder / "run.json"
    file.write_bytes(file.read_bytes().replace(b'"pass"', b'"fail"'))
    with pytest.raises(UsageError, match=r"made again from its journal by: nnom-hil run --resume"):
        load_record(folder)
    record = resumed(folder)
    assert_right(record, folder)
    assert record.resumed == VECTORS
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1


@pytest.mark.parametrize("damage", [change_digit, shuffle, empty], ids=lambda d: d.__name__)
def test_console_of_an_earlier_attempt_is_no_evidence(
    damage: Damage, stopped: Stopped, tmp_path: Path
) -> None:
    folder = copied(stopped.killed, tmp_path)
    log = folder / "console.log"
    for seed in range(5):
        log.write_bytes(damage(log.read_bytes() or b"0", random.Random(seed)))
    assert_right(resumed(folder), folder)


def test_torn_last_line_is_gone_on_from_without_a_word(
    stopped: Stopped, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copied(stopped.killed, tmp_path)
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    record = resumed(folder)
    assert_right(record, folder)
    assert record.resumed == ANSWERED - 1
    assert [r for r in caplog.records if r.levelname == "WARNING"] == []


def test_journal_of_an_earlier_version_is_refused(stopped: Stopped, tmp_path: Path) -> None:
    folder = copied(stopped.killed, tmp_path)
    journal = folder / "journal.jsonl"
    journal.write_text(
        '{"image": "00", "model": "00"}\n{"output": "00", "status": 0, "ticks": 1, "vector": 0}\n'
    )
    with pytest.raises(UsageError, match=rf"{journal}:1: written by an earlier nnom-hil, whose"):
        resume_run(folder)
    # the same answer the second time: nothing was changed, and the folder is free
    with pytest.raises(UsageError, match="start the run again"):
        resume_run(folder)


def test_request_with_numbers_that_cannot_be_is_refused(stopped: Stopped, tmp_path: Path) -> None:
    folder = copied(stopped.killed, tmp_path)
    file = folder / "request.json"
    written = json.loads(file.read_text())
    written.pop("check")
    for changes, message in (
        ({"limit": 0}, "limit 0: needs a number from 1"),
        ({"jobs": 65}, "jobs 65"),
        ({"min_accuracy": 1.5}, "min_accuracy 1.5: needs a number from 0 to 1"),
        ({"max_error": -1}, "max_error"),
        ({"baud": 300}, "baud 300"),
        ({"timing": {"warm_up": 0, "repeats": 0}}, "repeats"),
        ({"jobs": "many"}, "jobs"),
        ({"faults": {"byte_error": 2}}, "byte_error 2"),
    ):
        file.write_text(json.dumps(seal({**written, **changes})))
        with pytest.raises(UsageError, match=message) as caught:
            resume_run(folder)
        assert str(file) in str(caught.value)


def test_other_data_is_not_put_together_with_old_answers(
    stopped: Stopped, tmp_path: Path, tiny: tuple[Path, Path]
) -> None:
    """The same model and formats, but other vectors: old answers would be judged as wrong."""
    import numpy as np

    folder = copied(stopped.killed, tmp_path)
    with np.load(tiny[1]) as npz:
        x, y = npz["x"], npz["y"]
    data = tmp_path / "d.npz"
    np.savez(data, x=x[::-1], y=y[::-1], x_calib=x)
    file = folder / "request.json"
    document = json.loads(file.read_text())
    document.pop("check")
    file.write_text(json.dumps(seal({**document, "data": str(data)})))
    with pytest.raises(UsageError, match=r"the data is not what it was when this run began"):
        resumed(folder)


def test_pipes_and_folders_in_place_of_files_hang_nothing(stopped: Stopped, tmp_path: Path) -> None:
    for name in ("run.json", "request.json", "console.log", "journal.jsonl"):
        for kind in ("pipe", "folder"):
            folder = copied(stopped.done, tmp_path / kind / name)
            (folder / name).unlink()
            os.mkfifo(folder / name) if kind == "pipe" else (folder / name).mkdir()
            with contextlib.suppress(UsageError):
                write_report(folder)
            if name != "run.json":
                (folder / "run.json").unlink()
            code, out, err = said_by(["run", "--resume", str(folder)])
            assert "Traceback" not in err
            # what is no record is made anew: over a pipe, not over a folder
            assert code in (2, 3) or (name == "run.json" and "verdict: PASS" in out), err


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_stands_in_the_place_of_a_runs_lock_goes(
    kind: str, stopped: Stopped, tmp_path: Path
) -> None:
    folder = copied(stopped.done, tmp_path / "run")
    (folder / "run.json").unlink()
    lock = folder / ".lock"
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(tmp_path / "elsewhere")
    code, out, err = said_by(["run", "--resume", str(folder)])
    assert code == 0, err
    assert "verdict: PASS" in out
    assert not os.path.lexists(lock)
    assert not (tmp_path / "elsewhere").exists()


def test_file_that_cannot_be_gone_on_with_is_named(stopped: Stopped, tmp_path: Path) -> None:
    folder = copied(stopped.done, tmp_path / "run")
    (folder / "run.json").unlink()
    (folder / "console.log").unlink()
    (folder / "console.log").mkdir()
    code, _, err = said_by(["run", "--resume", str(folder)])
    assert code == 3
    assert f"{folder / 'console.log'}: " in err
    assert "; move it away, or free space or use --out DIR" in err


# ---- the cache, as a run uses it


@dataclass(frozen=True)
class Site:
    """A cache with all kinds of entries, to be copied; the command that uses it."""

    cache: Path
    command: list[str]


@pytest.fixture(scope="module")
def site(
    cache: Path, tiny: tuple[Path, Path], stopped: Stopped, tmp_path_factory: pytest.TempPathFactory
) -> Site:
    folder = tmp_path_factory.mktemp("site")
    # the library, which takes long to build, is there since the runs were stopped
    copy_cache(cache, folder / "cache", "libraries")
    command = [
        "run", "--board", "native", "--model", str(tiny[0]), "--data", str(tiny[1]),
        "--limit", "5", "--warm-up", "0", "--repeats", "1", "--out", str(folder / "runs"),
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNOM_HIL_CACHE", str(folder / "cache"))
        for path in entries("libraries"):
            os.utime(path / "entry.json", (1, 1))
        assert run_app(command) == 0
        for path in entries("libraries"):
            if (path / "entry.json").stat().st_mtime == 1:  # of another board
                shutil.rmtree(path)
    return Site(cache=folder / "cache", command=command)


def said_by(command: list[str]) -> tuple[int, str, str]:
    """Return exit code, output and errors of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_app(command)
    return code, out.getvalue(), err.getvalue()


FILES = {
    "prepared": ("entry.json", "graph.npz", "judged.json", "quality.json", "vectors.npz"),
    "reference": ("entry.json", "outputs"),
    "libraries": ("entry.json", "libnnom.a"),
    "images": ("entry.json", "firmware.elf", "firmware.map", "image.json",
        "generated/board_config.h", "generated/config.h", "generated/link.ld",
        "generated/weights.h"),
}  # fmt: skip
WAYS = ("truncate", "flip", "empty", "foreign", "unreadable")
ALL = [(kind, name, way) for kind in KINDS for name in FILES[kind] for way in WAYS]
SLOW = {"libraries": ["entry.json"], "images": ["firmware.map", "image.json", "generated/link.ld"]}
SAMPLE = [
    (kind, name, WAYS[number % len(WAYS)])
    for number, (kind, name) in enumerate((kind, name) for kind in KINDS for name in FILES[kind])
    if name not in SLOW.get(kind, [])
]  # fmt: skip
CHOSEN_DAMAGE = ALL if NIGHTLY else SAMPLE


def damage_file(file: Path, way: str) -> None:
    data, rng = file.read_bytes(), random.Random(file.name)
    if way == "truncate":
        file.write_bytes(cut(data, rng))
    elif way == "flip":
        file.write_bytes(flip(data, rng))
    elif way == "empty":
        file.write_bytes(b"")
    elif way == "foreign":
        other = re.sub(rb"nnom-hil/(\w+)/\d+", rb"nnom-hil/\1/99", data)
        file.write_bytes(other if other != data else b'{"schema": "nnom-hil/other/1"}')
    elif os.getuid() == 0:  # who may read everything
        file.unlink()
        file.mkdir()
    else:
        file.chmod(0)


def test_all_files_of_entries_are_damaged(site: Site) -> None:
    """The table above has every file that there is, and with it come more than 60 cases."""
    for kind in KINDS:
        (entry,) = [path for path in (site.cache / kind).iterdir() if path.is_dir()]
        names = {path.relative_to(entry).as_posix() for path in entry.rglob("*") if path.is_file()}
        assert names == set(FILES[kind])
    assert len(ALL) >= 60


@pytest.mark.parametrize(("kind", "name", "way"), CHOSEN_DAMAGE)
def test_damaged_cache_is_made_again(
    kind: str, name: str, way: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(site.cache, tmp_path / "cache")
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    (entry,) = [path for path in (cache_dir() / kind).iterdir() if path.is_dir()]
    damage_file(entry / name, way)
    code, out, err = said_by(site.command)
    assert code == 0, err
    assert "verdict: PASS" in out
    notices = [line for line in err.splitlines() if line.startswith("nnom-hil:")]
    assert len(notices) == 1, err
    assert f"cache: {kind}/{entry.name[:8]} is damaged (" in notices[0]
    assert said_by(["cache", "verify"]) == (0, "4 sound, 0 damaged\n", "")
