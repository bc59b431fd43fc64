"""From model and data files to a quantised graph and int8 vectors; done once, then kept.

TensorFlow is imported only when the cache has no answer, and the model is not a bundled one.
"""

import contextlib
import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnom_hil.cache import Entry, Kept, UnfitError, obtain
from nnom_hil.codegen.portable import portable
from nnom_hil.errors import DataError, ModelError, StoreError, did_you_mean
from nnom_hil.files import digest
from nnom_hil.model.qgraph import Int8, QGraph, load_qgraph, save_qgraph
from nnom_hil.model.quantise.quality import LayerQuality, Quality
from nnom_hil.model.read import model_files
from nnom_hil.model.reference import run_reference
from nnom_hil.model.run_order import in_run_order
from nnom_hil.records import Task
from nnom_hil.run.asked import ConvertOptions
from nnom_hil.run.kept import kept_formats
from nnom_hil.run.provenance import loaded_libraries
from nnom_hil.run.source import loading, source_of, stored_libraries
from nnom_hil.run.task import Head, Output, Truth, decide, head_of
from nnom_hil.zoo.data import is_bundled, known_graph, zoo_model, zoo_models

if TYPE_CHECKING:
    from nnom_hil.model.quantise import Calibration
    from nnom_hil.model.read import SourceModel
    from nnom_hil.zoo.data import DataSet

__all__ = ["ConvertOptions", "Prepared", "find_model", "kept_preparation", "preparation_key",
    "prepare"]  # fmt: skip

_SCHEMA = "nnom-hil/prepared/6"
_REFERENCE_SCHEMA = "nnom-hil/reference/1"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, ModelError,
    zipfile.BadZipFile, zlib.error)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model ready to run.

    x: (n, inputs) int8 vectors. output: what the model gives; truth: what it is judged by.
    float_outputs: its framework's own outputs (n, outputs). quality: how the quantised layers
    follow the float ones on calibration data. key: hash of what it was made of. libraries: versions
    of the packages that it was converted with. unkept: why it could not be kept, where the disk is
    full.
    """

    graph: QGraph
    quality: Quality
    x: Int8
    output: Output
    truth: Truth
    float_outputs: npt.NDArray[np.float32]
    key: str
    libraries: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unkept: StoreError | None = None

    @property
    def labels(self) -> npt.NDArray[Any] | None:
        """What the outputs are compared with, as run/task.py has it; None without labels."""
        return self.truth.labels

    @property
    def chooses(self) -> bool:
        """Whether an answer is one of several classes, the largest output."""
        return _chooses(self.truth, self.output)

    def expected(
        self, n: int, *, compat: bool, on_unkept: Callable[[StoreError], None] = lambda _: None
    ) -> Int8:
        """Return the reference's outputs for the first n vectors (n, outputs); computed once.

        compat: NNoM 0.4.3's own. on_unkept: is told where they cannot be kept, on a full disk.
        """
        size = self.graph.output.size

        def make() -> dict[str, bytes]:
            images = self.x[:n].reshape(n, *self.graph.input.shape)
            return {"outputs": run_reference(self.graph, images, compat=compat).tobytes()}

        def load(kept: Kept) -> Int8:
            if kept.unkept is not None:
                on_unkept(kept.unkept)
            outputs = np.frombuffer(kept.file("outputs"), dtype=np.int8)
            if outputs.size % size:
                raise UnfitError(f"{outputs.size} values are no outputs of {size}")
            return outputs.reshape(-1, size)

        key = digest(_REFERENCE_SCHEMA, self.key, str(compat))
        entry = Entry(kind="reference", key=key)
        outputs = obtain(entry, make, load)
        if len(outputs) < n:  # another run was shorter
            outputs = obtain(entry, make, load, anew=True)
        return outputs[:n]

    def limited(self, n: int | None) -> "Prepared":
        """Return the first n vectors (None: all)."""
        return replace(
            self,
            x=self.x[:n],
            truth=replace(self.truth, labels=None if self.labels is None else self.labels[:n]),
            float_outputs=self.float_outputs[:n],
        )


def _chooses(truth: Truth, output: Output) -> bool:
    if truth.task is Task.NONE:
        return output.head is Head.SOFTMAX and output.classes > 1
    return truth.task is Task.CLASSIFICATION


def find_model(model: Path | None) -> Path:
    """Return a model's path; None is the bundled digits, and so a bundled model's name its file.

    Raises ModelError where there is neither.
    """
    if model is None:
        return zoo_model("digits")
    if model.exists():
        return model
    if str(model) in zoo_models():
        return zoo_model(str(model))
    raise ModelError(
        f"{model}: cannot be read: No such file or directory, nor a bundled model "
        f"({', '.join(zoo_models())}){_near(model, zoo_models())}"
    )


def _near(path: Path, names: list[str]) -> str:
    """Return the nearest name, or file beside the one that is not there, as a message's end."""
    files = []
    if path.parent.is_dir():
        files = [str(path.with_name(p.name)) for p in path.parent.iterdir()]
    return did_you_mean(str(path), [*names, *files])


