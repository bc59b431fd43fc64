"""The path to a real board, through pyOCD itself, with a virtual probe and board at its end."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nnom_hil.boards import find_board, load_board
from nnom_hil.errors import HilError, LinkError, TargetError, UsageError
from nnom_hil.link.faults import LinkFaults
from nnom_hil.paths import boards_dir
from nnom_hil.probe import BoardLock, load_map
from nnom_hil.records import RunRecord, TimeSource, Verdict
from nnom_hil.run.plan import Observer
from nnom_hil.run.prepare import find_model, prepare
from nnom_hil.run.request import RunRequest
from nnom_hil.run.runner import Run, build_for
from nnom_hil.run.scan import scan
from nnom_hil.run.service import open_run
from nnom_hil.target.base import CoreHolder
from nnom_hil.target.symbols import load_pieces
from nnom_hil.virtual import RACK_VARIABLE
from nnom_hil.virtual.firmware import SerialPort, VirtualFirmware
from tests.integration.test_run import nnom_hil
from tests.support.cmsis_pack import make_pack

BOARD = "virtual_stm32f429"
_MAIN = "from nnom_hil.cli import main; raise SystemExit(main())"


class Rack:
    """Virtual boards on a table, and what is done with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "rack.toml"
        self.put("")  # one without faults

    def put(self, *faults: str) -> None:
        """Put a board on the table for each of these faults; the flash of those there stays."""
        self.file.write_text(
            "\n".join(
                f'[[probe]]\nserial = "VIRT{i}"\nfaults = {{ {fault} }}'
                for i, fault in enumerate(faults)
            )
        )

    def flash(self, number: int = 0) -> bytes:
        return (self.folder / f"VIRT{number}.flash").read_bytes()

    def open(self, observer: Observer | None = None, **wishes: Any) -> Run:
        defaults: dict[str, Any] = {"board": find_board(BOARD), "backend": "probe", "limit": 20}
        wishes = defaults | wishes
        return open_run(RunRequest(runs=self.folder / "runs", **wishes), observer)

    def run(self, observer: Observer | None = None, **wishes: Any) -> RunRecord:
        return self.open(observer, **wishes).execute()

    def write_map(self, *entries: str) -> Path:
        """Write a hardware map with these tables."""
        file = self.folder / "hardware.toml"
        tables = "".join(f"[[attached]]\n{entry}\n" for entry in entries)
        file.write_text(f'schema = "nnom-hil/hardware/1"\n{tables}')
        return file


class Listener(Observer):
    """Remembers the steps; at a number of answers something is done."""

    def __init__(self, at: int = 0, action: Callable[[], object] = lambda: None) -> None:
        self.steps: list[str] = []
        self._at = at
        self._action = action

    def step(self, what: str) -> None:
        self.steps.append(what)

    def vector(self, done: int, total: int) -> None:
        if done == self._at:
            self._action()


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rack]:
    table = Rack(tmp_path)
    monkeypatch.setenv(RACK_VARIABLE, str(table.file))
    monkeypatch.setenv("NNOM_HIL_HARDWARE", str(tmp_path / "hardware.toml"))
    monkeypatch.setenv("NNOM_HIL_LOCKS", str(tmp_path / "locks"))
    yield table
    assert not list(tmp_path.glob("*.tty")), "a board was left under power"


def test_image_is_flashed_verified_started_and_answers(rack: Rack) -> None:
    attempt = rack.open(limit=100)
    record = attempt.execute()
    assert record.verdict is Verdict.PASS, record.reasons
    # the first line that it prints is there, and once: the port was open before the reset
    assert attempt.folder.console_text().lstrip().startswith("Model version")
    assert attempt.folder.console_text().count("Start compiling model") == 1
    assert record.outputs_equal
    assert all(check.ok for check in record.cross_checks)
    assert record.time_source is TimeSource.MODEL  # no cycles of a board that is a program
    assert record.tools["target"].startswith("pyOCD ")
    image = build_for(find_board(BOARD), prepare(find_model(None), None).graph)
    for address, data in load_pieces(image.elf):
        at = address - 0x0800_0000
        assert rack.flash()[at : at + len(data)] == data


