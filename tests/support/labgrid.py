"""A labgrid-client that answers as that of labgrid 26.0.1 did: the same words and exit codes."""

from pathlib import Path
from typing import Any

import pytest

from nnom_hil import tool
from nnom_hil.target import labgrid

_HEAD = """\
Place '{place}':
  matches:
    */desk/*
  acquired: {holder}
  acquired resources:
  created: 2026-11-29 10:06:56.762194
  changed: 2026-11-29 10:07:37.162577
"""
_RESOURCE = """\
{state} resource '{cls}' (exp/desk/{cls}/{cls}):
  {{'acquired': {holder!r},
   'avail': {avail},
   'cls': {cls!r},
   'params': {{'extra': {{'proxy': 'localhost', 'proxy_required': False}},
              'host': {host!r},
              'port': {port},
              'protocol': {protocol!r},
              'speed': 115200}}}}
"""
_SCRIPT = """\
#!/bin/sh
cd '{folder}' || exit 9
echo "$*" >> calls
if [ -e down ]; then
  echo "ERROR              root: coordinator is unavailable: failed to connect to all addresses" >&2
  echo "Server error: Error: Could not connect to coordinator" >&2
  exit 1
fi
place=${{1#--place=}}
case $2 in
places) printf '%-40s \\n%-40s \\n' other "{place} (alias)" ;;
show)
  if [ -e holder ]; then sed "s|{{holder}}|$(cat holder)|" head; cat acquired
  else sed "s|{{holder}}|None|" head; cat free; fi ;;
acquire)
  if [ -e refused ]; then cat refused >&2; exit 1; fi
  if [ -e holder ]; then
    echo "labgrid-client: Error: Place $place is already acquired by $(cat holder)." >&2; exit 1
  fi
  echo vm/me > holder; echo "acquired place $place" ;;
release)
  if [ -e kept ]; then echo "labgrid-client: Error: place $place is kept" >&2; exit 1; fi
  rm holder && echo "released place $place" ;;
esac
"""


class FakeLabgrid:
    """A coordinator with two places, `other` and one with resources, that is a folder of files."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str = "mps2") -> None:
        self.folder = folder / "labgrid"
        self.folder.mkdir()
        self.place = place
        (self.folder / "head").write_text(_HEAD.format(place=place, holder="{holder}"))
        client = self.folder / "labgrid-client"
        client.write_text(_SCRIPT.format(folder=self.folder, place=place))
        client.chmod(0o755)
        find = tool.find_tool
        for module in (tool, labgrid):  # a real one beside the interpreter would come first
            monkeypatch.setattr(
                module, "find_tool", lambda name: client if name == client.name else find(name)
            )
        monkeypatch.setenv("LG_COORDINATOR", "lab:20408")
        self.offer()

    def offer(self, *resources: dict[str, Any]) -> None:
        """Give the place these resources; what a resource does not say is a usual serial port's."""
        usual = {"cls": "NetworkSerialPort", "avail": True, "host": "127.0.0.1", "port": 5391}
        usual |= {"protocol": "raw"}
        for file, state, holder in (("acquired", "Acquired", self.place), ("free", "Matching", "")):
            facts = [{**usual, "state": state, "holder": holder or None, **r} for r in resources]
            (self.folder / file).write_text("".join(_RESOURCE.format(**f) for f in facts))

    def plant(self, file: str, text: str = "") -> None:
        """Let something be so: down, kept, refused (what it says), holder (HOST/USER)."""
        (self.folder / file).write_text(text)

    @property
    def holder(self) -> str | None:
        file = self.folder / "holder"
        return file.read_text().strip() if file.exists() else None

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []
