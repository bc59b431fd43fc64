"""Renode's own Robot engine: a server of keywords that Robot's Remote library speaks to."""

import os
import socket
import time
from pathlib import Path
from typing import Any

from nnom_hil.run.options import request_of
from nnom_hil.run.service import build_files
from nnom_hil.target.process import ChildProcess
from nnom_hil.target.renode import find_renode

__all__ = ["start_engine", "stop_engine", "write_firmware"]

_START_S = 120
_OPTIONS = ("--plain", "--disable-gui", "--hide-log", "--robot-server-port")
_engines: list[ChildProcess] = []


def write_firmware(board: str, folder: Path) -> dict[str, Any]:
    """Build it and write image and platform description; return them, by what they are."""
    image, platform = build_files(request_of({"board": board}), folder)
    return {"elf": str(image), "platform": str(platform)}


def start_engine(folder: Path) -> str:
    """Start Renode and return the address of its server of keywords."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = ChildProcess(
        [find_renode(), *_OPTIONS, str(port)],
        name="Renode",
        env={**os.environ, "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder)},
        folder=folder,
    )
    _engines.append(engine)
    until = time.monotonic() + _START_S
    while time.monotonic() < until and engine.why_ended() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
            continue
        return f"http://127.0.0.1:{port}/"
    raise AssertionError(engine.why_ended() or "Renode does not open its server of keywords")


def stop_engine() -> None:
    """End what was started."""
    for engine in _engines:
        engine.kill()
    _engines.clear()
