"""A benchmark's data: its own folder with y_labels.csv, or an .npz as the model takes it."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.mlperf import FACTS, Benchmark
from nnom_hil.errors import DataError

__all__ = [
    "LABELS_FILE",
    "MODELS",
    "Sample",
    "find_mlperf_data",
    "find_mlperf_model",
    "read_folder",
    "roc_auc",
    "top1",
]

LABELS_FILE: Final = "y_labels.csv"
_MOST_BYTES: Final = 1 << 24
_MOST_WINDOWS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One file: its stimuli (n, bytes), more than one where it is cut into windows; its class."""

    name: str
    stimuli: npt.NDArray[np.uint8]
    label: int


def read_folder(folder: Path, benchmark: Benchmark, limit: int | None = None) -> list[Sample]:
    """Read the first files that y_labels.csv names; raises DataError for what is wrong there."""
    labels = folder / LABELS_FILE
    try:
        rows = labels.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"{labels}: cannot be read: {exc}") from exc
    samples = list(_samples(folder, rows[:limit], benchmark))
    if not samples:
        raise DataError(f"{labels}: names no file")
    return samples


def _samples(folder: Path, rows: list[str], benchmark: Benchmark) -> Iterator[Sample]:
    for number, row in enumerate(csv.reader(rows), 1):
        where = f"{folder / LABELS_FILE}, line {number}"
        cells = [cell.strip() for cell in row]
        if len(cells) < 3 or not all(c.isascii() and c.isdigit() for c in cells[1:]):
            raise DataError(f"{where}: needs file,classes,class and numbers behind the file")
        name, label = cells[0], int(cells[2])
        if label >= int(cells[1]):
            raise DataError(f"{where}: class {label} of {cells[1]}; they count from 0")
        file = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(f"{where}: {name} is outside the folder; it is not read")
        yield Sample(
            name=name,
            stimuli=_windows(_read(file, where), cells[3:], benchmark, where),
            label=label,
        )


def _read(file: Path, where: str) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
    except OSError as exc:
        raise DataError(f"{where}: {file}: cannot be read: {exc.strerror}") from exc
    if len(data) > _MOST_BYTES:
        raise DataError(f"{where}: {file}: is larger than {_MOST_BYTES} bytes; no stimulus is")
    return data


def _windows(
    data: bytes, more: list[str], benchmark: Benchmark, where: str
) -> npt.NDArray[np.uint8]:
    """Return a file's stimuli. more: bytes of a window, and from one's begin to the next one's."""
    size = FACTS[benchmark].bytes
    length = int(more[0]) if more else size
    stride = int(more[1]) if len(more) > 1 else max(len(data), 1)
    if length != size:
        raise DataError(f"{where}: windows of {length} bytes; {benchmark} takes {size}")
    starts = range(0, len(data) - size + 1, max(stride, 1))
    if not starts or len(starts) > _MOST_WINDOWS or stride == 0:
        raise DataError(
            f"{where}: {len(data)} bytes, a window each {stride}; {benchmark} takes {size} bytes"
        )
    raw = np.frombuffer(data, np.uint8)
    return np.stack([raw[start : start + size] for start in starts])


def top1(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Return the share of rows (n, classes) whose largest score is their label's."""
    return float((scores.argmax(axis=1) == labels).mean())


def roc_auc(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float | None:
    """Return the area under the ROC curve: of one score (n, 1), or each class (n, classes) against
    the rest, their mean. None where a class has no file, or no other has.
    """
    if scores.shape[1] == 1:
        return _area(scores[:, 0], labels == 1)
    areas = [_area(scores[:, c], labels == c) for c in range(scores.shape[1])]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if len(known) == len(areas) else None


def _area(scores: npt.NDArray[np.float64], is_one: npt.NDArray[np.bool_]) -> float | None:
    """Return how often one scores higher than another, ties half (Mann and Whitney's U)."""
    ones, others = scores[is_one], np.sort(scores[~is_one])
    if not len(ones) or not len(others):
        return None
    below = np.searchsorted(others, ones, "left") + np.searchsorted(others, ones, "right")
    return float(below.sum() / (2 * len(ones) * len(others)))


MODELS: Final[Mapping[Benchmark, tuple[str, ...]]] = {
    Benchmark.IC01: ("pretrainedResnet.h5",),
    Benchmark.AD01: ("ad01.h5",),
    Benchmark.KWS01: ("kws_ref_model", "kws_ref_model_float32.tflite"),
    Benchmark.VWW01: ("vww_96.h5",),
}
"""What the benchmark calls its own trained models."""

_ENDINGS: Final = ("", ".keras", ".h5", ".onnx", ".tflite")


def find_mlperf_model(folder: Path, benchmark: Benchmark) -> Path | None:
    """Return a benchmark's model in a folder: of its id, or of the benchmark's own name."""
    names = [f"{benchmark}{ending}" for ending in _ENDINGS[1:]] + list(MODELS[benchmark])
    return next((folder / name for name in names if (folder / name).exists()), None)


def find_mlperf_data(folder: Path, benchmark: Benchmark) -> Path | None:
    """Return a benchmark's data in a folder: its own folder, or an .npz."""
    own = folder / benchmark
    if (own / LABELS_FILE).exists():
        return own
    npz = folder / f"{benchmark}.npz"
    return npz if npz.exists() else None
