"""Random Keras models: imported exactly, and their headers compute what the reference does."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from tests.support.headers import Library
from tests.support.random_keras import random_data, random_keras
from tests.unit.test_softmax import BASE_TWO, LOGITS, TRUE, softmax_graph

from nnom_hil.codegen.layouts import Api, DenseOrder, HeaderOptions, Layout
from nnom_hil.codegen.portable import portable as make_portable
from nnom_hil.codegen.weights import weights_h
from nnom_hil.errors import ModelError
from nnom_hil.model.float_run import run_float
from nnom_hil.model.keras_import import from_keras
from nnom_hil.model.qgraph import QSoftmax
from nnom_hil.model.quantise import Method, QuantiseOptions, calibrate, quantise, to_int8
from nnom_hil.model.reference import run_reference

NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
MODELS = 1000 if NIGHTLY else 40
BATCH = 20
ROUNDING = 1e-4  # of the largest output: float32 sums in another order


@pytest.fixture(scope="module")
def libraries() -> dict[str, Library]:
    flags = {
        "right": [],
        "compat": ["-DNNOM_COMPAT_043=1"],
        "chw": ["-DNNOM_USING_CHW"],
        "plain": ["-DDENSE_WEIGHT_OPT=0"],
    }
    return {name: Library(*f) for name, f in flags.items()}


VARIANTS = {  # by the library that they are for
    "right": HeaderOptions(),
    "chw": HeaderOptions(layout=Layout.CHW),
    "plain": HeaderOptions(dense_order=DenseOrder.PLAIN),
}


@pytest.mark.parametrize("first", range(0, MODELS, BATCH))
def test_models_convert_build_and_equal_the_reference(
    first: int, libraries: dict[str, Library], tmp_path: Path
) -> None:
    for seed in range(first, first + BATCH):
        model = random_keras(seed)
        x = random_data(model, seed, 8)
        graph = from_keras(model).graph
        exact = np.asarray(model(x, training=False)).reshape(len(x), -1)
        ours = run_float(graph, x)[graph.nodes[-1].name].reshape(len(x), -1)
        limit = ROUNDING * max(1.0, float(np.abs(exact).max()))
        assert np.abs(ours - exact).max() < limit, f"seed {seed}: the float graph differs"
        method = list(Method)[seed % len(Method)]
        options = QuantiseOptions(method=method, per_channel=seed % 8 < 4)
        found = calibrate(graph, x, options)
        scaled = run_float(found.graph, x)[found.graph.nodes[-1].name].reshape(len(x), -1)
        assert np.abs(scaled - ours).max() < 10 * limit, f"seed {seed}: {method} changes the model"
        quantised = found.finish()
        inputs = to_int8(x, quantised.input.dec)
        expected = run_reference(quantised, inputs)
        name = list(VARIANTS)[seed % len(VARIANTS)]
        header = weights_h(quantised, provenance="a test", options=VARIANTS[name])
        got = libraries[name].run(header, inputs, tmp_path / name)
        np.testing.assert_array_equal(got, expected, err_msg=f"seed {seed}, {name}, {method}")
        libraries[name].check_what_it_says(quantised, tmp_path / name)


def test_portable_headers_are_right_on_both_libraries(
    libraries: dict[str, Library], tmp_path: Path
) -> None:
    """The compatibility switch stands for NNoM's own library."""
    done = 0
    for seed in range(0, MODELS, 2):
        model = random_keras(seed)
        x = random_data(model, seed, 8)
        options = QuantiseOptions(method=list(Method)[seed // 2 % len(Method)], portable=True)
        quantised = quantise(from_keras(model).graph, x, options)
        inputs = to_int8(x, quantised.input.dec)
        portable = HeaderOptions(portable=True)
        try:
            header = weights_h(quantised, provenance="a test", options=portable)
        except ModelError as exc:
            assert "not portable to NNoM's own library" in str(exc)  # noqa: PT017
            continue
        expected = run_reference(quantised, inputs)
        for name in ("right", "compat"):
            got = libraries[name].run(header, inputs, tmp_path / name)
            np.testing.assert_array_equal(got, expected, err_msg=f"seed {seed}, {name}")
            libraries[name].check_what_it_says(
                make_portable(quantised), tmp_path / name, compat=name == "compat"
            )
        done += 1
    assert done > MODELS // 8


def test_layer_api_headers_equal_the_reference(
    libraries: dict[str, Library], tmp_path: Path
) -> None:
    done = 0
    for seed in range(MODELS):
        model = random_keras(seed)
        x = random_data(model, seed, 8)
        quantised = quantise(from_keras(model).graph, x)
        options = HeaderOptions(api=Api.LAYER)
        try:
            header = weights_h(quantised, provenance="a test", options=options)
        except ModelError as exc:
            assert "the layer API cannot hold" in str(exc)  # noqa: PT017
            continue
        inputs = to_int8(x, quantised.input.dec)
        got = libraries["right"].run(header, inputs, tmp_path / "right")
        np.testing.assert_array_equal(got, run_reference(quantised, inputs), err_msg=str(seed))
        libraries["right"].check_what_it_says(quantised, tmp_path / "right")
        done += 1
    assert done > MODELS // 8


def test_headers_ask_for_their_softmax(libraries: dict[str, Library], tmp_path: Path) -> None:
    """A portable header says the same to both libraries; what NNoM has no name for is guarded."""
    for api in Api:
        options = HeaderOptions(api=api)
        plain = weights_h(softmax_graph(QSoftmax()), provenance="a test", options=options)
        assert "BASE_TWO" not in plain
        options = HeaderOptions(api=api, portable=True)
        base_two = softmax_graph(QSoftmax(base_two=True))
        portable = weights_h(base_two, provenance="a test", options=options)
        assert re.search("#ifn?def NNOM_SOFTMAX_BASE_TWO", portable)
        for name, expected in (("right", TRUE), ("compat", BASE_TWO)):
            got = libraries[name].run(plain, LOGITS, tmp_path / name)
            assert got[0].tolist() == expected
            got = libraries[name].run(portable, LOGITS, tmp_path / name)
            assert got[0].tolist() == BASE_TWO
