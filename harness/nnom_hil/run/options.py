"""The one table of what a user may ask for: each option once, for every door.

A door (a command of the terminal, a keyword of Robot) takes the options that DOORS gives it.
Defaults are those of RunRequest and the options it holds; words are those of the enums.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nnom_hil import variables
from nnom_hil.build.library import Kernels, Library, Optimise
from nnom_hil.codegen.firmware_options import Pixels, Protocol
from nnom_hil.codegen.header_options import Api, DenseOrder, HeaderOptions, Layout
from nnom_hil.errors import UsageError, did_you_mean
from nnom_hil.link.fault_options import LinkFaults
from nnom_hil.model.quantise.options import Method
from nnom_hil.paths import runs_dir
from nnom_hil.run.asked import LARGEST_BAUD, Against, ConvertOptions, Encoding, Timing, Wishes

if TYPE_CHECKING:
    from nnom_hil.boards import Board
    from nnom_hil.run.request import RunRequest

__all__ = [
    "DOORS",
    "Option",
    "all_options",
    "board_of",
    "checked",
    "command_of",
    "conversion_of",
    "options_of",
    "request_of",
]

_LARGEST: Final = 1e18
"""Of numbers that have no other bound: what records can hold, and nobody means."""

_DEFAULTS: Final = {
    f.name: f.default
    for kind in (Wishes, Timing, ConvertOptions, HeaderOptions, Library)
    for f in fields(kind)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option. kind: bool, int, float, str or Path. low, high: what it may be, ends included.

    words: a closed set. shown: what is told instead of a default of None. flag, short: how the
    terminal calls it, where that is not --name.
    """

    name: str
    kind: type
    help: str
    default: Any = None
    shown: str = ""
    low: float | None = None
    high: float | None = None
    words: type[StrEnum] | None = None
    flag: str = ""
    short: str = ""

    @property
    def flags(self) -> str:
        """How the terminal calls it; options that are on by default can be put off."""
        flag = self.flag or f"--{self.name.replace('_', '-')}"
        return f"{flag}/--no-{flag[2:]}" if self.default is True else flag

    @property
    def text(self) -> str:
        """The help, with the words there are."""
        words = f": {', '.join(self.words)}" if self.words else ""
        return f"{self.help}{words}." if not self.shown else f"{self.help} [{self.shown}]."

    def check(self, value: Any) -> Any:
        """Return the value, as a member of its closed set; raises UsageError for a wrong one."""
        flag = self.flags.partition("/")[0]
        if self.words is not None:
            word = str(value).replace("-", "_").lower()
            if word not in set(self.words):
                raise UsageError(
                    f"{flag} {str(value)!r} is unknown; there are: {', '.join(self.words)}"
                    f"{did_you_mean(word, self.words)}"
                )
            return self.words(word)
        if self.kind in (int, float):
            low = -_LARGEST if self.low is None else self.low
            high = _LARGEST if self.high is None else self.high
            if not low <= value <= high:  # which NaN and infinity are not
                large = isinstance(value, int) and abs(value) > _LARGEST
                shown = f"a number of {value.bit_length()} bits" if large else f"{value:g}"
                raise UsageError(f"{flag} {shown}: must be {low:g} to {high:g}")
        return value


def _option(name: str, kind: type, help_: str, *, default: Any = ..., **more: Any) -> Option:
    """Return an option whose default is the one of the field of that name, unless given."""
    known = _DEFAULTS.get(name) if default is ... else default
    return Option(name=name, kind=kind, help=help_, default=known, **more)


