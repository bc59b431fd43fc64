"""Files are written whole or not at all, and what is read is checked."""

import hashlib
import os
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nnom_hil.errors import StoreError, UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["digest", "read_toml", "write_whole"]

_Model = TypeVar("_Model", bound="BaseModel")


def read_toml(path: Path, model: type[_Model], *, what: str) -> _Model:
    """Read a TOML file into a model; what: the article and name that messages call it by.

    Raises UsageError naming file, key and what is wrong.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise UsageError(f"{path}: cannot read {what}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: {what} is not valid TOML: {exc}") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {what} is wrong at {where}: {first['msg']}") from exc


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
