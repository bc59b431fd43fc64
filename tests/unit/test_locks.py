"""Locks: who has them, who may not touch them, and folders that are refused."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nnom_hil.errors import TargetError
from nnom_hil.locks import FileLock
from nnom_hil.paths import locks_dir
from nnom_hil.probe import BoardLock

NOBODY = 65534
AS_NOBODY = f"""
import os, sys
sys.path[:0] = {sys.path!r}
os.setgid({NOBODY}); os.setuid({NOBODY})
"""


def as_nobody(code: str) -> str:
    """Run code as another user; what it prints."""
    # with the folder of the code readable to all, as an installed package's is; what comes later
    # may lie where the other user cannot read
    first = "import pathlib\nfrom nnom_hil.errors import TargetError\n"
    first += "from nnom_hil.probe import BoardLock\n"
    done = subprocess.run(
        [sys.executable, "-c", first + AS_NOBODY + code],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder of ours that all can reach."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    return tmp_path / "locks"


def test_lock_is_had_once_or_shared(tmp_path: Path) -> None:
    one, two = FileLock(tmp_path / "l"), FileLock(tmp_path / "l")
    assert one.acquire()
    assert not two.acquire()
    assert not two.acquire(shared=True)
    one.release(remove=True)
    assert not (tmp_path / "l").exists()
    assert two.acquire(shared=True)
    assert one.acquire(shared=True)
    assert not FileLock(tmp_path / "l").acquire()
    one.release()
    two.release()


def test_lock_whose_file_was_removed_is_taken_anew(tmp_path: Path) -> None:
    """One waits; the holder removes the file as it leaves: the waiter must not keep a ghost."""
    path = tmp_path / "l"
    holder = FileLock(path)
    assert holder.acquire()
    code = (
        "import sys; from pathlib import Path; from nnom_hil.locks import FileLock;"
        "lock = FileLock(Path(sys.argv[1])); print('begun', flush=True); lock.acquire(wait=True);"
        "print(Path(sys.argv[1]).exists(), FileLock(Path(sys.argv[1])).acquire())"
    )
    waiter = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
    assert waiter.stdout is not None
    assert waiter.stdout.readline() == "begun\n"
    holder.release(remove=True)
    assert waiter.communicate()[0].split() == ["True", "False"]


@pytest.mark.parametrize("what", ["link", "dangling", "folder", "pipe", "hard link"])
def test_what_is_no_file_of_its_own_is_no_lock(what: str, tmp_path: Path) -> None:
    path, other = tmp_path / "l", tmp_path / "other"
    if what != "dangling":
        other.write_text("precious")
    if what in ("link", "dangling"):
        path.symlink_to(other)
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        os.link(other, path)
    with pytest.raises(OSError, match=r"\w"):
        FileLock(path).acquire()
    (tmp_path / "nnom-hil-l.lock").symlink_to(path)
    tmp_path.chmod(0o1777)
    with pytest.raises(TargetError, match="cannot lock the board"):
        BoardLock("l", tmp_path).acquire()
    assert what == "dangling" or other.read_text() == "precious"


def test_locks_are_where_nobody_can_replace_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's folder, whatever TMPDIR says, which may be another for each user."""
    monkeypatch.delenv("NNOM_HIL_LOCKS", raising=False)
    monkeypatch.setenv("TMPDIR", "/nowhere")
    facts = locks_dir().stat()
    assert facts.st_uid == 0
    assert facts.st_mode & stat.S_ISVTX
    BoardLock("of a test")


def test_folder_that_others_can_change_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(TargetError, match=r"others can replace .*install -d -m 1777"):
        BoardLock("x", folder)
    folder.chmod(0o1777)
    BoardLock("x", folder)
    (tmp_path / "made").mkdir()
    BoardLock("x", tmp_path / "made" / "here")
    assert stat.S_IMODE((tmp_path / "made" / "here").stat().st_mode) == 0o1777


@needs_root
def test_folder_or_link_of_another_user_is_refused(tmp_path: Path) -> None:
    folder, link = tmp_path / "locks", tmp_path / "link"
    folder.mkdir(mode=0o1777)
    link.symlink_to(folder)
    BoardLock("x", link)
    os.lchown(link, NOBODY, NOBODY)
    with pytest.raises(TargetError, match=f"root's or your own, this is of user {NOBODY}"):
        BoardLock("x", link)
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(TargetError, match=f"root's or your own, this is of user {NOBODY}"):
        BoardLock("x", folder)


@needs_root
def test_two_users_keep_off_one_board(shared: Path) -> None:
    """Either way round: who made the lock's file first does not matter."""
    take = f"""
from pathlib import Path
from nnom_hil.errors import TargetError
from nnom_hil.probe import BoardLock
lock = BoardLock("X", Path({str(shared)!r}))
try:
    lock.acquire()
    print("held")
except TargetError as exc:
    print(exc)
"""
    ours = BoardLock("X", shared)
    ours.acquire()
    assert f"in use by {os.environ.get('USER', '')}" in as_nobody(take)
    assert f"process {os.getpid()}" in as_nobody(take)
    ours.release()
    assert as_nobody(take) == "held"
    (shared / "nnom-hil-X.lock").unlink()
    assert as_nobody(take) == "held"
    ours.acquire()
    remove = f"""
import os
try:
    os.unlink({str(shared / "nnom-hil-Y.lock")!r})
except PermissionError:
    print("kept")
"""
    other = BoardLock("Y", shared)
    other.acquire()
    assert as_nobody(remove) == "kept"
    other.release()
    ours.release()


def test_what_a_lock_says_of_its_holder_is_harmless(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    holder = BoardLock("x", tmp_path)
    holder.acquire()
    (tmp_path / "nnom-hil-x.lock").write_text(
        '{"pid": 1, "user": "a\\u001b[31m", "command": "\\u202e\\u009b", "since": "now"}'
    )
    with pytest.raises(TargetError, match=r"in use by a\?\[31m, process 1 \(\?\?\), since now"):
        BoardLock("x", tmp_path).acquire()
    for text in ("[" * 3000, "{}", "\xff" * 10, "x" * 10_000, ""):
        (tmp_path / "nnom-hil-x.lock").write_text(text)
        with pytest.raises(TargetError, match="in use by another process"):
            BoardLock("x", tmp_path).acquire()
    holder.release()
