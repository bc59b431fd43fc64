"""Renode: how it is found and led, against a stand-in; and for real, where it is installed."""

import contextlib
import functools
import os
import re
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnom_hil.boards import Board, find_board
from nnom_hil.build import Kernels, Library
from nnom_hil.codegen import renode
from nnom_hil.deadline import Deadline
from nnom_hil.errors import BoardError, LinkError, TargetError, ToolError
from nnom_hil.link.transport import Transport
from nnom_hil.records import RunRecord, Verdict
from nnom_hil.run import doctor
from nnom_hil.run.plan import Timing
from nnom_hil.run.prepare import find_model, prepare
from nnom_hil.run.runner import build_for
from nnom_hil.run.service import RunRequest, open_run
from nnom_hil.target import session
from nnom_hil.target.renode import RENODE_VARIABLE, RenodeTarget, examine_renode, find_renode
from nnom_hil.target.session import Session
from nnom_hil.times import TimeSource

FAKE = Path(__file__).parents[1] / "support" / "fake_renode.py"
IDLE_LINE = "(a timer for the idle line)"  # as the stand-in notes it
SHIPPED = ("nrf52840dk", "nucleo_l476rg", "stm32f072b_disco", "stm32f4", "stm32f746g_disco")
REAL_BOARDS = ("nrf52840dk", "nucleo_l552ze_q", "stm32f072b_disco", "stm32f103", "stm32f4",
    "stm32f746g_disco")  # fmt: skip


def program(folder: Path) -> Path:
    """Like a source tree's: a shell script that stays, with the emulator as its child."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "renode"
    path.write_text(f'#!/bin/sh\n"{sys.executable}" -S "{FAKE}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in is the Renode that is found; returns the log of what it was told.

    What answers on its console is the firmware of a board with another name, so the image ids are
    made to agree by building one board natively.
    """
    monkeypatch.setenv(RENODE_VARIABLE, str(program(tmp_path / "bin")))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)  # else it is what was asked first
    monkeypatch.setenv("HOME", str(tmp_path))
    log = tmp_path / "told.txt"
    monkeypatch.setenv("FAKE_RENODE_TOLD", str(log))
    return log


# ---- finding it


