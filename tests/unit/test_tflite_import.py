"""Float TFLite models become the same float graph: those that TensorFlow makes of Keras' models."""

import os
from pathlib import Path
from typing import Any

import keras
import pytest
from tests.support.headers import Library
from tests.support.imported import DATA, check_bytes, check_floats, read_here, vectors
from tests.support.tflite_models import MODELS, built, write_tflite

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import Conv, Rnn, UpSample
from nnom_hil.model.keras_import import from_keras

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
CHECKED = tuple(MODELS) if NIGHTLY else ("dilated", "up")
pytestmark = pytest.mark.xdist_group("tflite")  # the files are made once


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tflite")
    return {name: built(name, folder) for name in CHECKED}


def test_there_are_twenty_models() -> None:
    assert len(MODELS) >= 20


@pytest.mark.parametrize("name", CHECKED)
def test_models_compute_what_tflite_does(name: str, files: dict[str, Path]) -> None:
    model = read_here(files[name])
    check_floats(model, vectors(model, 16))


@pytest.mark.parametrize("name", CHECKED if NIGHTLY else ("dilated",))
def test_native_builds_give_the_reference_s_bytes(
    name: str, files: dict[str, Path], library: Library, tmp_path: Path
) -> None:
    model = read_here(files[name])
    check_bytes(model, vectors(model, 24), library, tmp_path / "built")


def test_a_dilated_convolution_is_one_layer(files: dict[str, Path]) -> None:
    """TensorFlow writes it as three operators that spread the data over a batch."""
    convs = [n.op for n in read_here(files["dilated"]).graph.nodes if isinstance(n.op, Conv)]
    assert [c.dilation for c in convs] == [(2, 2), (2, 1)]


def test_up_sampling_written_as_tiles_is_one_layer_an_axis(files: dict[str, Path]) -> None:
    ups = [n.op for n in read_here(files["up"]).graph.nodes if isinstance(n.op, UpSample)]
    assert [u.factor for u in ups] == [(2, 1), (1, 3), (2, 1), (1, 2)]


def test_a_backward_layer_is_found_between_two_reversals() -> None:
    """In a file of Keras 2's, whose import takes longer than all of this."""
    model = read_here(DATA / "both.tflite")
    check_floats(model, vectors(model, 16))
    cells = [n.op for n in model.graph.nodes if isinstance(n.op, Rnn)]
    assert sorted(c.go_backwards for c in cells) == [False, False, True]
    assert [c.return_sequence for c in cells][-1] is False  # only the last output is read


def _small(*layers: Any, shape: tuple[int, ...] = (6, 6, 2)) -> Any:
    return keras.Sequential([keras.Input(shape), *layers])


def test_quantised_files_are_refused(tmp_path: Path) -> None:
    import numpy as np
    import tensorflow as tf

    model = _small(keras.layers.Conv2D(3, 3), keras.layers.ReLU())
    samples = np.random.default_rng(0).normal(size=(4, 1, 6, 6, 2)).astype(np.float32)
    how = {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "representative_dataset": lambda: ([x] for x in samples),
        "inference_input_type": tf.int8,
        "inference_output_type": tf.int8,
    }
    path = write_tflite(model, tmp_path / "m.tflite", **how)
    with pytest.raises(ModelError, match="its input is int8: this file is quantised already"):
        read_here(path)
    half = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    half["target_spec"] = tf.lite.TargetSpec(supported_types=[tf.float16])
    again = read_here(write_tflite(model, tmp_path / "half.tflite", **half))
    check_floats(again, vectors(again, 4))  # weights of 16 bits are numbers all the same


def test_what_cannot_be_converted_is_told_at_once(tmp_path: Path) -> None:
    model = _small(
        keras.layers.Conv2D(3, 3, activation="elu"), keras.layers.Conv2D(3, 1, activation="gelu")
    )
    with pytest.raises(ModelError) as told:
        read_here(write_tflite(model, tmp_path / "m.tflite"))
    lines = str(told.value).splitlines()
    assert len(lines) >= 3
    assert "(ELU): NNoM has no such activation" in lines[1]
    assert not any("does not fit" in line for line in lines)


def test_loops_are_refused_with_the_remedy(tmp_path: Path) -> None:
    inputs = keras.Input((6, 5), batch_size=1)
    model = keras.Model(inputs, keras.layers.SimpleRNN(4)(inputs))
    with pytest.raises(ModelError, match=r"\(WHILE\): a loop.* give the \.keras model instead"):
        read_here(write_tflite(model, tmp_path / "m.tflite"))


def test_the_graph_is_the_keras_model_s(tmp_path: Path) -> None:
    """By another way: the same layers, batch normalisation aside, which TensorFlow has folded."""
    model = _small(
        keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    )
    ours = from_keras(model).graph
    theirs = read_here(write_tflite(model, tmp_path / "m.tflite")).graph
    assert [type(n.op) for n in ours.nodes] == [type(n.op) for n in theirs.nodes]
