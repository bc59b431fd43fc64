"""Doors through which other programs reach a console: a TCP port, a pseudo-terminal.

One client at a time. What is sent while there is none is lost, as on a line that nobody listens to.
"""

import contextlib
import errno
import os
import select
import socket
import termios
import tty
from pathlib import Path
from typing import Final, Protocol

from nnom_hil.errors import TargetError, UsageError
from nnom_hil.link.visits import Visits

__all__ = ["Door", "PtyDoor", "TcpDoor", "tcp_address"]

_CHUNK: Final = 4096
_SEND_S: Final = 10.0
_WAITING: Final = 8
_LOOPBACK: Final = "127.0.0.1"
_LARGEST_PORT: Final = 65535


class Door(Protocol):
    """A place where a client comes and goes."""

    url: str
    """What pyserial opens."""

    @property
    def departures(self) -> int:
        """How many clients have left."""
        ...

    @property
    def watched(self) -> list[int]:
        """The descriptors that tell of something to take."""
        ...

    def open(self) -> None:
        """Let clients in; twice is fine."""
        ...

    def take(self) -> bytes:
        """Return what a client has sent, maybe nothing; one may have come, or left."""
        ...

    def send(self, data: bytes) -> None:
        """Send to the client, if there is one."""
        ...

    def close(self) -> None:
        """Let nobody in any more; twice is fine."""
        ...


def tcp_address(text: str) -> tuple[str, int]:
    """Return host and port of [HOST:]PORT; raises UsageError for what is none."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or _LOOPBACK
    if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) <= _LARGEST_PORT):
        raise UsageError(f"--tcp {text}: needs [HOST:]PORT, a port from 0 (a free one) to 65535")
    return host, int(port)


class TcpDoor:
    """A port, taken at once, that listens from open() on: who connects is served then.

    Another client waits until the first one has left. Raises UsageError for an address that cannot
    be had.
    """

    def __init__(self, host: str, port: int) -> None:
        self.departures = 0
        self._client: socket.socket | None = None
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.socket(family)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, port))
        except OSError as exc:
            self._listener.close()
            raise UsageError(f"--tcp {host}:{port}: {_why_no_port(exc)}") from exc
        shown = f"[{host}]" if ":" in host else host
        self.url = f"socket://{shown}:{self._listener.getsockname()[1]}"

    @property
    def watched(self) -> list[int]:
        """The client, or where one comes."""
        return [(self._client or self._listener).fileno()]

    def open(self) -> None:
        """Listen; raises UsageError where another program has the port after all."""
        try:
            self._listener.listen(_WAITING)
        except OSError as exc:
            raise UsageError(f"--tcp {self.url}: {_why_no_port(exc)}") from exc
        self._listener.setblocking(False)

    def take(self) -> bytes:
        """Return what the client has sent, or let one in."""
        if self._client is None:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                self._client, _ = self._listener.accept()
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._client.setblocking(False)
                _acknowledge_at_once(self._client)
            return b""
        try:
            data = self._client.recv(_CHUNK)
            _acknowledge_at_once(self._client)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop()
        return data

    def send(self, data: bytes) -> None:
        """Send; a client that takes nothing for long is dropped."""
        while data and self._client is not None:
            try:
                if select.select([], [self._client], [], _SEND_S)[1]:
                    data = data[self._client.send(data) :]
                else:
                    self._drop()
            except BlockingIOError:
                continue
            except OSError:
                self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
            self.departures += 1

    def close(self) -> None:
        """Close the port."""
        self._drop()
        self._listener.close()


def _acknowledge_at_once(client: socket.socket) -> None:
    """Let a client that writes in pieces not wait 40 ms for each; the system soon forgets it."""
    if hasattr(socket, "TCP_QUICKACK"):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _why_no_port(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is taken by another program; name another one, or 0 for a free one"
    if error.errno == errno.EACCES:
        return "ports below 1024 are root's; name another one, or 0 for a free one"
    return f"this machine has no such address ({error.strerror}); leave it out for {_LOOPBACK}"


class PtyDoor:
    """A pseudo-terminal in raw mode. link: a path that is a link to it, from open() to close().

    Raises UsageError for a link that cannot be made, TargetError where there are no terminals.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._link, self._is_linked = link, False
        if link is not None and os.path.lexists(link) and not _leads_nowhere(link):
            raise UsageError(f"--pty {link}: cannot make a link: something is there already")
        try:
            # its other end stays open here, so that it never hangs up, and can be emptied
            self._ours, self._theirs = os.openpty()
            self._name = self.url = os.ttyname(self._theirs)
            tty.setraw(self._theirs)
            os.set_blocking(self._ours, False)
            self._visits = Visits(self._name)
            self._seen = 0
        except OSError as exc:
            raise TargetError(f"--pty: cannot make a pseudo-terminal: {exc.strerror}") from exc

    def open(self) -> None:
        """Make the link; raises UsageError where it cannot be."""
        if self._link is None or self._is_linked:
            return
        try:
            if _leads_nowhere(self._link):  # one that an earlier end has left
                self._link.unlink()
            self._link.symlink_to(self._name)
        except OSError as exc:
            raise UsageError(f"--pty {self._link}: cannot make a link: {exc.strerror}") from exc
        self._is_linked = True
        self.url = str(self._link)

    @property
    def departures(self) -> int:
        """How often nobody had it open any more, as far as what was sent before is taken."""
        return self._seen

    @property
    def watched(self) -> list[int]:
        """Its visits, and itself."""
        return [self._visits.descriptor, self._ours]

    def take(self) -> bytes:
        """Return what the client has sent; what a client that left has not read is forgotten."""
        is_open = self._visits.look() > 0
        has_left = self._visits.ended > self._seen
        self._seen = self._visits.ended
        data = b""
        if has_left and is_open:
            return data  # what is there is the next one's
        with contextlib.suppress(BlockingIOError):  # nothing there
            data = os.read(self._ours, _CHUNK)
        if has_left:
            termios.tcflush(self._theirs, termios.TCIFLUSH)
        return data

    def send(self, data: bytes) -> None:
        """Send; what does not fit in the terminal of a client that does not read is lost."""
        while data and self._visits.look() > 0:
            if not select.select([], [self._ours], [], _SEND_S)[1]:
                return
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._ours, data) :]

    def close(self) -> None:
        """Take terminal and link away."""
        if self._ours >= 0:
            os.close(self._ours)
            os.close(self._theirs)
            self._visits.close()
            self._ours = -1
        if self._link is not None and self._is_linked:
            with contextlib.suppress(OSError):
                self._link.unlink()
            self._is_linked = False


def _leads_nowhere(link: Path) -> bool:
    return link.is_symlink() and not link.exists()
