"""The same model in every form that Keras writes, and what particular layers become."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import ActivationKind, Affine, Combine, Conv, MergeKind, Rnn
from nnom_hil.model.keras_import import from_keras, read_keras

layers = keras.layers

KERAS_2 = """
import sys, numpy as np, tf_keras as keras
layers = keras.layers
x = inputs = keras.Input((8, 8, 3))
x = layers.Conv2D(4, 3, padding="same", activation="hard_sigmoid")(x)
y = layers.DepthwiseConv2D(3, padding="same")(x)
x = layers.Add()([x, layers.BatchNormalization()(y)])
x = layers.ReLU(6.0)(x)
x = layers.Flatten()(x)
model = keras.Model(inputs, layers.Dense(5, activation="softmax")(x))
folder = sys.argv[1]
model.save(folder + "/saved", save_format="tf")
model.save(folder + "/model.h5")
x = np.random.default_rng(0).normal(0, 1, (6, 8, 8, 3)).astype("float32")
np.savez(folder + "/data.npz", x=x, y=model.predict(x, verbose=0))
"""


def test_keras_2_files_and_folders_give_what_keras_2_gave(tmp_path: Path) -> None:
    """Its hard sigmoid was another one than Keras 3 has."""
    subprocess.run([sys.executable, "-c", KERAS_2, str(tmp_path)], check=True, capture_output=True)
    with np.load(tmp_path / "data.npz") as data:
        x, expected = data["x"], data["y"]
    for name in ("saved", "model.h5"):
        model = read_keras(tmp_path / name)
        graph = model.graph
        got = run_float(graph, x)[graph.nodes[-1].name]
        np.testing.assert_allclose(got, expected, atol=1e-5)
        np.testing.assert_allclose(model.predict(x), expected, atol=1e-5)
        kinds = [getattr(node.op, "kind", None) for node in graph.nodes]
        assert ActivationKind.HARD_SIGMOID in kinds


def agrees(model: Any, *, n: int = 5, tolerance: float = 1e-5) -> list[Any]:
    """Check the float graph against Keras and return its operations."""
    shape = model.input_shape[1:]
    x = np.random.default_rng(3).normal(0, 1, (n, *shape)).astype(np.float32)
    loaded = from_keras(model)
    got = run_float(loaded.graph, x)[loaded.graph.nodes[-1].name]
    np.testing.assert_allclose(
        got.reshape(n, -1), loaded.predict(x), atol=tolerance, rtol=tolerance
    )
    return [node.op for node in loaded.graph.nodes]


def test_operators_are_layers() -> None:
    x = inputs = keras.Input((4, 3))
    y = layers.Dense(3)(x)
    model = keras.Model(inputs, 1.0 - (x + y * 0.5) * (y - 2.0))
    kinds = [type(op) for op in agrees(model)]
    assert kinds.count(Combine) == 2
    assert kinds.count(Affine) == 3


def test_average_is_a_shifted_sum() -> None:
    from nnom_hil.model.qgraph import Merge
    from nnom_hil.model.quantise import quantise

    x = inputs = keras.Input((4, 3))
    model = keras.Model(inputs, layers.Average()([x, layers.ReLU()(x)]))
    agrees(model)
    data = np.random.default_rng(0).normal(0, 1, (20, 4, 3)).astype(np.float32)
    merges = [n.op for n in quantise(from_keras(model).graph, data).nodes]
    assert [op.halvings for op in merges if isinstance(op, Merge)] == [1]


def test_many_inputs_are_merged_in_groups_that_nnom_can_hold() -> None:
    x = inputs = keras.Input((5,))
    branches = [layers.Dense(5)(x) for _ in range(10)]
    ops = agrees(keras.Model(inputs, layers.Add()(branches)))
    assert sum(isinstance(op, Combine) for op in ops) == 2
    ops = agrees(keras.Model(inputs, layers.Multiply()(branches[:6])))
    assert [op.kind for op in ops if isinstance(op, Combine)] == [MergeKind.MULT] * 2


def test_layer_without_weights_may_be_shared() -> None:
    x = inputs = keras.Input((5,))
    relu = layers.ReLU()
    agrees(keras.Model(inputs, relu(layers.Dense(5)(relu(x)))))


def test_nested_models_are_taken_apart() -> None:
    inner = keras.Sequential(
        [keras.Input((6,)), layers.Dense(4, activation="relu"), layers.Dense(6)]
    )
    x = inputs = keras.Input((6,))
    y = keras.Model(x, layers.Add()([x, inner(x)]))
    again = keras.Input((6,))
    agrees(keras.Model(again, layers.Dense(2)(y(again))))
    del inputs


def test_grouped_convolution_is_a_full_one_with_zeros() -> None:
    model = keras.Sequential([keras.Input((6, 6, 4)), layers.Conv2D(8, 3, groups=2)])
    conv = agrees(model)[1]
    assert isinstance(conv, Conv)
    assert conv.kernel.shape == (3, 3, 4, 8)
    assert not conv.depthwise
    per_channel = keras.Sequential([keras.Input((6, 6, 4)), layers.Conv2D(8, 3, groups=4)])
    assert agrees(per_channel)[1].depthwise


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("kind", ["GRU", "LSTM", "SimpleRNN"])
def test_bidirectional_is_two_layers(kind: str, merge: str, sequences: bool) -> None:
    rnn = getattr(layers, kind)(3, return_sequences=sequences)
    model = keras.Sequential([keras.Input((5, 2)), layers.Bidirectional(rnn, merge_mode=merge)])
    ops = [op for op in agrees(model) if isinstance(op, Rnn)]
    assert [op.time_order for op in ops] == [False, True]


def test_stateful_layer_goes_on_from_one_input_to_the_next() -> None:
    model = keras.Sequential(
        [keras.Input((4, 3), batch_size=1), layers.GRU(5, stateful=True), layers.Dense(2)]
    )
    agrees(model, n=6)


def test_normalization_and_rescaling_are_scales() -> None:
    normal = layers.Normalization()
    normal.adapt(np.random.default_rng(0).normal(3, 2, (100, 4)).astype(np.float32))
    model = keras.Sequential(
        [keras.Input((4,)), normal, layers.Rescaling(0.25, offset=1.0), layers.Dense(3)]
    )
    assert [type(op).__name__ for op in agrees(model)] == ["Input", "Affine", "Affine", "Dense"]


def test_time_distributed_dense_is_a_convolution_of_one_cell() -> None:
    model = keras.Sequential(
        [keras.Input((6, 3)), layers.TimeDistributed(layers.Dense(4, activation="tanh"))]
    )
    assert isinstance(agrees(model)[1], Conv)
