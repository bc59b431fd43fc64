"""Files: whole or not at all, by plain names, on strange file systems."""

import errno
import hashlib
import os
import resource
import stat
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nnom_hil import files
from nnom_hil.errors import StoreError
from nnom_hil.files import (
    Appender,
    TornError,
    digest,
    make_folder,
    read_regular,
    remove_tree,
    seal,
    unseal,
    write_whole,
)
from nnom_hil.run.prepare import _digest_of
from nnom_hil.temporary import is_plain, private_folder, scratch_file


def test_sealed_document_tells_of_every_change() -> None:
    document = {"a": 1, "b": [1.5, None, {"c": "é"}], "d": 1e-300}
    assert unseal(seal(document)) == document
    changes: list[dict[str, Any]] = [
        {"a": 2},
        {"a": True},
        {"b": []},
        {"e": 0},
        {"check": "0" * 32},
        {"d": 0.0},
    ]
    for changed in changes:
        with pytest.raises(TornError, match="changed after it was written"):
            unseal({**seal(document), **changed})
    with pytest.raises(TornError, match="it has no check"):
        unseal(document)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSPC, errno.EIO])
def test_file_systems_that_cannot_sync_are_written_to(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    proxy: Any = SimpleNamespace(**{**vars(os), "fsync": refuse})
    monkeypatch.setattr(files, "os", proxy)
    if number in (errno.EINVAL, errno.ENOTSUP):
        write_whole(tmp_path / "deep" / "file", "text")
        assert (tmp_path / "deep" / "file").read_text() == "text"
        return
    with pytest.raises(StoreError, match="cannot write 4 bytes: "):
        write_whole(tmp_path / "deep" / "file", "text")
    assert list((tmp_path / "deep").iterdir()) == []


def test_folder_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "file" / "a" / "b")
    with pytest.raises(StoreError, match=r"file/x: cannot write 1 bytes: Not a directory; free"):
        write_whole(tmp_path / "file" / "x", b"1")


def test_names_as_long_as_they_may_be_are_written(tmp_path: Path) -> None:
    write_whole(tmp_path / ("x" * 255), "text")
    write_whole(tmp_path / ("é" * 127), "text")
    assert len(list(tmp_path.iterdir())) == 2


def test_reading_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(10))
    assert read_regular(tmp_path / "f", 10) == bytes(10)
    for path, limit in ((tmp_path / "f", 9), (tmp_path, 9), (Path("/dev/zero"), 9)):
        with pytest.raises(OSError, match=r"larger than the 9|not a plain file"):
            read_regular(path, limit)


def test_folders_that_may_not_be_entered_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("")
    (tmp_path / "kept").write_text("")
    (tmp_path / "a" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "a" / "b").chmod(0)
    remove_tree(tmp_path / "a")
    remove_tree(tmp_path / "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_appended_bytes_are_there_at_once(tmp_path: Path) -> None:
    file = Appender(tmp_path / "f")
    file.write(b"1")
    assert (tmp_path / "f").read_bytes() == b"1"
    file.close()
    file.close()


def test_private_folders_are_private_and_plain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a,b"))
    (tmp_path / "a,b").mkdir()
    with private_folder() as folder:
        assert folder.parent == tmp_path / "a,b"
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    with private_folder(plain=True) as folder:
        assert is_plain(folder)
    with pytest.raises(StoreError), private_folder(room=1 << 60):
        pass
    with scratch_file() as scratch:
        scratch.write(b"1")


def test_devices_are_written_to_and_stay(tmp_path: Path) -> None:
    """For root, a file renamed to /dev/null would take its place."""
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.open("rb").close()
    except OSError:
        pytest.skip("no devices can be made here")
    write_whole(device, b"text")
    assert stat.S_ISCHR(device.stat().st_mode)
    assert list(tmp_path.iterdir()) == [device]


def test_open_file_of_the_system_is_written_to(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        write_whole(Path(f"/proc/self/fd/{file.fileno()}"), b"text")
    assert (tmp_path / "out").read_bytes() == b"text"


def test_name_as_long_as_may_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("\U0001f600" * 63)
    write_whole(path, b"text")
    assert path.read_bytes() == b"text"


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_name_that_is_none_is_told(path: str) -> None:
    with pytest.raises(StoreError, match=r"cannot write 4 bytes: a folder; name a file in it"):
        write_whole(Path(path), b"text")


def test_reading_takes_no_more_room_than_there_are_bytes(tmp_path: Path) -> None:
    """As many bytes as may be there are 16 GiB of address space, which a host may not give."""
    path = tmp_path / "file"
    path.write_bytes(b"text")
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    try:
        assert read_regular(path, 1 << 34) == b"text"
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_large_data_is_hashed_without_a_copy(tmp_path: Path) -> None:
    """10,000 vectors must not take much more memory than 360."""
    size = 64 << 20
    file = tmp_path / "data.npz"
    with file.open("wb") as made:
        made.truncate(size)
    data = memoryview(bytearray(size))
    tracemalloc.start()
    assert _digest_of(file) == hashlib.sha256(data).hexdigest()
    assert digest("x", data[:10]) == digest("x", bytes(10))
    digest(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size // 8
