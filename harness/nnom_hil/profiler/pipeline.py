"""How long a core takes for instructions that follow each other, by the costs of its data file.

In order, one or two a cycle. Each instruction starts as soon as what it reads is there; what it
occupies, what waits behind it and which two start together is said by boards.timing. Memories
answer at once: flash is a term of its own (profiler.cycles).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from nnom_hil.boards import CoreTiming
from nnom_hil.profiler.listing import Instruction, InstructionClass
from nnom_hil.profiler.operands import MULTIPLE, Operands, operands_of

__all__ = ["branch_cycles", "straight_cycles"]

_LOAD: Final = InstructionClass.LOAD
_STORE: Final = InstructionClass.STORE
_PRODUCTS: Final = (InstructionClass.MULTIPLY, InstructionClass.SIMD_MULTIPLY)
_SHORT_PRODUCTS: Final = frozenset(("mul", "muls", "mla", "mls"))
_DOUBLE: Final = frozenset(("ldrd", "strd"))
_FLOAT_DIVIDES: Final = frozenset(("vdiv", "vsqrt"))


@dataclass(slots=True)
class _Result:
    """When a register's value is there, and of what kind of instruction it is."""

    cycle: float
    kind: InstructionClass


@dataclass(slots=True)
class _State:
    """now: the first cycle that nothing occupies. pending: what started last and is alone yet."""

    now: float = 0.0
    results: dict[str, _Result] = field(default_factory=dict)
    before: tuple[Instruction, Operands] | None = None
    alone: bool = False
    pipelined: bool = False  # the load before took one cycle only


def straight_cycles(code: Sequence[Instruction], timing: CoreTiming) -> list[float]:
    """Return the cycles that each of some instructions adds, which run one after the other.

    The last may be a branch that is not taken. What an instruction waits for is its own; the second
    of two that start together adds nothing.
    """
    state, added = _State(), []
    for instruction in code:
        before = state.now
        _step(state, instruction, operands_of(instruction), timing)
        added.append(state.now - before)
    return added


def branch_cycles(
    code: Sequence[Instruction], executions: int, taken: int, timing: CoreTiming
) -> float:
    """Return what a block's last instruction costs beside straight_cycles(), over all executions.

    taken: how often the block went on elsewhere.
    """
    if not code or taken == 0:
        return 0.0
    cost, last = timing.cycles, code[-1]
    if last.name in ("le", "letp") and cost.loop_end is not None:
        return float(taken * cost.loop_end)
    each = cost.taken + (cost.call if last.size == 4 else 0)
    if cost.paired_taken is not None and len(code) > 1 and _may_pair(code[-2], last, timing):
        each = cost.paired_taken
    missed = min(taken, max(0, executions - taken)) * cost.mispredicted
    return float(taken * each + missed)


def _step(state: _State, one: Instruction, uses: Operands, timing: CoreTiming) -> None:
    start = max(state.now, _ready(state, one, uses, timing))
    if state.alone and state.before is not None:
        together = state.now - 1
        if (
            start == state.now
            and _ready(state, one, uses, timing) <= together
            and _may_pair(state.before[0], one, timing)
            and _occupied(one, uses, state, timing) == 1
        ):
            start = together
    paired = start < state.now
    end = start + _occupied(one, uses, state, timing)
    state.now = max(state.now, end)
    after = max(_latency(one, timing), end - start)
    if timing.cycles.vector and _is_vector(one):  # halves are handed on one by one
        after = timing.cycles.vector / 2
    for register in uses.writes:
        is_base = uses.updates_base and register == uses.address[0]
        kind = InstructionClass.OTHER if is_base else one.kind
        state.results[register] = _Result(start + (1 if is_base else after), kind)
    state.pipelined = one.kind is _LOAD and end - start == 1
    state.before = (one, uses)
    state.alone = timing.pairs is not None and not paired and end - start == 1


def _ready(state: _State, one: Instruction, uses: Operands, timing: CoreTiming) -> float:
    """Return the first cycle in which all that an instruction reads is there."""
    first = 0.0
    for register in uses.reads:
        result = state.results.get(register)
        if result is None:
            continue
        at = result.cycle
        # where a bubble follows a load, what it loaded is an address as soon as anything
        behind_bubble = result.kind is _LOAD and timing.cycles.load_bubble > 0
        if register in uses.address:
            at += 0 if behind_bubble else timing.latency.to_address
        elif register in uses.accumulator and (result.kind is _LOAD or result.kind in _PRODUCTS):
            at += 0 if behind_bubble else timing.latency.to_accumulator
        first = max(first, at)
    return first


