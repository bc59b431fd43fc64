"""What a user may ask of a run, and the defaults. Light: the terminal's options are made of it."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from nnom_hil.build.library import Library
from nnom_hil.codegen.firmware_options import Pixels, Protocol
from nnom_hil.codegen.header_options import HeaderOptions
from nnom_hil.errors import UsageError, did_you_mean
from nnom_hil.link.fault_options import LinkFaults
from nnom_hil.model.quantise.options import Method, QuantiseOptions

__all__ = ["LARGEST_BAUD", "Against", "ConvertOptions", "Encoding", "Timing", "Wishes"]

LARGEST_BAUD: Final = (1 << 32) - 1  # frames hold no more
_LARGEST: Final = 1e300
_MAX_RUNS: Final = 10_000
_SHARES: Final = ("byte_error", "drop", "duplicate", "delay", "split", "garbage")


class Against(StrEnum):
    """Whose conversion ours is compared with."""

    TFLITE = "tflite"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """How a model is converted, as a user says it.

    method: max_min, kld, mse or percentile. percentile: per cent of the values that must fit.
    search_seconds: time to try formats in; 0 for none. portable: right on NNoM's library as well.
    raw_input: int8 inputs are the model's times a power of two, not scaled and shifted.
    plain_pools: average pools keep their input's format, for the layer API. nnom_only: nothing that
    NNoM's own library lacks.
    """

    method: str = "mse"
    per_channel: bool = True
    percentile: float = 99.99
    search_seconds: float = 0.0
    portable: bool = False
    raw_input: bool = False
    plain_pools: bool = False
    nnom_only: bool = False

    def quantise_options(self) -> QuantiseOptions:
        """Return the options of the quantiser; raises UsageError for a method that is none."""
        try:
            method = Method(self.method.replace("-", "_"))
        except ValueError as exc:
            known = ", ".join(Method)
            raise UsageError(
                f"method {self.method!r} is unknown; there are: {known}"
                f"{did_you_mean(self.method, Method)}"
            ) from exc
        return QuantiseOptions(
            method=method,
            per_channel=self.per_channel,
            percentile=self.percentile,
            portable=self.portable,
            raw_input=self.raw_input,
            plain_pools=self.plain_pools,
            nnom_only=self.nnom_only,
        )

    def describe(self) -> str:
        """Return the options in one line."""
        method = self.quantise_options().method
        words = [method.value]
        words += ["per channel"] if self.per_channel else []
        words += [f"{self.percentile:g} %"] if method is Method.PERCENTILE else []
        words += [f"searched {self.search_seconds:g} s"] if self.search_seconds else []
        words += ["raw input"] if self.raw_input else []
        words += ["portable"] if self.portable else []
        return ", ".join(words)


class Encoding(StrEnum):
    """How vectors travel. auto: compact on serial lines, raw to emulators, which are fast."""

    AUTO = "auto"
    RAW = "raw"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How layers are timed, with a quiet link: runs to warm up, then runs that count.

    estimate: on an emulator, cycles by the core's model, where there is one. Raises UsageError for
    numbers that cannot be.
    """

    warm_up: int = 1
    repeats: int = 3
    estimate: bool = True

    def __post_init__(self) -> None:
        if not (0 <= self.warm_up <= _MAX_RUNS and 1 <= self.repeats <= _MAX_RUNS):
            raise UsageError(
                f"timing with {self.warm_up} runs to warm up and {self.repeats} repeats: "
                f"at least 0 and 1, at most {_MAX_RUNS} each"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a user asks of a run, beside its board; model None is the bundled digits.

    runs: the folder of all runs.

    backend: what runs the board; None is the first of its file that is there. jobs: targets that
    share the vectors. library: what the firmware is built on; the answers of an NNoM tree are
    compared with NNoM 0.4.3's. weights: a weights.h to build on, not the model's. port: a serial
    port. probe: the id of the one to flash by. pack: a CMSIS-Pack with the chip. protocol: what
    the firmware speaks; pixels: what an image's bytes mean to a model of MLPerf Tiny. command: the
    words that asked for it, where a front door knows them.
    Raises UsageError for numbers that cannot be.
    """

    runs: Path
    model: Path | None = None
    data: Path | None = None
    limit: int | None = None
    min_accuracy: float | None = None
    max_error: float | None = None
    convert: ConvertOptions = field(default_factory=ConvertOptions)
    header: HeaderOptions = field(default_factory=HeaderOptions)
    compat: bool = False
    backend: str | None = None
    jobs: int = 1
    timing: Timing = field(default_factory=Timing)
    timing_only: bool = False
    profile: bool = False
    tensors: str | None = None
    library: Library = field(default_factory=Library)
    weights: Path | None = None
    encoding: Encoding = Encoding.AUTO
    faults: LinkFaults | None = None
    seed: int = 0
    port: str | None = None
    baud: int | None = None
    probe: str | None = None
    pack: Path | None = None
    protocol: Protocol = Protocol.AGENT
    pixels: Pixels | None = None
    command: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("limit", self.limit, 1, math.inf),
            ("min_accuracy", self.min_accuracy, 0, 1),
            ("max_error", self.max_error, 0, _LARGEST),
            ("percentile", self.convert.percentile, 50, 100),
            ("search", self.convert.search_seconds, 0, _LARGEST),
            ("jobs", self.jobs, 1, 64),
            ("baud", self.baud, 1200, LARGEST_BAUD),
            *((f"faults: {s}", getattr(self.faults, s, None), 0, 1) for s in _SHARES),
        ):
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} {value}: needs a number from {low:g} to {high:g}")
        if self.protocol is Protocol.MLPERF and self.library.nnom is not None:
            raise UsageError(
                "--nnom --protocol mlperf: that protocol is spoken by firmware on our own library "
                "only; leave out one of the two"
            )
