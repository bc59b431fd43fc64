"""A model's original runtime, asked in a process of its own.

Runtimes are native code that a damaged file may crash or never let end; this process survives.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.deadline import Deadline
from nnom_hil.errors import ModelError, ToolError
from nnom_hil.temporary import private_folder
from nnom_hil.tool import run_tool

__all__ = ["Answer", "ask_runtime", "serve"]

Floats = npt.NDArray[np.float32]
Answer = Callable[[bytes, Floats, Sequence[str]], Mapping[str, npt.NDArray[Any]]]
"""Model, vectors (n, *input shape), tensors' names to each tensor's values (n, ...)."""

_MOST_SECONDS: Final = 600
_MOST_MEMORY: Final = 8 << 30
_SPARE: Final = 1 << 20


def ask_runtime(
    module: str, shown: str, content: bytes, x: Floats, names: Sequence[str]
) -> dict[str, npt.NDArray[Any]]:
    """Return the values of named tensors for x (n, *input shape), from serve() in a module.

    shown: how messages call the model. Raises ModelError where the runtime cannot run it.
    """
    with private_folder(room=2 * (len(content) + x.nbytes) + _SPARE) as folder:
        (folder / "model").write_bytes(content)
        np.savez(folder / "given.npz", x=x, names=np.array(list(names)))
        root = str(Path(__file__).parents[3])
        modules = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        command: list[str | Path] = [sys.executable, "-P", "-m", module, folder]
        try:
            run_tool(command, deadline=Deadline.after(_MOST_SECONDS), env={"PYTHONPATH": modules})
        except ToolError as exc:
            lines = [line for line in exc.output.splitlines() if line.strip()]
            said = f": {lines[-1].strip()[:300]}" if lines else ""
            ended = str(exc).removeprefix(f"{command[0]}: ")
            raise ModelError(
                f"{shown}: its own runtime cannot run it ({ended}{said}); is the file damaged?"
            ) from exc
        with np.load(folder / "result.npz", allow_pickle=False) as npz:
            return {name: npz[str(i)] for i, name in enumerate(names)}


def serve(answer: Answer) -> None:
    """Be the process: read what ask_runtime wrote, write what it reads."""
    folder = Path(sys.argv[1])
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    with np.load(folder / "given.npz", allow_pickle=False) as npz:
        x, names = npz["x"], [str(name) for name in npz["names"]]
    values = answer((folder / "model").read_bytes(), x, names)
    arrays: dict[str, Any] = {str(i): values[name] for i, name in enumerate(names)}
    np.savez(folder / "result.npz", allow_pickle=False, **arrays)
