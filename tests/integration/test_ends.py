"""Ends that nobody planned: signals in every phase, full disks, odd folders, crowds."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nnom_hil import temporary
from nnom_hil.boards import find_board
from nnom_hil.cli.app import run_app
from nnom_hil.errors import StoreError
from nnom_hil.record_files import load_record
from nnom_hil.records import RunRecord, Verdict
from nnom_hil.run.plan import Observer, Timing
from nnom_hil.run.request import RunRequest
from nnom_hil.run.service import resume_run, run_and_report
from tests.support.caches import copy_cache

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
pytestmark = pytest.mark.xdist_group("ends")  # what is made ready is made once
MAIN = "from nnom_hil.cli import main; raise SystemExit(main())"
TINY_RUN = ["--limit", "5", "--warm-up", "0", "--repeats", "1"]


@pytest.fixture(scope="module")
def command(tiny: tuple[Path, Path]) -> list[str]:
    return ["run", "--model", str(tiny[0]), "--data", str(tiny[1]), *TINY_RUN]


@pytest.fixture(scope="module")
def ready(cache: Path, command: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """All that the command needs is in the cache."""
    out = str(tmp_path_factory.mktemp("ready"))
    assert run_app([*command, "--board", "native", "--out", out]) == 0


# ---- signals

# Each phase is stopped from inside, so that no test depends on how long a phase takes.
PHASES = {
    "prepare": "def stop(*a, **k): kill()\nimport nnom_hil.run.prepare as m; m._convert = stop",
    "build": """
import nnom_hil.tool as tool
from nnom_hil.deadline import Deadline
def stop(*a, **k):
    threading.Timer(0.5, kill).start()
    # as CMake does: a process with children that write where it was told to
    script = "(while :; do echo x > $1/$RANDOM; sleep 0.01; done) & wait"
    tool.run_tool(["bash", "-c", script, "x", str(a[1])], deadline=Deadline.after(60))
import nnom_hil.build.image as m; assert m.run_cmake; m.run_cmake = stop
""",
    "start": "import nnom_hil.target.session as m; m.Session._check_firmware = lambda *a: kill()",
    "time": "import nnom_hil.run.runner as m; m.Run.time_layers = lambda *a: kill()",
    "stream": "from nnom_hil.cli.progress import Progress; Progress.vector = lambda *a: kill()",
    "finish": "import nnom_hil.run.runner as m; m.cross_check = lambda *a: kill()",
    "report": "import nnom_hil.run.service as m; m.render_shown = lambda *a: kill()",
}
KILL = """
import os, sys, threading
def kill():
    for _ in range({times}):
        os.kill(os.getpid(), {number})
"""
SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM]
ENDS = [(phase, number) for phase in PHASES for number in SIGNALS]


def processes_with(mark: str) -> list[str]:
    """Return what runs with a mark in its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended
    return found


