"""Which boards are attached: probes and ports are looked for, chips asked, the map written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnom_hil.boards import Board, Check
from nnom_hil.errors import TargetError
from nnom_hil.probe import (
    NO_PROBE,
    BoardLock,
    Debugger,
    Entry,
    HardwareMap,
    ProbeInfo,
    SerialPortInfo,
    list_probes,
    list_serial_ports,
    load_map,
    port_of_probe,
    save_map,
)
from nnom_hil.run.boardfiles import known_boards

__all__ = ["NO_PROBE", "Found", "scan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One line of a scan. here: whether the probe is attached now."""

    entry: Entry
    here: bool


def scan(map_file: Path, boards_folder: Path | None = None) -> list[Found]:
    """Look for attached boards, write the hardware map, and return what is in it.

    What the user wrote into the map stays, and so do boards that are not attached now. Raises
    UsageError for a map that cannot be read, TargetError where pyOCD cannot look for probes.
    """
    earlier = {entry.probe: entry for entry in load_map(map_file).attached}
    boards = [board for board in known_boards(boards_folder) if board.backend.probe is not None]
    ports = list_serial_ports()
    found = [
        Found(entry=_examine(info, boards, ports, earlier.get(info.id)), here=True)
        for info in list_probes()
    ]
    there = {one.entry.probe for one in found}
    found += [Found(entry=e, here=False) for e in earlier.values() if e.probe not in there]
    if found:
        save_map(map_file, HardwareMap(attached=tuple(one.entry for one in found)))
    return found


def _examine(
    info: ProbeInfo,
    boards: Sequence[Board],
    ports: list[SerialPortInfo],
    earlier: Entry | None,
) -> Entry:
    port = port_of_probe(info.id, ports)
    usb = info.usb or (port.usb if port else None)
    entry = Entry(
        probe=info.id,
        description=info.description,
        port=(earlier.port if earlier else "") or info.port or (port.device if port else ""),
    )
    lock = BoardLock(info.id)
    try:
        lock.acquire()
        ids = _chip_ids(info.id, boards)
    except TargetError as exc:  # in use, or it cannot be spoken to: what was known stays
        kept = earlier or entry
        return kept.model_copy(update={"port": entry.port, "recognised": str(exc)})
    finally:
        lock.release()
    fitting, how = _recognise(info, boards, usb, ids)
    names = [board.name for board in fitting]
    if earlier is not None and earlier.board and names != [earlier.board]:
        checks = {board.name: board.backend.probe.id for board in boards if board.backend.probe}
        written = checks.get(earlier.board)
        if written is None or written in ids:  # nothing says that it cannot be this one
            names, how = [earlier.board], f"written in the map; {how}"
    return entry.model_copy(
        update={
            "board": names[0] if len(names) == 1 else "",
            "candidates": tuple(names) if len(names) > 1 else (),
            "recognised": how,
        }
    )


def _recognise(
    info: ProbeInfo, boards: Sequence[Board], usb: str | None, ids: Sequence[Check]
) -> tuple[list[Board], str]:
    """Return the boards that it can be, and by what: chip id, the probe's knowledge, USB id."""
    fitting = [b for b in boards if b.backend.probe and b.backend.probe.id in ids]
    how = [f"chip id {check}" for check in ids]
    known = [b for b in boards if b.backend.probe and b.backend.probe.target == info.target]
    if known:
        fitting = [b for b in fitting if b in known] or known
        how.append(f"the probe says {info.target}")
    theirs = [b for b in fitting if b.backend.probe and usb in b.backend.probe.usb]
    if len(fitting) > 1 and theirs:
        fitting = theirs
        how.append(f"USB id {usb}")
    return fitting, ", ".join(how) or "no board file has this chip's id"


def _chip_ids(probe: str, boards: Sequence[Board]) -> list[Check]:
    """Return the id checks of the boards that the chip passes."""
    checks = {board.backend.probe.id for board in boards if board.backend.probe}
    debugger = Debugger(probe)
    try:
        debugger.open()
        return [check for check in checks if check is not None and debugger.holds(check)]
    finally:
        debugger.close()