_MODEL = (
    _option("model", Path,
            "A .keras, .h5, .onnx or .tflite file, a SavedModel folder or a bundled name",
            shown="the bundled digits", short="-m"),
    _option("data", Path, "An .npz with x and, optionally, y and x_calib, or an .npy",
            shown="a bundled model's own", short="-d"),
)  # fmt: skip
_CONVERT = (
    _option("method", str, "How formats are chosen", words=Method),
    _option("per_channel", bool, "One weight format per channel, not per layer"),
    _option("percentile", float, "Per cent of values that must fit, for that method",
            low=50, high=100),
    _option("search", float, "Seconds to try other formats in, by accuracy", low=0,
            default=_DEFAULTS["search_seconds"]),
    _option("raw_input", bool, "Take int8 inputs as the model's times a power of two"),
    _option("portable", bool, "Make the header right on NNoM's own library too",
            default=ConvertOptions().portable),
    _option("api", str, "NNoM's interface that the header is written for", words=Api),
    _option("layout", str, "Order of data", words=Layout),
    _option("dense_order", str, "Order of dense weights", words=DenseOrder),
)  # fmt: skip
_BOARD = (
    _option("board", str, "A board's name, or a .toml file", default="stm32f4", short="-b"),
    _option("boards", Path, "A folder with board files of your own"),
)
_BUILD = (
    _option("compat", bool, "Give NNoM 0.4.3's own int8 results, faults included"),
    _option("kernels", str, "Of our library", words=Kernels),
    _option("cmsis_nn", Path, "Let this CMSIS-NN, or CMSIS 5, serve what it can"),
    _option("nnom", Path, "Build on this NNoM tree (inc, src, port) instead of ours"),
    _option(
        "compiler",
        str,
        "The C compiler: a program, by name or path",
        shown="arm-none-eabi-gcc; cc for native boards",
    ),
    _option("optimise", str, "What the compiler optimises for", words=Optimise),
)
_PROTOCOL = (
    _option("protocol", str, "What the firmware speaks", words=Protocol),
    _option("console_baud", int, "Rate of the console", low=1200, high=LARGEST_BAUD, flag="--baud",
            shown="the board file's", default=None),
    _option("pixels", str, "With mlperf, what the model takes an image's bytes for", words=Pixels),
)  # fmt: skip
_WEIGHTS = _option("weights", Path, "Build on this weights.h, not the model's", shown="converted")
_RUN = (
    _option("limit", int, "Take the first N vectors", low=1),
    _option("min_accuracy", float, "Fail below this share of right answers, 0 to 1", low=0, high=1),
    _option("max_error", float, "Fail above this mean absolute error of a regression", low=0),
    _option("backend", str, "What runs the board: native, qemu, renode or probe",
            shown="the first that is there"),
    _option("renode", Path, "Renode's program, folder or portable package",
            shown="$NNOM_HIL_RENODE or PATH"),
    _option("jobs", int, "Share vectors over N targets", low=1, high=64, short="-j"),
    _option("warm_up", int, "Runs before layers are timed", low=0),
    _option("repeats", int, "Runs whose median is a layer's time", low=1),
    _option("estimate", bool, "On emulators, estimate cycles by a model of the core",
            default=Timing().estimate),
    _option("timing_only", bool, "Time the layers; stream no vectors"),
    _option("profile", bool, "Count what each layer runs, by function and class, in QEMU"),
    _option("tensors", str, "Fetch what layers gave for the first vector: all, or names",
            shown="none", default=None),
    _option("encoding", str, "How vectors travel; auto is raw to emulators", words=Encoding),
    _option("port", str, "Device, URL or labgrid://PLACE; without a probe, firmware runs there"),
    _option("probe", str, "Flash by this probe's id, or remote:HOST:PORT"),
    _option("pack", Path, "A CMSIS-Pack file that has the board's chip"),
    _option("baud", int, "Rate to try after the handshake, on a port", low=1200,
            high=LARGEST_BAUD),
    _option("faults", str, "Spoil the link: byte_error=0.01,drop=0.005,resets=2 ..."),
    _option("seed", int, "Of the faults"),
    _option("resume", Path, "Go on with a run's folder; other options are its own"),
    _option("runs", Path, "Folder of runs", shown="reports/runs", flag="--out", default=None),
)  # fmt: skip
_BENCH = (_option("against", str, "Compare with another conversion to int8", words=Against),)
_ALL: Final = {
    o.name: o
    for o in (
        _BOARD[0],
        *_MODEL,
        *_RUN[:3],
        *_CONVERT,
        *_BUILD,
        _WEIGHTS,
        *_PROTOCOL,
        *_RUN[3:],
        _BOARD[1],
        *_BENCH,
    )
}  # what is wanted most comes first


def _names(*groups: tuple[Option, ...] | str) -> tuple[str, ...]:
    return tuple(
        name
        for group in groups
        for name in ([group] if isinstance(group, str) else [option.name for option in group])
    )


