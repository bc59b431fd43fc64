"""What a run was made by: the tree it was asked for in, and the packages that computed."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from nnom_hil.deadline import Deadline
from nnom_hil.errors import ToolError
from nnom_hil.tool import run_tool

__all__ = ["beside_the_conversion", "commit_of", "loaded_libraries"]

_SECONDS: Final = 5.0
_OID: Final = "# branch.oid "
_LIBRARIES: Final = {
    "h5py": "h5py",
    "keras": "keras",
    "numpy": "numpy",
    "scipy": "scipy",
    "onnx": "onnx",
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow",
    "tf_keras": "tf-keras",
    "tflite": "tflite",
}
"""Modules that compute what a conversion gives, and the packages that bring them."""


_RUNTIMES: Final = {"onnx": "onnxruntime", "tflite": "ai-edge-litert"}
"""What a model read by a package was run by, in a process of its own."""


def commit_of(folder: Path | None = None) -> str | None:
    """Return the commit of the tree that a folder (the working directory) is in.

    "+changes" follows it where files that git knows differ. None without git, a repository or a
    commit, and where git does not answer in seconds: no run depends on it.
    """
    # without fsmonitor: a repository's own settings would have git start a program
    command: list[str | Path] = [
        "git", "-c", "core.fsmonitor=false", "--no-optional-locks",
        "status", "--porcelain=v2", "--branch", "--untracked-files=no",
    ]  # fmt: skip
    try:
        lines = run_tool(command, deadline=Deadline.after(_SECONDS), cwd=folder).splitlines()
    except (ToolError, OSError):
        return None
    commit = next((line.removeprefix(_OID) for line in lines if line.startswith(_OID)), "")
    if not commit or not commit.isalnum():  # "(initial)"
        return None
    changed = any(line[:2] in {"1 ", "2 ", "u "} for line in lines)
    return f"{commit}+changes" if changed else commit


def loaded_libraries() -> dict[str, str]:
    """Return the versions of the packages that this process has loaded to convert a model."""
    loaded = {package: sys.modules.get(module) for module, package in _LIBRARIES.items()}
    versions = {package: getattr(module, "__version__", None) for package, module in loaded.items()}
    found = {package: str(told) for package, told in versions.items() if told}
    asked = [runtime for package, runtime in _RUNTIMES.items() if package in found]
    return found | {runtime: version(runtime) for runtime in asked}


def beside_the_conversion(conversion: dict[str, str]) -> dict[str, str]:
    """Return the versions that a run computed with, beside those of a conversion that was kept.

    A package that has another version since is told twice.
    """
    import numpy as np

    now = {"numpy": np.__version__}
    then = {
        name if now.get(name, version) == version else f"{name} (conversion)": version
        for name, version in conversion.items()
    }
    return dict(sorted({**then, **now}.items()))
