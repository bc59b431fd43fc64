"""unix:///path/to/socket: a stream over a Unix domain socket, for emulators on this machine.

A socket in a private folder can be reached by nobody else.
"""

import socket

from serial import SerialException
from serial.urlhandler import protocol_socket

__all__ = ["Serial"]

_CONNECT_TIMEOUT_S = 5.0


class Serial(protocol_socket.Serial):
    """pyserial's socket port on another address family."""

    def open(self) -> None:
        """Connect; what the other side has already sent is kept."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_CONNECT_TIMEOUT_S)
        try:
            connection.connect(str(self.portstr).removeprefix("unix://"))
        except OSError as exc:
            connection.close()
            raise SerialException(exc.errno, f"could not open port {self.portstr}: {exc}") from exc
        connection.setblocking(False)
        self._socket = connection
        self.is_open = True

    def close(self) -> None:
        """Disconnect; twice is fine."""
        if self.is_open:
            self._socket.close()
            self.is_open = False
