"""Files are written whole or not at all."""

import hashlib
import os
import tempfile
from pathlib import Path

from nnom_hil.errors import StoreError

__all__ = ["digest", "write_whole"]


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises StoreError when the folder cannot be made or the disk is full; nothing is left then.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files private; these are for others to read too
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as exc:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise StoreError(
            f"{path}: cannot write {len(content)} bytes: {exc.strerror}; "
            "free space or choose another folder with --out or NNOM_HIL_CACHE"
        ) from exc


def digest(*parts: bytes | str) -> str:
    """Return the SHA-256 of the parts, hexadecimal; boundaries between parts count."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()
