"""Which serial port belongs to which probe."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from nnom_hil.probe import list_serial_ports, port_of_probe


def usb_port(device: Path, serial: str | None, vid: int = 0x0483) -> SimpleNamespace:
    return SimpleNamespace(device=str(device), serial_number=serial, vid=vid, pid=0x374B)


def test_ports_have_names_that_stay_and_belong_to_probes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = [tmp_path / name for name in ("ttyACM0", "ttyACM1", "ttyACM2", "ttyS0")]
    for device in devices:
        device.touch()
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    for number, name in ((1, "usb-STLINK_066EFF37-if02"), (0, "usb-STLINK_0671FF52-if02")):
        (by_id / name).symlink_to(devices[number])
    there = [
        usb_port(devices[0], "0671ff52"),
        usb_port(devices[1], "066eff37"),
        usb_port(devices[2], None),
        SimpleNamespace(device=str(devices[3]), serial_number=None, vid=None, pid=None),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: there)
    ports = list_serial_ports(by_id)
    assert len(ports) == 3, "the machine's own UART is no probe's"
    found = port_of_probe("066EFF37", ports)
    assert found is not None
    assert found.device == str(by_id / "usb-STLINK_066EFF37-if02")
    assert found.usb == "0483:374b"
    assert port_of_probe("999", ports) is None
    assert str(devices[2]) in {port.device for port in ports}, "without a name by id"
    assert len(list_serial_ports(tmp_path / "none")) == 3
