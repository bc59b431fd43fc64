"""TensorFlow's own int8 conversion (TFLite) of a Keras model, and what it answers.

A program of its own (python -m): TFLite ends the whole process on some models that it cannot
convert, and writes to the terminal past every log level.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import HilError, ToolError
from nnom_hil.model.keras_import.load import load_keras
from nnom_hil.model.translation.problems import one_line
from nnom_hil.temporary import private_folder

__all__ = ["evenly", "interpreter_of", "main"]

_MOST_CALIBRATION: Final = 500
"""Inputs that ranges are found on; TensorFlow's guide calls some hundreds enough."""

Floats = npt.NDArray[np.float32]


def evenly(x: Floats, most: int) -> Floats:
    """Return at most so many rows, evenly spaced: files are often sorted by class."""
    chosen = np.linspace(0, len(x) - 1, min(len(x), most)).astype(np.int64)
    return np.take(x, chosen, axis=0)


def interpreter_of(tf: Any) -> Any:
    """Return the class that runs TFLite models; newer TensorFlow leaves it to another package.

    Raises ToolError with the remedy where this TensorFlow cannot convert, or nothing can run.
    """
    lite = getattr(tf, "lite", None)
    if lite is None or not hasattr(lite, "TFLiteConverter"):
        raise ToolError(
            f"TensorFlow {tf.__version__} has no tf.lite.TFLiteConverter to compare with; try: "
            "pip install tensorflow==2.21"
        )
    if hasattr(lite, "Interpreter"):
        return lite.Interpreter
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as exc:
        raise ToolError(
            f"TensorFlow {tf.__version__} has no tf.lite.Interpreter, which runs what it "
            "converted; try: pip install ai-edge-litert"
        ) from exc
    return Interpreter


def _batches(x: Floats, size: int) -> Iterator[Floats]:
    for i in range(0, len(x), size):
        part = x[i : i + size]
        yield np.concatenate([part, np.zeros((size - len(part), *x.shape[1:]), np.float32)])


def _convert(tf: Any, model: Any, calibration: Floats, batch: int) -> bytes:
    """Return the TFLite file: int8 throughout, inputs and outputs included."""
    import keras

    for layer in model._flatten_layers():
        if hasattr(layer, "unroll"):
            layer.unroll = True  # TFLite quantises no loops
    shape = (batch, *model.inputs[0].shape[1:])
    with private_folder() as folder:
        model.export(
            str(folder),
            format="tf_saved_model",
            verbose=False,
            input_signature=[keras.InputSpec(shape=shape, dtype="float32")],
        )
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([part] for part in _batches(calibration, batch))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def _answers(interpreter: Any, x: Floats, batch: int) -> dict[str, Any]:
    """Return int8 outputs (n, outputs), and the numbers they stand for: (output - zero) * scale."""
    interpreter.allocate_tensors()
    given, got = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    (in_scale, in_zero), (scale, zero) = given["quantization"], got["quantization"]
    outputs = []
    for part in _batches(x, batch):
        codes = np.clip(np.round(part / in_scale + in_zero), -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], codes)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(got["index"]).reshape(batch, -1))
    return {"outputs": np.concatenate(outputs)[: len(x)], "scale": scale, "zero": zero}


def _ask(path: Path, x: Floats, calibration: Floats) -> dict[str, Any]:
    model = load_keras(path)
    import tensorflow as tf

    interpreter = interpreter_of(tf)
    batch = model.inputs[0].shape[0] or 1
    content = _convert(tf, model, evenly(calibration, _MOST_CALIBRATION), batch)
    answers = _answers(interpreter(model_content=content, num_threads=1), x, batch)
    return answers | {"bytes": len(content), "version": tf.__version__}


def main(model: Path, given: Path, result: Path) -> None:
    """Write result, an .npz: outputs, scale, zero, bytes and version; or `why` there are none, or
    what is `missing`.

    given: an .npz with x and x_calibration as the model takes them.
    """
    warnings.simplefilter("ignore")
    with np.load(given, allow_pickle=False) as npz:
        x, calibration = npz["x"], npz["x_calibration"]
    try:
        found = _ask(model, x, calibration)
    except HilError as exc:
        found = {"missing": str(exc)}
    except ImportError as exc:
        found = {"missing": f"{exc}; try: pip install {exc.name}"}
    except Exception as exc:  # TensorFlow raises whatever its parts raise
        found = {"why": one_line(exc)}
    np.savez(result, allow_pickle=False, **found)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
