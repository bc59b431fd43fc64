"""A chip's registers while the start-up steps are carried out, and what each step does wrong."""

from fractions import Fraction
from typing import Final, Protocol

from nnom_hil.boards.board import Board, Step
from nnom_hil.boards.chip import BitField, Chip, ChipRegister

__all__ = ["CORE", "State", "bits_and_value", "decode", "register_of"]


class _WithFields(Protocol):
    @property
    def fields(self) -> tuple[BitField, ...]: ...


CORE: Final = range(0xE000_0000, 0xE000_F000)  # SysTick, NVIC, SCB, MPU, FPU, DWT: any core's
_KINDS: Final = ("write", "set", "clear", "modify", "wait")


def register_of(step: Step) -> tuple[str, int]:
    """Return a step's kind and its register's address."""
    return next((k, a) for k in _KINDS if (a := getattr(step, k)) is not None)


def decode(step: Step, register: _WithFields) -> str:
    """Return a step's fields with their values: "PLLM=8 PLLN=336"."""
    kind, _ = register_of(step)
    bits, value = bits_and_value(step)
    words = []
    for field in register.fields:
        part = field.of(value if kind != "clear" else bits)
        if not field.mask & bits or (kind == "write" and not part):
            continue
        if kind == "clear":
            words.append(f"{field.name}={field.of(0)}")
        else:
            words.append(f"{field.name}={part}")
    return " ".join(words) or "0"


def bits_and_value(step: Step) -> tuple[int, int]:
    """Return the bits that a step is about, and what they become or are waited for to be."""
    kind, _ = register_of(step)
    bits = 0xFFFF_FFFF if step.bits is None else step.bits
    match kind:
        case "set":
            return bits, bits
        case "clear":
            return bits, 0
        case "wait" if step.value is None:
            return bits, bits
        case _:
            return bits, step.value or 0


class State:
    """The registers from reset on. Status fields follow what the chip's file says they follow."""

    def __init__(self, chip: Chip, board: Board) -> None:
        self.chip = chip
        self.board = board
        self._values = {path: register.reset for path, register in chip.registers.items()}
        self.previous: dict[str, Fraction] = {}  # the clocks before the step
        # what is ready from reset on needs no wait
        self._waited = {path for path in chip.facts.status if self[path]}

    def __getitem__(self, path: str) -> int:
        """Return a field's value, with "!" its opposite; 0 for one that the chip does not have."""
        if path.startswith("!"):
            return int(self[path[1:]] == 0)
        source = self.chip.facts.status.get(path)
        if isinstance(source, int):
            return source
        if source is not None and source.startswith("1<<"):
            return 1 << self[source.removeprefix("1<<")]
        if source is not None:
            return self[source]
        found = self.chip.field(path)
        return 0 if found is None else found[1].of(self._values[found[0].path])

    def ready(self, path: str) -> bool:
        """Return whether a status field is set and a step has waited for it, or it needs none."""
        return bool(self[path]) and (path in self._waited or isinstance(self._source(path), int))

    def limit(self, name: str) -> int:
        """Return one of the chip's limits."""
        found = self.chip.facts.limits[name]
        assert isinstance(found, int), name
        return found

    def limits(self, name: str) -> list[int]:
        """Return a row of the chip's limits."""
        found = self.chip.facts.limits[name]
        assert isinstance(found, list), name
        return found

    def apply(self, step: Step) -> list[str]:
        """Carry out one step; return what is wrong with it."""
        kind, address = register_of(step)
        register = self.chip.at(address)
        if register is None and address in CORE:
            return []
        if register is None:
            near = self.chip.nearest(address)
            return [
                f"0x{address:08X} is no register that {self.chip.name} is known to have; the "
                f"nearest is {near.path} at 0x{near.address:08X}"
            ]
        bits, value = bits_and_value(step)
        faults = list(self._powered(register))
        if kind == "wait":
            return faults + self._wait(register, bits, value)
        faults += _wrong_bits(register, kind, bits, value)
        old = self._values[register.path]
        new = (old & ~bits) | value
        faults += self._locked(register, old ^ new)
        self._values[register.path] = new
        self._waited = {path for path in self._waited if self[path]}
        return faults

    def _source(self, path: str) -> str | int | None:
        return self.chip.facts.status.get(path)

    def _powered(self, register: ChipRegister) -> list[str]:
        return [
            f"{register.peripheral} cannot be reached yet: {self.how(path)} before"
            for path in self.chip.facts.peripherals[register.peripheral].on
            if not self[path]
        ]

    def how(self, path: str) -> str:
        """Return what makes a field 1 (with "!" 0): its name, register's address and bits."""
        found = self.chip.field(path)
        assert found is not None, path
        register, field = found
        verb = "clear" if path.startswith("!") else "set"
        return f"{verb} {path.lstrip('!')} (0x{register.address:08X}, bits 0x{field.mask:08X})"

    def _wait(self, register: ChipRegister, bits: int, value: int) -> list[str]:
        faults = _reserved(register, bits)
        for field in register.fields:
            if not field.mask & bits:
                continue
            path = f"{register.path}.{field.name}"
            mask = field.of(bits)
            if (self[path] & mask) == field.of(value):
                self._waited.add(path)
            else:
                faults.append(self._never(path, field, value))
        return faults

    def _never(self, path: str, field: BitField, value: int) -> str:
        source = self._source(path)
        because = "nothing changes it"
        if isinstance(source, str):
            because = f"it follows {source}, which is {self[source.removeprefix('1<<')]}"
        return f"waits for {field.name}={field.of(value)}, which never comes: {because}"

    def _locked(self, register: ChipRegister, changed: int) -> list[str]:
        faults = []
        for path, locks in self.chip.facts.locked.items():
            if path == register.path:
                bits = changed
            else:
                found = self.chip.field(path) if path.count(".") == 2 else None
                bits = changed & found[1].mask if found and found[0] == register else 0
            if bits:
                faults += [
                    f"{path} cannot be changed while {lock} is {int('!' not in lock)}"
                    for lock in locks
                    if self[lock]
                ]
        return faults


def _reserved(register: ChipRegister, bits: int) -> list[str]:
    if wrong := bits & ~register.known:
        return [f"bits 0x{wrong:08X} of {register.path} are reserved"]
    return []


def _wrong_bits(register: ChipRegister, kind: str, bits: int, value: int) -> list[str]:
    if kind == "write":  # reserved bits keep what they have after reset
        wrong = (value ^ register.reset) & ~register.known
        right = (value & register.known) | (register.reset & ~register.known)
        faults = []
        if wrong:
            faults.append(
                f"reserved bits 0x{wrong:08X} of {register.path} must stay as after reset: "
                f"write 0x{right:08X}"
            )
    else:
        faults = _reserved(register, bits)
    changed = value if kind == "write" else bits
    for field in register.fields:
        where = f"{register.path}.{field.name}"
        if field.read_only and field.mask & changed:
            faults.append(f"{where} is read only (bits 0x{field.mask:08X})")
        if field.zero and field.mask & value:
            faults.append(f"{where} (bits 0x{field.mask:08X}) may be written as zeros only")
    return faults
