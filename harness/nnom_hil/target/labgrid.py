"""Serial ports behind labgrid places: `labgrid://PLACE`, ours from acquire() to release().

labgrid is asked by its own program, labgrid-client, as of 25.0; LG_COORDINATOR says where.
"""

import ast
import logging
import os
from collections.abc import Mapping
from typing import Any, Final

from nnom_hil.deadline import Deadline
from nnom_hil.errors import TargetError, TargetGoneError, ToolError, did_you_mean
from nnom_hil.extras import command_for
from nnom_hil.tool import find_tool, run_tool

__all__ = ["PortLoan"]

LOG = logging.getLogger(__name__)

_SCHEME: Final = "labgrid://"
_CLIENT: Final = "labgrid-client"
_TIMEOUT_S: Final = 60.0  # a call takes 0.4 s on a quiet machine
_SCHEMES: Final = {"raw": "socket", "rfc2217": "rfc2217"}
"""pyserial's word for each protocol of a NetworkSerialPort."""


class PortLoan:
    """What a port's URL leads to. Of a place, its serial port; any other URL is taken as it is.

    A place is acquired as labgrid's user (LG_USERNAME, LG_HOSTNAME), who may have it once: two runs
    of one user cannot share it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._place = url.removeprefix(_SCHEME) if url.startswith(_SCHEME) else None
        self._is_held = False

    def acquire(self) -> str:
        """Return the URL that pyserial opens.

        Raises ToolError: no labgrid-client; TargetGoneError naming the holder; TargetError: no
        coordinator, no such place, no serial port to be had of it.
        """
        if self._place is None:
            return self._url
        try:
            find_tool(_CLIENT)
        except ToolError as exc:
            raise ToolError(
                f"{self._url}: {_CLIENT} cannot be found; try: {command_for('labgrid')}"
            ) from exc
        self._check_place(self._place)
        self._acquire()
        try:
            return self._serial_port()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others have the place; twice is fine."""
        if not self._is_held:
            return
        self._is_held = False
        try:
            self._ask("release")
        except TargetError as exc:  # no reason for a run to fail
            LOG.warning("%s; it is not released: %s", exc, self._command("release"))

    def _check_place(self, place: str) -> None:
        """Raise TargetError unless the name is a place's: labgrid would take a part of one."""
        lines = self._ask("places").splitlines()
        names = sorted(line.split()[0] for line in lines if line.strip())
        if place not in names:
            raise TargetError(
                f"{self._url}: the coordinator at {_coordinator()} has no place {place!r}"
                f"{did_you_mean(place, names)}; it has: {', '.join(names) or 'none'}"
            )

    def _acquire(self) -> None:
        try:
            self._ask("acquire")
        except TargetError as exc:
            if (holder := self._holder()) is None:
                raise
            raise TargetGoneError(
                f"{self._url}: place {self._place} is acquired by {holder}; wait until it is "
                f"released, or as that user: {self._command('release')}"
            ) from exc
        self._is_held = True

    def _holder(self) -> str | None:
        """Return HOST/USER who has the place, None where nobody has."""
        for line in self._ask("show").splitlines():
            key, _, value = line.strip().partition(": ")
            if key == "acquired":
                return None if value == "None" else value
        return None

    def _serial_port(self) -> str:
        resources = [r for r in _resources(self._ask("show")) if r["cls"] == "NetworkSerialPort"]
        if len(resources) != 1:
            raise TargetError(
                f"{self._url}: place {self._place} has {len(resources) or 'no'} serial ports "
                f"(NetworkSerialPort), one is needed; look at its matches: {self._command('show')}"
            )
        facts = resources[0]["params"]
        scheme = _SCHEMES.get(str(facts.get("protocol")))
        host, port = facts.get("host"), facts.get("port")
        if not resources[0].get("avail") or scheme is None or not host or not port:
            raise TargetError(
                f"{self._url}: the serial port of place {self._place} cannot be opened: available "
                f"{resources[0].get('avail')}, protocol {facts.get('protocol')}, host {host}, port "
                f"{port}; is its exporter running, and the adapter plugged in?"
            )
        return f"{scheme}://{f'[{host}]' if ':' in str(host) else host}:{port}"

    def _ask(self, verb: str) -> str:
        """Return what labgrid-client says; raises TargetError with its reason."""
        try:
            return run_tool(
                [_CLIENT, f"--place={self._place}", verb],
                deadline=Deadline.after(_TIMEOUT_S),
                env={"LG_ENV": ""},  # its places would be acquired instead
            )
        except ToolError as exc:
            said = exc.output.strip().splitlines()
            if "coordinator" in exc.output or not said:
                raise TargetError(
                    f"{self._url}: the labgrid coordinator at {_coordinator()} cannot be reached; "
                    "does it run there? LG_COORDINATOR=HOST:PORT names another"
                ) from exc
            raise TargetError(f"{self._url}: {verb}: {'; '.join(said[-2:])}") from exc

    def _command(self, verb: str) -> str:
        return f"{_CLIENT} -p {self._place} {verb}"


def _coordinator() -> str:
    return os.environ.get("LG_COORDINATOR", "127.0.0.1:20408")  # labgrid's default


def _resources(shown: str) -> list[Mapping[str, Any]]:
    """Return the resources that `labgrid-client show` prints as indented Python literals."""
    texts: list[str] = []
    is_resource = False
    for line in shown.splitlines():
        if not line.startswith(" "):
            is_resource = line.startswith("Acquired resource ")
            texts += [""] * is_resource
        elif is_resource:
            texts[-1] += line.strip() + "\n"
    try:
        found = [ast.literal_eval(text) for text in texts]
        if not all(isinstance(r["params"], dict) and r["cls"] for r in found):
            raise ValueError("no dictionary of parameters")
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as exc:
        raise TargetError(
            f"{_CLIENT} show: what it prints of a resource cannot be read; labgrid 25.0 to 26 is "
            "known"
        ) from exc
    return found
