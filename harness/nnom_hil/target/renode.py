"""Renode: found, started with its monitor on a TCP port, led through renode/session.resc."""

import contextlib
import os
import re
import socket
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Final

from nnom_hil import variables
from nnom_hil.boards import Board
from nnom_hil.codegen.renode import CONSOLE, platform_description
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError, ToolError
from nnom_hil.files import digest, write_whole
from nnom_hil.link.transport import LinkAddress, SerialTransport, Transport
from nnom_hil.paths import cache_dir, renode_dir
from nnom_hil.target.base import ProcessTarget
from nnom_hil.target.process import ChildProcess
from nnom_hil.temporary import private_folder
from nnom_hil.tool import find_tool, run_tool

__all__ = ["RENODE_VARIABLE", "Monitor", "RenodeTarget", "find_renode"]

RENODE_VARIABLE: Final = variables.RENODE
"""Environment variable that names Renode's program, folder or portable package."""

_HELP = (
    "get a portable package (renode-1.15 or newer, linux-portable) from the Renode project's "
    f"releases and name it: --renode FILE.tar.gz, or {RENODE_VARIABLE}"
)
_COMMAND_TIMEOUT_S = 30.0
_TERMINAL = "nnom-hil"
_COLOUR_OR_TELNET = re.compile(
    rb"\x1b\[[0-9;?]{0,32}[A-Za-z]|\xff[\xfb-\xfe].|\xff\xfa[^\xff]{0,256}\xff\xf0", re.S
)
_PROMPT = re.compile(r"\([\w. -]{1,80}\)\s*+$")
_LONGEST_PROMPT = 4096  # bytes, with what colours it
_LONGEST_ANSWER = 1 << 20
_MACHINE = "nnom_hil"


def find_renode() -> Path:
    """Return Renode's program: the one the variable names, or the one on PATH.

    The variable may name a program, a folder with one in it, or a portable package, which is
    unpacked into the cache once. Raises ToolError that says how to get it.
    """
    named = os.environ.get(RENODE_VARIABLE)
    if not named:
        try:
            return find_tool("renode")
        except ToolError as exc:
            raise ToolError(f"renode: program not found; {_HELP}") from exc
    path = Path(named)
    if path.is_file() and path.name.endswith((".tar.gz", ".tar.xz")):
        path = _unpacked(path)
    if path.is_dir():
        programs = [p for p in (path / "renode", *sorted(path.glob("*/renode"))) if p.is_file()]
        if not programs:
            raise ToolError(f"{path}: no program 'renode' in this folder; {_HELP}")
        path = programs[0]
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ToolError(f"{path}: not a program; {_HELP}")
    return path


def _unpacked(package: Path) -> Path:
    stat = package.stat()
    name = digest(str(package.resolve()), str(stat.st_size), str(stat.st_mtime_ns))[:16]
    folder = cache_dir() / "renode" / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            with tarfile.open(package) as archive:
                _extract(archive, Path(work) / "done")
            (Path(work) / "done").rename(folder)
    except (OSError, tarfile.TarError) as exc:
        raise ToolError(f"{package}: cannot unpack this package: {exc}; {_HELP}") from exc
    return folder


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack into a folder; raises TarError for what would land outside it."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
        return
    folder.mkdir()  # Python before 3.11.4, which Debian 12 has, knows no filter
    root = folder.resolve()
    for member in archive:
        place = root / member.name
        reached = [place.resolve()]
        if member.issym() or member.islnk():
            reached.append(((place.parent if member.issym() else root) / member.linkname).resolve())
        if member.isdev() or not all(path.is_relative_to(root) for path in reached):
            raise tarfile.TarError(f"{member.name!r} would land outside the folder")
        member.mode &= 0o755
        archive.extract(member, root)


