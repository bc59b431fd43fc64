"""Which probe and port a run uses: what the user names, the hardware map, or the only one there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnom_hil.boards import Board
from nnom_hil.errors import TargetError
from nnom_hil.probe.debugger import REMOTE, ProbeInfo, find_probe, list_probes
from nnom_hil.probe.hardware import Entry, load_map
from nnom_hil.probe.ports import list_serial_ports, port_of_probe

__all__ = ["NO_PROBE", "Attached", "find_attached"]

NO_PROBE = (
    "no debug probe is attached: check the cable and the board's power; on Linux a probe also "
    "needs a udev rule, without which it cannot be opened (docs/boards.md, Real boards)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A board on the table: its probe's id, and the serial port of its console."""

    probe: str
    port: str


def find_attached(
    board: Board, hardware_map: Path, *, probe: str | None = None, port: str | None = None
) -> Attached:
    """Return where a board is. The probe is always named in the end: nothing is flashed by guess.

    Raises TargetError: no probe, several, one that is not there, no serial port for it.
    """
    known = {entry.probe: entry for entry in load_map(hardware_map).attached}
    if probe is not None:
        info = find_probe(probe)
        if info is None:
            there = ", ".join(p.id for p in list_probes()) or "none"
            raise TargetError(f"no probe {probe!r} is attached; there: {there}")
    else:
        info = _only_probe(board, known, hardware_map)
    if port is None:
        entry = known.get(info.id)
        matched = port_of_probe(info.id, list_serial_ports())
        port = (entry.port if entry else "") or info.port or (matched.device if matched else "")
    if not port:
        raise TargetError(
            f"no serial port belongs to probe {info.id} ({info.description}): name the one that "
            f"the board's console ({board.console.tx or 'TX'}, {board.console.rx or 'RX'}) is "
            f"wired to with --port, or write it into {hardware_map}"
        )
    return Attached(probe=info.id, port=port)


def _only_probe(board: Board, known: dict[str, Entry], hardware_map: Path) -> ProbeInfo:
    """Return the one attached probe that can be the board's."""
    remote = [p for p in known.values() if p.board == board.name and p.probe.startswith(REMOTE)]
    there = list_probes()
    mapped = [p for p in there if p.id in known and known[p.id].board == board.name]
    mapped += [info for entry in remote if (info := find_probe(entry.probe)) is not None]
    # a probe that the map gives to another board is not this one's
    free = mapped or [p for p in there if not (known.get(p.id) and known[p.id].board)]
    if len(free) == 1:
        return free[0]
    raise TargetError(_why_none(board, known, hardware_map, there=there, free=free))


def _why_none(
    board: Board,
    known: dict[str, Entry],
    hardware_map: Path,
    *,
    there: Sequence[ProbeInfo],
    free: Sequence[ProbeInfo],
) -> str:
    """Say why no probe, or none of several that are free, can be the board's."""
    if not there and not free:
        needs = board.backend.probe.needs if board.backend.probe else None
        return NO_PROBE + (f"; board {board.name} needs {needs}" if needs else "")
    if not free:
        others = ", ".join(f"{p.id} ({known[p.id].board})" for p in there)
        return (
            f"no probe is at a board {board.name}; attached: {others}; if {hardware_map} is "
            "wrong, run nnom-hil boards scan, or name the probe with --probe"
        )
    names = ", ".join(f"{p.id} ({p.description})" for p in free)
    return (
        f"{len(free)} probes may be at board {board.name}: {names}; name one with --probe, or "
        "write which is which into the hardware map: nnom-hil boards scan"
    )
