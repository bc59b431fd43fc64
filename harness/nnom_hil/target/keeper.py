"""Runs a program, and ends it with all that it started when whoever started this is gone.

    python -I -S keeper.py LIFELINE FOLDER PROGRAM [ARG...]

LIFELINE is a pipe's end for reading: nobody writes, so that it ends with the other end's holder,
however that dies. FOLDER is the program's, and is removed with it. A signal at its parent's death
would reach the program alone, which may be a script around another. It imports nothing of ours:
it is started with each emulator.
"""

import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Run the program to its end, or to that of the lifeline; its end is ours."""
    lifeline, folder = int(sys.argv[1]), sys.argv[2]
    os.set_inheritable(lifeline, False)
    try:
        child = os.posix_spawn(sys.argv[3], sys.argv[3:], os.environ)
    except OSError as exc:
        sys.exit(f"cannot be started: {exc.strerror}")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):  # pipes to the program end with the program
        os.dup2(null, stream)
    ended = os.pidfd_open(child)
    readable, _, _ = select.select([lifeline, ended], [], [])
    if ended not in readable:
        _end_others()
        os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
        return
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _end_others() -> None:
    """Kill our process group, but not us, until nobody is left in it."""
    while others := [pid for pid in _pids() if _group(pid) == os.getpgrp() and pid != os.getpid()]:
        for pid in others:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _group(pid: int) -> int | None:
    """Return the group of a process that has not ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, _, group = text[text.rindex(")") + 2 :].split()[:3]
    return None if state in "ZX" else int(group)


if __name__ == "__main__":
    main()
