"""Models of tensors read as the product reads them, their runtimes asked in this process."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.weights import weights_h
from nnom_hil.model.float_run import run_float
from nnom_hil.model.quantise import QuantiseOptions, calibrate
from nnom_hil.model.reference import run_reference
from nnom_hil.model.translation.imported import TOLERANCE, ImportedModel
from tests.support.headers import Library

Floats = npt.NDArray[np.float32]
DATA = Path(__file__).parents[1] / "data"
ONNX = DATA / "onnx"


def read_here(path: Path) -> ImportedModel:
    """Return what read_model() does, without a process for the runtime."""
    if path.suffix == ".onnx":
        from nnom_hil.model.onnx_import.load import load_onnx
        from nnom_hil.model.onnx_import.runtime import answers
        from nnom_hil.model.onnx_import.walk import to_graph

        model = load_onnx(path)
        translation = to_graph(model.proto, str(path), path.stem)
        return ImportedModel(
            str(path), "onnxruntime", translation, lambda x, names: answers(model.content, x, names)
        )
    from nnom_hil.model.tflite_import import load, runtime, walk

    loaded = load.load_tflite(path)
    translation = walk.to_graph(loaded, str(path), path.stem)
    return ImportedModel(
        str(path), "TFLite", translation, lambda x, names: runtime.answers(loaded.content, x, names)
    )


def vectors(model: ImportedModel, n: int = 16, seed: int = 0) -> Floats:
    """Return random vectors as the graph takes them."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, *model.graph.input.shape)).astype(np.float32)


def check_floats(model: ImportedModel, x: Floats) -> None:
    """Hold the graph against the runtime, by a rule of our own, as check() does by its."""
    theirs = model.predict(x)
    ours = run_float(model.graph, x)[model.graph.nodes[-1].name].reshape(theirs.shape)
    assert np.abs(ours - theirs).max() <= TOLERANCE * max(float(np.ptp(theirs)), 1e-3)
    model.check(x)


def check_bytes(model: ImportedModel, x: Floats, library: Library, folder: Path) -> None:
    """Compare the reference with a native build, byte by byte."""
    quantised = calibrate(model.graph, x, QuantiseOptions()).finish()
    inputs = quantised.quantise(x)
    header = weights_h(quantised, provenance="a test")
    got = library.run(header, inputs, folder)
    np.testing.assert_array_equal(got, run_reference(quantised, inputs).reshape(len(x), -1))


def made_onnx(
    path: Path, nodes: list[Any], shape: tuple[int | str, ...], result: str = "y",
    weights: dict[str, Any] | None = None, opset: int = 17,
) -> Path:  # fmt: skip
    """Write a model of nodes that read "x" and weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in (weights or {}).items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(proto, path)
    return path
