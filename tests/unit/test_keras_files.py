"""Every layer, saved by Keras 2 and Keras 3 in every form of file, gives what that Keras gave."""

import json
import os
import shutil
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt
import pytest
import tf_keras
from tests.support.keras_layers import CASES, SHAPES, build, joined

from nnom_hil.errors import ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.keras_import import from_keras, read_keras
from nnom_hil.model.keras_import.layers import SUPPORTED

FloatArray = npt.NDArray[np.float32]
KERAS = {"keras 2": tf_keras, "keras 3": keras}
NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
NOT_SAVED = {("RandomBrightness", ".h5")}  # by Keras 3 itself


def save(model: Any, path: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that HDF5 is old
        model.save(path, **options)
    return path


def random_input(shape: tuple[int, ...], n: int = 5) -> FloatArray:
    return np.random.default_rng(2).normal(0, 2, (n, *shape)).astype(np.float32)


def check(path: Path, model: Any, x: FloatArray) -> Any:
    """Compare the float graph of a file with the model that was saved; return the graph."""
    expected = np.asarray(model(x, training=False)).reshape(len(x), -1)
    graph = read_keras(path).graph
    got = run_float(graph, x)[graph.nodes[-1].name].reshape(len(x), -1)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5, err_msg=path.name)
    return graph


@pytest.mark.parametrize("which", KERAS)
@pytest.mark.parametrize("case", CASES)
def test_file_gives_what_its_keras_gave(case: str, which: str, tmp_path: Path) -> None:
    model, x = build(KERAS[which], case), random_input(CASES[case][0])
    for suffix in (".h5", ".keras"):
        if which == "keras 3" and (case, suffix) in NOT_SAVED:
            continue
        check(save(model, tmp_path / f"model{suffix}"), model, x)


FOLDERS = [
    ["GRU", "LSTM", "SimpleRNN", "SeparableConv1D", "ConvTranspose1D"],
    ["DepthwiseConv2D", "ConvTranspose2D", "BatchNormalization", "ReLU", "RandomFlip"],
]
if NIGHTLY:  # writing a folder takes Keras 2 a second a layer
    FOLDERS = [[name for name in CASES if CASES[name][0] == shape] for shape in SHAPES]


@pytest.mark.parametrize("names", FOLDERS, ids=lambda names: names[0])
def test_saved_model_gives_what_keras_2_gave(names: list[str], tmp_path: Path) -> None:
    model, x = joined(tf_keras, names), random_input(CASES[names[0]][0])
    check(save(model, tmp_path / "model", save_format="tf"), model, x)


def test_matrix_is_of_every_layer() -> None:
    """What Keras 3 has and can be converted has a case above."""
    seen: set[str] = set()
    for case in CASES:
        seen |= {type(layer).__name__ for layer in build(keras, case).layers}
    inside = {"InputLayer", "Identity"}
    rest = {name for name in SUPPORTED - seen - inside if hasattr(keras.layers, name)}
    # of training only: one list, whose members are tried in the next test
    assert all(name.startswith("Rand") or name in TRAINING_ARGUMENTS for name in rest), rest


TRAINING_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "AugMix": (), "CutMix": (), "MixUp": (), "RandAugment": (), "Solarization": (),
}  # fmt: skip
RANDOM: dict[str, tuple[Any, ...]] = {
    "RandomPosterization": ((2, 4),), "RandomTranslation": (0.5, 0.5), "RandomCrop": (6, 5),
    "RandomColorJitter": (), "RandomElasticTransform": (), "RandomErasing": (), "RandomFlip": (),
    "RandomGaussianBlur": (), "RandomGrayscale": (), "RandomInvert": (), "RandomPerspective": (),
    "RandomShear": (),
}  # fmt: skip


def test_layers_of_training_only_hand_on_what_they_get() -> None:
    x = random_input((6, 5, 3)) * 100
    tried = 0
    for name in sorted(SUPPORTED):
        if not name.startswith("Random") and name not in TRAINING_ARGUMENTS:
            continue
        if (kind := getattr(keras.layers, name, None)) is None:  # Keras 2's
            continue
        layer = kind(*TRAINING_ARGUMENTS.get(name, RANDOM.get(name, (0.5,))))
        np.testing.assert_array_equal(np.asarray(layer(x, training=False)), x, err_msg=name)
        tried += 1
    assert tried > 20