_RUNS: Final = tuple(name for name in _ALL if name not in _names(_BENCH, _PROTOCOL))
DOORS: Final[Mapping[str, tuple[str, ...]]] = {
    "run": _RUNS,
    "open run": _RUNS,
    "build": _names(_BOARD, _MODEL, _CONVERT, _BUILD, _PROTOCOL),
    "serve": _names(_BOARD, _MODEL, _CONVERT, _BUILD, _PROTOCOL, "backend", "renode"),
    "convert": _names(_MODEL, _CONVERT),
    "mlperf": _names(
        _BOARD, _CONVERT, _BUILD, "console_baud", "pixels", "limit", "backend", "renode", "port"
    ),
    "finetune": _names(_MODEL, "method", "per_channel", "percentile", "raw_input"),
    "inspect": _names("model", "boards"),
    "explain": _names(
        _BOARD,
        _MODEL,
        _CONVERT,
        _BUILD,
        "weights",
        "limit",
        "backend",
        "renode",
        "port",
        "probe",
        "pack",
        "baud",
    ),
    "replay": _names(
        "board",
        "boards",
        "kernels",
        "cmsis_nn",
        "nnom",
        "compiler",
        "optimise",
        "backend",
        "renode",
        "port",
        "probe",
        "pack",
    ),
    "profile": _names(_BOARD, _MODEL, _CONVERT, _BUILD, "backend", "renode"),
    "tune": _names("model", "data", _BOARD, "cmsis_nn", "compiler"),
    "boards": _names("boards"),
    "bench link": _names(_BOARD, "port", _CONVERT, _BUILD),
    "bench faults": _names(_BOARD, _CONVERT, _BUILD, "seed"),
    "bench model": ("cmsis_nn", "nnom"),
    "bench kernels": _names(_BOARD, "kernels", "cmsis_nn", "nnom"),
    "bench boards": _names(_MODEL, "boards", "limit", "jobs", _CONVERT, _BUILD),
    "bench convert": _names(_MODEL, _BENCH, _CONVERT),
}
"""The options of each door, by name."""


def all_options() -> Mapping[str, Option]:
    """Return all options of the table, by name."""
    return _ALL


def options_of(door: str) -> tuple[Option, ...]:
    """Return a door's options, in the order in which they are told."""
    return tuple(_ALL[name] for name in DOORS[door])


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, without what is None; raises UsageError for a wrong value."""
    return {name: _ALL[name].check(value) for name, value in given.items() if value is not None}


def board_of(given: Mapping[str, Any]) -> "Board":
    """Return the board that was asked for, its console at that rate; raises BoardError."""
    from nnom_hil.boards import find_board
    from nnom_hil.run.request import at_baud

    board = find_board(given.get("board", _ALL["board"].default), given.get("boards"))
    return at_baud(board, given.get("console_baud"))


def conversion_of(given: Mapping[str, Any]) -> tuple[ConvertOptions, HeaderOptions]:
    """Return how to convert and how to write the header, from checked options."""
    wishes = {f.name: given[f.name] for f in fields(ConvertOptions) if f.name in given}
    if "method" in wishes:
        wishes["method"] = str(wishes["method"])
    if "search" in given:
        wishes["search_seconds"] = given["search"]
    names = ("api", "layout", "dense_order")
    header = HeaderOptions(**{name: given[name] for name in names if name in given})
    if header.api is Api.LAYER:  # that form has one format a layer, unless it is asked for more
        wishes.setdefault("per_channel", False)
    return ConvertOptions(**wishes), header


def request_of(given: Mapping[str, Any]) -> "RunRequest":
    """Return a run's request from checked options; raises UsageError or BoardError."""
    from nnom_hil.run.request import RunRequest

    convert, header = conversion_of(given)
    if (renode := given.get("renode")) is not None:
        os.environ[variables.RENODE] = str(renode)  # as if the user had set it
    timing = {name: given[name] for name in ("warm_up", "repeats", "estimate") if name in given}
    library = {f.name: given[f.name] for f in fields(Library) if f.name in given}
    made = {"board", "runs", "convert", "header", "timing", "faults", "library"}
    names = {f.name for f in fields(RunRequest)} - made - {"command"}
    return RunRequest(
        command=_words(given),
        board=board_of(given),
        runs=given.get("runs") or runs_dir(),
        convert=convert,
        header=header,
        timing=Timing(**timing),
        library=Library(**library),
        faults=LinkFaults.parse(given["faults"]) if "faults" in given else None,
        **{name: given[name] for name in names if name in given},
    )


def _words(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the command line that gives these options to a run."""
    words = ["nnom-hil", "run"]
    for option in options_of("run"):
        if (value := given.get(option.name)) is None:
            continue
        yes, _, no = option.flags.partition("/")
        if option.kind is bool:
            words += [yes if value else no]
        else:
            words += [yes, str(value)]
    return tuple(filter(None, words))


def command_of(request: "RunRequest") -> tuple[str, ...]:
    """Return the command line that asks for the same run.

    That of the front door, or one from the request: a board of a file of the caller's own is then
    named without its file.
    """
    if request.command:
        return request.command
    parts = (request, request.convert, request.header, request.timing, request.library)
    values = {f.name: getattr(part, f.name) for part in reversed(parts) for f in fields(part)}
    values |= {
        "board": request.board.name,
        "search": request.convert.search_seconds,
        "faults": None if request.faults is None else str(request.faults),
    }
    options = options_of("run")
    given = {o.name: values[o.name] for o in options if values.get(o.name, o.default) != o.default}
    given["board"] = request.board.name
    if request.runs == runs_dir():
        given.pop("runs", None)
    return _words(given)