@pytest.mark.parametrize(
    ("phase", "number"), ENDS if NIGHTLY else [ENDS[4 * i % len(ENDS)] for i in range(7)]
)
def test_signal_leaves_a_record_and_nothing_else(
    phase: str, number: signal.Signals, command: list[str], ready: None, cache: Path, tmp_path: Path
) -> None:
    own = tmp_path / "cache"
    if phase == "build":
        copy_cache(cache, own, "prepared")
    elif phase != "prepare":
        copy_cache(cache, own)
    temporary, mark = tmp_path / "t", f"MARK_{uuid.uuid4().hex}"
    temporary.mkdir()
    board = "native" if phase in ("prepare", "build") else "stm32f4" if NIGHTLY else "native"
    # twice: the second one comes while the first is obeyed
    code = KILL.format(number=int(number), times=2) + PHASES[phase] + "\n" + MAIN
    process = subprocess.Popen(
        ["env", "--default-signal=INT,HUP,TERM", sys.executable, "-c", code, *command,
         "--board", board, "--out", str(tmp_path / "runs")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(temporary), "NNOM_HIL_CACHE": str(own), "MARK": mark},
    )  # fmt: skip
    _, said = process.communicate()
    assert process.returncode == 128 + number, said
    assert "nnom-hil: interrupted" in said
    assert "Traceback" not in said
    (folder,) = (tmp_path / "runs").iterdir()
    record = load_record(folder)
    if phase == "report":
        assert record.verdict is Verdict.PASS
    else:
        assert record.error is not None
        assert record.error.kind == "Interrupted"
        assert "interrupted" in record.error.message
    assert not (folder / ".lock").exists()
    assert list(temporary.iterdir()) == []
    assert [path for path in own.glob("work/*") if path.is_dir()] == []
    until = time.monotonic() + 30
    while (left := processes_with(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []


def test_run_that_was_interrupted_early_is_gone_on_with(
    tiny: tuple[Path, Path], ready: None, tmp_path: Path
) -> None:
    class Impatient(Observer):
        def step(self, what: str) -> None:
            raise KeyboardInterrupt

    request = RunRequest(
        board=find_board("native"), runs=tmp_path, model=tiny[0], data=tiny[1], limit=5
    )
    with pytest.raises(KeyboardInterrupt):
        run_and_report(request, Impatient())
    (folder,) = tmp_path.iterdir()
    assert load_record(folder).verdict is Verdict.ERROR
    assert resume_run(folder).execute().verdict is Verdict.PASS


TERMINAL = """
import os, pty, select, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
while 0 not in (ready := select.select([0, terminal], [], [])[0]):
    os.read(terminal, 65536)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_terminal_that_is_closed_ends_the_run_with_a_record(
    command: list[str], ready: None, tmp_path: Path
) -> None:
    """What is printed then has nowhere to go."""
    wait = "import time; from nnom_hil.cli.progress import Progress as P\n"
    wait += "P.vector = lambda *a: time.sleep(1000)\n"
    argv = ["-c", wait + MAIN, *command, "--board", "native", "--out", str(tmp_path)]
    owner = subprocess.Popen([sys.executable, "-c", TERMINAL, *argv], stdin=subprocess.PIPE)
    until = time.monotonic() + 200
    while not any(b'"vector"' in path.read_bytes() for path in tmp_path.glob("*/journal.jsonl")):
        assert owner.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    owner.communicate()
    assert owner.returncode == 128 + signal.SIGHUP
    (folder,) = tmp_path.iterdir()
    error = load_record(folder).error
    assert error is not None
    assert error.message == "interrupted because the terminal hung up"


def test_hang_up_that_is_ignored_stays_ignored(
    command: list[str], ready: None, tmp_path: Path
) -> None:
    code = KILL.format(number=int(signal.SIGHUP), times=1) + PHASES["finish"] + "\n" + MAIN
    done = subprocess.run(
        ["nohup", sys.executable, "-c", code, *command, "--board", "native", "--out", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# ---- full disks


class FullDisk:
    """What the harness writes through; from an operation on, or at it alone, the disk is full."""

    WRITES = ("write", "fsync", "mkdir", "replace", "rename")

    def __init__(self, at: int, *, once: bool, only: str | None = None) -> None:
        self.at = at
        self.once = once
        self.only = only
        self.seen: list[str] = []
        self.refused: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name == "open":
            return lambda *args, **kw: self._open(real, *args, **kw)
        if name not in self.WRITES:
            return real
        return lambda *args, **kw: self._do(name, real, *args, **kw)

    def _open(self, real: Any, path: Any, flags: int, *args: Any, **kw: Any) -> Any:
        if flags & os.O_CREAT:
            return self._do("open", real, path, flags, *args, **kw)
        return real(path, flags, *args, **kw)

    def _do(self, name: str, real: Any, *args: Any, **kw: Any) -> Any:
        if name != (self.only or name):
            return real(*args, **kw)
        self.seen.append(name)
        number = len(self.seen) - 1
        if number == self.at or (number > self.at and not self.once):
            if name == "write" and number % 2:  # a part goes in first, as at a disk's last block
                real(args[0], args[1][: len(args[1]) // 2])
            self.refused.append(name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **kw)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FullDisk]:
    def fill(at: int, **how: Any) -> FullDisk:
        disk = FullDisk(at, **how)
        for module in ("files", "locks", "cache.places", "cache.content", "cache.obtaining"):
            monkeypatch.setattr(sys.modules[f"nnom_hil.{module}"], "os", disk)
        return disk

    return fill


def run_of(tiny: tuple[Path, Path], runs: Path) -> RunRequest:
    return RunRequest(
        board=find_board("native"), runs=runs, model=tiny[0], data=tiny[1], limit=5,
        timing=Timing(warm_up=0, repeats=1),
    )  # fmt: skip


def test_full_disk_at_any_write_costs_no_verdict(
    tiny: tuple[Path, Path], ready: None, tmp_path: Path, full: Callable[..., FullDisk]
) -> None:
    """Everything is in the cache; what is written is the run's folder."""
    disk = full(1 << 30, once=True)
    request = run_of(tiny, tmp_path / "whole" / "runs")
    assert run_and_report(request, Observer()).unwritten is None
    writes = len(disk.seen)
    assert writes > 15
    step, refusals = 1 if NIGHTLY else 4, 0
    for at in range(0, writes, step):
        for once in (True, False) if NIGHTLY else (at // step % 2 == 0,):
            disk = full(at, once=once)
            runs = tmp_path / f"{at}{once}" / "runs"
            outcome = run_and_report(run_of(tiny, runs), Observer())
            assert outcome.record.verdict is Verdict.PASS, (at, once, disk.seen)
            assert outcome.record.outputs_equal
            assert outcome.error is None
            # how often the console is written to depends on how it comes
            assert (outcome.unwritten is not None) == bool(disk.refused), (at, once, disk.refused)
            refusals += len(disk.refused)
            if disk.refused:
                assert "No space left on device; free space or" in str(outcome.unwritten)
            full(1 << 30, once=True)
            for folder in runs.glob("*"):  # what is there is whole or can be told
                if (folder / "run.json").exists():
                    assert load_record(folder) == outcome.record
                elif (folder / "request.json").exists():
                    assert resume_run(folder).execute().verdict is Verdict.PASS
    assert refusals > 5


def test_full_cache_costs_no_verdict(
    tiny: tuple[Path, Path], ready: None, cache: Path, tmp_path: Path,
    full: Callable[..., FullDisk], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The reference's outputs cannot be kept, and none of them is lost."""
    own = tmp_path / "cache"
    copy_cache(cache, own, "prepared", "images")
    monkeypatch.setenv("NNOM_HIL_CACHE", str(own))
    full(0, once=True, only="rename")  # which nothing but the cache does
    outcome = run_and_report(run_of(tiny, tmp_path / "r"), Observer())
    assert outcome.record.verdict is Verdict.PASS
    assert "cannot keep reference/" in str(outcome.unwritten)
    full(1 << 30, once=True)
    assert not list((own / "reference").glob(".new-*"))


def small_disk(folder: Path, size: str) -> bool:
    """Mount a disk of so many bytes; False where that is not allowed."""
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    if not small_disk(folder, "16k"):
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_verdict_is_printed_from_a_full_disk(command: list[str], ready: None, small: Path) -> None:
    """A real one. Its first 16 KiB are taken by the run's folder, the rest does not fit."""
    for extra in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *command, "--board", "native", "--out", small, *extra],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        if extra:
            assert RunRecord.model_validate_json(done.stdout).verdict is Verdict.PASS
        else:
            assert "verdict: PASS" in done.stdout
        assert "No space left on device; free space or" in done.stderr
        assert "Traceback" not in done.stderr


def test_output_that_cannot_be_written_is_told(command: list[str], ready: None) -> None:
    with Path("/dev/full").open("w") as out:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "cache", "show"],
            stdout=out, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == "nnom-hil: standard output: No space left on device\n"


@pytest.mark.parametrize(("argv", "code"), [(["--version"], 0), (["boards", "nope"], 2)])
def test_message_that_cannot_be_written_changes_no_exit_code(argv: list[str], code: int) -> None:
    with Path("/dev/full").open("w") as out:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *argv], stdout=subprocess.DEVNULL, stderr=out, check=False
        )
    assert done.returncode == code


