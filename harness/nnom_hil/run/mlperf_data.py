"""A benchmark's model converted with its data, and the data as stimuli."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.mlperf import (
    FACTS,
    Benchmark,
    MlperfSettings,
    Pixels,
    inputs_of,
    pixels_of_range,
    values_of,
)
from nnom_hil.errors import DataError
from nnom_hil.mlperf.dataset import Sample, read_folder
from nnom_hil.run.prepare import Prepared, prepare
from nnom_hil.run.request import RunRequest
from nnom_hil.temporary import private_folder

__all__ = ["ReadyData", "prepared_data"]

_CALIBRATED_BY: Final = 200
_PIXELS: Final = {Benchmark.IC01: Pixels.BYTES, Benchmark.VWW01: Pixels.UNIT}
"""What the benchmark's own models take a byte for."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyData:
    """prepared: the model, its first vectors those of the data. samples: makes the data's stimuli,
    once it is known what bytes mean to the model.
    """

    prepared: Prepared
    pixels: Pixels
    samples: Callable[[MlperfSettings], list[Sample]]
    notes: tuple[str, ...] = ()


def prepared_data(run: RunRequest, benchmark: Benchmark, model: Path, data: Path) -> ReadyData:
    """Convert a benchmark's model with a folder's data or an .npz; raises as prepare() does."""
    if data.is_dir():
        return _of_folder(run, benchmark, model, data)
    return _of_npz(run, model, data)


def _of_folder(run: RunRequest, benchmark: Benchmark, model: Path, data: Path) -> ReadyData:
    samples = read_folder(data, benchmark, run.limit)
    stimuli = np.concatenate([sample.stimuli for sample in samples])[:_CALIBRATED_BY]
    pixels = run.pixels or _PIXELS.get(benchmark, Pixels.BYTES)
    x = inputs_of(values_of(benchmark, pixels), stimuli)
    return ReadyData(
        prepared=_prepared(run, model, x=x.reshape(-1, *FACTS[benchmark].shape)),
        pixels=pixels,
        samples=lambda _: samples,
        notes=(f"formats were chosen by the data's first {len(x)} stimuli",),
    )


def _of_npz(run: RunRequest, model: Path, data: Path) -> ReadyData:
    """x (n, input shape) and y (n,) as `nnom-hil run` takes them, for ad01 y 0 or 1."""
    try:
        with np.load(data, allow_pickle=False) as npz:
            arrays = {name: npz[name] for name in ("x", "y", "x_calib") if name in npz.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError) as exc:
        raise DataError(f"{data}: cannot be read as an .npz: {exc}") from exc
    if "x" not in arrays or arrays["x"].dtype.kind not in "fiu" or not len(arrays["x"]):
        raise DataError(f"{data}: needs an array x of numbers (n, input shape)")
    x = arrays["x"][: run.limit].astype(np.float32)
    calibration = arrays.get("x_calib", arrays["x"][:_CALIBRATED_BY]).astype(np.float32)
    labels = _labels(data, arrays.get("y"), len(x))

    def samples(settings: MlperfSettings) -> list[Sample]:
        stimuli = settings.stimuli_of(x)
        return [
            Sample(name=f"{data.name}[{i}]", stimuli=stimuli[i : i + 1], label=int(labels[i]))
            for i in range(len(x))
        ]

    return ReadyData(
        prepared=_prepared(run, model, x=x[:_CALIBRATED_BY], x_calib=calibration),
        pixels=run.pixels or pixels_of_range(float(calibration.min()), float(calibration.max())),
        samples=samples,
    )


def _labels(data: Path, y: Array | None, n: int) -> npt.NDArray[np.int64]:
    """Return classes (n,), of one-hot rows too; -1 where there are none."""
    if y is None:
        return np.full(n, -1)
    classes = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
    if len(classes) < n or classes.dtype.kind not in "fiu" or (classes != np.floor(classes)).any():
        raise DataError(f"{data}: y needs a class for each row of x, as whole numbers (n,)")
    return classes[:n].astype(np.int64)


def _prepared(run: RunRequest, model: Path, **arrays: Array) -> Prepared:
    with private_folder() as folder:
        np.savez(folder / "data.npz", allow_pickle=False, **arrays)
        request = replace(run, model=model)
        return prepare(request.model_file, folder / "data.npz", options=request.conversion)
