"""A model file never runs: probes that would leave a file, in every door, leave none.

The probes are harmless: an import, a constructor or a call makes a file in the test's folder.
"""

import json
import os
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st

from nnom_hil.cli.app import run_app
from nnom_hil.errors import DataError, HilError, ModelError
from nnom_hil.model.keras_import import from_keras, read_keras
from nnom_hil.zoo.files import load_vectors

Config = dict[str, Any]
Change = Callable[[Config, Config], None]

MUTATIONS = 1500 if os.environ.get("NNOM_HIL_NIGHTLY") else 60

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")

PROBE = """
from pathlib import Path
MARK = Path({mark!r})
MARK.touch()
def touch(*args, **kwargs):
    MARK.touch()
class Own:
    def __init__(self, *args, **kwargs):
        MARK.touch()
    from_config = classmethod(lambda cls, config: cls())
"""


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is there once a probe has run; the module nnom_hil_probe makes it."""
    path = tmp_path / "mark" / "ran"
    path.parent.mkdir()
    (tmp_path / "mark" / "nnom_hil_probe.py").write_text(PROBE.format(mark=str(path)))
    monkeypatch.syspath_prepend(str(path.parent))

    @keras.saving.register_keras_serializable("probe", "Dense")
    class Registered(keras.layers.Dense):  # type: ignore[misc]  # Keras is untyped
        def __init__(self, *args: Any, **options: Any) -> None:
            path.touch()
            super().__init__(*args, **options)

    del Registered
    yield path
    keras.saving.get_custom_objects().clear()
    sys.modules.pop("nnom_hil_probe", None)


def own(kind: str = "Own", **more: Any) -> Config:
    return {
        "class_name": kind, "config": {}, "module": "nnom_hil_probe", "registered_name": None,
    } | more  # fmt: skip


def function(name: str = "touch", module: str = "nnom_hil_probe") -> Config:
    return {"class_name": "function", "config": name, "module": module, "registered_name": name}


CODE = {"class_name": "__lambda__", "config": {"value": "", "code": ""}}
LAMBDA = {
    "class_name": "Lambda", "module": "keras.layers", "registered_name": None,
    "config": {"name": "code", "function": CODE},
}  # fmt: skip


def sets(**values: Any) -> Change:
    """Set arguments of the first dense layer."""
    return lambda dense, _: dense["config"].update(values)


def says(**values: Any) -> Change:
    """Set what stands beside the arguments of the first dense layer."""
    return lambda dense, _: dense.update(values)


def around(kind: str, key: str, inner: Config) -> Change:
    def change(dense: Config, _: Config) -> None:
        dense.update(class_name=kind)
        dense["config"] = {"name": "outer", key: inner}

    return change


def loads(dense: Config, model: Config) -> None:
    """What is about training is of no use and is not even looked at."""
    loss = {"loss": own(), "optimizer": own("Own"), "metrics": [function()]}
    model["compile_config"] = dense["compile_config"] = loss


# what is changed in a model of dense layers, and a piece of the message; "" where it loads
CONFIGS: dict[str, tuple[Change, str]] = {
    "Lambda": (lambda d, _: d.update(LAMBDA), "code (Lambda): a Lambda layer holds code"),
    "Lambda in TimeDistributed": (around("TimeDistributed", "layer", LAMBDA), "code (Lambda)"),
    "Lambda in Bidirectional": (around("Bidirectional", "layer", LAMBDA), "code (Lambda)"),
    "Lambda as a cell": (around("RNN", "cell", LAMBDA), "code (Lambda)"),
    "Lambda in a model inside": (
        around("Sequential", "layers", [LAMBDA]), "code (Lambda)",  # type: ignore[arg-type]
    ),
    "Lambda where no layer belongs": (sets(kernel_initializer=LAMBDA), "Lambda layer holds code"),
    "marshalled activation": (sets(activation=CODE), "Lambda layer holds code"),
    "function of a module": (sets(activation=function()), "'touch' is a function of your own"),
    "function by its name": (sets(activation="touch"), "'touch' is a function of your own"),
    "function of os": (sets(activation=function("getpid", "os")), "'getpid' is a function"),
    "class of a module": (says(**own()), "(Own): a class of your own"),
    "Dense of a module": (says(**own("Dense")), "(Dense): a class of your own"),
    "registered Dense": (says(registered_name="probe>Dense"), "(Dense): a class of your own"),
    "cell": (around("RNN", "cell", own()), "(Own): a class of your own"),
    "cells": (around("RNN", "cells", [own()]), "(Own): a class"),  # type: ignore[arg-type]
    "initialiser": (sets(kernel_initializer=own()), "d (Own): a class of your own"),
    "regulariser": (sets(kernel_regularizer=own()), "d (Own): a class of your own"),
    "constraint": (sets(bias_constraint=own()), "d (Own): a class of your own"),
    "dtype policy": (sets(dtype=own()), "d (Own): a class of your own"),
    "quantiser": (sets(quantization_config=own()), "d (Own): a class of your own"),
    "deep inside": (sets(name2={"a": [{"b": own()}]}), "d (Own): a class of your own"),
    "in build_config": (says(build_config={"input_shape": own()}), "class 'Own'"),
    "type specification": (
        says(inbound_nodes=[{"class_name": "__typespec__", "config": [], "module": "os"}]),
        "(__typespec__): a class of your own",
    ),
    "array of objects": (
        sets(x={"class_name": "__numpy__", "config": {"value": [1], "dtype": "O"}}),
        "(__numpy__): values of type 'O'",
    ),
    "argument of a call": (says(inbound_nodes=[{"args": [own()], "kwargs": {}}]), "d (Own)"),
    "layer that loads a folder": (
        says(class_name="TFSMLayer", config={"filepath": "x", "name": "d"}), "d (TFSMLayer)",
    ),
    "layer that reads a file": (
        says(class_name="StringLookup", config={"vocabulary": "/etc/hostname", "name": "d"}),
        "d (StringLookup)",
    ),
    "training": (loads, ""),
}  # fmt: skip


def dense_model(package: Any = keras) -> Any:
    layers = package.layers
    return package.Sequential(
        [package.Input((3,)), layers.Dense(4, name="d"), layers.Dense(2, name="e")]
    )


def changed(config: Config, change: Change) -> str:
    change(config["config"]["layers"][1], config)
    # a name may be spelled in more than one way
    return json.dumps(config).replace('"Lambda"', '"L\\u0061mbda"')


def write_archive(folder: Path, change: Change) -> Path:
    whole, path = folder / "whole.keras", folder / "m.keras"
    dense_model().save(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                data = changed(json.loads(data), change).encode()
            new.writestr(name, data)
    return path


def write_hdf5(folder: Path, change: Change) -> Path:
    path = folder / "m.h5"
    dense_model().save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = changed(json.loads(file.attrs["model_config"]), change)
    return path


@pytest.mark.parametrize("write", [write_archive, write_hdf5])
@pytest.mark.parametrize("case", CONFIGS)
def test_no_configuration_runs(
    case: str, write: Callable[[Path, Change], Path], mark: Path, tmp_path: Path
) -> None:
    change, message = CONFIGS[case]
    path = write(tmp_path, change)
    mark.unlink(missing_ok=True)  # saving may run what is registered
    if not message:
        read_keras(path)
    else:
        with pytest.raises(ModelError) as caught:
            read_keras(path)
        assert message in str(caught.value)
        assert str(path) in str(caught.value)
    assert not mark.exists()
    assert "nnom_hil_probe" not in sys.modules


# ---- SavedModels ---------------------------------------------------------------------------------


class Resource(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc]
    """A resource whose function writes a file as soon as TensorFlow restores it."""

    def __init__(self, mark: Path) -> None:
        super().__init__()
        self._mark = str(mark)

    def _create_resource(self) -> Any:
        return tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.int64)

    def _initialize(self) -> None:
        tf.io.write_file(self._mark, "ran")


class OwnLayer(tf_keras.layers.Layer):  # type: ignore[misc]
    """A layer whose call writes a file."""

    def __init__(self, mark: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.mark = mark

    def call(self, x: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(self.mark, "ran")]):
            return tf.identity(x)

    def get_config(self) -> Config:
        return {**super().get_config(), "mark": self.mark}


class OwnModel(tf_keras.Model):  # type: ignore[misc]
    def __init__(self, mark: str) -> None:
        super().__init__()
        self.inner = OwnLayer(mark)

    def call(self, x: Any) -> Any:
        return self.inner(x)


def with_lambda(mark: Path) -> Any:
    text = str(mark)

    def touch(x: Any) -> Any:
        Path(text).touch()
        return x

    code = tf_keras.layers.Lambda(touch, name="code")
    return tf_keras.Sequential([tf_keras.Input((3,)), code, tf_keras.layers.Dense(2)])


def with_layer(mark: Path) -> Any:
    return tf_keras.Sequential([tf_keras.Input((3,)), OwnLayer(str(mark), name="mine")])


def with_resource(mark: Path) -> Any:
    model = dense_model(tf_keras)
    model.resource = Resource(mark)
    return model


def own_model(mark: Path) -> Any:
    model = OwnModel(str(mark))
    model(np.zeros((1, 3), np.float32))
    return model


FOLDERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "Lambda": (with_lambda, "code (Lambda): a Lambda layer holds code"),
    "class": (with_layer, "mine (OwnLayer): a class of your own"),
    "resource": (with_resource, ""),
    "subclassed model": (
        own_model,
        "(OwnModel): a class of your own, whose layers stand in",
    ),
}


SPELLINGS = ("without a space", "with an escape", "in the graph")


@pytest.mark.parametrize(
    ("case", "spelled"), [(c, None) for c in FOLDERS] + [("Lambda", how) for how in SPELLINGS]
)
def test_no_saved_model_runs(case: str, spelled: str | None, mark: Path, tmp_path: Path) -> None:
    make, message = FOLDERS[case]
    folder = tmp_path / "model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make(mark).save(folder, save_format="tf")
    mark.unlink(missing_ok=True)
    respell(folder, spelled)
    if message:
        with pytest.raises(ModelError) as caught:
            read_keras(folder)
        assert message in str(caught.value)
    else:
        read_keras(folder)
    assert not mark.exists()


def respell(folder: Path, how: str | None) -> None:
    """Write the layers' names another way: JSON's freedom, or where TensorFlow before 2.5 did."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
    from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

    metadata = SavedMetadata()
    file = folder / "keras_metadata.pb"
    metadata.ParseFromString(file.read_bytes())
    if how == "in the graph":
        graph = SavedModel()
        graph.ParseFromString((folder / "saved_model.pb").read_bytes())
        for node in metadata.nodes:
            held = graph.meta_graphs[0].object_graph_def.nodes[node.node_id]
            held.user_object.metadata = node.metadata
        (folder / "saved_model.pb").write_bytes(graph.SerializeToString())
        file.unlink()
        return
    for node in metadata.nodes:
        if how == "without a space":
            node.metadata = node.metadata.replace('": "', '":"')
        elif how == "with an escape":
            node.metadata = node.metadata.replace("Lambda", "L\\u0061mbda")
    file.write_bytes(metadata.SerializeToString())


