"""Renode's own Robot engine: a server of keywords that Robot's Remote library speaks to."""

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from nnom_hil.run.options import request_of
from nnom_hil.run.service import build_files
from nnom_hil.target.renode import find_renode

__all__ = ["start_engine", "stop_engine", "write_firmware"]

_START_S = 120
_engines: list[subprocess.Popen[bytes]] = []


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
    argv = [
        find_renode(),
        "--plain",
        "--disable-gui",
        "--hide-log",
        "--robot-server-port",
        str(port),
    ]
    env = {**os.environ, "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder)}
    engine = subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    _engines.append(engine)
    until = time.monotonic() + _START_S
    while time.monotonic() < until and engine.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
            continue
        return f"http://127.0.0.1:{port}/"
    raise AssertionError(f"Renode does not open its server of keywords; it is {engine.poll()}")


def stop_engine() -> None:
    """End what was started."""
    for engine in _engines:
        with_children = os.getpgid(engine.pid) if engine.poll() is None else None
        if with_children is not None:
            os.killpg(with_children, 9)
        engine.wait()
    _engines.clear()
