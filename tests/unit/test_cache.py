"""The cache: what is damaged heals, what is in use stays, what is old goes."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnom_hil.cache import Entry, Kept, UnfitError, clear, obtain, usage, verify, work_folder
from nnom_hil.cache.content import read_entry
from nnom_hil.cache.places import MANIFEST
from nnom_hil.cli.app import run_app
from nnom_hil.errors import StoreError, UsageError
from nnom_hil.files import TornError, seal, unseal

FILES = {"data": bytes(range(256)) * 8, "deep/er/text": b"some text\n", "none": b""}
ENTRY = Entry(kind="images", key="0123456789abcdef" * 4, programs=("data",))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    held: dict[Path, int] = {}
    monkeypatch.setattr("nnom_hil.cache.places._in_use", held)
    yield tmp_path / "cache"
    for handle in held.values():
        os.close(handle)


class Maker:
    """Counts how often an entry was made."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> dict[str, bytes]:
        self.count += 1
        return FILES


def files_of(kept: Kept) -> dict[str, bytes]:
    return dict(kept.files)


def test_entry_is_made_once_and_its_programs_can_be_executed() -> None:
    make = Maker()
    assert obtain(ENTRY, make, files_of) == FILES
    assert obtain(ENTRY, make, files_of) == FILES
    assert make.count == 1
    assert os.access(ENTRY.path / "data", os.X_OK)
    assert not (ENTRY.path / "none").stat().st_mode & 0o111
    assert list(ENTRY.path.parent.iterdir()) == [ENTRY.path]


def empty(path: Path) -> None:
    path.write_bytes(b"")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"")


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes() or b"\0")
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)


def foreign(path: Path) -> None:
    path.write_text(json.dumps(seal({"schema": "nnom-hil/cache/99", "files": {}})))


def deep(path: Path) -> None:
    path.write_text("[" * 100_000)


def forbid(path: Path) -> None:
    path.chmod(0)


def be_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "in it").write_text("")


def be_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def be_nothing(path: Path) -> None:
    path.unlink()


def be_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere")