def test_layers_noted_in_the_graph_are_read(tmp_path: Path) -> None:
    """TensorFlow before 2.5 had no file of its own for them."""
    model, folder = dense_model(tf_keras), tmp_path / "model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(folder, save_format="tf")
    respell(folder, "in the graph")
    x = np.ones((4, 3), np.float32)
    np.testing.assert_allclose(read_keras(folder).predict(x), np.asarray(model(x)), atol=1e-6)


def test_model_in_memory_is_looked_through_too(mark: Path) -> None:
    model = with_lambda(mark)
    mark.unlink(missing_ok=True)
    with pytest.raises(ModelError, match="a Lambda layer holds code"):
        from_keras(model)
    assert not mark.exists()


def test_folder_that_keras_3_exported_says_what_to_do(tmp_path: Path) -> None:
    dense_model().export(tmp_path / "model", verbose=False)
    with pytest.raises(ModelError, match=r"it was exported\); save the model itself"):
        read_keras(tmp_path / "model")


# ---- vectors -------------------------------------------------------------------------------------


class Pickled:
    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return (open, (self.mark, "w"))


@pytest.mark.parametrize("name", ["v.npy", "v.npz"])
def test_vectors_are_never_unpickled(name: str, mark: Path, tmp_path: Path) -> None:
    array = np.array([Pickled(mark)], object)
    if name == "v.npy":
        np.save(tmp_path / name, array, allow_pickle=True)
    else:
        np.savez(tmp_path / name, x=array)
    mark.unlink(missing_ok=True)
    with pytest.raises(DataError, match="holds Python objects, which are not loaded"):
        load_vectors(tmp_path / name, (3,))
    assert not mark.exists()