@pytest.fixture(params=["filter", "no filter"])
def tar(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both generations of tarfile: the filter came with Python 3.11.4."""
    if request.param == "no filter":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
        unfiltered = staticmethod(
            lambda member, _: member
        )  # else Python 3.12 warns of what it does
        monkeypatch.setattr(tarfile.TarFile, "extraction_filter", unfiltered, raising=False)
    elif not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python's tarfile has no filter")


@pytest.mark.usefixtures("tar")
@pytest.mark.parametrize("kind", ["parent", "link", "device"])
def test_package_unpacks_into_its_folder_only(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "renode.tar.gz"
    member = tarfile.TarInfo("../outside" if kind == "parent" else "inside")
    if kind == "link":
        member.type, member.linkname = tarfile.SYMTYPE, "../../outside"
    elif kind == "device":
        member.type = tarfile.CHRTYPE
    with tarfile.open(package, "w:gz") as archive:
        archive.addfile(member)
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(RENODE_VARIABLE, str(package))
    with pytest.raises(ToolError, match="cannot unpack this package"):
        find_renode()
    left = [p for p in (tmp_path / "cache").rglob("*") if not p.is_dir()]
    assert left == []


@pytest.mark.usefixtures("tar")
def test_program_folder_and_package_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(tmp_path / "renode_1.99")
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    package = tmp_path / "renode.linux-portable.tar.gz"
    with tarfile.open(package, "w:gz") as archive:
        archive.add(path.parent, path.parent.name)
    for named, found in ((path, path), (path.parent, path), (tmp_path, path)):
        monkeypatch.setenv(RENODE_VARIABLE, str(named))
        assert find_renode() == found
    monkeypatch.setenv(RENODE_VARIABLE, str(package))
    unpacked = find_renode()
    assert tmp_path / "cache" in unpacked.parents
    assert find_renode() == unpacked
    monkeypatch.delenv(RENODE_VARIABLE)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    assert find_renode() == path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "not a program"),
        ("empty", "no program 'renode' in this folder"),
        ("package", "cannot unpack this package"),
    ],
)
def test_what_is_not_renode_is_named(
    kind: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / {"missing": "nowhere", "empty": "folder", "package": "r.tar.gz"}[kind]
    if kind == "empty":
        named.mkdir()
    if kind == "package":
        named.write_bytes(b"no archive")
    monkeypatch.setenv(RENODE_VARIABLE, str(named))
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ToolError, match=rf"{message}[\s\S]*--renode"):
        find_renode()


def test_uart_without_a_model_is_refused(fake: Path, tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    text = (Path("boards") / "mps2_an386.toml").read_text().replace('"mps2_an386"', '"odd"')
    path.write_text(text + "\n[backend.renode]\nmips = 25\n")
    with (
        pytest.raises(BoardError, match="no Renode model is known for driver = 'cmsdk_uart'"),
        led(find_board(str(path)), tmp_path),
    ):
        pass
    assert not fake.exists()


# ---- leading it


@functools.cache
def native_firmware() -> Path:
    return build_for(find_board("native"), prepare(find_model(None), None).graph).elf


@contextlib.contextmanager
def led(board: Board, folder: Path) -> Iterator[tuple[RenodeTarget, Transport]]:
    """A Renode that was started and is stopped."""
    (folder / "firmware.elf").write_bytes(b"an image")
    target = RenodeTarget(board)
    try:
        yield target, target.start(folder / "firmware.elf", Deadline.after(60))
    finally:
        target.stop()


def greeting(transport: Transport) -> bytes:
    text, until = b"", Deadline.after(60)
    while b"Start compiling" not in text and not until.expired:
        text += transport.read(until)
    return text


@pytest.mark.parametrize(
    ("name", "version"), [*((name, "1.15.3.23307") for name in SHIPPED), ("stm32f4", "1.17.0.1")]
)
def test_machine_is_made_from_the_board_file(
    name: str, version: str, fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RENODE_VERSION", version)
    board = find_board(name)
    waits = [s for s in board.startup.steps if s.wait is not None and s.bits is not None]
    monkeypatch.setenv("FAKE_RENODE_FIRMWARE", str(native_firmware()))
    monkeypatch.setenv(
        "FAKE_RENODE_WAITS",
        ",".join(f"{s.wait}:{s.bits}:{s.bits if s.value is None else s.value}" for s in waits),
    )
    with led(board, tmp_path) as (target, transport):
        assert b"Start compiling" in greeting(transport)
        transport.write(b"noise")
        assert target.executed_instructions() == 1234
        assert target.remarks == ""
        transport.write(b"more noise")  # of what the first may have made a list
        assert listening_ports(pids(target)) == []
    told = fake.read_text().splitlines()
    assert IDLE_LINE not in told
    assert next(x for x in told if not x.startswith("#")).startswith("logFile @")
    assert told.index("start") > told.index("connector Connect sysbus.console nnom_hil_console")
    assert target.facts.description == f"Renode {version}"
    assert not list(tmp_path.glob("nnom-hil-*"))
    assert not (tmp_path / ".config").exists()  # the user's settings are none of ours


def pids(target: RenodeTarget) -> list[int]:
    """The processes of a target's group."""
    assert target.pid is not None
    group = os.getpgid(target.pid)
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(path.name)) == group:
                found.append(int(path.name))
    return found


def listening_ports(processes: list[int]) -> list[str]:
    """The TCP sockets that processes listen at."""
    tables = [Path("/proc/net/tcp").read_text(), Path("/proc/net/tcp6").read_text()]
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]": row[1] for row in rows if row[3] == "0A"}
    found = []
    for pid in processes:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(sockets.get(os.readlink(link), ""))
    return [port for port in found if port]


