"""What an archive may take, looked at before anything of it is unpacked: members, sizes, ratio."""

import struct
import zipfile
from dataclasses import dataclass
from typing import IO, Final

__all__ = ["ArchiveLimits", "archive_problem"]

_END: Final = struct.Struct("<4s8xI6x")  # signature, size of the directory
_END_64: Final = struct.Struct("<4s36xQ8x")
_LOCATOR: Final = struct.Struct("<4s4xQ4x")
_LONGEST_COMMENT: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """Most members, most bytes unpacked, and most bytes for one stored above `small` bytes."""

    members: int
    unpacked: int
    expansion: int
    small: int = 1 << 20


def archive_problem(file: IO[bytes], limits: ArchiveLimits) -> str | None:
    """Return why a zip archive is not to be unpacked, None if it may be.

    Its directory's size is looked at before it is read. Raises zipfile.BadZipFile where it has
    none.
    """
    directory = _directory_size(file)
    if directory > limits.members * 1024:
        return f"its directory has {directory} bytes, which is more than {limits.members} members"
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    names = {member.filename for member in members}
    if len(members) > limits.members or len(names) != len(members):
        return f"it has {len(members)} members with {len(names)} names; at most {limits.members}"
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return f"{member.filename} is packed by method {member.compress_type}, not by deflate"
        unpacked, stored = member.file_size, member.compress_size
        if unpacked > limits.small + limits.expansion * stored:
            return f"{member.filename} would unpack to {unpacked} bytes from {stored}"
    total = sum(member.file_size for member in members)
    if total > limits.unpacked:
        return f"it would unpack to {total} bytes; at most {limits.unpacked}"
    return None


def _directory_size(file: IO[bytes]) -> int:
    """Return the most bytes that an archive's end tells of its directory; the file is rewound."""
    size = file.seek(0, 2)
    start = file.seek(max(0, size - _END.size - _LONGEST_COMMENT - _LOCATOR.size - _END_64.size))
    tail = file.read()
    found = tail.rfind(b"PK\5\6")
    if found < 0 or len(tail) - found < _END.size:
        raise zipfile.BadZipFile("no end of its directory")
    sizes = [int(_END.unpack_from(tail, found)[1])]
    if found >= _LOCATOR.size:
        signature, place = _LOCATOR.unpack_from(tail, found - _LOCATOR.size)
        if signature == b"PK\6\7":  # zipfile goes by either place
            for end in (place, start + found - _LOCATOR.size - _END_64.size):
                file.seek(min(max(end, 0), size))
                record = file.read(_END_64.size)
                if record.startswith(b"PK\6\6") and len(record) == _END_64.size:
                    sizes.append(int(_END_64.unpack(record)[1]))
    file.seek(0)
    return max(sizes)
