"""Whether USB has anything that may be a debug probe, told by the kernel: pyOCD takes long to load.

A probe speaks through a vendor's own interface (ST-Link, J-Link, CMSIS-DAP 2) or through a HID one
that is no keyboard and no mouse (CMSIS-DAP 1). What only looks like one, pyOCD is asked about.
"""

import os
from pathlib import Path
from typing import Final

from nnom_hil import variables
from nnom_hil.extras import missing_of, need

__all__ = ["list_usb_ids", "may_have_probes"]

_DEVICES: Final = Path("/sys/bus/usb/devices")
_VENDOR: Final = "ff"
_HID: Final = "03"
_BOOT: Final = {"01", "02"}  # a keyboard, a mouse


def may_have_probes(devices: Path = _DEVICES) -> bool:
    """Whether pyOCD is to be asked: where the kernel does not tell, it is.

    Raises ToolError where it would be, and is not installed.
    """
    may = (
        not _DEVICES.parents[1].is_dir()  # another system than Linux
        or bool(os.environ.get(variables.VIRTUAL_BOARDS))
        or any(map(_may_be_probe, _entries(devices)))
    )
    if may:
        need("probe", "looking for debug probes")
    return may


def list_usb_ids(devices: Path = _DEVICES) -> set[str]:
    """Return "vvvv:pppp" of every USB device; nothing where the system cannot tell."""
    if devices.is_dir():
        ids = ((_read(d / "idVendor"), _read(d / "idProduct")) for d in _entries(devices))
        return {f"{vendor}:{product}" for vendor, product in ids if vendor and product}
    if _DEVICES.parents[1].is_dir() or missing_of("probe"):
        return set()
    import libusb_package
    import usb.core

    try:
        return {
            f"{device.idVendor:04x}:{device.idProduct:04x}"
            for device in libusb_package.find(find_all=True)
        }
    except (usb.core.USBError, usb.core.NoBackendError):
        return set()


def _entries(devices: Path) -> list[Path]:
    return sorted(devices.iterdir()) if devices.is_dir() else []


def _may_be_probe(entry: Path) -> bool:
    kind = _read(entry / "bInterfaceClass")
    return kind == _VENDOR or (kind == _HID and _read(entry / "bInterfaceProtocol") not in _BOOT)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
