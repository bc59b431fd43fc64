"""What is trained is what is converted: the simulation's bytes, the reference's, the file's."""

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tests.support.random_keras import random_data, random_keras

from nnom_hil.errors import ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.graph import FloatGraph
from nnom_hil.model.grid import rescaled_layers, with_weights_of
from nnom_hil.model.kept_formats import MEMBER, KeptFormats, formats_member, read_formats
from nnom_hil.model.keras_export import keras_members, packed, renamed
from nnom_hil.model.keras_import import from_keras, read_keras
from nnom_hil.model.qgraph import QGraph
from nnom_hil.model.quantise import Calibration, Method, QuantiseOptions, calibrate
from nnom_hil.model.reference import run_all_layers
from nnom_hil.model.run_order import in_run_order
from nnom_hil.model.simplify import simplify
from nnom_hil.train.balance import balanced
from nnom_hil.train.distil import Goal, Recipe, losses
from nnom_hil.train.simulate import Simulation

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
MODELS = 300 if NIGHTLY else 10
FILES = 300 if NIGHTLY else 5
Document = dict[str, Any]


def converted(seed: int) -> tuple[FloatGraph, Calibration, Any]:
    """A random network, simplified, its conversion and its data, by every method in turn."""
    model = random_keras(seed)
    x = random_data(model, seed, 8)
    options = QuantiseOptions(
        method=list(Method)[seed % len(Method)], per_channel=seed % 8 < 4, raw_input=seed % 3 == 0
    )
    floats = renamed(simplify(from_keras(model).graph, raw_input=options.raw_input))
    return floats, calibrate(floats, x, options), x


def perturbed(graph: QGraph, floats: FloatGraph, codes: Any, seed: int) -> Simulation:
    """A simulation whose weights have been moved about, as training does."""
    simulation = Simulation(graph, rescaled_layers(floats, {}), codes)
    rng = np.random.default_rng(seed)
    for variable in simulation.variables:
        variable.assign(variable + rng.normal(0, 0.05, variable.shape).astype(np.float32))
    return simulation


def archive_of(floats: FloatGraph, found: Calibration, graph: QGraph) -> bytes:
    rescaled = rescaled_layers(floats, found.data.changes)
    members = keras_members(with_weights_of(floats, graph, rescaled))
    kept = KeptFormats(
        graph=graph,
        floats=floats,
        changes=found.data.changes,
        rescaled=rescaled,
        options={"raw_input": found.options.raw_input},
    )
    return packed({**members, MEMBER: formats_member(kept, members)})


def test_the_simulation_gives_the_references_bytes() -> None:
    """Of every layer, whatever the weights; and each weight has a gradient."""
    for seed in range(MODELS):
        floats, found, x = converted(seed)
        graph = found.finish()
        codes = graph.quantise(x)
        simulation = perturbed(graph, floats, codes, seed)
        with tf.GradientTape() as tape:
            got = simulation.run(tf.constant(codes, tf.float32))
            loss = tf.reduce_mean(got[graph.output.name] ** 2)
        expected = run_all_layers(simulation.quantised(), codes)
        for name, values in expected.items():
            np.testing.assert_array_equal(got[name].numpy(), values, err_msg=f"seed {seed}, {name}")
        for gradient in tape.gradient(loss, simulation.variables):
            assert gradient is not None, f"seed {seed}"
            assert np.isfinite(gradient.numpy()).all(), f"seed {seed}"


def test_training_begins_where_the_conversion_ended() -> None:
    floats, found, x = converted(2)
    graph = found.finish()
    simulation = Simulation(graph, rescaled_layers(floats, {}), graph.quantise(x))
    assert simulation.quantised().content_hash == graph.content_hash


def test_rounding_leaves_the_mean_of_a_sum_where_it_is() -> None:
    """To half of what one weight moves it by, where plain rounding is many weights off."""
    rng = np.random.default_rng(0)
    weight = rng.uniform(-100, 100, (8, 400)).astype(np.float32)
    mean = np.float32(-90) + rng.uniform(-30, 30, 400).astype(np.float32)
    error = rng.uniform(-900, 900, 8).astype(np.float32)
    codes = balanced(tf.constant(weight), tf.constant(mean), tf.constant(error)).numpy()
    assert np.array_equal(codes, np.round(codes))
    assert np.abs(codes - weight).max() < 1
    left = np.abs(error + (codes - weight) @ mean)
    plain = np.abs(error + (np.round(weight) - weight) @ mean)
    assert left.max() <= 60.1 < plain.mean()


