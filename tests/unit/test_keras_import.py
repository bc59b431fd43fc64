"""Keras files become float graphs that compute what Keras computes; the rest is refused by name."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import ActivationKind
from nnom_hil.model.keras_import import read_keras

keras = pytest.importorskip("keras")
layers = keras.layers


def image_model() -> Any:
    return keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(6, 3, padding="same", strides=2),
            layers.BatchNormalization(epsilon=1e-2),
            layers.ReLU(max_value=1.0, negative_slope=0.125, threshold=0.25),
            layers.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.25),
            layers.ZeroPadding2D(((1, 0), (2, 1))),
            layers.Cropping2D(((0, 1), (1, 0))),
            layers.UpSampling2D((2, 1)),
            layers.AveragePooling2D(2, padding="same"),
            layers.Dropout(0.5),
            layers.MaxPooling2D((2, 3), strides=1),
            layers.Flatten(),
            layers.Dense(7, activation="tanh"),
            layers.Dense(5, activation="sigmoid", use_bias=False),
            layers.Dense(10, activation="softmax"),
        ]
    )


def sequence_model() -> Any:
    return keras.Sequential(
        [
            keras.Input((16, 3)),
            layers.Conv1D(4, 3, activation="relu", dilation_rate=2),
            layers.MaxPooling1D(2),
            layers.Conv1D(5, 2, padding="same", activation="relu6"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3),
            layers.Softmax(),
        ]
    )


def randomise(model: Any) -> Any:
    rng = np.random.default_rng(3)
    for layer in model.layers:
        weights = [rng.uniform(0.1, 0.6, w.shape) - 0.2 for w in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            weights = [np.abs(w) + 0.2 for w in weights]
        layer.set_weights(weights)
    return model


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("make", [image_model, sequence_model])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_float_graph_computes_what_keras_computes(
    make: Callable[[], Any], suffix: str, tmp_path: Path
) -> None:
    from nnom_hil.model.float_run import run_float

    model = randomise(make())
    path = tmp_path / f"model{suffix}"
    model.save(path)
    loaded = read_keras(path)
    x = np.random.default_rng(1).uniform(-1, 1, (9, *model.input_shape[1:])).astype(np.float32)
    ours = run_float(loaded.graph, x)[loaded.graph.nodes[-1].name]
    np.testing.assert_allclose(ours, model.predict(x, verbose=0), atol=2e-5)
    np.testing.assert_allclose(loaded.predict(x), model.predict(x, verbose=0), atol=1e-6)


def test_activation_arguments_become_layers_of_their_own(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu", name="d")])
    model.save(tmp_path / "m.keras")
    graph = read_keras(tmp_path / "m.keras").graph
    assert [n.name for n in graph.nodes[1:]] == ["d", "d_relu"]
    assert graph.nodes[2].op.kind is ActivationKind.RELU  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_keras_2_file_with_groups_in_a_depthwise_layer_loads(tmp_path: Path) -> None:
    """Keras 2 wrote arguments that Keras 3 no longer takes."""
    import h5py

    model = randomise(keras.Sequential([keras.Input((6, 6, 2)), layers.DepthwiseConv2D(3)]))
    path = tmp_path / "old.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"]["groups"] = 1
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.13.1"
    x = np.ones((1, 6, 6, 2), np.float32)
    np.testing.assert_allclose(
        read_keras(path).predict(x), model.predict(x, verbose=0).reshape(1, -1), atol=1e-6
    )


def test_every_offender_is_listed_at_once(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.Conv2D(4, 3, data_format="channels_first", name="first"),
            layers.GroupNormalization(2, name="norm"),
            layers.Softmax(name="softmax_on_image"),
            layers.Flatten(),
            layers.Dense(3, activation="elu", name="elu"),
        ]
    )
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelError) as caught:
        read_keras(tmp_path / "m.keras")
    text = str(caught.value)
    assert "first (Conv2D): data_format must be channels_last" in text
    assert "norm (GroupNormalization): NNoM has no such layer" in text
    assert "softmax_on_image (Softmax): softmax of shape" in text
    assert "elu (Dense): activation 'elu' has no NNoM equivalent" in text


def test_nan_weights_are_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="d")])
    model.layers[0].set_weights([np.full((2, 1), np.nan), np.zeros(1)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelError, match="layer d: kernel holds NaN or infinity"):
        read_keras(tmp_path / "m.keras")


def test_code_inside_a_model_is_not_run(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x * 2, name="code")])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelError, match=r"code \(Lambda\): a Lambda layer holds code"):
        read_keras(tmp_path / "m.keras")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.keras", b"hello", "not a Keras model"),
        ("empty.keras", b"", "not a Keras model"),
        ("cut.keras", b"PK\x03\x04garbage", "damaged .keras archive"),
        ("model.h5", b"hello", "not a Keras model"),
        ("cut.h5", b"\x89HDF\r\n\x1a\n", "cannot load it"),
        ("model.tflite", b"TFL3", "not a Keras model"),
    ],
)
def test_file_that_is_no_model_is_named(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_keras(path)
    assert str(path) in str(caught.value)


def test_zip_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match="cannot load it"):
        read_keras(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the model: No such file"):
        read_keras(tmp_path / "nowhere.keras")
