"""The record of a profile: what the layers of one inference ran. Written as profile.json."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nnom_hil.text import printable

__all__ = ["PROFILE_FILE", "PROFILE_SCHEMA", "ProfileRecord", "ProfiledFunction", "ProfiledLayer"]

PROFILE_FILE: Final = "profile.json"
PROFILE_SCHEMA: Final = "nnom-hil/profile/1"

_Count = Annotated[int, Field(ge=0)]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ProfiledFunction(_Facts):
    """What one function ran within a layer, without what it called.

    classes: instructions of each class that there is (load, store, multiply ...), their sum
    instructions. taken: branches of it that went elsewhere than to the next instruction.
    """

    name: str
    instructions: _Count
    taken: _Count
    classes: dict[str, _Count]

    @field_validator("classes")
    @classmethod
    def _most_first(cls, counts: dict[str, int]) -> dict[str, int]:
        return _added([counts])


class ProfiledLayer(_Facts):
    """One layer in run order. functions: most instructions first; empty where the emulator tells
    instructions only, and taken is None then.

    cycles: that the core's model makes of it, None where there is none.
    clock_instructions: the same by the target's own clock, but for what calls its reading.
    """

    name: str
    type: str
    activation: str | None
    shape: tuple[int, ...]
    macs: _Count
    instructions: _Count
    taken: _Count | None
    cycles: Annotated[float, Field(ge=0)] | None = None
    clock_instructions: Annotated[float, Field(ge=0)] | None
    functions: tuple[ProfiledFunction, ...] = ()

    @property
    def classes(self) -> dict[str, int]:
        """Instructions of each class that there is."""
        return _added(function.classes for function in self.functions)


class ProfileRecord(_Facts):
    """The profile of one inference, exact. counted_on: the board whose emulated machine ran it:
    this one, or another with a core that runs its code. emulator: with its version. kernels: the
    form of each of the library's operations. error_percent: of the cycles.
    notes: what is not there, and why.
    """

    schema_: Annotated[Literal["nnom-hil/profile/1"], Field(alias="schema")] = PROFILE_SCHEMA
    board: str
    core: str
    counted_on: str
    emulator: str
    compiler: str
    kernels: dict[str, str] = {}
    model: str
    model_hash: str
    image_id: str
    layers: tuple[ProfiledLayer, ...]
    error_percent: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def cycles(self) -> float | None:
        """Of all layers, estimated; None where there is no model."""
        known = [layer.cycles for layer in self.layers if layer.cycles is not None]
        return sum(known) if known else None

    @property
    def instructions(self) -> int:
        """Of all layers."""
        return sum(layer.instructions for layer in self.layers)

    @property
    def macs(self) -> int:
        """Of all layers."""
        return sum(layer.macs for layer in self.layers)

    @property
    def classes(self) -> dict[str, int]:
        """Instructions of each class that there is, of all layers; most first."""
        return _added(layer.classes for layer in self.layers)

    @property
    def functions(self) -> tuple[ProfiledFunction, ...]:
        """What each function ran in all layers; most instructions first."""
        known: dict[str, list[ProfiledFunction]] = {}
        for layer in self.layers:
            for function in layer.functions:
                known.setdefault(function.name, []).append(function)
        added = [
            ProfiledFunction(
                name=name,
                instructions=sum(part.instructions for part in parts),
                taken=sum(part.taken for part in parts),
                classes=_added(part.classes for part in parts),
            )
            for name, parts in known.items()
        ]
        return tuple(sorted(added, key=lambda f: (-f.instructions, f.name)))

    @property
    def folded(self) -> str:
        """Stacks as flamegraph.pl, speedscope and others read them: layer, function, class."""
        lines = []
        for layer in self.layers:
            where = f"{_frame(self.model)};{_frame(layer.name)}"
            if not layer.functions:
                lines.append(f"{where} {layer.instructions}")
            for function in layer.functions:
                lines += [
                    f"{where};{function.name};{name} {count}"
                    for name, count in function.classes.items()
                ]
        return "".join(f"{line}\n" for line in lines)

    def to_json(self) -> str:
        """Return the record as JSON text, keys sorted."""
        import json

        document = self.model_dump(mode="json", by_alias=True)
        return json.dumps(document, sort_keys=True, indent=2) + "\n"


def _frame(name: str) -> str:
    """Return a name as part of a line of stacks, whose parts are set off by semicolons."""
    return printable(" ".join(name.split())).replace(";", ",")


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
