"""Acts like Renode as far as the harness can see: options, monitor, console socket.

Behind the console is whatever FAKE_RENODE_CONSOLE names: a terminal device of the firmware as a
native process. FAKE_RENODE_REFUSES is the start of a monitor command to refuse.
"""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path


def main() -> None:
    if "--help" in sys.argv:
        print("  --plain  --port  --disable-gui")
        return
    if "--version" in sys.argv:
        print("Renode v1.99.0 (fake)")
        return
    assert sys.argv[1:4] == ["--plain", "--disable-gui", "--port"], sys.argv
    log = Path(os.environ["FAKE_RENODE_LOG"])
    log.write_text(f"TMPDIR={os.environ['TMPDIR']}\n")
    server = socket.create_server(("127.0.0.1", int(sys.argv[4])))
    peer, _ = server.accept()
    peer.sendall(b"\xff\xfd\x03Renode, version 1.99.0\r\n\r\n\x1b[33;1m(monitor) \x1b[0m")
    variables: dict[str, str] = {}
    lines = peer.makefile("r", newline="\n")
    console: socket.socket | None = None
    for line in lines:
        command = line.strip()
        with log.open("a") as file:
            file.write(command + "\n")
        answer = ""
        if command.startswith("$"):
            name, _, value = command.partition("=")
            variables[name] = value
        if (refused := os.environ.get("FAKE_RENODE_REFUSES")) and command.startswith(refused):
            answer = "There was an error executing command 'x'\r\nNo such command or device: x\r\n"
        elif command.startswith("include"):
            console = socket.create_server(("127.0.0.1", int(variables["$port"])))
        elif command == "start":
            assert console is not None
            threading.Thread(target=serve, args=(console,), daemon=True).start()
        elif command == "cpu ExecutedInstructions":
            answer = "0x00000000000004D2\r\n"
        prompt = "(nnom_hil) " if console else "(monitor) "
        peer.sendall(f"{command}\r\n{answer}\x1b[33;1m{prompt}\x1b[0m".encode())


def serve(console: socket.socket) -> None:
    """Joins the console's socket and the firmware's terminal."""
    firmware = subprocess.Popen(
        [os.environ["FAKE_RENODE_FIRMWARE"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert firmware.stdout is not None
    assert firmware.stdin is not None
    terminal = os.open(firmware.stdout.readline().strip(), os.O_RDWR | os.O_NOCTTY)
    peer, _ = console.accept()
    firmware.stdin.write(b"\n")
    firmware.stdin.flush()

    def outward() -> None:
        while data := os.read(terminal, 4096):
            peer.sendall(data)

    threading.Thread(target=outward, daemon=True).start()
    while data := peer.recv(4096):
        while data:
            data = data[os.write(terminal, data) :]


if __name__ == "__main__":
    main()
