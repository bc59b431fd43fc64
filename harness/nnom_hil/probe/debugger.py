"""pyOCD: finding probes, connecting, checking the chip, flashing, resetting."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nnom_hil.boards import Check, ProbeBackend
from nnom_hil.errors import TargetError, TargetGoneError
from nnom_hil.extras import need

__all__ = ["REMOTE", "Debugger", "ProbeInfo", "check_pyocd", "find_probe", "list_probes"]

REMOTE: Final = "remote:"
_BLOCK: Final = 4096
_GENERIC: Final = "cortex_m"
_DESIGNER: Final = 0xFFF  # of DPIDR: who made the debug port, by JEDEC's JEP106
_NOBODY: Final = 0xFFF  # a virtual board's, also behind a probe server


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeInfo:
    """An attached probe. target: pyOCD's name of the chip, where the probe knows its board.

    port: the serial port, usb: its ids "vvvv:pppp", where the probe itself knows them.
    """

    id: str
    description: str
    target: str | None = None
    port: str = ""
    usb: str | None = None


def check_pyocd() -> str:
    """Return pyOCD's version; raises TargetError where it does not start."""
    need("probe", "a board at a debug probe")
    with _quiet():
        try:
            import pyocd

            return str(pyocd.__version__)
        except ImportError as exc:
            raise TargetError(f"pyOCD cannot be loaded: {exc}; reinstall nnom-hil") from exc


@contextlib.contextmanager
def _quiet() -> Iterator[list[str]]:
    """Keep pyOCD's log from the terminal; what it complained of is in the list."""
    complaints: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(record.getMessage())

    log = logging.getLogger("pyocd")
    keep, propagated = Keep(logging.WARNING), log.propagate
    log.addHandler(keep)
    log.propagate = False
    try:
        yield complaints
    finally:
        log.propagate = propagated
        log.removeHandler(keep)


def _info(probe: Any) -> ProbeInfo:
    board = probe.associated_board_info
    return ProbeInfo(
        id=str(probe.unique_id),
        description=str(probe.description),
        target=None if board is None else board.target,
        port=str(getattr(probe, "serial_port", "")),
        usb=getattr(probe, "usb", None),
    )


def list_probes() -> list[ProbeInfo]:
    """Return the probes attached to this machine; raises TargetError where pyOCD cannot look."""
    need("probe", "looking for debug probes")
    from pyocd.core.helpers import ConnectHelper

    with _quiet(), _named("looking for probes"):
        return [_info(p) for p in ConnectHelper.get_all_connected_probes(blocking=False)]


def find_probe(name: str) -> ProbeInfo | None:
    """Return the probe of that id or, if it is the only such one, whose id contains it.

    remote:HOST[:PORT] is a probe that pyocd server offers. Raises TargetError where it does not.
    """
    probe = _probe(name)
    if probe is None:
        return None
    if name.lower().startswith(REMOTE):  # it knows nothing before it is open
        return ProbeInfo(id=str(probe.unique_id), description="a remote probe")
    return _info(probe)


def _probe(name: str) -> Any:
    need("probe", f"--probe {name}")
    from pyocd.probe.aggregator import DebugProbeAggregator

    with _quiet(), _named(f"looking for probe {name}"):
        probes = DebugProbeAggregator.get_all_connected_probes(unique_id=name)
    return probes[0] if len(probes) == 1 else None


@contextlib.contextmanager
def _named(doing: str) -> Iterator[None]:
    """Turn pyOCD's errors into ours."""
    from pyocd.core import exceptions

    try:
        yield
    except exceptions.Error as exc:
        raise TargetError(f"{doing}: {exc}") from exc
    except OSError as exc:  # a remote probe's socket, or USB
        raise TargetError(f"{doing}: {exc.strerror or exc}") from exc


def _is_locked(session: Any) -> bool:
    """Whether the chip's debug port lets nobody in, where pyOCD can tell (nRF52: CTRL-AP)."""
    with contextlib.suppress(Exception):  # the probe may be gone
        return bool(session.target.is_locked())
    return False


