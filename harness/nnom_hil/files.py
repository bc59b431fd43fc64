"""Files are written whole or not at all, and what is read is checked.

Every write of the harness goes through here, so that a full disk has one name and tests can fill it
at any of them.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

from nnom_hil.errors import StoreError, UsageError, did_you_mean
from nnom_hil.toml import load_toml

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

__all__ = [
    "Appender",
    "TornError",
    "check_writable",
    "digest",
    "first_problem",
    "is_full",
    "make_folder",
    "read_regular",
    "read_toml",
    "remove_tree",
    "seal",
    "sync_folder",
    "unseal",
    "write_synced",
    "write_whole",
    "writing_whole",
]

_Model = TypeVar("_Model", bound="BaseModel")
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CHECK: Final = "check"
_CHECK_DIGITS: Final = 32
_REMEDY: Final = "free space or choose another folder with --out, --output or NNOM_HIL_CACHE"


class TornError(ValueError):
    """What is in a file is not what was written to it."""


def is_full(error: BaseException | None) -> bool:
    """Return whether an error says that a disk, or a user's share of it, is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False


# ---- reading


def read_toml(path: Path, model: type[_Model], *, what: str) -> _Model:
    """Read a TOML file into a model; what: the article and name that messages call it by.

    Raises UsageError naming file, key and what is wrong.
    """
    from pydantic import ValidationError

    try:
        document = load_toml(path)
    except OSError as exc:
        raise UsageError(f"{path}: cannot read {what}: {exc.strerror}") from exc
    except ValueError as exc:
        raise UsageError(f"{path}: {what} is not valid TOML: {exc}") from exc
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        raise UsageError(f"{path}: {what} is wrong at {first_problem(exc, model)}") from exc


def first_problem(error: "ValidationError", model: "type[BaseModel] | None" = None) -> str:
    """Return key and what is wrong of the first problem. Lists count from 1.

    model: what was to be read, whose keys are told where one is unknown.
    """
    first = error.errors(include_url=False)[0]
    place = [f"item {part + 1}" if isinstance(part, int) else str(part) for part in first["loc"]]
    where = ".".join(place) or "the file"
    if first["type"] == "extra_forbidden" and model is not None:
        known = _keys_at(model, first["loc"][:-1])
        there = f"; there are: {', '.join(known)}" if known else ""
        return f"{where}: unknown key{there}{did_you_mean(place[-1], known)}"
    if first["type"] == "value_error":
        return f"{where}: {first['ctx']['error']}"
    return f"{where}: {first['msg']}"


