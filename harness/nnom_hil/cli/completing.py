"""What a shell is offered for a word that is begun; nothing heavy is loaded for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["boards", "completion_of", "models"]

Words = list[str]


def completion_of(option: Any) -> Callable[[str], Words] | None:
    """Return what gives the words for an option of the table; None where files are right."""
    if option.words is not None:
        words = [str(word) for word in option.words]
        return lambda incomplete: [word for word in words if word.startswith(incomplete)]
    return {"board": boards, "model": models, "backend": _backends}.get(option.name)


def boards(incomplete: str) -> Words:
    """Return the boards, and board files here, whose names begin so."""
    from nnom_hil.boards.listing import board_files

    return [name for name in board_files() if name.startswith(incomplete)] + _files(
        incomplete, ".toml"
    )


def models(incomplete: str) -> Words:
    """Return the bundled models, and model files here, whose names begin so."""
    folder = Path(__file__).parents[1] / "zoo" / "models"
    names = sorted(path.stem for path in folder.glob("*.keras"))
    files = _files(incomplete, ".keras", ".h5", ".onnx", ".tflite")
    return [name for name in names if name.startswith(incomplete)] + files


def _backends(incomplete: str) -> Words:
    from nnom_hil.boards.listing import BACKENDS

    return [name for name in BACKENDS if name.startswith(incomplete)]


def _files(incomplete: str, *endings: str) -> Words:
    """Return files of these kinds, and folders to go on in."""
    folder, _, name = incomplete.rpartition("/")
    found = []
    try:
        for path in sorted(Path(folder or ("/" if incomplete.startswith("/") else ".")).iterdir()):
            if path.name.startswith(name) and (path.suffix in endings or path.is_dir()):
                if path.name.startswith(".") and not name:
                    continue
                shown = f"{folder}/{path.name}" if "/" in incomplete else path.name
                found.append(f"{shown}/" if path.is_dir() else shown)
    except OSError:
        return []
    return found
