"""From model and data files to a quantised graph and int8 vectors; done once, then kept.

TensorFlow and scikit-learn are imported only when the cache has no answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import DataError, ModelError
from nnom_hil.files import digest, write_whole
from nnom_hil.model.qgraph import Int8, QGraph, load_qgraph, save_qgraph
from nnom_hil.paths import cache_dir

__all__ = ["Prepared", "digits_model", "prepare"]

_SCHEMA = "nnom-hil/prepared/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model ready to run.

    x: (n, inputs) int8 vectors. labels: (n,) or None. float_outputs: Keras' outputs (n, outputs).
    """

    graph: QGraph
    x: Int8
    labels: npt.NDArray[np.int64] | None
    float_outputs: npt.NDArray[np.float32]

    def limited(self, n: int | None) -> "Prepared":
        """Return the first n vectors (None: all)."""
        return Prepared(
            graph=self.graph,
            x=self.x[:n],
            labels=None if self.labels is None else self.labels[:n],
            float_outputs=self.float_outputs[:n],
        )


def digits_model() -> Path:
    """Return the bundled digits model."""
    return Path(__file__).parents[1] / "zoo" / "digits" / "digits.keras"


def prepare(
    model: Path,
    data: Path | None,
    *,
    per_channel: bool = False,
    on_step: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Convert a Keras file and quantise its vectors, or find both in the cache.

    data None means the bundled digits. Raises ModelError or DataError.
    """
    if data is None and model != digits_model():
        raise DataError(
            f"{model}: test vectors are needed with a model of your own; add --data FILE.npz"
        )
    key = digest(
        _SCHEMA, _own_digest(), _read(model, ModelError), str(per_channel),
        b"digits" if data is None else _read(data, DataError),
    )  # fmt: skip
    folder = cache_dir() / "prepared" / key[:32]
    if (prepared := _load(folder, model.stem)) is not None:
        return prepared
    prepared = _convert(model, data, per_channel=per_channel, on_step=on_step)
    _save(folder, prepared)
    return prepared


def _read(path: Path, error: type[ModelError | DataError]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise error(f"{path}: cannot be read: {exc.strerror}") from exc


def _own_digest() -> str:
    """Return a hash of the code that converts, so that a new version converts again."""
    package = Path(__file__).parents[1]
    files = [p for d in ("model", "zoo") for p in sorted((package / d).rglob("*.py"))]
    return digest(*(p.read_bytes() for p in files))


def _convert(
    model: Path, data: Path | None, *, per_channel: bool, on_step: Callable[[str], None]
) -> Prepared:
    on_step("loading Keras")
    from nnom_hil.model.keras_import import read_keras
    from nnom_hil.model.quantise import QuantiseOptions, quantise, to_int8
    from nnom_hil.zoo.data import load_digits, load_npz

    keras_model = read_keras(model)
    on_step("loading vectors")
    vectors = load_digits() if data is None else load_npz(data, keras_model.graph.input.shape)
    on_step("quantising")
    options = QuantiseOptions(per_channel=per_channel)
    graph = quantise(keras_model.graph, vectors.x_calibration, options)
    outputs = keras_model.predict(vectors.x)
    if vectors.y is not None and vectors.y.max(initial=0) >= max(outputs.shape[1], 2):
        raise DataError(
            f"{data}: label {vectors.y.max()} is out of range: the model has "
            f"{outputs.shape[1]} outputs"
        )
    return Prepared(
        graph=graph,
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
    write_whole(folder / "vectors.npz", buffer.getvalue())  # last: its presence means complete


def _load(folder: Path, name: str) -> Prepared | None:
    try:
        with np.load(folder / "vectors.npz", allow_pickle=False) as npz:
            arrays = {key: npz[key] for key in npz.files}
        graph = load_qgraph((folder / "graph.npz").read_bytes())
        return Prepared(
            graph=QGraph(name=name, nodes=graph.nodes),
            x=arrays["x"],
            labels=arrays["labels"] if arrays["has_labels"] else None,
            float_outputs=arrays["float_outputs"],
        )
    except (OSError, ValueError, KeyError, ModelError):
        return None  # absent or damaged: convert again