DAMAGES = [empty, shorten, lengthen, flip, foreign, deep, forbid, be_folder, be_pipe, be_nothing,
    be_link]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_damage_at_any_file_heals_with_one_line(
    name: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    make = Maker()
    obtain(ENTRY, make, files_of)
    harmless = name == "none" and damage in (empty, shorten)
    damage(ENTRY.path / name)
    assert obtain(ENTRY, make, files_of) == FILES
    assert make.count == (1 if harmless else 2)
    lines = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(lines) == make.count - 1
    assert all("cache: images/01234567 is damaged (" in line for line in lines)
    assert obtain(ENTRY, make, files_of) == FILES
    assert make.count == (1 if harmless else 2)
    assert verify() == (1, [])


@pytest.mark.parametrize("what", ["file", "dangling link", "empty folder", "folder of a kind"])
def test_what_stands_in_an_entrys_place_is_replaced(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = ENTRY.path.parent if what == "folder of a kind" else ENTRY.path
    place.parent.mkdir(parents=True)
    if what == "dangling link":
        place.symlink_to("/nowhere")
    elif what == "empty folder":
        place.mkdir()
    else:
        place.write_text("")
    make = Maker()
    assert obtain(ENTRY, make, files_of) == FILES
    assert obtain(ENTRY, make, files_of) == FILES
    assert make.count == 1
    assert len(caplog.records) == 1


def test_whole_entry_of_something_else_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    """Folders that changed places: each is sound, and neither is what is asked for."""
    other = Entry(kind="images", key="fedcba" * 11)
    obtain(ENTRY, Maker(), files_of)
    obtain(other, lambda: {"data": b"other"}, files_of)
    shutil.rmtree(ENTRY.path)
    other.path.rename(ENTRY.path)
    assert obtain(ENTRY, Maker(), files_of) == FILES
    assert "damaged (it is another entry, in the wrong place); it is made again" in caplog.text


@given(at=st.integers(0, 1 << 20), bit=st.integers(0, 7), name=st.sampled_from(["data", MANIFEST]))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_flipped_bit_is_read(at: int, bit: int, name: str) -> None:
    file = ENTRY.path / name
    if not file.exists():
        obtain(ENTRY, Maker(), files_of)
    written = file.read_bytes()
    data = bytearray(written)
    data[at % len(data)] ^= 1 << bit
    file.write_bytes(data)
    with pytest.raises(TornError, match=f"{name} is not what was written|of another version"):
        read_entry(ENTRY.path)
    file.write_bytes(written)


def test_whole_entry_that_nothing_can_be_made_of_is_made_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make = Maker()
    obtain(ENTRY, make, files_of)

    def load(kept: Kept) -> int:
        if not kept.made:
            raise UnfitError("of another version")
        return 7

    assert obtain(ENTRY, make, load) == 7
    assert make.count == 2
    assert "is damaged (of another version); it is made again" in caplog.text


def test_what_making_raises_leaves_nothing(cache: Path) -> None:
    def fail() -> dict[str, bytes]:
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        obtain(ENTRY, fail, files_of)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_what_was_not_used_for_longest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNOM_HIL_CACHE_MB", "3")
    many = [Entry(kind="prepared", key=f"{i:064x}"[::-1]) for i in range(5)]
    for number, entry in enumerate(many):
        obtain(entry, lambda: {"x": bytes(900_000)}, files_of)
        os.utime(entry.path / MANIFEST, (number, number))
        if number == 2:
            obtain(many[0], Maker(), files_of)  # used again
    assert [entry.path.exists() for entry in many] == [True, False, False, True, True]
    monkeypatch.setenv("NNOM_HIL_CACHE_MB", "0")
    obtain(many[1], Maker(), files_of)
    # the one that was just made
    assert {row.kind: row.entries for row in usage() if row.entries} == {"prepared": 1}
    assert many[1].path.exists()


def test_limit_that_is_none_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("-1", "2G", "1e3", "\u0663", "9" * 13):
        monkeypatch.setenv("NNOM_HIL_CACHE_MB", text)
        with pytest.raises(UsageError, match=r"not a number of megabytes, such as 2000"):
            obtain(ENTRY, Maker(), files_of)
        assert run_app(["cache", "show"]) == 2
    capsys.readouterr()


HOLDER = """
import sys
from nnom_hil.cache import Entry, obtain
entry = Entry(kind="images", key=sys.argv[1])
obtain(entry, lambda: {"x": bytes(10)}, lambda kept: None)
print("held", flush=True)
sys.stdin.read()
"""


def test_entry_that_another_process_uses_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, "f" * 64], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    path = Entry(kind="images", key="f" * 64).path
    monkeypatch.setenv("NNOM_HIL_CACHE_MB", "0")
    obtain(Entry(kind="prepared", key="a" * 64), Maker(), files_of)  # trims
    assert path.exists()
    assert clear().in_use == 1
    assert path.exists()
    holder.communicate()
    assert clear().removed == 1
    assert not path.exists()


MAKER = """
import sys, time
from pathlib import Path
from nnom_hil.cache import Entry, obtain
def make():
    with open(sys.argv[1], "a") as log:
        log.write("made\\n")
    time.sleep(0.3)
    return {"x": bytes(100_000)}
entry = Entry(kind="libraries", key="b" * 64)
assert obtain(entry, make, lambda kept: dict(kept.files)) == {"x": bytes(100_000)}
"""


def test_processes_that_want_one_entry_make_it_once(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", MAKER, str(tmp_path / "log")]
    several = [subprocess.Popen(argv, stderr=subprocess.PIPE) for _ in range(5)]
    assert [process.wait() for process in several] == [0] * 5
    for process in several:
        process.communicate()
    assert (tmp_path / "log").read_text() == "made\n"


KILLED = """
import os, signal, sys
from nnom_hil import files
from nnom_hil.cache import Entry, content, obtain, work_folder
left = int(sys.argv[1])
def count(do):
    def counted(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*args, **kwargs)
    return counted
for name in ("write", "fsync", "mkdir", "rename", "open", "close"):
    setattr(os, name, count(getattr(os, name)))
def make():
    with work_folder() as work:
        (work / "half").write_text("built")
        return {"x": b"1" * 1000, "deep/y": b"2"}
obtain(Entry(kind="images", key="c" * 64), make, lambda kept: None)
"""


@pytest.mark.parametrize("step", range(0, 60, 6))
def test_process_killed_at_any_step_leaves_nothing_that_stays(step: int, cache: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(step)], check=False)
    entry = Entry(kind="images", key="c" * 64)
    kept = obtain(entry, lambda: {"x": b"1" * 1000, "deep/y": b"2"}, files_of)
    assert kept == {"x": b"1" * 1000, "deep/y": b"2"}
    with work_folder():
        pass
    verify()
    left = [path for path in cache.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(entry.path) for path in left), (done.returncode, left)
    assert list(cache.glob("work/*")) == []
    assert list(entry.path.parent.iterdir()) == [entry.path]


def test_full_disk_keeps_nothing_but_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("nnom_hil.cache.obtaining.write_entry", full)
    kept = obtain(ENTRY, Maker(), lambda kept: kept)
    assert kept.folder is not None  # apart, for this process
    assert (kept.folder / "deep/er/text").read_bytes() == FILES["deep/er/text"]
    assert isinstance(kept.unkept, StoreError)
    assert "cannot keep images/01234567: No space left on device" in str(kept.unkept)
    memory = obtain(Entry(kind="prepared", key="d" * 64), Maker(), lambda kept: kept)
    assert memory.files == FILES
    assert memory.unkept is not None
    assert caplog.records == []  # the caller has it


def test_cache_that_cannot_be_written_is_gone_without(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("")  # the user's own file: it stays
    make = Maker()
    kept = obtain(ENTRY, make, lambda kept: kept)
    assert kept.folder is not None
    assert kept.files == FILES
    assert kept.unkept is None
    assert len(caplog.records) == 1
    assert "Not a directory; going on without (NNOM_HIL_CACHE names another" in caplog.text
    assert cache.read_text() == ""


def test_commands(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    assert run_app(["cache", "show"]) == 0
    assert str(cache) in capsys.readouterr().out
    obtain(Entry(kind="prepared", key="e" * 64), Maker(), files_of)
    other = Entry(kind="reference", key="f" * 64)
    obtain(other, Maker(), files_of)
    assert run_app(["cache", "verify"]) == 0
    assert "2 sound, 0 damaged" in capsys.readouterr().out
    flip(other.path / "data")
    assert run_app(["cache", "verify"]) == 1
    said = capsys.readouterr().out
    assert "reference/ffffffff: data is not what was written: removed" in said
    assert "1 sound, 1 damaged" in said
    assert not other.path.exists()
    assert run_app(["cache", "clear"]) == 0
    assert "1 entries removed" in capsys.readouterr().out
    assert run_app(["cache", "clear"]) == 0
    assert "0 entries removed" in capsys.readouterr().out
    assert run_app(["cache", "empty"]) == 2
    assert "no command 'empty'" in capsys.readouterr().err


def test_what_cannot_be_removed_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    obtain(Entry(kind="prepared", key="e" * 64), Maker(), files_of)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "rename", refuse)
    assert run_app(["cache", "clear"]) == 3
    assert "cannot be removed: Permission denied" in capsys.readouterr().out


def test_limit_of_one_entry_is_kept_while_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room at all an image is there as long as the process that runs it."""
    monkeypatch.setenv("NNOM_HIL_CACHE_MB", "0")
    kept = obtain(ENTRY, Maker(), lambda kept: kept)
    assert kept.folder == ENTRY.path
    assert (ENTRY.path / "data").exists()


@pytest.mark.parametrize(
    "name", [".new-", ".new-.-x", ".new-..-x", ".new-x", ".new--", ".old-", "y" * 250, "x.lock"]
)
@pytest.mark.parametrize("kind", ["images", "work"])
def test_what_is_of_nobody_by_its_name_ends_nothing(name: str, kind: str, cache: Path) -> None:
    (cache / kind / name).mkdir(parents=True)
    assert obtain(ENTRY, Maker(), files_of) == FILES
    assert run_app(["cache", "verify"]) in {0, 1}
    assert run_app(["cache", "clear"]) == 0
    if kind == "images" or name.startswith("."):
        assert not (cache / kind / name).exists()


@pytest.mark.parametrize("files", [None, [], 3, ["data"]])
def test_list_of_files_that_is_none_is_damage(
    files: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Sealed as we do it, by another program."""
    obtain(ENTRY, Maker(), files_of)
    manifest = ENTRY.path / "entry.json"
    document = unseal(json.loads(manifest.read_text())) | {"files": files}
    manifest.write_bytes(json.dumps(seal(document), sort_keys=True, indent=1).encode() + b"\n")
    assert obtain(ENTRY, Maker(), files_of) == FILES
    assert len(caplog.records) == 1
    assert "is damaged (entry.json lists no files); it is made again" in caplog.text


def test_entry_without_the_file_that_is_wanted_is_made_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    obtain(ENTRY, lambda: {"other": b""}, files_of)
    assert obtain(ENTRY, Maker(), lambda kept: kept.file("data")) == FILES["data"]
    assert "is damaged (it has no data); it is made again" in caplog.text
