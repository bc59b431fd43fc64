"""What NNoM prints, parsed: compile log, model_stat, io formats, prediction summary.

Pure: text in, facts out, of NNoM 0.2 to 0.4. Lines that belong to none of these are passed over,
and so are prompts, colours and other things that consoles put around them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from nnom_hil.text import HIDDEN

__all__ = [
    "Banner",
    "CompileLog",
    "CompiledLayer",
    "FormatLayer",
    "ModelStat",
    "PredictionSummary",
    "StatLayer",
    "clean_console",
    "error_lines",
    "parse_banner",
    "parse_compile_log",
    "parse_io_format",
    "parse_model_stat",
    "parse_prediction",
    "warning_lines",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What NNoM says of itself before it compiles a model; None where a release does not.

    static_memory: bytes of its static allocator.
    """

    version: str | None
    model_version: str | None
    data_format: str | None
    backend: str | None
    static_memory: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledLayer:
    """One line of the compile log. macs: as printed ("84k"), "" for none.

    size_in, size_out: elements of all inputs and outputs; size_buf: bytes. blocks: how many users
    each memory block has while the layer runs.
    """

    index: int
    name: str
    activation: str | None
    shape: tuple[int, ...]
    macs: str
    size_in: int
    size_out: int
    size_buf: int
    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileLog:
    """The compile log, in bytes. blocks_total: as printed; a planned network buffer is less.

    compile_ms: what compiling took, None where the port has no clock.
    """

    layers: tuple[CompiledLayer, ...]
    blocks: tuple[int, ...]
    network_buffers: int
    blocks_total: int
    total_memory: int | None
    compile_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatLayer:
    """One line of model_stat(); macs as printed. rate: MAC per microsecond, None without either."""

    index: int
    name: str
    time_us: int
    macs: str
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStat:
    """What model_stat() printed; memory in bytes, None where a release prints none.

    rate: MAC per microsecond, None without times.
    """

    layers: tuple[StatLayer, ...]
    total_macs: int
    time_us: int
    total_memory: int | None
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatLayer:
    """One line of model_io_format(): fraction bits of input and output, output shape."""

    index: int
    name: str
    input_dec: int
    output_dec: int
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSummary:
    """What prediction_summary() printed; top_k as printed, in percent.

    test_s: from its creation to its end. average_us: of a frame; average_rate: MAC per microsecond.
    """

    frames: int
    model_time_ms: int
    top_k: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    test_s: int | None = None
    average_us: int | None = None
    average_rate: float | None = None
    frames_per_s: float | None = None


# Every repetition without a limit is possessive: a line is passed over once, whatever is in it.
# Groups have a number of times at most: possessive ones go wrong before Python 3.11.5.
_N = r"\d{1,15}+(?!\d)"
_NAME = r"(?P<name>[A-Za-z]\w*+(?:\s*+/\w++)?)"
_INDEX = rf"#(?P<index>{_N})"
_SHAPE = rf"\(\s*+(?P<shape>{_N}\s*+(?:,\s*+{_N}\s*+){{0,8}}),?\s*+\)"
_SEQUENCE = re.compile(r"\x1b\[[0-?]{0,32}[ -/]{0,8}[@-~]|\x1b[@-Z\\-_]")
_ERROR = re.compile(r"(?:Error: |ERROR: |ERROR! ).*+")
_WARNING = re.compile(r"WARNING: .*+")
_VERSION = r"\d{1,5}+\.\d{1,5}+\.\d{1,5}+"
_RATE = r"\d{1,15}+\.\d{1,2}+"
_MOST_ERRORS = 100
_MOST_LETTERS = 300
_MOST_ROWS = 10_000
_MOST_BLOCKS = 64
_MACS = r"(?P<macs>\d++(?:\.\d\d[MG]|k)?)"
_COMPILED = re.compile(
    rf"{_INDEX}\s++{_NAME}\s++-\s++(?P<act>\w++)?\s*+-\s++{_SHAPE}\s++(?:{_MACS}\s*+)?"
    rf"\(\s*+(?P<in>{_N}),\s*+(?P<out>{_N}),\s*+(?P<buf>{_N})\)"
)
_USERS = re.compile(r"[ \t]{1,8}(\d{1,3}+|-)(?!\S)")
_STAT = re.compile(
    rf"{_INDEX}\s*+{_NAME}\s++-\s++(?P<time>{_N})(?:\s++{_MACS}(?=\s|$))?(?:\s++(?P<rate>[\d.]++))?\s*+$"
)
_FORMAT = re.compile(
    rf"{_INDEX}\s*+{_NAME}\s++-\s++-?{_N}\.\s*+(?P<din>-?{_N})\s++-?{_N}\.\s*+(?P<dout>-?{_N})"
    rf"\s++{_SHAPE}"
)
_ROW = re.compile(rf"{_N} \|(?P<counts>(?:\s++{_N}){{1,1000}})\s++\|")


def clean_console(text: str) -> str:
    """Return the text without colours and hidden characters, its lines ended by newlines."""
    text = _SEQUENCE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return HIDDEN.sub("", text)  # after sequences: what is left of broken ones makes no new one


def error_lines(text: str) -> tuple[str, ...]:
    """Return what NNoM printed about its own failures, in order; of many, the first."""
    return _said(_ERROR, text)


def warning_lines(text: str) -> tuple[str, ...]:
    """Return what NNoM warned of, in order; of many, the first."""
    return _said(_WARNING, text)


def _said(what: re.Pattern[str], text: str) -> tuple[str, ...]:
    found = (match[0].strip()[:_MOST_LETTERS] for match in what.finditer(text))
    return tuple(islice(found, _MOST_ERRORS))


