"""Real boards: their probes and serial ports, which board is where, who uses it, flashing."""

from typing import TYPE_CHECKING

from nnom_hil.lazy import lazily

if TYPE_CHECKING:
    from nnom_hil.probe.attached import NO_PROBE, Attached, find_attached
    from nnom_hil.probe.debugger import REMOTE, Debugger, ProbeInfo, check_pyocd, list_probes
    from nnom_hil.probe.hardware import Entry, HardwareMap, load_map, save_map
    from nnom_hil.probe.lock import BoardLock
    from nnom_hil.probe.ports import (
        SerialPortInfo,
        list_serial_ports,
        port_of_probe,
    )
    from nnom_hil.probe.usb import list_usb_ids, may_have_probes

__all__ = [
    "NO_PROBE",
    "REMOTE",
    "Attached",
    "BoardLock",
    "Debugger",
    "Entry",
    "HardwareMap",
    "ProbeInfo",
    "SerialPortInfo",
    "check_pyocd",
    "find_attached",
    "list_probes",
    "list_serial_ports",
    "list_usb_ids",
    "load_map",
    "may_have_probes",
    "port_of_probe",
    "save_map",
]

__getattr__ = lazily(
    __name__,
    {
        "Attached": "attached",
        "BoardLock": "lock",
        "Debugger": "debugger",
        "Entry": "hardware",
        "HardwareMap": "hardware",
        "NO_PROBE": "attached",
        "ProbeInfo": "debugger",
        "REMOTE": "debugger",
        "SerialPortInfo": "ports",
        "check_pyocd": "debugger",
        "find_attached": "attached",
        "list_probes": "debugger",
        "list_serial_ports": "ports",
        "list_usb_ids": "usb",
        "may_have_probes": "usb",
        "load_map": "hardware",
        "port_of_probe": "ports",
        "save_map": "hardware",
    },
)