def prepare(
    model: Path,
    data: Path | None,
    *,
    options: ConvertOptions | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Convert a model and quantise its vectors, or find both in the cache.

    data None means a bundled model's own. Raises ModelError, DataError or UsageError.
    """
    options = options or ConvertOptions()
    key = preparation_key(model, data, options)

    def make() -> dict[str, bytes]:
        return _files_of(_convert(model, data, options, key, on_step=on_step))

    return obtain(
        Entry(kind="prepared", key=key), make, lambda kept: _prepared_of(kept, key, model.stem)
    )


def kept_preparation(key: str, name: str) -> Prepared:
    """Return what prepare() has made, from the cache alone; raises StoreError where it is not."""
    entry = Entry(kind="prepared", key=key)
    return obtain(entry, entry.must_be_kept, lambda kept: _prepared_of(kept, key, name))


def preparation_key(model: Path, data: Path | None, options: ConvertOptions) -> str:
    """Return what a conversion is known by: a hash of the files, the options and our own code.

    Nothing is loaded. Raises ModelError, DataError or UsageError for what is wrong all the same.
    """
    options.quantise_options()  # a wrong one is told
    if data is None and not is_bundled(model):
        raise DataError(
            f"{model}: test vectors are needed with a model of your own; add --data FILE.npz"
        )
    return digest(
        _SCHEMA, _own_digest(), _read(model), repr(options),
        "bundled" if data is None else _digest_of(data),
    )  # fmt: skip


def _digest_of(data: Path) -> str:
    """Return the hash of a file, in pieces, since it may be large; raises DataError."""
    with _reading(data, DataError):
        _must_be_a_file(data, DataError)
        with data.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _read(model: Path) -> bytes:
    """Return a model's bytes; raises ModelError."""
    with _reading(model, ModelError):
        if not model.is_dir():
            _must_be_a_file(model, ModelError)
        files = list(model_files(model))
        if stored := known_graph(model):
            files.append(stored)
        return b"".join(file.read_bytes() for file in files)


def _must_be_a_file(path: Path, error: type[ModelError | DataError]) -> None:
    if path.exists() and not path.is_file():
        what = "a folder; --data names one file" if path.is_dir() else "no file"
        raise error(f"{path}: cannot be read: it is {what}")


@contextlib.contextmanager
def _reading(path: Path, error: type[ModelError | DataError]) -> Iterator[None]:
    """Tell in words what keeps a file from being read."""
    try:
        yield
    except OSError as exc:
        near = "" if path.exists() else _near(path, [])
        raise error(f"{path}: cannot be read: {exc.strerror}{near}") from exc


def _own_digest() -> str:
    """Return a hash of the code that converts, so that a new version converts again."""
    package = Path(__file__).parents[1]
    files = [p for d in ("model", "zoo") for p in sorted((package / d).rglob("*.py"))]
    files += [package / "codegen" / "portable.py", package / "run" / "task.py"]
    return digest(*(p.read_bytes() for p in files))


def _convert(
    model: Path,
    data: Path | None,
    options: ConvertOptions,
    key: str,
    *,
    on_step: Callable[[str], None],
) -> Prepared:
    on_step(loading(model))
    from nnom_hil.model.quantise import calibrate, measure_quality
    from nnom_hil.run.vectors import vectors_for

    source = source_of(model)
    on_step("loading vectors")
    vectors = vectors_for(source, model, data)
    output, truth, classes = _truth(source, vectors, data or model)
    on_step(f"judged: {truth.task.words}")
    source.check(vectors.x_calibration)
    x = vectors.x_calibration
    kept, notes = kept_formats(model, source.graph, asdict(options), asdict(ConvertOptions()))
    for note in notes:
        on_step(note)
    if kept is not None:
        graph, quality = kept.graph, kept.quality(x)
    else:
        on_step("quantising")
        found = calibrate(source.graph, x, options.quantise_options())
        graph = found.finish()
        if options.search_seconds:
            chooses = _chooses(truth, output)
            graph = _searched(found, classes, options.search_seconds, truth, chooses, on_step)
        quality = measure_quality(found.graph, graph, found.data)
    graph = in_run_order(portable(graph) if options.portable else graph)
    return Prepared(
        graph=graph,
        quality=quality,
        x=graph.quantise(vectors.x).reshape(len(vectors.x), -1),
        output=output,
        truth=truth,
        float_outputs=source.predict(vectors.x),
        key=key,
        libraries={**stored_libraries(source), **loaded_libraries()},
        notes=notes,
    )


def _searched(
    found: "Calibration",
    classes: npt.NDArray[np.int64] | None,
    seconds: float,
    truth: Truth,
    chooses: bool,
    on_step: Callable[[str], None],
) -> QGraph:
    """Return the quantised graph after so many seconds of trying formats."""
    from nnom_hil.model.quantise import search_formats

    on_step(f"searching formats for {seconds:g} s")
    result = search_formats(found, classes, seconds, chooses=chooses)
    on_step(
        f"{100 * result.before:.2f} % right answers on calibration data became "
        f"{100 * result.after:.2f} % in {result.tried} trials"
        if truth.task is Task.CLASSIFICATION
        else f"searched in {result.tried} trials"
    )
    return result.graph


def _truth(
    model: "SourceModel", vectors: "DataSet", where: Path
) -> tuple[Output, Truth, npt.NDArray[np.int64] | None]:
    """Return what the model gives, what is judged, and the calibration inputs' classes, if any.

    Raises DataError for labels that do not fit, before formats are searched for.
    """
    output = Output(shape=model.output_shape, head=head_of(model.graph))
    truth = decide(output, vectors.x, vectors.y, where=f"{where}: array {vectors.y_name!r}")
    known = truth
    if vectors.y_calibration is not vectors.y:
        x, y = vectors.x_calibration, vectors.y_calibration
        known = decide(output, x, y, where=f"{where}: array {vectors.y_calibration_name!r}")
    chosen = known.task is Task.CLASSIFICATION and not output.positions
    return output, truth, known.labels if chosen else None


def _files_of(prepared: Prepared) -> dict[str, bytes]:
    arrays: dict[str, Any] = {"x": prepared.x, "float_outputs": prepared.float_outputs}
    if prepared.labels is not None:
        arrays["labels"] = prepared.labels
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    judged = {
        "task": prepared.truth.task,
        "shape": prepared.output.shape,
        "head": prepared.output.head.name,
        "libraries": prepared.libraries,
        "notes": prepared.notes,
    }
    return {
        "graph.npz": save_qgraph(prepared.graph),
        "judged.json": json.dumps(judged).encode(),
        "quality.json": json.dumps(asdict(prepared.quality)).encode(),
        "vectors.npz": buffer.getvalue(),
    }


def _prepared_of(kept: Kept, key: str, name: str) -> Prepared:
    """Return what _files_of was given; raises UnfitError for other files."""
    files = kept.files
    try:
        with np.load(BytesIO(files["vectors.npz"]), allow_pickle=False) as npz:
            arrays = {part: npz[part] for part in npz.files}
        quality = json.loads(files["quality.json"])
        quality["layers"] = tuple(LayerQuality(**layer) for layer in quality["layers"])
        judged = json.loads(files["judged.json"])
        return Prepared(
            graph=QGraph(name=name, nodes=load_qgraph(files["graph.npz"]).nodes),
            quality=Quality(**quality),
            x=arrays["x"],
            output=Output(shape=tuple(judged["shape"]), head=Head[judged["head"]]),
            truth=Truth(task=Task(judged["task"]), labels=arrays.get("labels")),
            float_outputs=arrays["float_outputs"],
            key=key,
            libraries=judged["libraries"],
            notes=tuple(judged["notes"]),
            unkept=kept.unkept,
        )
    except _UNREADABLE as exc:
        raise UnfitError(f"{type(exc).__name__}: {exc}") from exc
