"""One Renode process with one machine, led through renode/session.resc."""

import contextlib
import os
import shutil
import time
from functools import cached_property
from pathlib import Path

from nnom_hil.boards import Board, Cpu
from nnom_hil.codegen.renode import CONSOLE, MIPS, platform_description
from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError
from nnom_hil.files import write_whole
from nnom_hil.link.transport import LinkAddress, SerialTransport, Transport
from nnom_hil.paths import renode_dir
from nnom_hil.target.base import ProcessTarget, TargetFacts
from nnom_hil.target.process import ChildProcess
from nnom_hil.target.renode.finding import Installation, examine_renode, find_renode
from nnom_hil.target.renode.monitor import Monitor
from nnom_hil.target.renode.trouble import brief_output, log_excerpt
from nnom_hil.temporary import private_folder

__all__ = ["RenodeTarget", "check_start"]

_MACHINE = "nnom_hil"
_TERMINAL = "nnom_hil_console"
_DYING_S = 1.0  # a program whose pipe has ended may end a moment later
_ONLY_ERRORS = 3
_DSP = (Cpu.CORTEX_M4, Cpu.CORTEX_M7, Cpu.CORTEX_M33)
_WRONG_FLAGS = (
    "this Renode takes wrong bytes in SEL behind SSUB8, of which max pools of this core are made: "
    "take 1.16 or newer, or --kernels plain (docs/renode.md)"
)


class RenodeTarget(ProcessTarget):
    """Its monitor is a pipe, its console a pseudo-terminal, in a folder of this user alone."""

    def __init__(self, board: Board) -> None:
        if board.backend.renode is None:
            raise TargetError(
                f"board {board.name} cannot run in Renode: its file has no [backend.renode] table"
            )
        super().__init__("renode")
        self._board = board
        self._renode = board.backend.renode
        self._monitor: Monitor | None = None
        self._log: Path | None = None
        self._folder = contextlib.ExitStack()

    @property
    def facts(self) -> TargetFacts:
        """Name and version, and what this version computes wrongly on such a core."""
        wrong = self._board.core.cpu in _DSP and self._installation.has_wrong_flags
        return TargetFacts(
            description=f"Renode {self._installation.version}",
            emulated=True,
            known_fault=_WRONG_FLAGS if wrong else "",
        )

    @cached_property
    def _installation(self) -> Installation:
        return examine_renode(find_renode())  # half a second of Mono

    def start(self, elf: Path, deadline: Deadline) -> Transport:
        """Start Renode, load the image, connect to the console, let time run."""
        # Renode takes spaces in names for ends of them: what it reads is copied to a plain place
        folder = self._folder.enter_context(private_folder(plain=True))
        self._log = folder / "renode.log"
        commands = self._commands(elf, folder)
        self._process = _started(find_renode(), self._name, folder)
        try:
            self._monitor = Monitor(*self._process.pipes)
            self._monitor.ready(deadline)
            for command in commands:
                self._monitor.command(command, deadline)
            self._transport = SerialTransport(LinkAddress(url=str(folder / "console")))
            self._monitor.command("start", deadline)
        except TargetError as exc:
            _why_ended_soon(self._process)
            raise TargetError(self.why_dead() or str(exc)) from exc
        return self._transport

    def why_dead(self) -> str | None:
        """Return how Renode ended, with what its log warns of, or None while it runs."""
        reason = super().why_dead()
        return f"{reason}\n{self.remarks}".strip() if reason else None

    def _commands(self, elf: Path, folder: Path) -> list[str]:
        """Return the monitor commands that make the machine: variables, script, console."""
        renode = self._renode
        script, image = folder / "session.resc", folder / "firmware.elf"
        shutil.copyfile(renode_dir() / script.name, script)
        shutil.copyfile(elf, image)
        if renode.platform is None:
            made = folder / f"{self._board.name}.repl"
            write_whole(made, platform_description(self._board))
            platform, uart, mips = made, CONSOLE, MIPS
        else:
            platform, uart, mips = Path(renode.platform), renode.uart or "", renode.mips
        return [
            f"logFile @{self._log} true",
            f'$name="{_MACHINE}"',
            f"$platform=@{platform}",
            f"$elf=@{image}",
            f"$mips={mips}",
            f"include @{script}",
            f'emulation CreateUartPtyTerminal "{_TERMINAL}" @{folder / "console"}',
            f"connector Connect sysbus.{uart} {_TERMINAL}",
            f"logLevel {_ONLY_ERRORS} sysbus.{uart}",  # the rate of 1 Hz is a warning a byte
        ]

    def executed_instructions(self) -> int:
        """Return how many instructions the core has executed; sleeping counts for none."""
        if self._monitor is None:
            raise TargetError("Renode is not running")
        said = self._monitor.command("sysbus.cpu ExecutedInstructions")
        try:
            return int(said, 0)
        except ValueError as exc:
            raise TargetError(f"Renode says no number of instructions, but: {said}") from exc

    @property
    def remarks(self) -> str:
        """The last warnings and errors of Renode's log, in a few lines."""
        said = "" if self._log is None else log_excerpt(self._log)
        return f"Renode's log says, last:\n{said}" if said else ""

    def stop(self) -> None:
        """End Renode and remove its folder; twice is fine."""
        super().stop()
        self._folder.close()


def check_start(program: Path, deadline: Deadline) -> None:
    """Start Renode until it takes commands; raises TargetError that says why it does not."""
    with private_folder(plain=True) as folder:
        process = _started(program, "renode", folder)
        try:
            Monitor(*process.pipes).ready(deadline)
        except TargetError as exc:
            raise TargetError(_why_ended_soon(process) or str(exc)) from exc
        finally:
            process.kill()


def _started(program: Path, name: str, folder: Path) -> ChildProcess:
    """Return a Renode whose monitor is its pipes."""
    return ChildProcess(
        [program, "--plain", "--disable-gui", "--console", "--hide-log"],
        name=name,
        pipes=True,
        brief=brief_output,
        # it clears renode-* folders of its TMPDIR when it starts, and keeps a history and
        # settings: none of these are the user's, or another Renode's
        env={**os.environ, "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder)},
        folder=folder,
    )


def _why_ended_soon(process: ChildProcess) -> str | None:
    """Return how it ended, also if that is a moment after its pipes did."""
    grace = Deadline.after(_DYING_S)
    while (reason := process.why_ended()) is None and not grace.expired:
        time.sleep(0.01)
    return reason
