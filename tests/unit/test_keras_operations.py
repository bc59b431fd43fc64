"""Indexing, arithmetic and keras.ops in functional models; weights that Keras has quantised."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from tests.support.headers import Library

from nnom_hil.codegen.layouts import HeaderOptions, Layout
from nnom_hil.codegen.weights import weights_h
from nnom_hil.errors import ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import Dense
from nnom_hil.model.keras_import import from_keras, read_keras
from nnom_hil.model.quantise import quantise, to_int8
from nnom_hil.model.reference import run_reference

layers = keras.layers
SHAPE = (6, 5, 4)
Function = Callable[[Any], Any]

pytestmark = pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")


def random_input(shape: tuple[int, ...], n: int = 4) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 1, (n, *shape)).astype(np.float32)


def model_of(function: Function, shape: tuple[int, ...] = SHAPE) -> Any:
    x = keras.Input(shape)
    return keras.Model(x, function(x))


def check(model: Any, graph: Any) -> None:
    x = random_input(tuple(model.input_shape[1:]))
    got = run_float(graph, x)[graph.nodes[-1].name]
    expected = np.asarray(model(x))
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


GOOD: dict[str, Function] = {
    "rows": lambda x: x[:, 1:3],
    "columns": lambda x: x[:, :, -2:],
    "channels": lambda x: x[..., 1:3],
    "one channel": lambda x: x[..., 0],
    "one row": lambda x: x[:, -1],
    "steps": lambda x: x[:, 1::2, ::3],
    "all at once": lambda x: x[:, 1:-1, ::2, 1:3],
    "new axis": lambda x: x[:, 0, None],
    "x + 1": lambda x: x + 1,
    "1 - x": lambda x: 1 - x,
    "x / 2": lambda x: x / 2,
    "-x": lambda x: -x,
    "abs": abs,
    "x ** 2": lambda x: x**2,
    "square": ops.square,
    "x + x": lambda x: x + x,
    "x * channels": lambda x: x * np.array([1, 2, 3, 4], np.float32),
    "relu": ops.relu,
    "relu6": ops.relu6,
    "leaky": lambda x: ops.leaky_relu(x, 0.1),
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "silu": ops.silu,
    "hard": ops.hard_sigmoid,
    "clip 0": lambda x: ops.clip(x, 0, 0.5),
    "clip 1": lambda x: ops.clip(x, -1, 1),
    "clip": lambda x: ops.clip(x, -0.5, 0.75),
    "maximum": lambda x: ops.maximum(x, 0.0),
    "minimum": lambda x: ops.minimum(x, 0.5),
    "mean of images": lambda x: ops.mean(x, axis=(1, 2)),
    "mean of images, kept": lambda x: ops.mean(x, axis=(1, 2), keepdims=True),
    "mean of channels": lambda x: ops.mean(x, axis=-1, keepdims=True),
    "mean of rows": lambda x: ops.mean(x, axis=1),
    "mean of columns": lambda x: ops.mean(x, axis=2),
    "max": lambda x: ops.max(x, axis=(1, 2)),
    "max of channels": lambda x: ops.max(x, axis=-1),
    "sum": lambda x: ops.sum(x, axis=(1, 2)),
    "reshape": lambda x: ops.reshape(x, (-1, 30, 4)),
    "squeeze": lambda x: ops.squeeze(x[:, :1], 1),
    "expand": lambda x: ops.expand_dims(x[:, 0], 1),
    "transpose": lambda x: ops.transpose(x[:, :1], (0, 2, 1, 3)),
    "concatenate": lambda x: ops.concatenate([x, -x], -1),
    "stack": lambda x: ops.stack([x[:, 0], x[:, 1]], 1),
    "split": lambda x: ops.split(x, 2, axis=-1)[1],
    "split at": lambda x: ops.split(x, [1, 4], axis=1)[1],
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 2), (0, 0))),
    "pad channels": lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0), (3, 0))),
    "repeat": lambda x: ops.repeat(x, 2, axis=1),
    "matmul": lambda x: ops.matmul(x, np.arange(12, dtype=np.float32).reshape(4, 3)),
    "max pool": lambda x: ops.max_pool(x, 2),
    "average pool": lambda x: ops.average_pool(x, (2, 3), strides=1, padding="same"),
    "softmax of one axis": lambda x: ops.softmax(ops.mean(x, axis=(1, 2)), axis=-1),
}


@pytest.mark.parametrize("name", GOOD)
def test_operation_gives_what_keras_gives(name: str, tmp_path: Path) -> None:
    model = model_of(GOOD[name])
    model.save(tmp_path / "m.keras")
    check(model, read_keras(tmp_path / "m.keras").graph)


BAD: dict[str, tuple[Function, str]] = {
    "backward": (lambda x: x[:, ::-1], "get_item (GetItem): a negative step"),
    "batch": (lambda x: x[:1, :], "get_item (GetItem): it picks inputs of the batch"),
    "four axes": (lambda x: x[:, None], "its result has shape (1, 6, 5, 4)"),
    "2 / x": (lambda x: 2 / x, "true_divide (TrueDivide): NNoM divides by constants only"),
    "power": (lambda x: x**0.5, "power 0.5"),
    "einsum": (lambda x: ops.einsum("bijk->bi", x), "ops.einsum has no NNoM equivalent"),
    "argmax": (lambda x: ops.argmax(x, -1), "ops.argmax has no NNoM equivalent"),
    "cast": (lambda x: ops.cast(x, "int32"), "a cast to int32"),
    "transpose": (lambda x: ops.transpose(x, (0, 2, 1, 3)), "moves data"),
    "softmax": (ops.softmax, "softmax of shape (6, 5, 4) over axis -1"),
    "constant of rows": (lambda x: x * np.ones((5, 1), np.float32), "a constant of shape (5, 1)"),
    "batch in shape": (lambda x: ops.reshape(x, (-1, 4)), "several inputs of the batch"),
    "everything": (ops.mean, "mean (Mean): it works across the batch"),
    "pad with ones": (
        lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), constant_values=1), "zeros only"
    ),
    "two tensors": (
        lambda x: ops.matmul(x, ops.reshape(x, (-1, 6, 4, 5))), "constant matrices only"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_operation_that_nnom_lacks_is_named(name: str, tmp_path: Path) -> None:
    function, message = BAD[name]
    keras.backend.clear_session()  # names without numbers
    model_of(function).save(tmp_path / "m.keras")
    with pytest.raises(ModelError) as caught:
        read_keras(tmp_path / "m.keras")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_operations_in_hdf5_are_named(tmp_path: Path) -> None:
    model_of(lambda x: layers.ReLU()(x) + 1).save(tmp_path / "m.h5")
    with pytest.raises(ModelError, match="which HDF5 files do not hold whole"):
        read_keras(tmp_path / "m.h5")


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_slices_of_any_shape(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    parts = []
    for length in shape:
        start = data.draw(st.integers(0, length - 1))
        stop = data.draw(st.integers(start + 1, length))
        parts.append(slice(start, stop, data.draw(st.integers(1, 3))))
    index = (slice(None), *parts)
    model = model_of(lambda x: layers.Activation("tanh")(x)[index], shape)
    check(model, from_keras(model).graph)


@pytest.mark.parametrize("layout", Layout)
def test_library_computes_what_the_reference_does(layout: Layout, tmp_path: Path) -> None:
    """Views of data as other shapes stay right in either layout."""
    model = model_of(
        lambda x: ops.concatenate(
            [
                ops.mean(ops.pad(x, ((0, 0), (1, 0), (0, 0), (0, 2))), axis=-1)[:, 1:, ::2],
                ops.max(x[..., 1:3], axis=-1)[:, :, 1:4],
                ops.repeat(x[:, :, :1, 0], 3, axis=2),
            ],
            axis=-1,
        )
    )
    x = random_input(SHAPE, 8)
    graph = quantise(from_keras(model).graph, x)
    inputs = to_int8(x, graph.input.dec)
    flags = ["-DNNOM_USING_CHW"] if layout is Layout.CHW else []
    header = weights_h(graph, provenance="a test", options=HeaderOptions(layout=layout))
    got = Library(*flags).run(header, inputs, tmp_path / "run")
    np.testing.assert_array_equal(got, run_reference(graph, inputs))


# ---- weights of few bits -------------------------------------------------------------------------


def dense_model() -> Any:
    return keras.Sequential(
        [keras.Input((8,)), layers.Dense(7, activation="relu"), layers.Dense(3, use_bias=False)]
    )


def configurations() -> dict[str, Any]:
    from keras.quantizers import Int4QuantizationConfig, Int8QuantizationConfig

    return {
        "int8": Int8QuantizationConfig(activation_quantizer=None),
        "int4": Int4QuantizationConfig(block_size=-1),
        "int4 in groups": Int4QuantizationConfig(block_size=3),
    }


@pytest.mark.parametrize("name", configurations())
def test_quantised_weights_are_the_numbers_they_stand_for(name: str, tmp_path: Path) -> None:
    """Keras rounds no data here, so that it computes with the very same numbers."""
    model = dense_model()
    model.quantize(name.split(maxsplit=1)[0], config=configurations()[name])
    model.save(tmp_path / "m.keras")
    loaded = read_keras(tmp_path / "m.keras")
    check(model, loaded.graph)
    check(model, from_keras(model).graph)


def test_data_that_keras_would_round_is_not_rounded(tmp_path: Path) -> None:
    """Scales of int8 are exact: the kernel is taken as k / scale."""
    model = dense_model()
    exact = np.asarray(model(random_input((8,))))
    model.quantize("int8")
    model.save(tmp_path / "m.keras")
    loaded = read_keras(tmp_path / "m.keras")
    first = next(n.op for n in loaded.graph.nodes if isinstance(n.op, Dense))
    layer = model.layers[0]
    expected = np.asarray(layer._kernel, np.float32) / np.asarray(layer.kernel_scale)
    np.testing.assert_array_equal(first.kernel, expected)
    x = random_input((8,))
    np.testing.assert_array_equal(loaded.predict(x), np.asarray(model.predict(x, verbose=0)))
    ours = run_float(loaded.graph, x)[loaded.graph.nodes[-1].name]
    assert np.abs(ours - exact).max() < 0.05


def test_quantised_kinds_that_are_not_known_are_named(tmp_path: Path) -> None:
    model = dense_model()
    model.quantize("float8")
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelError, match="quantised to float8; int8 and int4 can be converted"):
        read_keras(tmp_path / "m.keras")


def test_low_rank_weights_are_added() -> None:
    model = dense_model()
    model.layers[0].enable_lora(2)
    model.layers[0].lora_kernel_b.assign(np.ones((2, 7), np.float32))
    check(model, from_keras(model).graph)


# ---- at the edges --------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.25])
@pytest.mark.parametrize("maximum", [None, 0.5, 6.0])
@pytest.mark.parametrize("threshold", [0.0, 0.25, 1.0])
def test_relu_at_its_threshold(threshold: float, maximum: float | None, slope: float) -> None:
    layer = layers.ReLU(max_value=maximum, negative_slope=slope, threshold=threshold)
    model = keras.Sequential([keras.Input((8,)), layer])
    x = np.array([[-1, 0, 0.25, 0.375, 0.5, 1, 1.125, 7]], np.float32)
    graph = from_keras(model).graph
    got = run_float(graph, x)[graph.nodes[-1].name]
    np.testing.assert_array_equal(got, np.asarray(model(x)))


def test_normalization_of_what_never_varies() -> None:
    """Keras divides by 1e-7; what is the mean gives zero all the same."""
    mean = [0.1, 1000.3, -5.0]
    layer = layers.Normalization(mean=mean, variance=[0.0, 0.0, 4.0])
    model = keras.Sequential([keras.Input((3,)), layer])
    graph = from_keras(model).graph
    x = np.array([mean, np.add(mean, 1)], np.float32)
    got = run_float(graph, x)[graph.nodes[-1].name]
    np.testing.assert_array_equal(got[0], [0, 0, 0])
    np.testing.assert_allclose(got, np.asarray(model(x)), rtol=1e-3)