# ---- files of older versions, made from newer ones -----------------------------------------------


def edited(path: Path, change: Callable[[Any], None], version: str = "2.2.4") -> Path:
    """Change the configuration in a copy of an HDF5 file."""
    target = Path(shutil.copy(path, path.with_name("old.h5")))
    with h5py.File(target, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
        for group in (file, file["model_weights"]):
            group.attrs["keras_version"] = version
    return target


def chain() -> Any:
    k = tf_keras.layers
    model = tf_keras.Sequential(
        [k.Input((6, 5, 4)), k.Conv2D(2, 3, activation="hard_sigmoid"), k.Flatten(), k.Dense(3)]
    )
    for layer in model.layers:
        rng = np.random.default_rng(0)
        layer.set_weights([rng.normal(0, 1, w.shape) for w in layer.get_weights()])
    return model


def shape_in_first_layer(config: Any) -> None:
    del config["config"]["layers"][0]
    config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 6, 5, 4]


def bare_list(config: Any) -> None:
    shape_in_first_layer(config)
    config["config"] = config["config"]["layers"]


def shape_of_build(config: Any) -> None:
    del config["config"]["layers"][0]
    config["config"]["build_input_shape"] = [None, 6, 5, 4]


def plain_entries(config: Any) -> None:
    """Layers as they were before Keras 2.12: class and configuration only."""
    shape_in_first_layer(config)
    for layer in config["config"]["layers"]:
        for key in set(layer) - {"class_name", "config"}:
            del layer[key]


@pytest.mark.parametrize(
    "change", [shape_in_first_layer, bare_list, shape_of_build, plain_entries],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_sequential_files_of_keras_2_2(change: Callable[[Any], None], tmp_path: Path) -> None:
    model = chain()
    path = save(model, tmp_path / "model.h5")
    check(edited(path, change), model, random_input((6, 5, 4)))


def test_file_that_does_not_tell_its_input_is_named(tmp_path: Path) -> None:
    def forget(config: Any) -> None:
        del config["config"]["layers"][0]

    path = edited(save(chain(), tmp_path / "model.h5"), forget)
    with pytest.raises(ModelError, match="does not tell the shape of its input"):
        read_keras(path)


@pytest.mark.parametrize("inner", ["LSTM", "GRU"])
def test_first_layer_around_another_tells_the_shape(inner: str, tmp_path: Path) -> None:
    k = tf_keras.layers
    model = tf_keras.Sequential(
        [k.Input((5, 4)), k.Bidirectional(getattr(k, inner)(3)), k.Dense(2)]
    )

    def change(config: Any) -> None:
        del config["config"]["layers"][0]
        config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 5, 4]

    check(edited(save(model, tmp_path / "m.h5"), change), model, random_input((5, 4)))


def test_argument_that_keras_3_lacks_is_named_unless_neutral(tmp_path: Path) -> None:
    k = tf_keras.layers
    model = tf_keras.Sequential([k.Input((5, 4)), k.GRU(3, name="g", time_major=False)])
    path = save(model, tmp_path / "m.h5")

    def change(config: Any) -> None:
        config["config"]["layers"][1]["config"] |= {"time_major": True}

    with pytest.raises(ModelError) as caught:
        read_keras(edited(path, change))
    assert "g (GRU): time_major=True: Keras 3 has no such argument" in str(caught.value)
    assert "\n" not in str(caught.value)  # one offender, one line

    def neutral(config: Any) -> None:
        config["config"]["layers"][1]["config"] |= {
            "implementation": 1, "new_switch": False, "new_thing": None,
            "kernel_initializer": {"class_name": "MyOwn", "config": {}},
        }  # fmt: skip

    with pytest.raises(ModelError, match="MyOwn"):  # a class of somebody's, which is not loaded
        read_keras(edited(path, neutral))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_policies_of_keras_2(policy: str, suffix: str, tmp_path: Path) -> None:
    k = tf_keras.layers
    stack = [
        k.Dense(7, dtype=tf_keras.mixed_precision.Policy(policy)),
        k.GRU(3, dtype=tf_keras.mixed_precision.Policy(policy)),
    ]
    model = tf_keras.Sequential([k.Input((5, 4)), *stack])
    x = random_input((5, 4))
    graph = read_keras(save(model, tmp_path / f"m{suffix}")).graph
    got = run_float(graph, x)[graph.nodes[-1].name]
    limit = 5e-3 if policy == "mixed_float16" else 1e-5
    np.testing.assert_allclose(got, np.asarray(model(x)), atol=limit)


