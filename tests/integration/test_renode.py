"""Renode: how it is found and led, against a stand-in; and for real, where it is installed."""

import os
import stat
import sys
import tarfile
from pathlib import Path

import pytest

from nnom_hil.boards import find_board
from nnom_hil.deadline import Deadline
from nnom_hil.errors import BoardError, TargetError, ToolError
from nnom_hil.records import Verdict
from nnom_hil.run.plan import Timing
from nnom_hil.run.prepare import find_model, prepare
from nnom_hil.run.runner import build_for
from nnom_hil.run.service import RunRequest, open_run
from nnom_hil.target.renode import RENODE_VARIABLE, RenodeTarget, find_renode

FAKE = Path(__file__).parents[1] / "support" / "fake_renode.py"
REAL_BOARDS = ("stm32f072b_disco", "stm32f103", "stm32f4", "stm32f746g_disco")


def program(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "renode"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in is the Renode that is found; returns the log of what it was told.

    What answers on its console is the firmware of a board with another name, so the image ids are
    made to agree by building one board natively.
    """
    monkeypatch.setenv(RENODE_VARIABLE, str(program(tmp_path / "bin")))
    log = tmp_path / "told.txt"
    monkeypatch.setenv("FAKE_RENODE_LOG", str(log))
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
    target = RenodeTarget(find_board(str(path)))
    try:
        with pytest.raises(BoardError, match="no Renode model is known for driver = 'cmsdk_uart'"):
            target.start(tmp_path / "x.elf", deadline())
    finally:
        target.stop()
    assert fake.exists()


def deadline() -> Deadline:
    return Deadline.after(20)


# ---- leading it


def test_machine_is_made_from_the_board_file(
    fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = build_for(find_board("native"), prepare(find_model(None), None).graph)
    monkeypatch.setenv("FAKE_RENODE_FIRMWARE", str(native.elf))
    target = RenodeTarget(find_board("stm32f4"))
    assert target.description == "Renode v1.99.0 (fake)"
    try:
        transport = target.start(tmp_path / "firmware.elf", deadline())
        text = b""
        until = deadline()
        while b"Start compiling" not in text and not until.expired:
            text += transport.read(until)
        assert b"Start compiling" in text
        assert target.executed_instructions() == 1234
        told = fake.read_text().splitlines()
        pid = target.pid
    finally:
        target.stop()
    assert told[0].startswith("TMPDIR=")
    assert told[0] != f"TMPDIR={os.environ.get('TMPDIR', '/tmp')}"
    assert told[1:3] == ['$name="nnom_hil"', '$terminal="nnom-hil"']
    assert told[3].startswith("$platform=@")
    assert told[3].endswith("stm32f4.repl")
    assert f"$elf=@{tmp_path / 'firmware.elf'}" in told
    assert "$mips=168" in told
    assert told[7].startswith("include @")
    assert told[7].endswith("renode/session.resc")
    assert told[8:10] == ["connector Connect sysbus.console nnom-hil", "start"]
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("refused", ["include", "connector", "start"])
def test_command_that_renode_refuses_is_named(
    refused: str, fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_RENODE_REFUSES", refused)
    monkeypatch.setenv("FAKE_RENODE_FIRMWARE", "/bin/false")
    target = RenodeTarget(find_board("stm32f4"))
    try:
        with pytest.raises((TargetError), match=f"Renode refused: {refused}|cannot open the port"):
            target.start(tmp_path / "firmware.elf", deadline())
    finally:
        target.stop()
    assert fake.exists()


# ---- for real


def real_renode() -> bool:
    try:
        find_renode()
    except ToolError:
        return False
    return True


@pytest.mark.skipif(not real_renode(), reason="Renode is not installed (nnom-hil doctor)")
@pytest.mark.parametrize("board", REAL_BOARDS)
def test_real_renode_gives_equal_bytes_and_times(
    board: str, tiny: tuple[Path, Path], tmp_path: Path
) -> None:
    records = [
        open_run(
            RunRequest(
                board=find_board(board), runs=tmp_path, model=tiny[0], data=tiny[1],
                backend="renode",
                timing=Timing(warm_up=1, repeats=2),
            )
        ).execute()
        for _ in range(2)
    ]  # fmt: skip
    assert [record.verdict for record in records] == [Verdict.PASS] * 2
    assert records[0].layers == records[1].layers