class Monitor:
    """Renode's command line over TCP: one command, one answer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._answer(Deadline.after(_COMMAND_TIMEOUT_S), "its prompt")

    def command(self, text: str) -> str:
        """Run a command and return what it printed; raises TargetError if Renode refuses it."""
        try:
            self._socket.sendall(text.encode() + b"\n")
        except OSError as exc:
            raise TargetError(f"Renode's monitor was lost at: {text}: {exc}") from exc
        said = self._answer(Deadline.after(_COMMAND_TIMEOUT_S), text)
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        if lines and lines[0].endswith(text):  # the echo
            del lines[0]
        answer = "\n".join(lines)
        if re.search(r"error|no such|could not|not found|bad parameters", answer, re.I):
            raise TargetError(f"Renode refused: {text}\n{answer}")
        return answer

    def _answer(self, deadline: Deadline, text: str) -> str:
        """Return what comes before the next prompt."""
        data = bytearray()
        while True:
            self._socket.settimeout(max(deadline.remaining_s, 0.01))
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError as exc:
                raise TargetError(f"Renode's monitor does not answer: {text}") from exc
            except OSError as exc:
                raise TargetError(f"Renode's monitor was lost at: {text}: {exc}") from exc
            if not chunk:
                raise TargetError(f"Renode ended at: {text}")
            data += chunk
            if _PROMPT.search(_plain(data[-_LONGEST_PROMPT:])):
                plain = _plain(data)
                found = _PROMPT.search(plain, max(0, len(plain) - _LONGEST_PROMPT))
                return plain[: found.start()] if found else plain
            if len(data) > _LONGEST_ANSWER:
                raise TargetError(f"Renode's monitor answers without end: {text}")

    def close(self) -> None:
        """Close the connection; twice is fine."""
        self._socket.close()


def _plain(data: bytes | bytearray) -> str:
    return _COLOUR_OR_TELNET.sub(b"", data).replace(b"\r", b"").decode(errors="replace")


class RenodeTarget(ProcessTarget):
    """One Renode process with one machine."""

    time_source = "virtual"

    def __init__(self, board: Board) -> None:
        if board.backend.renode is None:
            raise TargetError(
                f"board {board.name} cannot run in Renode: its file has no [backend.renode] table"
            )
        super().__init__("renode")
        self._board = board
        self._renode = board.backend.renode
        self._monitor: Monitor | None = None
        # Renode clears renode-* folders of its TMPDIR when it starts: it gets one of its own
        self._folder = contextlib.ExitStack()

    @property
    def description(self) -> str:
        """Renode's own name for its version."""
        lines = run_tool([find_renode(), "--version"], deadline=Deadline.after(60)).splitlines()
        return next((line.strip() for line in lines if "Renode" in line), "Renode")

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Start Renode, load the image, connect to the console, let time run."""
        folder = self._folder.enter_context(private_folder())
        program = find_renode()
        usage = run_tool([program, "--help"], deadline=Deadline.after(60))
        headless = "--disable-gui" if "--disable-gui" in usage else "--disable-xwt"
        monitor_port, console_port = _free_ports()
        self._process = ChildProcess(
            [program, "--plain", headless, "--port", str(monitor_port)],
            name=self._name,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        self._monitor = self._connect(monitor_port, deadline)
        for command in self._commands(elf.resolve(), folder, console_port):
            self._monitor.command(command)
        self._transport = SerialTransport(LinkAddress(url=f"socket://127.0.0.1:{console_port}"))
        self._monitor.command("start")
        return self._transport

    def _commands(self, elf: Path, folder: Path, port: int) -> list[str]:
        """Return the monitor commands that make the machine: variables, script, console."""
        renode = self._renode
        if renode.platform is None:
            made = folder / f"{self._board.name}.repl"
            write_whole(made, platform_description(self._board))
            platform, uart = made, CONSOLE
        else:
            platform, uart = Path(renode.platform), renode.uart or ""
        return [
            f'$name="{_MACHINE}"',
            f'$terminal="{_TERMINAL}"',
            f"$platform=@{platform}",
            f"$elf=@{elf}",
            f"$port={port}",
            f"$mips={renode.mips}",
            f"include @{renode_dir() / 'session.resc'}",
            f"connector Connect sysbus.{uart} {_TERMINAL}",
        ]

    def _connect(self, port: int, deadline: Deadline) -> Monitor:
        while True:
            if reason := self.why_dead():
                raise TargetError(reason)
            try:
                return Monitor(port)
            except OSError as exc:
                if deadline.expired:
                    raise TargetError(f"Renode does not open its monitor: {exc}") from exc
                time.sleep(0.05)

    def executed_instructions(self) -> int:
        """Return how many instructions the core has executed."""
        if self._monitor is None:
            raise TargetError("Renode is not running")
        return int(self._monitor.command("cpu ExecutedInstructions"), 0)

    def stop(self) -> None:
        """End Renode and close its sockets; twice is fine."""
        if self._monitor is not None:
            self._monitor.close()
        super().stop()
        self._folder.close()


def _free_ports() -> tuple[int, int]:
    """Return two TCP ports that were free a moment ago."""
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
