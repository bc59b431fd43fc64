#!/usr/bin/env bash
# pyserial 3.5: read() of a socket:// port loses what it has received when the other side has closed.
#
# read(100) collects until it has 100 bytes or the time-out. Where the peer sent 5 and closed, the first recv() gives the
# 5, the second one the end, for which read() raises SerialException("read failed: socket disconnected"): the 5 bytes
# are gone, and no later read() gives them. A device's port gives what it has. So the last words of a console
# behind a TCP bridge, which are the interesting ones, are never seen, unless each read asks for one byte.
#
# Seen: "read(100): read failed: socket disconnected; read(1) five times: b'words'".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyserial==3.5
"$folder/venv/bin/python" - <<'PY'
import socket
import sys

import serial


def port_after_last_words():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = serial.serial_for_url(f"socket://127.0.0.1:{server.getsockname()[1]}", timeout=5)
        peer, _ = server.accept()
        peer.sendall(b"words")
        peer.close()
    return port


at_once = port_after_last_words()
try:
    told = repr(at_once.read(100))
except serial.SerialException as exc:
    told = str(exc)
byte_by_byte = port_after_last_words()
words = b"".join(byte_by_byte.read(1) for _ in range(5))
print(f"read(100): {told}; read(1) five times: {words!r}")
sys.exit(0 if told == "read failed: socket disconnected" and words == b"words" else 1)
PY
echo "as described"
