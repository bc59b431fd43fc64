"""External programs: list arguments, a deadline, captured output, no shell."""

import contextlib
import functools
import importlib.util
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnom_hil.deadline import Deadline
from nnom_hil.errors import ToolError

__all__ = [
    "PACKAGES",
    "compiler_family",
    "end_group",
    "find_tool",
    "run_tool",
    "tool_version",
]

LOG = logging.getLogger(__name__)

PACKAGES = {
    "arm-none-eabi-gcc": "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "arm-none-eabi-objdump": "apt-get install binutils-arm-none-eabi",
    "arm-none-eabi-size": "apt-get install binutils-arm-none-eabi",
    "cc": "apt-get install gcc libc6-dev",
    "cmake": "pip install 'nnom-hil[build]', or apt-get install cmake",
    "ninja": "pip install 'nnom-hil[build]', or apt-get install ninja-build",
    "qemu-system-arm": "apt-get install qemu-system-arm",
}
"""How to get each program, on Debian and Ubuntu."""


def find_tool(name: str) -> Path:
    """Return the program's path; raises ToolError, with the remedy, when it is missing.

    Programs that came as wheels stand beside the Python interpreter, which PATH may not name; they
    are the ones this version was installed with, so they come first.
    """
    found = _in_wheel(name) or shutil.which(name, path=os.path.dirname(sys.executable))
    found = found or shutil.which(name)
    if found is None:
        remedy = PACKAGES.get(name, "install it and put it on PATH")
        raise ToolError(f"{name}: program not found; try: {remedy} (or: make setup)")
    return Path(found)


def _in_wheel(name: str) -> str | None:
    """Return CMake itself: what its wheel puts beside the interpreter starts Python first."""
    if name != "cmake":
        return None
    spec = importlib.util.find_spec(name)
    folders = (spec and spec.submodule_search_locations) or ()
    return shutil.which(name, path=os.pathsep.join(f"{folder}/data/bin" for folder in folders))


def run_tool(
    argv: Sequence[str | Path],
    *,
    deadline: Deadline,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return what it printed to both outputs.

    Raises ToolError if it is missing, fails or outlives the deadline; the error keeps the output.
    """
    command = [str(find_tool(str(argv[0]))), *(str(arg) for arg in argv[1:])]
    LOG.debug("run %s", command)
    # a session of its own: a terminal's Ctrl-C is for us, and we end all that it has started
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        timeout = max(deadline.remaining_s, 0.1)
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException as exc:
            if process.returncode is None:
                end_group(process.pid)
            output, _ = process.communicate()
            if not isinstance(exc, subprocess.TimeoutExpired):
                raise
            raise ToolError(
                f"{argv[0]}: not finished after {timeout:.0f} s", output=output
            ) from exc
    if process.returncode != 0:
        raise ToolError(f"{argv[0]}: failed with exit code {process.returncode}", output=output)
    return output


def end_group(pid: int) -> None:
    """Kill a process that began a session, and all that it has started; twice is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def tool_version(name: str) -> str:
    """Return the first line of what a program says of its version.

    Raises ToolError if it is missing, fails or says nothing.
    """
    path = find_tool(name)
    facts = path.stat()
    return _version_of(name, path, (facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size))


@functools.cache
def _version_of(name: str, path: Path, identity: tuple[int, ...]) -> str:
    """Ask a program once as long as it is the same file."""
    del path, identity
    said = run_tool([name, "--version"], deadline=Deadline.after(20)).strip()
    if not said:
        raise ToolError(f"{name} --version: it says nothing; is it the program of that name?")
    return said.splitlines()[0][:200]


def compiler_family(version: str) -> str:
    """Return a compiler and its major version, which figures depend on, from the line of its
    version: "gcc 12"; the line itself where it tells none.
    """
    found = re.search(r"(\d{1,3}+)\.\d", version)
    if found is None:
        return version
    return f"{'clang' if 'clang' in version else 'gcc'} {found[1]}"
