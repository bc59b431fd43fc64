"""Acts like Renode 1.15.3 as far as the harness can see, the faults of others included.

It was compared with the real one: monitor on standard input and output or on a port (telnet),
echo, errors of platform files, registers that are absent, log, crash, temporary folders. Behind
the console is FAKE_RENODE_FIRMWARE, the firmware as a native process. FAKE_RENODE_TOLD gets what
it was told; FAKE_RENODE_REFUSES is the start of a command to refuse; FAKE_RENODE_CRASHES: it does;
FAKE_RENODE_WAITS: the registers that start-up waits for, ADDRESS:BITS:VALUE,...
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

VERSION = os.environ.get("FAKE_RENODE_VERSION", "1.15.3.23307")
WAITS_FOR_TELNET = VERSION.startswith("1.15")
WRAPS = VERSION.startswith("1.17")  # the main branch, by its source
INIT_BYTES = bytes([255, 253, 0, 255, 251, 1, 255, 251, 3, 255, 252, 34])
FLOOD = 500  # of the 100,000 that a bounded wait reads


class RefusedError(Exception):
    """The monitor's error."""


def main() -> None:
    options = sys.argv[1:]
    if "--version" in options:
        print(f"Renode v{VERSION}\n  build: 0\n  build type: Release\n  runtime: Mono 4.0.30319")
        return
    if "--disable-gui" not in options:
        sys.exit("Couldn't start UI - falling back to console mode")
    forget_the_dead()
    time.sleep(0.3)  # what comes before the shell reads is lost
    if os.environ.get("FAKE_RENODE_CRASHES"):
        crash()
    if "--console" in options:
        while select.select([0], [], [], 0)[0] and os.read(0, 4096):
            pass
        Shell(lambda: os.read(0, 1), lambda data: os.write(1, data)).run()
    else:
        over_telnet(int(options[options.index("--port") + 1]))


def forget_the_dead() -> None:
    """Remove folders of Renodes that are not there, make ours, write settings: as Renode does."""
    place = Path(os.environ["TMPDIR"])
    for old in place.glob("renode-*"):
        if old.is_dir() and not Path(f"/proc/{old.name[7:]}").exists():
            old.rmdir()
    (place / f"renode-{os.getpid()}").mkdir()
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "renode"
    settings.mkdir(exist_ok=True)
    (settings / "config").write_text("[general]\n")


def crash() -> None:
    trace = "  at Antmicro.Renode.Core.PythonEngine.InnerInit () [0x00080] in <549fd46f>:0 \n" * 32
    text = f"Could not add reference to assembly IronPython.StdLib\n{trace}\n"
    sys.stderr.write(f"Fatal error:\n{text}\n[ERROR] FATAL UNHANDLED EXCEPTION: X: {text}")
    sys.exit(1)


def over_telnet(port: int) -> None:
    """The monitor on a port, of all interfaces; up to 1.15.3 nine bytes are swallowed first."""
    peer, _ = socket.create_server(("", port)).accept()
    peer.sendall(INIT_BYTES)
    for _ in range(9 if WAITS_FOR_TELNET else 0):
        peer.recv(1)

    def read() -> bytes:
        byte = peer.recv(1)
        while byte == b"\xff" and not WAITS_FOR_TELNET:
            byte = peer.recv(2)[:0] + peer.recv(1)
        return byte

    Shell(read, peer.sendall).run()


def note(line: str) -> None:
    with Path(os.environ["FAKE_RENODE_TOLD"]).open("a") as file:
        file.write(line + "\n")


class Shell:
    """Reads a byte, echoes it; runs a line at its end."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], object]) -> None:
        self._read, self._write = read, write
        self._machine = Machine()

    def say(self, text: str) -> None:
        """A byte at a time; after a bracket, which may be a prompt's, there may be a pause."""
        for byte in text.encode():
            self._write(bytes([byte]))
            if byte == ord(")"):
                time.sleep(0.05)

    def run(self) -> None:
        self.say(f"Renode, version {VERSION} (6c2b1a7f-202409101200)\n\r\n\r")
        line = b""
        self.say(self._machine.prompt)
        while byte := self._read():
            if byte != b"\n":
                line += byte
                self._write(byte)
                if WRAPS and (len(self._machine.prompt) + len(line)) % 80 == 0:
                    self._write(b"\r\n")
                continue
            self.say("\n\r")
            answer = self._machine.run(line.decode())
            line = b""
            self.say("".join(f"{part}\r\n" for part in answer.splitlines()))
            self.say(self._machine.prompt)