class Debugger:
    """One open probe with a chip behind it. Every error is a TargetError that names the probe.

    chip: pyOCD's name of it; the generic core, which cannot be flashed, without. pack: a
    CMSIS-Pack file that has it.
    """

    def __init__(self, probe: str, chip: str | None = None, *, pack: Path | None = None) -> None:
        self.probe = probe
        self._chip = chip or _GENERIC
        self._pack = pack
        self._session: Any = None

    # ---- connecting

    def open(self) -> None:
        """Connect and leave the core as it is; a core that cannot be reached is held in reset."""
        self._check_chip_is_known()
        probe = _probe(self.probe)
        if probe is None:
            raise TargetGoneError(f"probe {self.probe} is not attached; check its cable")
        try:
            self._open(probe, "attach")
        except TargetError as first:
            # firmware may have switched the debug pins off, or sleep: catch it at its reset
            try:
                self._open(probe, "under-reset")
            except TargetError as second:
                raise first from second

    def _open(self, probe: Any, mode: str) -> None:
        from pyocd.core.session import Session

        with self._doing("cannot connect"):
            session = Session(
                probe,
                target_override=self._chip,
                connect_mode=mode,
                auto_unlock=False,  # that would erase the chip unasked
                hide_programming_progress=True,
                pack=None if self._pack is None else str(self._pack),
                **{"warning.cortex_m_default": False},
            )
            try:
                session.open()
            except BaseException as exc:
                locked = _is_locked(session)
                with contextlib.suppress(Exception):
                    session.close()
                if locked:  # which is why no core was found behind the port
                    raise TargetError(
                        f"probe {self.probe}: the chip is locked against debugging; pyOCD's own "
                        f"commands unlock, and erase, it: pyocd reset -u {self.probe} "
                        f"-t {self._chip}"
                    ) from exc
                raise
        self._session = session

    def _check_chip_is_known(self) -> None:
        from pyocd.target import TARGET
        from pyocd.target.pack.pack_target import ManagedPacks, PackTargets

        if self._chip in TARGET:
            return
        with self._doing("cannot load the chip's pack"):
            if self._pack is not None:
                if not self._pack.is_file():
                    raise TargetError(f"{self._pack}: no such pack file")
                PackTargets.populate_targets_from_pack(str(self._pack))
            else:
                ManagedPacks.populate_target(self._chip)
        if self._chip not in TARGET:
            where = f"{self._pack} has" if self._pack is not None else "pyOCD knows"
            raise TargetError(
                f"{where} no chip {self._chip!r}: install its CMSIS-Pack with: "
                f"pyocd pack install {self._chip}; or name a pack file with --pack FILE.pack"
            )

    def close(self) -> None:
        """Let the core run and let go of the probe; twice is fine."""
        session, self._session = self._session, None
        if session is not None:
            with _quiet(), contextlib.suppress(Exception):  # it may be unplugged
                session.close()

    @contextlib.contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Name probe, step and remedy in whatever goes wrong."""
        from pyocd.core import exceptions

        with _quiet() as complaints:
            try:
                yield
            except exceptions.ProbeDisconnected as exc:
                raise TargetGoneError(
                    f"probe {self.probe}: {what}: its connection was lost ({exc}); plug it in "
                    "again and run again"
                ) from exc
            except ConnectionError as exc:
                raise TargetError(
                    f"probe {self.probe}: {what}: {exc.strerror or exc}; is pyocd server running "
                    "there?"
                ) from exc
            except (exceptions.Error, OSError) as exc:
                said = f"; pyOCD says: {complaints[-1]}" if complaints else ""
                raise TargetError(f"probe {self.probe}: {what}: {exc}{said}") from exc

    @property
    def _target(self) -> Any:
        if self._session is None:
            raise TargetError(f"probe {self.probe} is not open")
        return self._session.target

    @property
    def is_virtual(self) -> bool:
        """Whether the board is a program, whose time is no board's."""
        with self._doing("cannot ask the debug port who made it"):
            return int(self._target.dp.dpidr.idr) & _DESIGNER == _NOBODY

    # ---- the chip

    def read_word(self, address: int) -> int:
        """Return a word of memory or of a register."""
        with self._doing(f"cannot read {address:#010x}"):
            return int(self._target.read32(address))

    def read_bits(self, check: Check) -> int:
        """Return the bits of a register that a check is about."""
        return self.read_word(check.address) & check.bits

    def holds(self, check: Check) -> bool:
        """Return whether the chip passes a check; one without such a register does not."""
        try:
            return self.read_bits(check) == check.value
        except TargetError:
            return False

    def check_chip(self, facts: ProbeBackend, board: str) -> None:
        """Raise TargetError for a chip that is not the board's, or one that is locked."""
        check = facts.id
        if check is not None and (found := self.read_bits(check)) != check.value:
            raise TargetError(
                f"probe {self.probe} is at another chip: its id at {check.address:#010x} is "
                f"{found:#x}, a {facts.target} of board {board} has {check.value:#x}; choose "
                "the right probe with --probe, or the right board with --board"
            )
        check = facts.unlocked
        if check is not None and (found := self.read_bits(check)) != check.value:
            raise TargetError(
                f"the flash of board {board} at probe {self.probe} is locked: "
                f"{check.address:#010x} holds {found:#x}, unlocked is {check.value:#x}; "
                f"unlocking erases it: pyocd erase --mass -u {self.probe} -t {facts.target}"
            )

    def core_state(self) -> str:
        """Return what the core does: running, halted, reset, sleeping, lockup."""
        with self._doing("cannot ask for the core's state"):
            return str(self._target.get_state().name).lower()

    def halt(self) -> None:
        """Stop the core where it is."""
        with self._doing("cannot halt the core"):
            self._target.halt()

    def resume(self) -> None:
        """Let it go on."""
        with self._doing("cannot let the core go on"):
            self._target.resume()

    def reset_and_halt(self) -> None:
        """Reset the chip and keep the core at its first instruction."""
        with self._doing("cannot reset the chip"):
            self._target.reset_and_halt()

    def reset(self) -> None:
        """Reset the chip; its firmware starts."""
        with self._doing("cannot reset the chip"):
            self._target.reset()

    # ---- the flash

    def first_difference(self, pieces: Sequence[tuple[int, bytes]]) -> int | None:
        """Return the first address where memory differs from these bytes, None if it is equal."""
        for start, data in pieces:
            for at in range(0, len(data), _BLOCK):
                wanted = data[at : at + _BLOCK]
                with self._doing(f"cannot read the flash at {start + at:#010x}"):
                    got = bytes(self._target.read_memory_block8(start + at, len(wanted)))
                if got != wanted:
                    pairs = enumerate(zip(got, wanted, strict=True))
                    return start + at + next(i for i, (a, b) in pairs if a != b)
        return None

    def _refused(self, what: str, error: Exception) -> TargetError:
        why = "it is protected from writing (option bytes), or worn out"
        if "timed out" in str(error):
            why = "its controller stays busy; take the board's power away and try again"
        return TargetError(f"probe {self.probe}: the flash would not be {what}: {error}; {why}")

    def program(
        self, pieces: Sequence[tuple[int, bytes]], on_progress: Callable[[float], None]
    ) -> None:
        """Erase what is needed, program, and read all of it back; on_progress gets 0 to 1.

        The core is halted afterwards. Raises TargetError naming the address that failed.
        """
        from pyocd.core import exceptions
        from pyocd.flash.loader import FlashLoader

        with self._doing("cannot flash"):
            try:
                loader = FlashLoader(
                    self._session, progress=on_progress, chip_erase="sector", keep_unwritten=True
                )
                for start, data in pieces:
                    loader.add_data(start, data)
                loader.commit()
            except ValueError as exc:  # an address outside the chip's memories
                raise TargetError(f"probe {self.probe}: cannot flash: {exc}") from exc
            except exceptions.FlashEraseFailure as exc:
                raise self._refused("erased", exc) from exc
            except exceptions.FlashProgramFailure as exc:
                raise self._refused("programmed", exc) from exc
        self.reset_and_halt()
        wrong = self.first_difference(pieces)
        if wrong is not None:
            raise TargetError(
                f"probe {self.probe}: the flash holds something else than was written, first at "
                f"{wrong:#010x}: worn out, or a bad cable; try again, then another board"
            )