@pytest.mark.parametrize("refused", ["logFile", "include", "connector", "start"])
def test_command_that_renode_refuses_is_named(
    refused: str, fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RENODE_REFUSES", refused)
    with (
        pytest.raises(TargetError, match=f"Renode refused: {refused}"),
        led(find_board("stm32f4"), tmp_path),
    ):
        pass
    assert fake.exists()


@pytest.mark.usefixtures("fake")
def test_crash_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_RENODE_CRASHES", "1")
    with pytest.raises(TargetError) as error, led(find_board("stm32f4"), tmp_path):
        pass
    assert str(error.value) == (
        "renode ended with 1: it crashed: Could not add reference to assembly IronPython.StdLib"
    )


@pytest.mark.usefixtures("fake")
def test_doctor_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor._renode()
    assert found.ok
    assert found.found.startswith("1.15.3.23307 (tried), script, Mono 4.0.30319, ")
    assert "instructions, not cycles" in found.found
    monkeypatch.setenv("FAKE_RENODE_VERSION", "1.99.0")
    assert "1.99.0 (not tried; tried: 1.15.3, 1.16.1)" in doctor._renode().found
    monkeypatch.setenv("FAKE_RENODE_CRASHES", "1")
    found = doctor._renode()
    assert not found.ok
    assert "it crashed: Could not add reference to assembly IronPython.StdLib" in found.remedy


@pytest.mark.usefixtures("fake")
def test_renode_that_is_not_ready_in_time_is_told(tmp_path: Path) -> None:
    target = RenodeTarget(find_board("stm32f4"))
    (tmp_path / "x.elf").write_bytes(b"an image")
    try:
        with pytest.raises(TargetError, match="monitor does not answer: its start"):
            target.start(tmp_path / "x.elf", Deadline.after(0))
    finally:
        target.stop()


@pytest.mark.usefixtures("fake")
def test_log_is_told_when_the_firmware_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RENODE_WAITS", "0x40000000:1:1")  # no step of the board's start-up
    monkeypatch.setattr(session, "_HELLO_TIMEOUT_S", 1.0)
    board = find_board("stm32f4")
    (tmp_path / "x.elf").write_bytes(b"an image")
    one = Session(
        RenodeTarget(board), tmp_path / "x.elf", "", on_text=lambda _: None, nonce=lambda: 1
    )
    with pytest.raises(LinkError, match="no bytes at all from the target") as error, one:
        pass
    told = str(error.value).splitlines()[1:]
    assert told[0] == "Renode's log says, last:"
    line = r"warning: sysbus: .* ReadDoubleWord from non existing 0x40000000\. \(and \d+ like it\)"
    assert re.fullmatch(line, told[1])
    assert len(told) == 2


LOST = """
import os, sys
from pathlib import Path
from nnom_hil.boards import find_board
from nnom_hil.deadline import Deadline
from nnom_hil.target.renode import RenodeTarget
target = RenodeTarget(find_board("stm32f4"))
target.start(Path(sys.argv[1]), Deadline.after(60))
if sys.argv[2] == "held":
    target.hold()
print(target.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["running", "held"])
@pytest.mark.usefixtures("fake")
def test_killed_harness_leaves_nothing(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RENODE_FIRMWARE", "/bin/false")
    (tmp_path / "x.elf").write_bytes(b"an image")
    with subprocess.Popen(
        [sys.executable, "-c", LOST, str(tmp_path / "x.elf"), how],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as harness:  # fmt: skip
        assert harness.stdout is not None
        group = int(harness.stdout.readline())
        assert list(tmp_path.glob("nnom-hil-*/renode-*"))
        harness.kill()
    until = Deadline.after(60)
    while not until.expired and (list(tmp_path.glob("nnom-hil-*")) or members(group)):
        time.sleep(0.05)
    assert not list(tmp_path.glob("nnom-hil-*"))
    assert members(group) == []


def members(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = path.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state not in "ZX":
                found.append(int(path.parent.name))
    return found


@pytest.mark.usefixtures("fake")
def test_held_renode_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_RENODE_FIRMWARE", str(native_firmware()))
    with led(find_board("stm32f4"), tmp_path) as (target, transport):
        assert b"Start compiling" in greeting(transport)
        target.hold()
        until = Deadline.after(20)
        stopped = [pid for pid in pids(target) if pid != target.pid]
        while not until.expired and any(state(pid) not in "TZ" for pid in stopped):
            time.sleep(0.01)
        assert {state(pid) for pid in stopped} == {"T"}  # the emulator, not only a script
        target.let_go()
        assert target.executed_instructions() == 1234


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("version", "board", "is_wrong"),
    [("1.15.3.23307", "stm32f4", True), ("1.16.1", "stm32f4", False),
     ("1.15.3", "stm32f103", False), ("main", "stm32f4", False)],
)  # fmt: skip
def test_wrong_flags_of_dsp_cores_are_known(
    version: str, board: str, is_wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RENODE_VERSION", version)
    told = RenodeTarget(find_board(board)).facts.known_fault
    assert ("take 1.16 or newer, or --kernels plain" in told) == is_wrong


# ---- for real


def real_renode() -> bool:
    try:
        find_renode()
    except ToolError:
        return False
    return True


REAL = pytest.mark.skipif(not real_renode(), reason="Renode is not installed (nnom-hil doctor)")


@REAL
@pytest.mark.parametrize("board", REAL_BOARDS)
def test_real_renode_gives_equal_bytes_and_times(
    board: str, tiny: tuple[Path, Path], tmp_path: Path
) -> None:
    wrong = examine_renode(find_renode()).has_wrong_flags
    library = Library(kernels=Kernels.PLAIN if wrong else Kernels.AUTO)
    records = [
        open_run(
            RunRequest(
                board=find_board(board), runs=tmp_path, model=tiny[0], data=tiny[1],
                backend="renode", library=library,
                timing=Timing(warm_up=1, repeats=2),
            )
        ).execute()
        for _ in range(2)
    ]  # fmt: skip
    assert [record.verdict for record in records] == [Verdict.PASS] * 2
    assert records[0].layers == records[1].layers
    assert records[0].time_source in {TimeSource.INSTRUCTIONS, TimeSource.MODEL}


@REAL
def test_real_renode_counts_the_same_by_the_cycle_counter_and_by_systick(
    tiny: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cores have a DWT, so that the way that boards take is taken here."""

    def timed() -> tuple[str, RunRecord]:
        run = open_run(
            RunRequest(
                board=find_board("stm32f4"), runs=tmp_path, model=tiny[0], data=tiny[1],
                backend="renode", timing_only=True,
            )
        )  # fmt: skip
        run.prepare()
        run.build()
        name = run.start().clock.name
        run.time_layers()
        return name, run.finish()

    with_counter, counted = timed()
    monkeypatch.setattr(renode, "_cycle_counter", lambda *_: [])
    without, ticked = timed()
    assert (with_counter, without) == ("dwt", "systick")
    assert counted.layers == ticked.layers
    assert counted.total_instructions


@REAL
def test_real_renode_listens_nowhere_and_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    board = find_board("stm32f4")
    target = RenodeTarget(board)
    try:
        transport = target.start(
            build_for(board, prepare(find_model(None), None).graph).elf, Deadline.after(120)
        )
        assert b"Start compiling" in greeting(transport)
        assert listening_ports(pids(target)) == []
        before = target.executed_instructions()
        target.hold()
        target.let_go()
        assert target.executed_instructions() >= before > 0
    finally:
        target.stop()
    assert not list(tmp_path.glob("nnom-hil-*"))
