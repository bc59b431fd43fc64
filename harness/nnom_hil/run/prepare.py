"""From model and data files to a quantised graph and int8 vectors; done once, then kept.

TensorFlow and scikit-learn are imported only when the cache has no answer.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import DataError, ModelError, UsageError
from nnom_hil.files import digest, write_whole
from nnom_hil.model.qgraph import Int8, QGraph, load_qgraph, save_qgraph
from nnom_hil.model.quantise.options import Method, QuantiseOptions
from nnom_hil.model.quantise.quality import LayerQuality, Quality
from nnom_hil.paths import cache_dir
from nnom_hil.zoo.data import is_bundled, zoo_model, zoo_models

__all__ = ["ConvertOptions", "Prepared", "find_model", "prepare"]

_SCHEMA = "nnom-hil/prepared/2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """How a model is converted, as a user says it.

    method: max_min, kld, mse or percentile. percentile: per cent of the values that must fit.
    search_seconds: time to try formats in; 0 for none. portable: right on NNoM's library as well.
    plain_pools: average pools keep their input's format, for the layer API.
    """

    method: str = "max_min"
    per_channel: bool = False
    percentile: float = 99.99
    search_seconds: float = 0.0
    portable: bool = False
    plain_pools: bool = False

    def quantise_options(self) -> QuantiseOptions:
        """Return the options of the quantiser; raises UsageError for a method that is none."""
        try:
            method = Method(self.method.replace("-", "_"))
        except ValueError as exc:
            known = ", ".join(Method)
            raise UsageError(f"method {self.method!r} is unknown; there are: {known}") from exc
        return QuantiseOptions(
            method=method,
            per_channel=self.per_channel,
            percentile=self.percentile,
            portable=self.portable,
            plain_pools=self.plain_pools,
        )

    def describe(self) -> str:
        """Return the options in one line."""
        method = self.quantise_options().method
        words = [method.value]
        words += ["per channel"] if self.per_channel else []
        words += [f"{self.percentile:g} %"] if method is Method.PERCENTILE else []
        words += [f"searched {self.search_seconds:g} s"] if self.search_seconds else []
        words += ["portable"] if self.portable else []
        return ", ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model ready to run.

    x: (n, inputs) int8 vectors. labels: (n,) or None. float_outputs: Keras' outputs (n, outputs).
    quality: how the quantised layers follow the float ones on calibration data.
    """

    graph: QGraph
    quality: Quality
    x: Int8
    labels: npt.NDArray[np.int64] | None
    float_outputs: npt.NDArray[np.float32]

    def limited(self, n: int | None) -> "Prepared":
        """Return the first n vectors (None: all)."""
        return replace(
            self,
            x=self.x[:n],
            labels=None if self.labels is None else self.labels[:n],
            float_outputs=self.float_outputs[:n],
        )


def find_model(model: Path | None) -> Path:
    """Return a model's path; None is the bundled digits, and so a bundled model's name its file."""
    if model is None:
        return zoo_model("digits")
    bundled = zoo_model(str(model))
    return bundled if str(model) in zoo_models() and not model.exists() else model


def prepare(
    model: Path,
    data: Path | None,
    *,
    options: ConvertOptions | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Convert a Keras model and quantise its vectors, or find both in the cache.

    data None means a bundled model's own. Raises ModelError, DataError or UsageError.
    """
    options = options or ConvertOptions()
    options.quantise_options()  # a wrong one is told before anything is loaded
    if data is None and not is_bundled(model):
        raise DataError(
            f"{model}: test vectors are needed with a model of your own; add --data FILE.npz"
        )
    key = digest(
        _SCHEMA, _own_digest(), _read(model, ModelError), repr(options),
        b"bundled" if data is None else _read(data, DataError),
    )  # fmt: skip
    folder = cache_dir() / "prepared" / key[:32]
    if (prepared := _load(folder, model.stem)) is not None:
        return prepared
    prepared = _convert(model, data, options, on_step=on_step)
    _save(folder, prepared)
    return prepared


def _read(path: Path, error: type[ModelError | DataError]) -> bytes:
    try:
        if path.is_dir():  # a SavedModel
            files = sorted(p for p in path.rglob("*") if p.is_file())
            return b"".join(p.read_bytes() for p in files)
        return path.read_bytes()
    except OSError as exc:
        raise error(f"{path}: cannot be read: {exc.strerror}") from exc


def _own_digest() -> str:
    """Return a hash of the code that converts, so that a new version converts again."""
    package = Path(__file__).parents[1]
    files = [p for d in ("model", "zoo") for p in sorted((package / d).rglob("*.py"))]
    return digest(*(p.read_bytes() for p in files))


def _convert(
    model: Path, data: Path | None, options: ConvertOptions, *, on_step: Callable[[str], None]
) -> Prepared:
    on_step("loading Keras")
    from nnom_hil.model.keras_import import read_keras
    from nnom_hil.model.quantise import calibrate, measure_quality, search_formats, to_int8
    from nnom_hil.zoo.data import load_bundled, load_npz

    keras_model = read_keras(model)
    on_step("loading vectors")
    shape = keras_model.graph.input.shape
    vectors = load_bundled(model) if data is None else load_npz(data, shape)
    on_step("quantising")
    x = vectors.x_calibration
    found = calibrate(keras_model.graph, x, options.quantise_options())
    graph = found.finish()
    if options.search_seconds:
        on_step(f"searching formats for {options.search_seconds:g} s")
        result = search_formats(found, vectors.y_calibration, options.search_seconds)
        graph = result.graph
        on_step(
            f"{100 * result.before:.2f} % right answers on calibration data became "
            f"{100 * result.after:.2f} % in {result.tried} trials"
        )
    quality = measure_quality(found.graph, graph, found.data)
    outputs = keras_model.predict(vectors.x)
    if vectors.y is not None and vectors.y.max(initial=0) >= max(outputs.shape[1], 2):
        raise DataError(
            f"{data}: label {vectors.y.max()} is out of range: the model has "
            f"{outputs.shape[1]} outputs"
        )
    return Prepared(
        graph=graph,
        quality=quality,
        x=to_int8(vectors.x, graph.input.dec).reshape(len(vectors.x), -1),
        labels=vectors.y,
        float_outputs=outputs,
    )


def _save(folder: Path, prepared: Prepared) -> None:
    buffer = BytesIO()
    labels = prepared.labels
    np.savez(
        buffer,
        x=prepared.x,
        labels=np.zeros(0, np.int64) if labels is None else labels,
        has_labels=np.array(labels is not None),
        float_outputs=prepared.float_outputs,
    )
    write_whole(folder / "graph.npz", save_qgraph(prepared.graph))
    write_whole(folder / "quality.json", json.dumps(asdict(prepared.quality)))
    write_whole(folder / "vectors.npz", buffer.getvalue())  # last: its presence means complete


def _load(folder: Path, name: str) -> Prepared | None:
    try:
        with np.load(folder / "vectors.npz", allow_pickle=False) as npz:
            arrays = {key: npz[key] for key in npz.files}
        graph = load_qgraph((folder / "graph.npz").read_bytes())
        quality = json.loads((folder / "quality.json").read_text())
        quality["layers"] = tuple(LayerQuality(**layer) for layer in quality["layers"])
        return Prepared(
            graph=QGraph(name=name, nodes=graph.nodes),
            quality=Quality(**quality),
            x=arrays["x"],
            labels=arrays["labels"] if arrays["has_labels"] else None,
            float_outputs=arrays["float_outputs"],
        )
    except (OSError, ValueError, KeyError, TypeError, ModelError):
        return None  # absent or damaged: convert again