def test_a_file_converts_to_what_was_simulated(tmp_path: Path) -> None:
    """Every byte of every random network: layers of every kind, both directions of recurrent ones.

    And the Keras model computes what the codes stand for.
    """
    file = tmp_path / "tuned.keras"
    for seed in range(100, 100 + FILES):
        floats, found, x = converted(seed)
        start = in_run_order(found.finish())
        graph = perturbed(start, floats, start.quantise(x), seed).quantised()
        file.write_bytes(archive_of(floats, found, graph))
        source = read_keras(file)
        kept = read_formats(file, source.graph)
        assert isinstance(kept, KeptFormats), f"seed {seed}: {kept}"
        assert kept.graph.content_hash == graph.content_hash, f"seed {seed}"
        exact = with_weights_of(floats, graph, rescaled_layers(floats, found.data.changes))
        expected = run_float(exact, x)[exact.nodes[-1].name].reshape(len(x), -1)
        largest = max(1.0, float(np.abs(expected).max()))
        assert np.abs(source.predict(x) - expected).max() < 1e-4 * largest, f"seed {seed}"


def test_a_file_has_the_same_bytes_each_time() -> None:
    floats, found, _ = converted(3)
    graph = found.finish()
    assert archive_of(floats, found, graph) == archive_of(floats, found, graph)


# ---- formats of others ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its formats: convolution, cell of a recurrent layer, dense layer."""
    import keras
    from tests.support.random_keras import randomise

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.Conv1D(4, 3, padding="same", activation="relu", name="conv"),
            layers.GRU(4, return_sequences=True, name="cell"),
            layers.Flatten(name="flat"),
            layers.Dense(3, name="dense"),
        ]
    )
    for layer in model.layers:
        randomise(np.random.default_rng(0), layer)
    x = random_data(model, 0, 32)
    floats = renamed(simplify(from_keras(model).graph))
    found = calibrate(floats, x, QuantiseOptions(method=Method.MSE, per_channel=True))
    file = tmp_path_factory.mktemp("tuned") / "tuned.keras"
    file.write_bytes(archive_of(floats, found, in_run_order(found.finish())))
    return file


def changed(tuned: Path, folder: Path, change: Callable[[Document], Any]) -> Path:
    """A copy whose formats somebody has written anew."""
    file = folder / "changed.keras"
    with zipfile.ZipFile(tuned) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members[MEMBER])
    result = change(document)
    text = result if isinstance(result, str) else json.dumps(document)
    file.write_bytes(packed({**members, MEMBER: text.encode()}))
    return file


def node(document: Document, name: str) -> Document:
    found: Document = next(n for n in document["nodes"] if n["name"] == name)
    return found