class Machine:
    """What commands do."""

    def __init__(self) -> None:
        self._variables: dict[str, str] = {}
        self._log: Path | None = None
        self._platform = ""
        self._terminal = -1
        self._levels: dict[str, str] = {}
        self.prompt = "(monitor) "

    def run(self, line: str) -> str:
        note(line)
        refused = os.environ.get("FAKE_RENODE_REFUSES")
        try:
            if refused and line.startswith(refused):
                raise RefusedError(f"No such command or device: {line.partition(' ')[0]}")
            return self._command(line)
        except RefusedError as exc:
            return f"There was an error executing command '{line.partition(' ')[0]}'\n{exc}"

    def _command(self, line: str) -> str:
        if line.startswith(("#", ":")) or not line:
            return ""
        if line.startswith("$"):
            name, _, value = line.partition("=")
            self._variables[name] = value.strip('"')
            return ""
        words = [self._variables.get(word, word).strip('"') for word in line.split()]
        match words:
            case ["include", path]:
                for one in Path(path.removeprefix("@")).read_text().splitlines():
                    self._command(one)
            case ["logFile", path, "true"]:
                self._log = Path(path.removeprefix("@"))
                self._log.write_text("")
            case ["mach", "create", name]:
                self.prompt = f"({name}) "
            case ["machine", "LoadPlatformDescription", path]:
                self._platform = platform(Path(path.removeprefix("@")).read_text())
            case ["emulation", "CreateUartPtyTerminal", _, path]:
                self._terminal, link = terminal()
                Path(path.removeprefix("@")).symlink_to(link)
            case ["emulation", "CreateServerSocketTerminal", port, _, "false"]:
                self._server = socket.create_server(("", int(port)))
            case ["logLevel", level, of]:
                self._levels[of] = level
            case ["start"]:
                threading.Thread(target=self._serve, daemon=True).start()
            case ["sysbus.cpu", "ExecutedInstructions"]:
                return "0x00000000000004D2"
            case ["sysbus.cpu" | "sysbus" | "emulation" | "connector", *_]:
                pass
            case _:
                raise RefusedError(f"No such command or device: {words[0]}")
        return ""

    def _warn(self, text: str) -> None:
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(f"13:00:00.0000 [WARNING] {text}\n")

    def _serve(self) -> None:
        """Join the console's terminal and the firmware's, once start-up is through its waits."""
        tags = {
            int(address, 0): int(value, 0)
            for address, value in re.findall(r"Tag <(0x\w+), 0x\w+> \S+ (0x\w+)", self._platform)
        }
        for wait in filter(None, os.environ.get("FAKE_RENODE_WAITS", "").split(",")):
            address, bits, value = (int(part, 0) for part in wait.split(":"))
            if tags.get(address, 0) & bits != value:
                for _ in range(FLOOD):
                    self._warn(
                        f"sysbus: [cpu: 0x8000] ReadDoubleWord from non existing {address:#x}."
                    )
                return
        firmware = subprocess.Popen(
            [os.environ["FAKE_RENODE_FIRMWARE"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert firmware.stdout is not None
        assert firmware.stdin is not None
        inner = os.open(firmware.stdout.readline().strip(), os.O_RDWR | os.O_NOCTTY)
        firmware.stdin.write(b"\n")
        firmware.stdin.flush()
        threading.Thread(target=self._outward, args=(inner,), daemon=True).start()
        slow = "frequency: 1\n" not in self._platform
        warns = not slow and "sysbus.console" not in self._levels
        is_first = "UART.STM32_UART" in self._platform
        while data := os.read(self._terminal, 1):
            if is_first and warns:
                self._warn("console: Unknown baud rate, couldn't trigger the idle line interrupt")
            if is_first and slow:  # one for each byte, in a list that is walked: time stands still
                note("(a timer for the idle line)")
            os.write(inner, data)

    def _outward(self, inner: int) -> None:
        while data := os.read(inner, 4096):
            os.write(self._terminal, data)


def platform(text: str) -> str:
    """Refuse what Renode refuses of a platform description."""
    models = {  # Renode's own sizes, and outputs that an interrupt may come from
        "UART.STM32_UART": (False, 1),
        "UART.STM32F7_USART": (True, 2),
        "UART.NRF52840_UART": (True, 1),
        "UART.PL011": (True, 1),
    }
    console = re.search(r"^\w+: (UART\.\w+) @ sysbus (.*)\n((?:    .*\n)*)", text, re.M)
    assert console is not None
    sized, outputs = models[console[1]]
    if not sized and not console[2].startswith("<"):
        raise RefusedError(
            "Error E21: Could not find any suitable constructor for this registration point."
        )
    if outputs > 1 and re.search(r"^    ->", console[3], re.M):
        raise RefusedError("Error E15: Ambiguous choice of default interrupt.")
    return text


def terminal() -> tuple[int, str]:
    """Return a raw pseudo-terminal: our end, the name of the other, which stays open."""
    ours, theirs = os.openpty()
    tty.setraw(theirs, termios.TCSANOW)
    return ours, os.ttyname(theirs)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