BOOT_LOADER = struct.pack("<II", 0x2000_1000, 0x0800_0009) + bytes.fromhex(
    "0348 0168 81f30888 4068 0047 00bf00bf 00040008"  # starts what lies at 0x0800_0400
)


def test_boot_loader_in_the_first_sector_stays(rack: Rack) -> None:
    """It shares its sector, which must be erased, with the image's first bytes."""
    text = (boards_dir() / f"{BOARD}.toml").read_text()
    for old, new in (("0x0800_0000", "0x0800_0400"), ("0x0010_0000", "0x000F_FC00")):
        text = text.replace(old, new, 1)
    (path := rack.folder / f"{BOARD}.toml").write_text(text)
    below = BOOT_LOADER.ljust(0x400, b"\x5a")
    (rack.folder / "VIRT0.flash").write_bytes(below.ljust(1 << 20, b"\xff"))
    record = rack.run(board=load_board(path), limit=5)
    assert record.verdict is Verdict.PASS, record.reasons
    assert rack.flash()[:0x400] == below


def test_image_that_is_there_is_not_flashed_again(rack: Rack) -> None:
    flashed = []
    for _ in range(3):
        listener = Listener()
        assert rack.run(listener).verdict is Verdict.PASS
        flashed.append(any("flashing" in step for step in listener.steps))
        if len(flashed) == 2:  # a bit of it is lost: it must be flashed again
            changed = bytearray(rack.flash())
            changed[0x1000] ^= 1
            (rack.folder / "VIRT0.flash").write_bytes(changed)
    assert flashed == [True, False, True]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("id_code = 0x413", r"VIRT0 is at another chip: its id at 0xe0042000 is 0x413, .* 0x419"),
        ("read_protected = true", r"flash of board .* is locked: 0x40023c14 .* pyocd erase --mass"),
        ("write_protected = true", r"would not be erased.*0x08000000.*protected from writing"),
        ("never_ready = true", r"would not be erased: .*timed out; its controller stays busy"),
        ("unplugged_after = 30", r"VIRT0: cannot connect: .*VIRT0 was unplugged"),
        ("unplugged_after = 900", r"VIRT0: cannot flash: its connection was lost.*plug it in"),
    ],
)
def test_fault_of_the_board_is_named(fault: str, message: str, rack: Rack) -> None:
    rack.put(fault)
    attempt = rack.open()
    with pytest.raises(TargetError, match=message):
        attempt.execute()
    assert (attempt.folder.path / "run.json").exists()  # recorded, as every attempt
    rack.put("")
    assert rack.run().verdict is Verdict.PASS  # lock, port and probe were let go of


