"""What pyOCD sees: a probe of the kind "virtual" for each board of the rack."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pyocd.core import exceptions
from pyocd.probe.debug_probe import DebugProbe

from nnom_hil.boards import find_board
from nnom_hil.errors import ToolError, UsageError
from nnom_hil.extras import need
from nnom_hil.virtual.debug_port import BusFaultError, DebugPort
from nnom_hil.virtual.firmware import SerialPort, VirtualFirmware
from nnom_hil.virtual.flash_controller import FlashController
from nnom_hil.virtual.rack import VirtualBoard, load_rack

if TYPE_CHECKING:
    from nnom_hil.virtual.chip import Chip

__all__ = ["VirtualProbe"]

_T = TypeVar("_T")

_FLASH_BYTES: Final = 1024 * 1024


class VirtualProbe(DebugProbe):  # type: ignore[misc]  # pyOCD ships no types
    """A probe with a board at its end; open() is plugging both in."""

    def __init__(self, folder: Path, board: VirtualBoard) -> None:
        super().__init__()
        self._folder = folder
        self._board = board
        self._memory = bytearray()
        self._chip: Chip | None = None
        self._port: SerialPort | None = None
        self._wire: DebugPort | None = None
        self._protocol: Any = None
        self._transfers = 0
        self._in_reset = False

    @classmethod
    def get_all_connected_probes(
        cls, unique_id: str | None = None, is_explicit: bool = False
    ) -> list["VirtualProbe"]:
        """Return a probe for each board of the rack."""
        rack = load_rack()
        return [] if rack is None else [cls(rack[0], board) for board in rack[1]]

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> "VirtualProbe | None":
        """Return the probe of that serial number."""
        probes = cls.get_all_connected_probes()
        return next((probe for probe in probes if probe.unique_id == unique_id), None)

    vendor_name = "nnom-hil"
    product_name = "virtual probe"
    usb = "1209:0001"  # an id that is set aside for tests
    supported_wire_protocols: Final = [DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.SWD]
    capabilities: Final[set[Any]] = set()

    @property
    def unique_id(self) -> str:
        """The serial number."""
        return self._board.serial

    @property
    def serial_port(self) -> str:
        """Where its serial port is while it has power."""
        return str(self._port_file)

    @property
    def wire_protocol(self) -> Any:
        """None until connected."""
        return self._protocol

    @property
    def is_open(self) -> bool:
        """Whether the board has power."""
        return self._chip is not None

    def open(self) -> None:
        """Power the board; its firmware starts."""
        try:
            need("virtual", "a virtual board")
        except ToolError as exc:
            raise exceptions.ProbeError(str(exc)) from exc
        from nnom_hil.virtual.chip import Chip

        faults, runs_as = self._board.faults, find_board(self._board.board)
        self._memory = self._kept_flash()
        flash = FlashController(
            self._memory,
            read_protected=faults.read_protected,
            write_protected=faults.write_protected,
            never_ready=faults.never_ready,
            stuck=faults.stuck_bit,
        )
        self._port = SerialPort(self._port_file)
        firmware = VirtualFirmware(runs_as, self._port, self._flash_file)
        self._chip = Chip(flash, firmware, id_code=faults.id_code)
        self._wire = DebugPort(self._chip)
        self._chip.power_on()

    def close(self) -> None:
        """Take the power away; the flash keeps what it holds."""
        if self._chip is None or self._port is None:
            return
        self._chip.power_off()
        self._port.close()
        self._flash_file.write_bytes(self._memory)
        self._chip = self._port = self._wire = None

    def connect(self, protocol: Any = None) -> None:
        """Select the wire's protocol: there is one."""
        self._protocol = DebugProbe.Protocol.SWD

    def disconnect(self) -> None:
        """Let go of the wire."""
        self._protocol = None

    def set_clock(self, frequency: float) -> None:
        """Any is fine."""

    def reset(self) -> None:
        """Pull the reset pin."""
        self.assert_reset(True)
        self.assert_reset(False)

    def assert_reset(self, asserted: bool) -> None:
        """Hold the reset pin low, or let it go."""
        if self._in_reset and not asserted and self._chip is not None:
            self._chip.reset()
        self._in_reset = asserted

    def is_reset_asserted(self) -> bool:
        """Whether the pin is low."""
        return self._in_reset

    def read_dp(self, addr: int, now: bool = True) -> Any:
        """Read a register of the debug port."""
        return _result(self._transfer(lambda wire: wire.read_dp(addr)), now)

    def write_dp(self, addr: int, data: int) -> None:
        """Write a register of the debug port."""
        self._transfer(lambda wire: wire.write_dp(addr, data))

    def read_ap(self, addr: int, now: bool = True) -> Any:
        """Read a register of the access port."""
        return _result(self._transfer(lambda wire: wire.read_ap(addr)), now)

    def write_ap(self, addr: int, data: int) -> None:
        """Write a register of the access port."""
        self._transfer(lambda wire: wire.write_ap(addr, data))

    def read_ap_multiple(self, addr: int, count: int = 1, now: bool = True) -> Any:
        """Read the access port's data register again and again."""
        return _result(self._transfer(lambda wire: wire.read_words(count)), now)

    def write_ap_multiple(self, addr: int, values: Iterable[int]) -> None:
        """Write the access port's data register again and again."""
        self._transfer(lambda wire: wire.write_words(list(values)))

    @property
    def _flash_file(self) -> Path:
        return self._folder / f"{self._board.serial}.flash"

    @property
    def _port_file(self) -> Path:
        return self._folder / f"{self._board.serial}.tty"

    def _kept_flash(self) -> bytearray:
        """Return what the flash held when the power went; erased, if there is nothing."""
        try:
            memory = bytearray(self._flash_file.read_bytes())
        except FileNotFoundError:
            return bytearray(b"\xff" * _FLASH_BYTES)
        if len(memory) != _FLASH_BYTES:
            raise UsageError(
                f"{self._flash_file}: {len(memory)} bytes are not what a flash of {_FLASH_BYTES} "
                "holds; remove the file"
            )
        return memory

    def _transfer(self, what: Callable[[DebugPort], _T]) -> _T:
        """Do it, unless the cable is pulled; a bus fault is what pyOCD knows as one."""
        limit = self._board.faults.unplugged_after
        self._transfers += 1
        if self._wire is None or (limit is not None and self._transfers > limit):
            raise exceptions.ProbeDisconnected(f"probe {self.unique_id} was unplugged")
        try:
            return what(self._wire)
        except BusFaultError as exc:
            raise exceptions.TransferFaultError(str(exc)) from exc


def _result(value: int | Sequence[int], now: bool) -> Any:
    return value if now else lambda: value
