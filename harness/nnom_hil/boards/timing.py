"""What instructions cost on a core, in cycles: data files (boards/cores), each with its sources."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nnom_hil.boards.schema import Cpu, Facts, Sources, load_facts
from nnom_hil.paths import boards_dir

__all__ = ["CoreTiming", "Cycles", "Latency", "Pairs", "core_timing", "timed_cores"]

_Cost = Annotated[int, Field(ge=0, le=64)]
_Kind = Annotated[str, Field(min_length=1, max_length=20)]


class Cycles(Facts):
    """Cycles in which nothing else is issued, without what it waits for.

    load_bubble: behind a load, unless another load or a store follows. load_behind_store: more for
    such a load. store_register_offset: a store to base + register. LDM, STM, PUSH and POP of N:
    multiple_base + N * per_register, rounded up. double: LDRD and STRD. narrow_it: IT behind a
    16-bit instruction. taken: more for a branch that is taken, call: for a 32-bit one beside that,
    paired_taken: instead of taken behind an instruction that it pairs with, loop_end: instead of it
    for LE. mispredicted: more for each time that a branch goes the rarer way, on cores that
    predict. vector: a Helium instruction; half of it overlaps with one of another unit.
    """

    load: _Cost = 1
    load_bubble: _Cost = 0
    load_behind_store: _Cost = 0
    store: _Cost = 1
    store_register_offset: _Cost = 0
    multiple_base: _Cost = 1
    per_register: Annotated[float, Field(gt=0, le=4, strict=False)] = 1.0
    double: _Cost = 3
    multiply: _Cost = 1
    multiply_accumulate: _Cost = 1
    long_multiply: _Cost = 1
    divide: _Cost = 0
    float_divide: _Cost = 0
    vector: _Cost = 0
    narrow_it: _Cost = 1
    taken: _Cost
    call: _Cost = 0
    paired_taken: _Cost | None = None
    loop_end: _Cost | None = None
    mispredicted: _Cost = 0


class Latency(Facts):
    """Cycles from an instruction to the next one that can use its result; 1: the one behind it.

    to_address: more where the result is an address. to_accumulator: more (less than 0) where a
    product is accumulated upon, or what was loaded is multiplied and accumulated upon.
    """

    load: _Cost = 1
    multiply: _Cost = 1
    simd: _Cost = 1
    to_address: _Cost = 0
    to_accumulator: Annotated[int, Field(ge=-2, le=0)] = 0


class Pairs(Facts):
    """Which instructions start in one cycle, by kind: any two, but for what is named.

    first, second: if given, only these. narrow: both have 16 bits.
    """

    first: list[_Kind] = Field(default_factory=list)
    second: list[_Kind] = Field(default_factory=list)
    not_first: list[_Kind] = Field(default_factory=list)
    not_second: list[_Kind] = Field(default_factory=list)
    never: list[Annotated[list[_Kind], Field(min_length=2, max_length=2)]] = Field(
        default_factory=list
    )
    narrow: bool = False


class CoreTiming(Facts):
    """One core. error_percent: how far an estimate may be off; checked: published tables of layers
    on silicon say so (docs/timing.md), else it is judgement. macs_per_cycle: the most that its
    multiplications of int8 or int16 data make. pairs: absent on cores that start one instruction a
    cycle.
    """

    schema_: Annotated[Literal["nnom-hil/core/1"], Field(alias="schema")]
    core: Annotated[Cpu, Field(strict=False)]
    error_percent: Annotated[int, Field(ge=1, le=100)]
    macs_per_cycle: Annotated[float, Field(gt=0, le=64, strict=False)] | None = None
    checked: bool
    cycles: Cycles
    latency: Latency = Latency()
    pairs: Pairs | None = None
    sources: Sources

    @model_validator(mode="after")
    def _has_sources(self) -> Self:
        for table in ("cycles", "error"):
            if table not in self.sources:
                raise ValueError(f"[sources] has no {table}: say where its numbers are from")
        return self


def core_timing(core: Cpu) -> CoreTiming | None:
    """Return what is known of a core's timing, None where nothing is (native).

    Raises BoardError where its file is wrong.
    """
    path = _folder() / f"{core.value}.toml"
    if not path.exists():
        return None
    return load_facts(path, CoreTiming, "core")


def timed_cores() -> list[Cpu]:
    """Return the cores whose timing is known."""
    return [Cpu(path.stem) for path in sorted(_folder().glob("*.toml"))]


def _folder() -> Path:
    return boards_dir() / "cores"
