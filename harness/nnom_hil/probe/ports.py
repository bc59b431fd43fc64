"""The serial ports of this machine, and which belongs to a probe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["SerialPortInfo", "list_serial_ports", "port_of_probe"]

_BY_ID: Final = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPortInfo:
    """device: a name that stays when boards are plugged elsewhere, where there is one.

    usb: "vvvv:pppp"; serial: of the USB device, which for a probe's port is the probe's.
    """

    device: str
    serial: str | None
    usb: str | None


def list_serial_ports(by_id: Path = _BY_ID) -> list[SerialPortInfo]:
    """Return the USB serial ports, under their names by id where the system has made those."""
    from serial.tools import list_ports

    stable = {}
    if by_id.is_dir():
        stable = {str(link.resolve()): str(link) for link in sorted(by_id.iterdir())}
    found = []
    for port in list_ports.comports():
        if port.vid is None:
            continue  # a UART of the machine itself
        usb = f"{port.vid:04x}:{port.pid:04x}"
        device = stable.get(port.device, port.device)
        found.append(SerialPortInfo(device=device, serial=port.serial_number, usb=usb))
    return sorted(found, key=lambda port: port.device)


def port_of_probe(probe: str, ports: list[SerialPortInfo]) -> SerialPortInfo | None:
    """Return the port whose USB device has the probe's id as its serial number.

    A probe with several ports has its console on the first.
    """
    wanted = probe.lower()
    return next((port for port in ports if (port.serial or "").lower() == wanted), None)