HOSTILE: dict[str, Callable[[Document], Any]] = {
    "no JSON": lambda d: "{",
    "deep": lambda d: "[" * 5000 + "]" * 5000,
    "no object": lambda d: "[]",
    "another schema": lambda d: d.update(schema="nnom-hil/formats/2"),
    "no hash": lambda d: d.pop("for"),
    "no layers": lambda d: d.update(nodes=[]),
    "layers of another type": lambda d: d.update(nodes={"a": 1}),
    "a layer less": lambda d: d["nodes"].pop(2),
    "two layers of one name": lambda d: d["nodes"].append(d["nodes"][-1]),
    "an unknown operation": lambda d: node(d, "dense")["op"].update(type="Path"),
    "an unknown field": lambda d: node(d, "dense")["op"].update(more=1),
    "a field less": lambda d: node(d, "dense")["op"].pop("bias"),
    "a reader of nothing": lambda d: node(d, "dense").update(inputs=["other"]),
    "a reader of itself": lambda d: node(d, "dense").update(inputs=["dense"]),
    "no source": lambda d: node(d, "dense").update(inputs=[]),
    "a number for a name": lambda d: node(d, "dense").update(name=3),
    "a long name": lambda d: node(d, "dense").update(name="n" * 5000),
    "another stride": lambda d: node(d, "conv")["op"].update(stride=[1, 2]),
    "no stride": lambda d: node(d, "conv")["op"].update(stride=[0, 0]),
    "a huge stride": lambda d: node(d, "conv")["op"].update(stride=[1, 10**30]),
    "another padding": lambda d: node(d, "conv")["op"].update(padding="full"),
    "a shift of a thousand": lambda d: node(d, "dense")["op"].update(output_shift=[1000] * 3),
    "shifts for others": lambda d: node(d, "dense")["op"].update(output_shift=[1, 2]),
    "a coarser grid": lambda d: node(d, "dense")["op"].update(weight_dec=[1] * 3),
    "a finer grid": lambda d: node(d, "dense")["op"].update(weight_dec=[12] * 3),
    "another bias": lambda d: node(d, "dense")["op"].update(bias=[1, 2, 3]),
    "a bias beyond int8": lambda d: node(d, "dense")["op"].update(bias=[1, 2, 300]),
    "a ragged bias": lambda d: node(d, "dense")["op"].update(bias=[1, [2], 3]),
    "a bias of text": lambda d: node(d, "dense")["op"].update(bias=["1", "2", "3"]),
    "another cell": lambda d: node(d, "cell")["op"].update(kind="lstm"),
    "yes for a number": lambda d: node(d, "cell")["op"].update(z_dec=True),
    "another input": lambda d: d["nodes"][0]["op"].update(shape=[5, 3]),
    "an input without a scale": lambda d: d["nodes"][0]["op"].update(scale=[]),
    "an infinite scale": lambda d: d["nodes"][0]["op"].update(scale=[float("inf")]),
    "a scale that is no number": lambda d: d["nodes"][0]["op"].update(scale=[float("nan")]),
    "a rescaled layer less": lambda d: d["rescaled"].pop("dense"),
    "a rescaled layer of no weights": lambda d: d["rescaled"].update(flat=[1, 0, 1, 0]),
    "a rescaled stranger": lambda d: d["rescaled"].update(other=[1, 0, 1, 0]),
    "a scale of zero": lambda d: d["rescaled"]["dense"].__setitem__(0, 0.0),
    "scales for others": lambda d: d["rescaled"]["dense"].__setitem__(0, [1.0] * 7),
    "a change of a stranger": lambda d: d["changes"].update(other=[1.0, 0.0]),
    "a change of text": lambda d: d["changes"].update(dense=["1", "0"]),
    "options of text": lambda d: d.update(options="all"),
    "an option of lists": lambda d: d["options"].update(method=["mse"]),
    "an output of another size": lambda d: node(d, "dense").update(tail={"type": "QConv"}),
    "values beyond any memory": lambda d: d["nodes"].insert(
        1,
        {"name": "up", "inputs": [d["nodes"][0]["name"]],
         "op": {"type": "UpSample", "factor": [9000, 9000]}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", HOSTILE)
def test_formats_of_others_are_refused_in_a_sentence(how: str, tuned: Path, tmp_path: Path) -> None:
    file = changed(tuned, tmp_path, HOSTILE[how])
    graph = read_keras(tuned).graph
    with pytest.raises(ModelError) as caught:
        read_formats(file, graph)
    assert str(file) in str(caught.value)
    assert "save it again with Keras" in str(caught.value) or "nested" in str(caught.value)


def test_formats_are_not_for_weights_that_changed(tuned: Path, tmp_path: Path) -> None:
    file = tmp_path / "later.keras"
    with zipfile.ZipFile(tuned) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["model.weights.h5"] += b" "
    file.write_bytes(packed(members))
    found = read_formats(file, read_keras(tuned).graph)
    assert isinstance(found, str)
    assert "changed since" in found


def test_a_file_that_keras_saved_again_has_no_formats(tuned: Path, tmp_path: Path) -> None:
    import keras

    file = tmp_path / "again.keras"
    keras.saving.load_model(tuned).save(file)
    assert read_formats(file, read_keras(file).graph) is None


# ---- training ------------------------------------------------------------------------------------


def test_training_comes_closer_and_is_the_same_for_a_seed(tuned: Path) -> None:
    """Toward other outputs than its own; logits by divergence, values by their squared error."""
    floats = simplify(read_keras(tuned).graph)
    x = np.random.default_rng(0).uniform(-1, 1, (32, 6, 3)).astype(np.float32)
    graph = calibrate(floats, x).finish()
    codes = graph.quantise(x)
    values = run_float(floats, x)["dense"] + np.array([-1, 0, 1], np.float32)
    for is_logits in (False, True):
        goal = Goal(
            layer="dense",
            values=values,
            scale=np.ones(3, np.float32),
            offset=np.zeros(3, np.float32),
            is_logits=is_logits,
        )
        recipe = Recipe(epochs=6, learning_rate=0.01, batch=8, seed=0)
        runs = []
        for _ in range(2):
            simulation = Simulation(graph, rescaled_layers(floats, {}), codes)
            runs.append((list(losses(simulation, codes, goal, recipe)), simulation.quantised()))
        (first, one), (second, other) = runs
        assert first == second
        assert one.content_hash == other.content_hash != graph.content_hash
        assert first[-1] < 0.5 * first[0]


def test_what_cannot_be_trained_through_is_refused_by_name() -> None:
    import keras

    from nnom_hil.model.graph import GlobalPool, PoolKind

    model = keras.Sequential(
        [keras.Input((4, 2), batch_size=1), keras.layers.GRU(2, stateful=True)]
    )
    x = random_data(model, 0, 4)
    graph = calibrate(from_keras(model).graph, x).finish()
    with pytest.raises(ModelError, match=r"gru.*: keeps its state .* stateful=False"):
        Simulation(graph, {"gru"}, graph.quantise(x))
    summed = replace(graph.nodes[1], name="total", op=GlobalPool(kind=PoolKind.SUM))
    pooled = QGraph(name="sum", nodes=(graph.nodes[0], summed))
    with pytest.raises(ModelError, match="total: a sum pool"):
        Simulation(pooled, set(), graph.quantise(x))