def test_full_folder_for_temporary_files_is_no_damaged_model(
    tiny: tuple[Path, Path], small: Path, tmp_path: Path
) -> None:
    """A model is copied before Keras gets it, to where there is space."""
    (small / "rest").write_bytes(bytes(12 << 10))
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "convert", tiny[0], "--data", tiny[1],
         "--output", tmp_path / "weights.h"],
        env=os.environ | {"TMPDIR": str(small)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_run_without_standard_files_is_a_run(
    closed: tuple[int, ...], command: list[str], ready: None, tmp_path: Path
) -> None:
    """As some services start programs; what is opened next must not become standard output."""
    ends = "".join(f" {handle}>&-" for handle in closed)
    done = subprocess.run(
        ["bash", "-c", f'"$@"{ends}', "bash", sys.executable, "-c", MAIN, *command,
         "--board", "native", "--out", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert ("verdict: PASS" in done.stdout) == (1 not in closed)
    (folder,) = tmp_path.iterdir()
    assert load_record(folder).verdict is Verdict.PASS


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_verdict_is_printed_in_any_encoding_and_width(
    encoding: str, command: list[str], ready: None, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *command, "--board", "native", "--out", tmp_path],
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "1"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"\nverdict: PASS\n" in done.stdout
    assert b"Traceback" not in done.stderr


# ---- odd folders


@pytest.mark.parametrize(
    "name",
    ["a, b;c", "x" * 100, "deep/" * 25, "$HOME `id` 'q' \"p\" (é) #%41&?=\\", "relative"],
    ids=["comma", "long", "deep", "odd", "relative"],
)
def test_temporary_folders_of_any_name_do(
    name: str, command: list[str], ready: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU's options end at commas."""
    folder = tmp_path / name
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", name if name == "relative" else str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run_app([*command, "--board", "stm32f4", "--out", "runs"]) == 0
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["/nowhere", "/proc", "/dev/null"])
def test_temporary_folder_that_cannot_be_written_is_done_without(
    name: str, command: list[str], ready: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", name)
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run_app([*command, "--board", "native", "--out", str(tmp_path)]) == 0


def test_no_place_for_temporary_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(temporary, "tempfile", SimpleNamespace(mkdtemp=refuse, gettempdir=refuse))
    with (
        pytest.raises(StoreError, match=r"no folder for temporary files .*: TMPDIR"),
        temporary.private_folder(),
    ):
        pass


def test_cache_of_any_name_can_be_built_in(
    command: list[str], cache: Path, ready: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compilers, CMake and Ninja see a plain folder; QEMU takes the firmware from the odd one."""
    odd = tmp_path / "a, b;c $HOME #'\"(x)&é=%41\\"
    copy_cache(cache, odd, "prepared", "libraries")
    monkeypatch.setenv("NNOM_HIL_CACHE", str(odd))
    assert run_app([*command, "--board", "stm32f4", "--out", str(tmp_path / "r")]) == 0
    assert list(odd.glob("images/*/firmware.elf"))


# ---- crowds


def test_many_runs_at_once(command: list[str], cache: Path, ready: None, tmp_path: Path) -> None:
    """They share one cache, whose image none of them has: it is built once."""
    own = tmp_path / "cache"
    copy_cache(cache, own, "prepared", "libraries")
    many = [
        subprocess.Popen(
            [sys.executable, "-c", MAIN, *command, "--board", "native", "--json",
             "--out", str(tmp_path / "runs")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "NNOM_HIL_CACHE": str(own)},
        )
        for _ in range(20 if NIGHTLY else 4)
    ]  # fmt: skip
    ended = [(process, *process.communicate()) for process in many]
    assert [process.returncode for process, _, _ in ended] == [0] * len(many), ended
    records = [json.loads(out) for _, out, _ in ended]
    assert {record["verdict"] for record in records} == {"pass"}
    assert len({record["id"] for record in records}) == len(many)
    assert len(list((tmp_path / "runs").iterdir())) == len(many)
    assert len([path for path in own.glob("images/*") if path.is_dir()]) == 1
    assert [path for path in own.glob("work/*") if path.is_dir()] == []
    notices = {line for _, _, err in ended for line in err.splitlines() if "nnom-hil:" in line}
    assert all("waiting for it" in line for line in notices)
