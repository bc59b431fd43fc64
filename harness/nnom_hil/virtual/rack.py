"""The virtual boards of this machine: a TOML file, named by an environment variable."""

import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from nnom_hil import variables
from nnom_hil.errors import UsageError
from nnom_hil.files import read_toml

__all__ = ["RACK_VARIABLE", "Faults", "StuckBit", "VirtualBoard", "load_rack"]

RACK_VARIABLE: Final = variables.VIRTUAL_BOARDS
STM32F42X_ID: Final = 0x419


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StuckBit(_Facts):
    """A bit of the flash that will not become zero."""

    address: Annotated[int, Field(ge=0x0800_0000, lt=0x0810_0000)]
    bit: Annotated[int, Field(ge=0, le=7)]


class Faults(_Facts):
    """What is wrong with a board.

    read_protected: RDP level 1. write_protected: no sector may be written. id_code: what the chip
    says it is. stuck_bit: will not program. never_ready: the flash stays busy.
    unplugged_after: transfers of the probe until its cable is pulled.
    """

    read_protected: bool = False
    write_protected: bool = False
    id_code: Annotated[int, Field(ge=0, lt=0x1000)] = STM32F42X_ID
    stuck_bit: StuckBit | None = None
    never_ready: bool = False
    unplugged_after: Annotated[int, Field(ge=1)] | None = None


class VirtualBoard(_Facts):
    """One board on the table: its probe's serial number, the board file's name, its faults."""

    serial: Annotated[str, Field(pattern=r"^[A-Z0-9]{4,32}$")]
    board: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] = "virtual_stm32f429"
    faults: Faults = Faults()


class _Rack(_Facts):
    probe: Annotated[tuple[VirtualBoard, ...], Field(strict=False)] = ()


def load_rack() -> tuple[Path, tuple[VirtualBoard, ...]] | None:
    """Return the folder and the boards of the file that the variable names, None if it is not set.

    Beside the file are kept: <serial>.flash, what the flash holds, and <serial>.tty, a link to the
    serial port. Raises UsageError for a file that cannot be used.
    """
    name = os.environ.get(RACK_VARIABLE)
    if not name:
        return None
    path = Path(name)
    rack = read_toml(path, _Rack, what=f"the virtual boards (${RACK_VARIABLE})")
    serials = [board.serial for board in rack.probe]
    if len(set(serials)) < len(serials):
        raise UsageError(f"{path}: two probes have the same serial number")
    return path.resolve().parent, rack.probe
