"""The hardware map: which board is at which probe and serial port of this machine."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from nnom_hil.errors import UsageError
from nnom_hil.files import read_toml, write_whole
from nnom_hil.text import printable

__all__ = ["Entry", "HardwareMap", "load_map", "save_map"]

_SCHEMA: Final = "nnom-hil/hardware/1"
_HEAD: Final = f"""\
# The boards of this machine, written by: nnom-hil boards scan
# Where board or port is empty, fill it in; a later scan keeps what you have written.
schema = "{_SCHEMA}"
"""


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Entry(_Facts):
    """One probe. port: a device or pyserial URL. board: a board file's name; "" is not known yet.

    recognised: how board was found. candidates: boards it may be, where it is not clear.
    """

    probe: Annotated[str, Field(min_length=1)]
    description: str = ""
    port: str = ""
    board: Annotated[str, Field(pattern=r"^[a-z0-9_]*$")] = ""
    recognised: str = ""
    candidates: Annotated[tuple[str, ...], Field(strict=False)] = ()


class HardwareMap(_Facts):
    """What is attached."""

    schema_: Annotated[Literal["nnom-hil/hardware/1"], Field(alias="schema")] = _SCHEMA
    attached: Annotated[tuple[Entry, ...], Field(strict=False)] = ()


def load_map(path: Path) -> HardwareMap:
    """Read a hardware map; an empty one where there is no file.

    Raises UsageError naming what is wrong in it.
    """
    if not path.exists():
        return HardwareMap()
    hardware = read_toml(path, HardwareMap, what="the hardware map")
    counted = Counter(entry.probe for entry in hardware.attached)
    if twice := next((probe for probe, times in counted.items() if times > 1), None):
        raise UsageError(f"{path}: probe {twice} is in the hardware map twice; remove one")
    return hardware


def save_map(path: Path, hardware: HardwareMap) -> None:
    """Write a hardware map; what a person has written beside the facts, comments too, stays.

    Raises StoreError where it cannot be written.
    """
    import tomlkit

    document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else _HEAD)
    if not hardware.attached:  # nothing is taken away
        write_whole(path, tomlkit.dumps(document))
        return
    if not document.get("attached"):
        document.pop("attached", None)
        document["attached"] = tomlkit.aot()
    tables = document["attached"]
    there = {str(table["probe"]): table for table in tables}
    for entry in hardware.attached:
        known = there.get(printable(entry.probe))
        if known is None:
            tables.append(tomlkit.table())
        table = tables[-1] if known is None else known
        for key, value in entry.model_dump(mode="json").items():
            if value or key in ("port", "board"):
                fact = printable(value) if isinstance(value, str) else value
                if key not in table or table[key] != fact:  # or its comment would go
                    table[key] = fact
            elif key in table:
                del table[key]
    write_whole(path, tomlkit.dumps(document))
