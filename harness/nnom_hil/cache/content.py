"""An entry's files on disk: written whole with a list of what they are, checked when read."""

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nnom_hil.cache.places import MANIFEST, Entry, discard
from nnom_hil.errors import StoreError
from nnom_hil.files import (
    TornError,
    digest,
    make_folder,
    read_regular,
    remove_tree,
    seal,
    sync_folder,
    unseal,
    write_synced,
)

__all__ = ["Kept", "UnfitError", "read_entry", "reason", "write_entry", "write_files"]

_SCHEMA: Final = "nnom-hil/cache/1"
_MANIFEST_LIMIT: Final = 1 << 20
_FILE_LIMIT: Final = 1 << 34


class UnfitError(ValueError):
    """An entry is whole, but nothing that this version of us writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The files of an entry, checked, by name. folder: where they are; None: in memory only.

    made: whether they are new. unkept: why they could not be kept, where the disk is full.
    """

    files: Mapping[str, bytes]
    folder: Path | None
    made: bool = False
    unkept: StoreError | None = None

    def file(self, name: str) -> bytes:
        """Return a file's bytes; raises UnfitError where the entry has none of that name."""
        if name not in self.files:
            raise UnfitError(f"it has no {name}")
        return self.files[name]


def read_entry(path: Path, *, used: bool = True) -> Kept:
    """Return the files of an entry; raises OSError, and TornError for what was not written so.

    used: this counts as a use of it.
    """
    files = {}
    for name, facts in _read_manifest(path)["files"].items():
        data = read_regular(path / name, _FILE_LIMIT)
        if [len(data), _mode(path / name), digest(data)] != facts:
            raise TornError(f"{name} is not what was written")
        files[name] = data
    if used:
        with contextlib.suppress(OSError):  # another user's
            os.utime(path / MANIFEST)
    return Kept(files=files, folder=path)


def reason(error: OSError | ValueError) -> str:
    """Return why an entry cannot be used, in few words."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{Path(os.fsdecode(error.filename)).name}: {error.strerror}"
    return str(error)


def _mode(path: Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _read_manifest(folder: Path) -> dict[str, Any]:
    text = read_regular(folder / MANIFEST, _MANIFEST_LIMIT)
    try:
        document = unseal(json.loads(text))
    except (ValueError, TypeError, RecursionError) as exc:
        raise TornError(f"{MANIFEST} is not what was written") from exc
    if document.get("schema") != _SCHEMA:
        raise TornError(f"{MANIFEST} is of another version")
    if text != _text_of(document) or not _mode(folder / MANIFEST) & stat.S_IRUSR:
        raise TornError(f"{MANIFEST} is not what was written")
    if not isinstance(document.get("files"), dict):
        raise TornError(f"{MANIFEST} lists no files")
    if {**document, **_place(folder)} != document:
        raise TornError("it is another entry, in the wrong place")
    return document


def _place(folder: Path) -> dict[str, str]:
    """Return what an entry says of where it belongs."""
    return {"kind": folder.parent.name, "key": folder.name}


def _text_of(document: dict[str, Any]) -> bytes:
    return json.dumps(seal(document), sort_keys=True, indent=1).encode() + b"\n"


def write_entry(entry: Entry, files: Mapping[str, bytes]) -> None:
    """Write an entry beside its place, then put it there; raises OSError and leaves nothing."""
    path = entry.path
    work = path.with_name(f".new-{path.name}-{os.urandom(4).hex()}")
    try:
        make_folder(work)
        listed = write_files(work, files, entry.programs)
        document = {**_place(path), "schema": _SCHEMA, "files": listed}
        write_synced(work / MANIFEST, _text_of(document))
        for folder in {(work / name).parent for name in files} | {work}:
            sync_folder(folder)
        if os.path.lexists(path):
            discard(path)
        os.rename(work, path)
        sync_folder(path.parent)
    except BaseException:
        remove_tree(work)
        raise


def write_files(
    folder: Path, files: Mapping[str, bytes], programs: tuple[str, ...]
) -> dict[str, tuple[int, int, str]]:
    """Write files by name; return size, permissions and SHA-256 of each. Raises OSError."""
    listed = {}
    for name, data in files.items():
        file = folder / name
        make_folder(file.parent)
        write_synced(file, data, 0o777 if name in programs else 0o666)
        listed[name] = (len(data), _mode(file), digest(data))
    return listed