def test_chip_that_lets_no_debugger_in_is_told_from_a_broken_one(
    rack: Rack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an nRF52 with APPROTECT on: nothing is found behind its port, but pyOCD can tell."""
    rack.put("unplugged_after = 30")
    monkeypatch.setattr("pyocd.core.target.Target.is_locked", lambda _: True)
    with pytest.raises(TargetError, match=r"locked against debugging; .*: pyocd reset -u VIRT0 -t"):
        rack.run()


def test_bit_that_will_not_program_is_named(rack: Rack) -> None:
    """Stuck at 1, so that only an image with a 0 there shows it."""
    image = build_for(find_board(BOARD), prepare(find_model(None), None).graph)
    address, data = max(load_pieces(image.elf), key=lambda piece: len(piece[1]))
    stuck = next(i for i in range(len(data) // 2, len(data)) if not data[i] & 8)
    rack.put(f"stuck_bit = {{ address = {address + stuck}, bit = 3 }}")
    wanted = rf"holds something else than was written, first at {address + stuck:#010x}"
    with pytest.raises(TargetError, match=wanted):
        rack.run()


def test_contents_that_lock_the_core_up_leave_a_silent_board(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "port")
    firmware = VirtualFirmware(find_board(BOARD), port, tmp_path / "flash")
    try:
        for _ in range(2):  # each power-up anew
            firmware.boot(bytes.fromhex("00000120 00000908") + b"\xff" * 4096)
            assert port.receive() == b""
    finally:
        firmware.off()
        port.close()


def test_half_a_flashed_image_is_flashed_again(rack: Rack) -> None:
    rack.run()
    rack.put("unplugged_after = 900")
    with pytest.raises(TargetError, match="connection was lost"):
        rack.run(compat=True)
    rack.put("")
    listener = Listener()
    assert rack.run(listener).verdict is Verdict.PASS
    assert any("flashing" in step for step in listener.steps)


@pytest.mark.parametrize("seed", range(2))
def test_flashed_board_under_fire(seed: int, rack: Rack) -> None:
    faults = LinkFaults.parse("byte_error=0.002,drop=0.005,resets=2,hangs=1")
    record = rack.run(limit=40, faults=faults, seed=seed)
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.link is not None
    assert record.link.resets >= 1


def test_board_that_hangs_is_reset_through_its_probe(rack: Rack) -> None:
    def hold() -> None:
        target = attempt._sessions[0].target
        assert isinstance(target, CoreHolder)
        assert target.hold()

    attempt = rack.open(Listener(15, hold), limit=40)
    record = attempt.execute()
    assert record.verdict is Verdict.PASS, record.reasons
    assert record.link is not None
    assert record.link.resets == 1


def test_erased_board_is_told_from_a_silent_one(rack: Rack) -> None:
    """The core of a board without firmware locks up; the probe sees that."""
    attempt = rack.open()
    attempt.prepare()
    attempt.build()
    attempt.start()
    target = attempt._sessions[0].target
    assert target.why_dead() is None
    chip = target._debugger._session.probe._chip  # type: ignore[attr-defined]
    chip._flash.memory[:] = b"\xff" * len(chip._flash.memory)
    assert target.reset()
    assert "is locked up" in str(target.why_dead())
    attempt.finish(TargetError("done"))


# ---- which probe, which port


def test_no_probe_is_named(rack: Rack) -> None:
    rack.file.write_text("")
    with pytest.raises(TargetError, match=r"no debug probe is attached: .* udev rule"):
        rack.run()
    with pytest.raises(TargetError, match=r"lm3s6965evb needs a CMSIS-DAP.* cannot open the ICDI"):
        rack.run(board=find_board("lm3s6965evb"))


def test_of_two_probes_none_is_guessed(rack: Rack) -> None:
    rack.put("", "")
    with pytest.raises(TargetError, match=r"2 probes may be .*VIRT0.*VIRT1.*--probe"):
        rack.run()
    assert not list(rack.folder.glob("*.flash")), "a board was touched"
    assert rack.run(probe="VIRT1").verdict is Verdict.PASS
    assert not (rack.folder / "VIRT0.flash").exists(), "the wrong board was flashed"
    with pytest.raises(TargetError, match="no probe 'VIRT7' is attached; there: VIRT0, VIRT1"):
        rack.run(probe="VIRT7")


def test_probe_and_another_back_end_do_not_go_together(rack: Rack) -> None:
    with pytest.raises(UsageError, match="--probe VIRT0 and --backend qemu"):
        rack.run(backend="qemu", probe="VIRT0")


def test_the_hardware_map_says_which_of_two(rack: Rack) -> None:
    rack.put("", "")
    file = rack.write_map(
        'probe = "VIRT0"\nboard = "stm32f4"', f'probe = "VIRT1"\nboard = "{BOARD}"'
    )
    assert rack.run().verdict is Verdict.PASS
    assert not (rack.folder / "VIRT0.flash").exists()
    rack.put("")  # the other one is unplugged
    with pytest.raises(TargetError, match=rf"no probe is at a board {BOARD}; .*VIRT0 \(stm32f4\)"):
        rack.run()
    file.write_text("[[attached]]\nboard = 7\n")
    with pytest.raises(HilError, match=r"hardware map is wrong at attached.item 1.probe"):
        rack.run()


def test_probe_without_a_serial_port_is_named(rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnom_hil.virtual.probe.VirtualProbe.serial_port", "")
    with pytest.raises(TargetError, match=r"no serial port belongs to probe VIRT0.*PD8.*--port"):
        rack.run()
    rack.write_map(f'probe = "VIRT0"\nport = "{rack.folder}/VIRT0.tty"\nboard = "{BOARD}"')
    assert rack.run().verdict is Verdict.PASS


def test_chip_that_pyocd_does_not_know_needs_a_pack(rack: Rack) -> None:
    message = (
        r"pyOCD knows no chip 'stm32f407vgtx': .* pyocd pack install stm32f407vgtx; or .*--pack"
    )
    with pytest.raises(TargetError, match=message):
        rack.run(board=find_board("stm32f4"))
    with pytest.raises(TargetError, match=r"none.pack: no such pack file"):
        rack.run(board=find_board("stm32f4"), pack=rack.folder / "none.pack")
    (rack.folder / "bad.pack").write_bytes(b"no zip")
    with pytest.raises(TargetError, match=r"cannot load the chip's pack"):
        rack.run(board=find_board("stm32f4"), pack=rack.folder / "bad.pack")


def test_pack_brings_the_chip_and_its_flash_algorithm(rack: Rack) -> None:
    """stm32f4's firmware on a chip that only the pack describes, programmed by its algorithm.

    In a process of its own: pyOCD remembers the packs it has read.
    """
    pack = make_pack(rack.folder)
    rack.file.write_text(
        '[[probe]]\nserial = "VIRT0"\nboard = "stm32f4"\nfaults = { id_code = 0x413 }'
    )
    done = nnom_hil(
        "run", "--json", "--board", "stm32f4", "--backend", "probe", "--pack", pack,
        "--limit", "20", "--out", rack.folder / "runs",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "pass"
    image = build_for(find_board("stm32f4"), prepare(find_model(None), None).graph)
    address, data = load_pieces(image.elf)[0]
    assert rack.flash()[address - 0x0800_0000 :][: len(data)] == data


def test_scan_writes_the_map_and_keeps_what_the_user_wrote(rack: Rack) -> None:
    rack.put("", "id_code = 0x413", "id_code = 0x999", "unplugged_after = 3")
    file = rack.folder / "hardware.toml"
    found = scan(file)
    boards = {one.entry.probe: one.entry.board for one in found}
    assert boards == {"VIRT0": BOARD, "VIRT1": "stm32f4", "VIRT2": "", "VIRT3": ""}
    how = {one.entry.probe: one.entry.recognised for one in found}
    assert "chip id 0x419 at 0xe0042000, USB id 1209:0001" in how["VIRT0"]
    assert how["VIRT2"] == "no board file has this chip's id"
    assert "cannot connect" in how["VIRT3"]
    assert load_map(file).attached == tuple(one.entry for one in found)
    # by hand
    text = file.read_text()
    text = text.replace('board = ""', 'board = "board_of_mine"', 1)
    text = text.replace(f'board = "{BOARD}"', 'board = "nucleo_l476rg"')  # which cannot be
    text = text.replace('board = "stm32f4"', 'board = "another_of_mine"')  # which can
    text = text.replace(f'port = "{rack.folder}/VIRT2.tty"', 'port = "/dev/ttyMINE"')
    file.write_text(text)
    rack.put("", "id_code = 0x413", "id_code = 0x999")
    again = {one.entry.probe: one for one in scan(file)}
    assert again["VIRT0"].entry.board == BOARD
    assert again["VIRT1"].entry.board == "another_of_mine"
    assert again["VIRT2"].entry.board == "board_of_mine"
    assert again["VIRT2"].entry.port == "/dev/ttyMINE"
    assert not again["VIRT3"].here
    assert rack.run(limit=5).verdict is Verdict.PASS  # the map's only one of this board


def test_scan_as_a_user_types_it(rack: Rack) -> None:
    done = nnom_hil("boards", "scan", "--map", rack.folder / "map.toml")
    assert done.returncode == 0
    assert BOARD in done.stdout
    assert "VIRT0" in (rack.folder / "map.toml").read_text()
    rack.file.write_text("")
    done = nnom_hil("boards", "scan", "--map", rack.folder / "none.toml")
    assert "no debug probe is attached" in done.stdout
    assert not (rack.folder / "none.toml").exists()


# ---- who has the board


def test_board_in_use_names_its_holder(rack: Rack) -> None:
    code = (
        "import sys, time; from nnom_hil.probe import BoardLock; lock = BoardLock('VIRT0');"
        "lock.acquire(); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, "of a test"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        message = rf"probe VIRT0 is in use by .*process {holder.pid} \(.*of a test\), since 20"
        with pytest.raises(TargetError, match=message):
            rack.run()
        assert "in use by" in scan(rack.folder / "map.toml")[0].entry.recognised
    finally:
        holder.kill()  # a lock dies with its holder
        holder.communicate()
    assert rack.run().verdict is Verdict.PASS


def test_one_board_is_not_shared_by_two_targets(rack: Rack) -> None:
    with pytest.raises(TargetError, match=r"in use by this very run, .*--jobs must be 1"):
        rack.run(jobs=2)


def test_port_that_another_program_reads_is_named(rack: Rack, tmp_path: Path) -> None:
    code = (
        "import os, fcntl, sys; h = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY);"
        "fcntl.flock(h, fcntl.LOCK_EX); print('open', flush=True); sys.stdin.read()"
    )
    master, slave = os.openpty()
    port = os.ttyname(slave)
    reader = subprocess.Popen(
        [sys.executable, "-c", code, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"open\n"
    try:
        message = rf"{port}: the port is in use by python.* \(process {reader.pid}\); close it"
        with pytest.raises(LinkError, match=message):
            rack.run(port=port)
    finally:
        reader.kill()
        reader.communicate()
        os.close(master)
        os.close(slave)


def test_killed_run_lets_go_of_the_board(rack: Rack) -> None:
    arguments = ["run", "--board", BOARD, "--backend", "probe", "--out", str(rack.folder / "runs")]
    process = subprocess.Popen(
        [sys.executable, "-c", _MAIN, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    journals: list[Path] = []
    until = time.monotonic() + 100
    while not (journals and len(journals[0].read_bytes().splitlines()) > 20):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
        journals = list((rack.folder / "runs").glob("*/journal.jsonl"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = nnom_hil("run", "--json", "--resume", journals[0].parent)
    record = json.loads(done.stdout)
    assert record["verdict"] == "pass"
    assert record["resumed"] >= 20
    assert record["vectors"] == 360


# ---- far away


def test_remote_probe_is_flashed_through_its_server(
    rack: Rack, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = 41_000 + os.getpid() % 1000
    server = subprocess.Popen(
        [sys.executable, "-m", "pyocd", "server", "-u", "virtual:VIRT0", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    remote = f"remote:127.0.0.1:{port}"
    try:
        assert server.stdout is not None
        while b"Serving" not in (line := server.stdout.readline()):
            assert line, "the server has ended"
        monkeypatch.delenv(RACK_VARIABLE)  # there is none on this machine
        rack.write_map(f'probe = "{remote}"\nport = "{rack.folder}/VIRT0.tty"\nboard = "{BOARD}"')
        record = rack.run()
        assert record.verdict is Verdict.PASS, record.reasons
        assert record.time_source is TimeSource.MODEL
    finally:
        server.terminate()  # SIGINT is ignored where a shell runs the tests in the background
        server.communicate()
    (rack.folder / "VIRT0.tty").unlink(missing_ok=True)
    with pytest.raises(TargetError, match=r"remote:.*refused; is pyocd server running there"):
        rack.run()


def test_lock_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="cannot keep the boards' locks"):
        BoardLock("X", tmp_path / "file")


def test_virtual_board_without_its_core_is_named(
    rack: Rack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(TargetError, match=r"needs unicorn, which .*: pip install 'nnom-hil\[virt"):
        rack.run()


def test_flash_file_of_another_size_is_named(rack: Rack) -> None:
    (rack.folder / "VIRT0.flash").write_bytes(b"short")
    with pytest.raises(HilError, match=r"VIRT0.flash: 5 bytes are not what a flash"):
        rack.run()


def test_rack_that_cannot_be_read_is_named(rack: Rack) -> None:
    for text, message in (
        ("[[probe]]\nserial = 7", "probe.item 1.serial"),
        ("[", "not valid TOML"),
        ('[[probe]]\nserial = "AAAA"\n[[probe]]\nserial = "AAAA"', "two probes have the same"),
    ):
        rack.file.write_text(text)
        with pytest.raises(HilError, match=message):
            rack.run()