def test_stateful_and_in_memory_models_of_keras_2() -> None:
    k = tf_keras.layers
    model = tf_keras.Sequential(
        [k.Input((4, 3), batch_size=1), k.LSTM(5, stateful=True), k.Dense(2)]
    )
    x = random_input((4, 3))
    expected = np.concatenate([np.asarray(model(x[i : i + 1])) for i in range(len(x))])
    graph = from_keras(model).graph
    np.testing.assert_allclose(run_float(graph, x)[graph.nodes[-1].name], expected, atol=1e-5)


def test_functions_of_tensorflow_are_named_and_not_run(tmp_path: Path) -> None:
    x = tf_keras.Input((4, 3))
    y = tf_keras.layers.Dense(3, name="d")(x)
    model = tf_keras.Model(x, (x + y)[:, 1:])
    for name in ("m.h5", "m.keras"):
        with pytest.raises(ModelError) as caught:
            read_keras(save(model, tmp_path / name))
        text = str(caught.value)
        assert "(TFOpLambda): x + y is a function of TensorFlow's" in text
        assert "(SlicingOpLambda): x[...] is a function of TensorFlow's" in text


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_layers_for_nvidias_library_become_plain_ones(
    kind: str, around: bool, tmp_path: Path
) -> None:
    """Keras 2 itself loads such weights into plain layers, which run without that library."""
    k = tf_keras.layers
    wrap = k.Bidirectional if around else (lambda layer: layer)
    special = getattr(
        import_module(f"tf_keras.src.layers.rnn.cudnn_{kind.lower()}"), f"CuDNN{kind}"
    )

    def chain(layer: Any) -> Any:
        stack = [wrap(layer(3, return_sequences=True)), wrap(layer(3)), k.Dense(2)]
        return tf_keras.Sequential([k.Input((7, 4)), *stack])

    model, plain = chain(special), chain(getattr(k, kind))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 1, w.shape) for w in model.get_weights()])
    path = save(model, tmp_path / "m.h5")
    plain.load_weights(path)
    check(path, plain, random_input((7, 4)))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_augmentation_that_only_keras_2_has_is_dropped(suffix: str, tmp_path: Path) -> None:
    k = tf_keras.layers
    stack = [k.RandomHeight(0.2), k.RandomWidth(0.2), k.GlobalAveragePooling2D(), k.Dense(3)]
    model = tf_keras.Sequential([k.Input((6, 5, 4)), *stack])
    check(save(model, tmp_path / f"m{suffix}"), model, random_input((6, 5, 4)))


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "model"])
def test_functional_models_inside_others_of_keras_2(name: str, tmp_path: Path) -> None:
    k = tf_keras.layers
    stack = [k.Dense(4, activation="relu"), k.BatchNormalization(trainable=False), k.Dense(6)]
    inner = tf_keras.Sequential([k.Input((6,)), *stack])
    x, y = tf_keras.Input((6,)), tf_keras.Input((6,))
    middle = tf_keras.Model(x, k.Add()([x, inner(x)]))
    model = tf_keras.Model(y, k.Dense(2)(middle(y)))
    model.compile("sgd", "mse")
    check(save(model, tmp_path / name), model, random_input((6,)))
    ends = tf_keras.Model(y, middle(y))  # a model's result is the whole's
    check(save(ends, tmp_path / f"ends-{name}"), ends, random_input((6,)))
