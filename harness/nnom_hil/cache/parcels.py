"""Entries on their way to another machine's cache: known by their key, checked when they arrive."""

from collections.abc import Mapping
from dataclasses import dataclass

from nnom_hil.cache.content import read_entry
from nnom_hil.cache.obtaining import obtain
from nnom_hil.cache.places import KINDS, Entry
from nnom_hil.errors import StoreError
from nnom_hil.files import digest

__all__ = ["Parcel", "is_kept", "pack", "unpack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """An entry's files by name; programs: those that are executed; checksum: of all of it."""

    kind: str
    key: str
    programs: tuple[str, ...]
    files: Mapping[str, bytes]
    checksum: str

    @property
    def size_bytes(self) -> int:
        """What travels."""
        return sum(map(len, self.files.values()))


def _checksum(kind: str, key: str, files: Mapping[str, bytes]) -> str:
    parts = [part for name in sorted(files) for part in (name, digest(files[name]))]
    return digest(kind, key, *parts)


def is_kept(kind: str, key: str) -> bool:
    """Whether this machine's cache has an entry that is sound."""
    try:
        read_entry(Entry(kind=kind, key=key).path)
    except (OSError, ValueError):
        return False
    return True


def pack(kind: str, key: str) -> Parcel:
    """Return an entry of this machine's cache; raises StoreError where it is not, or damaged."""
    entry = Entry(kind=kind, key=key)
    try:
        files = read_entry(entry.path).files
        programs = tuple(n for n in files if (entry.path / n).stat().st_mode & 0o100)
    except (OSError, ValueError):
        entry.must_be_kept()
    checksum = _checksum(kind, key, files)
    return Parcel(kind=kind, key=key, programs=programs, files=files, checksum=checksum)


def unpack(parcel: Parcel) -> None:
    """Put a parcel into this machine's cache, unless it is there.

    Raises StoreError for one that was damaged on its way, or that cannot be kept.
    """
    names = (*parcel.files, *parcel.programs)
    bad = [n for n in names if n.startswith("/") or ".." in n.split("/")]
    if (
        parcel.kind not in KINDS
        or not (parcel.key.isalnum() and parcel.key.isascii())
        or bad
        or _checksum(parcel.kind, parcel.key, parcel.files) != parcel.checksum
    ):
        raise StoreError(f"cache: {parcel.kind}/{parcel.key[:8]} arrived damaged; run it again")
    entry = Entry(kind=parcel.kind, key=parcel.key, programs=parcel.programs)
    kept = obtain(entry, lambda: parcel.files, lambda kept: kept)
    if kept.unkept is not None:
        raise kept.unkept