def _keys_at(model: Any, place: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the table at a place; none where it is not a model's."""
    from typing import get_args

    from pydantic import BaseModel

    for part in place:
        kind = model.model_fields[part].annotation if isinstance(part, str) else model
        while not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            inner = [arg for arg in get_args(kind) if arg is not type(None) and arg is not ...]
            if not inner:
                return []
            kind = inner[-1]
        model = kind
    return [field.alias or name for name, field in model.model_fields.items()]


def read_regular(path: Path, limit: int) -> bytes:
    """Return a file's bytes, at most limit of them.

    Raises OSError, also for what is no plain file (a pipe would keep us waiting) and for more bytes
    than that.
    """
    # not to wait for a writer, where it is a pipe
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        if facts.st_size > limit:
            raise OSError(errno.EINVAL, f"larger than the {limit} bytes it may have", str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(facts.st_size)  # room is taken for as many as are asked for
    finally:
        os.close(handle)


# ---- documents that tell when they were changed


def seal(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with a digest of its content as one more entry."""
    return {**document, _CHECK: _check_of(document)}


def unseal(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sealed object without its digest; raises TornError where that does not fit."""
    content = dict(document)
    check = content.pop(_CHECK, None)
    if check != _check_of(content):
        raise TornError(
            "it has no check" if check is None else "it was changed after it was written"
        )
    return content


def _check_of(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_CHECK_DIGITS]


def digest(*parts: bytes | memoryview | str) -> str:
    """Return the SHA-256 of the parts, hexadecimal; boundaries between parts count."""
    sha = hashlib.sha256()
    for part in parts:
        data = memoryview(part.encode() if isinstance(part, str) else part)
        sha.update(data.nbytes.to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()


# ---- writing


def make_folder(path: Path) -> None:
    """Make a folder and those above it; raises OSError."""
    if not path.is_dir():
        make_folder(path.parent)
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.mkdir(path)
        if not path.is_dir():
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def check_writable(path: Path) -> None:
    """Make the folder of a file that is to be written, and try whether it can be.

    For what takes long to make. Raises StoreError; a file that is there already is left alone.
    """
    try:
        if not path.name or path.is_dir():
            raise OSError(errno.EISDIR, "it is a folder; name a file in it")
        if _is_device(path):
            return
        make_folder(path.parent)
        trial = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}")
        write_synced(trial, b"")
        trial.unlink()
    except OSError as exc:
        raise StoreError(f"{path}: cannot be written: {exc.strerror}; {_REMEDY}") from exc


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    It is on the disk when this returns. A device, such as /dev/null or /dev/stdout, is written to
    and never replaced. Raises StoreError when the folder cannot be made or the
    disk is full; nothing is left then.
    """
    content = data.encode() if isinstance(data, str) else data
    if not path.name:
        raise StoreError(f"{path}: cannot write {len(content)} bytes: a folder; name a file in it")
    temporary = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}")
    try:
        if _is_device(path):
            _write_device(path, content)
            return
        make_folder(path.parent)
        try:
            write_synced(temporary, content)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as exc:
        raise StoreError(
            f"{path}: cannot write {len(content)} bytes: {exc.strerror}; {_REMEDY}"
        ) from exc


@contextlib.contextmanager
def writing_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write in pieces what is too much to hold; it is path's when all went well.

    As with write_whole a reader never sees a part, and a device is written to. Raises StoreError as
    that does, and whatever the block raises; nothing is left then.
    """
    if not path.name:
        raise StoreError(f"{path}: cannot write to a folder; name a file in it")
    is_device = _is_device(path)
    place = path if is_device else path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}")
    try:
        if not is_device:
            make_folder(path.parent)
        try:
            with open(place, "wb" if is_device else "xb") as file:
                yield file
                file.flush()
                if not is_device:
                    _sync(file.fileno())
            if not is_device:
                os.replace(place, path)
        except BaseException:
            if not is_device:
                place.unlink(missing_ok=True)
            raise
        if not is_device:
            sync_folder(path.parent)
    except OSError as exc:
        raise StoreError(f"{path}: cannot write it: {exc.strerror}; {_REMEDY}") from exc


def _is_device(path: Path) -> bool:
    """Whether a path is a character device, or one of the system's names for an open file."""
    try:
        is_device = stat.S_ISCHR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False
    return is_device or (path.is_symlink() and path.absolute().parts[1] in {"dev", "proc"})


def _write_device(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        _write_all(handle, data)
    finally:
        os.close(handle)


def write_synced(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a new file, to the disk itself; raises OSError, also where there is one already."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        _write_all(handle, data)
        _sync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def sync_folder(path: Path) -> None:
    """Bring a folder's list of files to the disk; raises OSError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # one may write there without being allowed to look
        return
    try:
        _sync(handle)
    finally:
        os.close(handle)


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as exc:
        if exc.errno in _FULL | {errno.EIO}:
            raise
        # some file systems know of no such thing


class Appender:
    """A file that grows: what was written is with the system at once, so that a kill loses none."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._handle = os.open(path, flags, 0o666)

    def write(self, data: bytes) -> None:
        """Append; raises OSError, after which a part of it may be there."""
        _write_all(self._handle, data)

    def close(self) -> None:
        """Close; twice is fine."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)


def remove_tree(path: Path) -> None:
    """Remove a folder, file or link as far as that is possible."""
    if os.path.islink(path) or not os.path.isdir(path):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
    for folder, names, _ in os.walk(path):  # which lists a folder before it goes into it
        for name in names:
            if not os.path.islink(inner := os.path.join(folder, name)):
                with contextlib.suppress(OSError):
                    os.chmod(inner, 0o700)
    shutil.rmtree(path, ignore_errors=True)