def _section(text: str, start: str) -> str | None:
    """Return what follows the last `start`."""
    _, found, rest = text.rpartition(start)
    return rest if found else None


def _lines(text: str) -> Iterator[str]:
    """Return the lines that may belong to a table, as many as a network may have layers."""
    return islice((line for line in text.split("\n") if "#" in line or "|" in line), _MOST_ROWS)


def _ints(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d++", text))


def _users(text: str) -> tuple[int, ...]:
    """Return what stands at the end of a line for each block: a count, or - for none."""
    counts: list[int] = []
    position = 0
    while len(counts) < _MOST_BLOCKS and (word := _USERS.match(text, position)):
        counts.append(0 if word[1] == "-" else int(word[1]))
        position = word.end()
    return tuple(counts)


def _number(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text)
    return None if match is None else int(match[1])


def _words(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return None if match is None else match[1].strip() or None


def _float(word: str | None) -> float | None:
    """Return a number with at most one point; None for what is none."""
    if word is None or not re.fullmatch(r"\d{1,15}+(?:\.\d{1,6}+)?", word):
        return None
    return float(word)


def parse_banner(text: str) -> Banner:
    """Return what the library says of itself; the last of several."""
    before, found, _ = text.rpartition("Start compiling model...")
    said = before if found else text
    last = said.rpartition("NNoM version ")
    own = last[1] + last[2]
    return Banner(
        version=_words(rf"NNoM version ({_VERSION})", own),
        model_version=_words(rf"Model version: ({_VERSION})", text),
        data_format=_words(r"Data format: ([^\n]{1,60}+)", own),
        backend=_words(r"Backend optimization: ([^\n]{1,60}+)", own),
        static_memory=_number(rf"Static memory size set to: ({_N})", own),
    )


def parse_compile_log(text: str) -> CompileLog | None:
    """Return the last compile log in the text, None if there is no whole one."""
    body = _section(text, "Start compiling model...")
    if body is None or (buffers := _number(rf"network buffers: ({_N}) bytes", body)) is None:
        return None
    layers = tuple(
        CompiledLayer(
            index=int(m["index"]),
            name=m["name"],
            activation=m["act"],
            shape=_ints(m["shape"]),
            macs=m["macs"] or "",
            size_in=int(m["in"]),
            size_out=int(m["out"]),
            size_buf=int(m["buf"]),
            blocks=_users(line[m.end() :]),
        )
        for line in _lines(body)
        if (m := _COMPILED.search(line))
    )
    blocks = tuple(int(size) for size in re.findall(rf"blk_\d++:({_N})", body))
    total = _number(rf"Total memory occupied: ({_N}) bytes", body)
    blocks_total = _number(rf"network buffers: {_N} bytes \(blocks: ({_N}) bytes", body)
    return CompileLog(
        layers=layers,
        blocks=blocks,
        network_buffers=buffers,
        blocks_total=buffers if blocks_total is None else blocks_total,
        total_memory=total,
        compile_ms=_number(rf"Compling done in ({_N}) ms", body),
    )


def parse_model_stat(text: str) -> ModelStat | None:
    """Return the last model_stat() table in the text, None if there is no whole one."""
    body = _section(text, "Print running stat..")
    if body is None:
        return None
    macs = _number(rf"Total ops \(MAC\): ?({_N})", body)
    time_us = _number(rf"Prediction time ?: ?({_N}) ?us", body)
    if macs is None or time_us is None:
        return None
    memory = _number(rf"Total (?:memory|Mem): ?({_N})", body)
    layers = tuple(
        StatLayer(
            index=int(m["index"]),
            name=m["name"],
            time_us=int(m["time"]),
            macs=m["macs"] or "",
            rate=_float(m["rate"]),
        )
        for line in _lines(body.partition("Summary:")[0])
        if (m := _STAT.search(line))
    )
    return ModelStat(
        layers=layers,
        total_macs=macs,
        time_us=time_us,
        total_memory=memory,
        rate=_float(_words(rf"Efficiency ({_RATE}) ops/us", body)),
    )


def parse_io_format(text: str) -> tuple[FormatLayer, ...] | None:
    """Return the last model_io_format() table in the text, None if there is none."""
    body = _section(text, "Print layer input/output..")
    if body is None:
        return None
    return tuple(
        FormatLayer(
            index=int(m["index"]),
            name=m["name"],
            input_dec=int(m["din"]),
            output_dec=int(m["dout"]),
            shape=_ints(m["shape"]),
        )
        for line in _lines(body)
        if (m := _FORMAT.search(line))
    )


def parse_prediction(text: str) -> PredictionSummary | None:
    """Return the last prediction_summary() in the text, None if there is none."""
    body = _section(text, "Prediction summary:")
    if body is None or (frames := _number(rf"Test frames: ({_N})", body)) is None:
        return None
    matrix = _section(body, "Confusion matrix:") or ""
    rate = _words(rf"Average effeciency: ({_RATE}) ops/us", body)
    frame_rate = _words(r"Average frame rate: (\d{1,15}+\.\d{1,2}+) Hz", body)
    rows = (_ROW.match(line.strip()) for line in _lines(matrix))
    return PredictionSummary(
        frames=frames,
        model_time_ms=_number(rf"Model running time: ({_N}) ms", body) or 0,
        top_k=tuple(re.findall(rf"Top {_N} Accuracy: ({_N}(?:\.\d{{1,6}}+)?)%", body)),
        confusion=tuple(_ints(row["counts"]) for row in rows if row),
        test_s=_number(rf"Test running time: ({_N}) sec", body),
        average_us=_number(rf"Average prediction time: ({_N}) us", body),
        average_rate=_float(rate),
        frames_per_s=_float(frame_rate),
    )