def test_vectors_that_would_take_too_much_are_refused(tmp_path: Path) -> None:
    """300 MiB of zeros: numpy itself would unpack them."""
    path = tmp_path / "v.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as part:
        for _ in range(300):
            part.write(bytes(1 << 20))
    with pytest.raises(DataError, match=r"v\.npz: x\.npy would unpack to 314572800 bytes from"):
        load_vectors(path, (3,))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("x.npy", bytes(100))
    with pytest.raises(DataError, match=r"x\.npy is packed by method 14"):
        load_vectors(path, (3,))


def test_thirty_probes_and_more() -> None:
    assert 2 * len(CONFIGS) + len(FOLDERS) + 3 + 3 >= 30
    assert issubclass(ModelError, HilError)


# ---- damage and expansion ------------------------------------------------------------------------


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(path: Path, parts: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def with_config(text: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        dense_model().save(folder / "w.keras")
        return archive_of(folder / "m.keras", parts_of(folder / "w.keras") | {"config.json": text})

    return make


def with_weights(write: Callable[[Any], None]) -> Callable[[Path], Path]:
    """Return what makes an archive whose arrays were changed."""

    def make(folder: Path) -> Path:
        dense_model().save(folder / "w.keras")
        parts, file = parts_of(folder / "w.keras"), folder / "w.h5"
        file.write_bytes(parts["model.weights.h5"])
        with h5py.File(file, "r+") as held:
            write(held)
        return archive_of(folder / "m.keras", parts | {"model.weights.h5": file.read_bytes()})

    return make


def replaced(**options: Any) -> Callable[[Any], None]:
    def write(file: Any) -> None:
        names: list[str] = []
        file.visit(names.append)
        name = next(n for n in names if n.endswith("vars/0"))
        del file[name]
        file.create_dataset(name, **options)

    return write


def linked(file: Any) -> None:
    file["elsewhere"] = h5py.ExternalLink("other.h5", "/x")


def kept_elsewhere(file: Any) -> None:
    file.create_dataset("raw", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def huge_layer(dense: Config, _: Config) -> None:
    dense["config"]["units"] = 2_000_000_000


def repeated(folder: Path) -> Path:
    stack = [keras.layers.RepeatVector(10**9), keras.layers.ReLU()]
    keras.Sequential([keras.Input((3,)), *stack]).save(folder / "m.keras")
    return folder / "m.keras"


def backwards(folder: Path) -> Path:
    x = inputs = keras.Input((3,))
    for _ in range(150):
        x = keras.layers.ReLU()(x)
    keras.Model(inputs, x).save(folder / "w.keras")
    parts = parts_of(folder / "w.keras")
    config = json.loads(parts["config.json"])
    config["config"]["layers"].reverse()
    return archive_of(folder / "m.keras", parts | {"config.json": json.dumps(config).encode()})


def many_members(folder: Path) -> Path:
    return archive_of(folder / "m.keras", {f"{i}": b"" for i in range(1001)})


def bomb(folder: Path) -> Path:
    dense_model().save(folder / "w.keras")
    parts = parts_of(folder / "w.keras") | {"model.weights.h5": bytes(32 << 20)}
    return archive_of(folder / "m.keras", parts, zipfile.ZIP_DEFLATED)


def other_packer(folder: Path) -> Path:
    dense_model().save(folder / "w.keras")
    return archive_of(folder / "m.keras", parts_of(folder / "w.keras"), zipfile.ZIP_LZMA)


def many_layers(folder: Path) -> Path:
    def change(_: Config, model: Config) -> None:
        model["config"]["layers"] *= 1000

    return write_archive(folder, change)


def long_name(folder: Path) -> Path:
    def change(dense: Config, model: Config) -> None:
        dense.update(class_name="Mine", module="mine")
        dense["config"]["name"] = "n" * 10_000
        model["config"]["layers"] += [dense] * 1000

    return write_archive(folder, change)


EXPANSIONS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "members": (many_members, "it has 1001 members"),
    "ratio": (bomb, "model.weights.h5 would unpack to 33554432 bytes from"),
    "packer": (other_packer, "is packed by method 14"),
    "nested": (with_config(b"[" * 200_000), "nested more than 100 deep"),
    "nested less": (with_config(b"[" * 120 + b"]" * 120), "nested more than 100 deep"),
    "long": (with_config(b" " * (17 << 20)), "its configuration has more than 16777216 bytes"),
    "long number": (with_config(b"9" * 5000), "its configuration cannot be read"),
    "no model": (with_config(b"[]"), "it is no model's"),
    "layers": (many_layers, "more than 2000 layers"),
    "units": (lambda f: write_archive(f, huge_layer), "more weights than the file holds"),
    "order": (backwards, "150 layers read others that are listed behind them"),
    "values": (repeated, "its result has 3000000000 values"),
    "names": (long_name, "... and 981 more"),
    "array": (
        with_weights(replaced(shape=(1 << 20, 64), dtype="f4", chunks=(1 << 10, 64))),
        "would unpack to 268435456 bytes from 0",
    ),
    "chunk": (
        with_weights(
            replaced(data=np.zeros((3, 4)), maxshape=(None, None), chunks=(1 << 11, 1 << 11),
                     compression="gzip")
        ),
        "would unpack to 33554432 bytes from",
    ),
    "text": (with_weights(replaced(data=["a", "b"])), "no numbers"),
    "link": (with_weights(linked), "/elsewhere is a link to another place"),
    "external": (with_weights(kept_elsewhere), "is kept in another file"),
}  # fmt: skip


@pytest.mark.parametrize("case", EXPANSIONS)
def test_what_would_take_too_much_is_refused(case: str, tmp_path: Path) -> None:
    make, message = EXPANSIONS[case]
    path = make(tmp_path)
    with pytest.raises(ModelError) as caught:
        read_keras(path)
    text = str(caught.value)
    assert message in text
    assert len(text.splitlines()) < 25
    assert len(text) < 25 * 700
    assert text.startswith(f"{path}: ")


def test_arrays_of_a_checkpoint_are_no_more_than_its_files(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dense_model(tf_keras).save(tmp_path / "model", save_format="tf")
    data = next((tmp_path / "model" / "variables").glob("variables.data-*"))
    whole = data.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:-1] + b"x"):
        data.write_bytes(damaged)
        with pytest.raises(ModelError):
            read_keras(tmp_path / "model")
    data.unlink()
    with pytest.raises(ModelError, match="the weights are missing"):
        read_keras(tmp_path / "model")


VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**9, 1e300, float("nan"), "", "x", [], [[]], {}, {"class_name": "Dense"},
    {"class_name": None, "config": None}, {"class_name": ["Dense"], "config": {}}, [None] * 5,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


@pytest.fixture(scope="module")
def whole_archive(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("whole") / "m.keras"
    layers = keras.layers
    x = inputs = keras.Input((6, 3))
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    x = layers.Add()([layers.Dense(4, dtype="float32")(x), x[:, :, :4] * 2])
    keras.Model(inputs, layers.Dense(2, activation="relu")(layers.Flatten()(x))).save(path)
    return parts_of(path)


def told_of(path: Path) -> str:
    try:
        read_keras(path)
    except ModelError as exc:
        return str(exc)
    return ""


@pytest.mark.timeout(3600)
@given(data=st.data())
@settings(max_examples=MUTATIONS, deadline=None)
def test_damaged_configuration_is_a_model_error(
    whole_archive: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any value anywhere: the model loads, or one ModelError tells file and what."""
    config = json.loads(whole_archive["config.json"])
    *way, last = data.draw(st.sampled_from(list(places(config))))
    inner = config
    for key in way:
        inner = inner[key]
    inner[last] = data.draw(st.sampled_from(VALUES))
    path = tmp_path_factory.getbasetemp() / "damaged.keras"
    archive_of(path, whole_archive | {"config.json": json.dumps(config).encode()})
    message = told_of(path)
    assert not message or str(path) in message
    assert len(message) < 10_000


@pytest.mark.timeout(3600)
@given(data=st.data())
@settings(max_examples=MUTATIONS, deadline=None)
def test_damaged_bytes_are_a_model_error(
    whole_archive: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    weights = bytearray(whole_archive["model.weights.h5"])
    for _ in range(data.draw(st.integers(1, 4))):
        weights[data.draw(st.integers(0, len(weights) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.keras"
    archive_of(path, whole_archive | {"model.weights.h5": bytes(weights)})
    message = told_of(path)
    assert not message or str(path) in message


def test_folders_and_pipes_are_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no model or no data is not read to its end, which it may not have."""
    monkeypatch.setenv("NNOM_HIL_CACHE", str(tmp_path / "cache"))
    pipe, folder, data = tmp_path / "pipe.keras", tmp_path / "folder", tmp_path / "x.npz"
    os.mkfifo(pipe)
    folder.mkdir()
    os.mkfifo(folder / "endless")
    np.savez(data, x=np.ones((2, 3)))
    model = tmp_path / "m.keras"
    dense_model().save(model)
    with pytest.raises(ModelError, match="it is no file"):
        read_keras(pipe)
    for arguments, message in (
        ([pipe, "--data", data], "pipe.keras: cannot be read: it is no file"),
        ([folder, "--data", data], "folder: a folder, but no SavedModel"),
        ([model, "--data", pipe], "pipe.keras: cannot be read: it is no file"),
        ([model, "--data", folder], "folder: cannot be read: it is a folder; --data names one"),
    ):
        assert run_app(["convert", *map(str, arguments)]) == 2
        assert message in capsys.readouterr().err