def _occupied(one: Instruction, uses: Operands, state: _State, timing: CoreTiming) -> int:
    cost, kind, name = timing.cycles, one.kind, one.name
    if name in MULTIPLE:
        return math.ceil(cost.multiple_base + uses.listed * cost.per_register)
    if name in _DOUBLE:
        return cost.double
    if cost.vector and (kind is InstructionClass.VECTOR or name.startswith(("vld", "vst"))):
        return _vector(one, state, cost.vector)
    if kind is _LOAD:
        return _load(uses, state, timing)
    if kind is _STORE:
        return _store(uses, state, timing)
    if kind in _PRODUCTS:
        return _product(one, timing)
    if kind is InstructionClass.DIVIDE:
        return max(1, cost.divide)
    if name in _FLOAT_DIVIDES:
        return max(1, cost.float_divide)
    if name.startswith("it") and state.before is not None and state.before[0].size == 2:
        return cost.narrow_it
    return 1


def _store(uses: Operands, state: _State, timing: CoreTiming) -> int:
    cost = timing.cycles
    bubble = -cost.load_bubble if _follows_lone_load(state) and len(uses.address) < 2 else 0
    offset = cost.store_register_offset if len(uses.address) > 1 else 0
    return max(0, (offset or cost.store) + bubble)


def _product(one: Instruction, timing: CoreTiming) -> int:
    cost = timing.cycles
    if one.name in ("mla", "mls"):
        return cost.multiply_accumulate
    is_long = one.kind is InstructionClass.MULTIPLY and one.name not in _SHORT_PRODUCTS
    return cost.long_multiply if is_long else cost.multiply


def _load(uses: Operands, state: _State, timing: CoreTiming) -> int:
    """A load and the bubble behind it, which another load before this one has hidden."""
    cost = timing.cycles
    if state.before is None or not cost.load_bubble:
        return cost.load + cost.load_bubble
    before, used = state.before
    behind_load = before.kind is _LOAD and before.name not in MULTIPLE | _DOUBLE
    shared = set(uses.address) & set(used.address)
    indexed = (uses.updates_base or used.updates_base) and bool(shared - {"pc"})
    if behind_load and not indexed and not set(uses.address) & used.writes:
        return cost.load
    waits = cost.load_behind_store if before.kind is _STORE else 0
    return cost.load + cost.load_bubble + waits


def _follows_lone_load(state: _State) -> bool:
    if state.before is None or state.before[0].kind is not _LOAD:
        return False
    return state.before[0].name not in MULTIPLE | _DOUBLE and not state.pipelined


def _vector(one: Instruction, state: _State, beats: int) -> int:
    """Half of an instruction overlaps with the one before, where that uses another unit."""
    unit = _unit(one)
    if state.before is not None and _is_vector(state.before[0]) and _unit(state.before[0]) != unit:
        return max(1, beats // 2)
    return beats


def _is_vector(one: Instruction) -> bool:
    return one.kind is InstructionClass.VECTOR or one.name.startswith(("vld", "vst"))


def _unit(one: Instruction) -> str:
    if one.kind in (_LOAD, _STORE):
        return "memory"
    return (
        "multiply" if one.name.startswith(("vml", "vmul", "vrml", "vqdml", "vqrdml")) else "other"
    )


def _latency(one: Instruction, timing: CoreTiming) -> int:
    if one.kind is _LOAD:
        return timing.latency.load
    if one.kind in _PRODUCTS:
        return timing.latency.multiply
    return timing.latency.simd if one.kind is InstructionClass.SIMD else 1


def _may_pair(first: Instruction, second: Instruction, timing: CoreTiming) -> bool:
    pairs = timing.pairs
    if pairs is None or (pairs.narrow and (first.size, second.size) != (2, 2)):
        return False
    a, b = first.kind.value, second.kind.value
    if (pairs.first and a not in pairs.first) or (pairs.second and b not in pairs.second):
        return False
    if {first.name, second.name} & (MULTIPLE | _DOUBLE) or InstructionClass.DIVIDE in (a, b):
        return False
    return not (a in pairs.not_first or b in pairs.not_second or [a, b] in pairs.never)
