"""Real boards: their probes and serial ports, which board is where, who uses it, flashing."""

from nnom_hil.probe.attached import NO_PROBE, Attached, find_attached
from nnom_hil.probe.debugger import REMOTE, Debugger, ProbeInfo, check_pyocd, list_probes
from nnom_hil.probe.hardware import Entry, HardwareMap, load_map, save_map
from nnom_hil.probe.lock import BoardLock
from nnom_hil.probe.ports import (
    SerialPortInfo,
    list_serial_ports,
    list_usb_ids,
    port_of_probe,
)

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
    "port_of_probe",
    "save_map",
]
