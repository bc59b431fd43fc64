"""What a model file may take, looked at before it is unpacked: sizes, nesting and expansion."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from nnom_hil.archives import ArchiveLimits, archive_problem
from nnom_hil.errors import ModelError
from nnom_hil.model.translation.limits import MAX_FILE, check_file

__all__ = [
    "MAX_JSON",
    "check_archive",
    "check_hdf5",
    "files_of",
    "read_json",
]

MAX_JSON: Final = 16 << 20
"""Bytes of a configuration."""

_MAX_DEPTH: Final = 100
_MAX_OBJECTS: Final = 100_000
_MAX_EXPANSION: Final = 100  # Keras stores weights as they are
_SMALL: Final = 1 << 20  # where expansion does not matter
_ARCHIVE: Final = ArchiveLimits(members=1000, unpacked=MAX_FILE, expansion=_MAX_EXPANSION)
_FILTERS: Final = {1, 2, 3, 32000}  # deflate, shuffle, checksum, LZF: what h5py itself offers
_AGAIN: Final = "save the model again with model.save('name.keras')"


def files_of(folder: Path) -> list[Path]:
    """Return what is read of a SavedModel folder, which may hold more; raises ModelError."""
    weights = folder / "variables"
    known = [folder / "saved_model.pb", folder / "keras_metadata.pb", weights / "variables.index"]
    files = [file for file in [*known, *sorted(weights.glob("variables.data-*"))] if file.exists()]
    if (total := sum(check_file(file) for file in files)) > MAX_FILE:
        raise ModelError(f"{folder}: {total} bytes; a model may have {MAX_FILE}")
    return files


def read_json(text: str | bytes, shown: Path) -> Any:
    """Return what a JSON text holds.

    Raises ModelError where it is too long or too deep, ValueError where it is no JSON.
    """
    if len(text) > MAX_JSON:
        raise ModelError(f"{shown}: its configuration has more than {MAX_JSON} bytes")
    try:
        value = json.loads(text)
    except RecursionError:
        value, depth = None, _MAX_DEPTH + 1
    else:
        depth = _depth(value)
    if depth > _MAX_DEPTH:
        raise ModelError(f"{shown}: its configuration is nested more than {_MAX_DEPTH} deep")
    return value


def _depth(value: Any) -> int:
    """Return how deep lists and dictionaries stand in each other, without recursion."""
    level, depth = [value], 0
    while level and depth <= _MAX_DEPTH:
        held = [v for v in level if isinstance(v, dict | list)]
        level = [inner for v in held for inner in (v.values() if isinstance(v, dict) else v)]
        depth += bool(held)
    return depth


def check_archive(path: Path) -> None:
    """Refuse an archive whose members are many, double, or much larger than what is stored."""
    with path.open("rb") as file:
        problem = archive_problem(file, _ARCHIVE)
    if problem is not None:
        raise ModelError(f"{path}: {problem}; it is not unpacked: {_AGAIN}")


def _check_expansion(name: str, unpacked: int, stored: int, shown: Path) -> None:
    if unpacked > _SMALL + _MAX_EXPANSION * stored:
        raise ModelError(
            f"{shown}: {name} would unpack to {unpacked} bytes from {stored}; it is not unpacked: "
            f"{_AGAIN}"
        )


def _check_total(unpacked: int, shown: Path) -> None:
    if unpacked > MAX_FILE:
        raise ModelError(
            f"{shown}: would unpack to {unpacked} bytes; a model may have {MAX_FILE}, none for a "
            "Cortex-M"
        )


def check_hdf5(file: Any, shown: Path) -> int:
    """Return the bytes of all arrays in an open HDF5 file.

    Raises ModelError for links, arrays kept elsewhere, filters of others, values that are no
    numbers, and arrays much larger than what is stored of them.
    """
    total = 0
    for name, dataset in _datasets(file, shown):
        plist = dataset.id.get_create_plist()
        filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
        if dataset.is_virtual or plist.get_external_count() or filters - _FILTERS:
            raise ModelError(
                f"{shown}: {name} is kept in another file or by a filter of its own; {_AGAIN}"
            )
        if dataset.dtype.kind not in "fiubV" or dataset.dtype.hasobject or dataset.shape is None:
            raise ModelError(f"{shown}: {name} holds {dataset.dtype}, no numbers; {_AGAIN}")
        declared = math.prod(dataset.shape) * dataset.dtype.itemsize
        chunk = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
        _check_expansion(name, max(declared, chunk), dataset.id.get_storage_size(), shown)
        total += declared
        _check_total(total, shown)
    return total


def _datasets(file: Any, shown: Path) -> Iterator[tuple[str, Any]]:
    """Yield every array with its name; each object once, links to others are refused."""
    import h5py

    seen, links, pending = set(), 0, [file["/"]]
    while pending:
        group = pending.pop()
        for name in group:
            links += 1
            if links > _MAX_OBJECTS:
                raise ModelError(f"{shown}: more than {_MAX_OBJECTS} arrays and groups; {_AGAIN}")
            path = f"{group.name.rstrip('/')}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ModelError(f"{shown}: {path} is a link to another place; {_AGAIN}")
            found = group[name]
            if (place := h5py.h5o.get_info(found.id).addr) in seen:
                continue
            seen.add(place)
            if isinstance(found, h5py.Dataset):
                yield path, found
            elif isinstance(found, h5py.Group):
                pending.append(found)
