#!/usr/bin/env bash
# onnx 1.23.2: its ReferenceEvaluator averages and sizes pools otherwise than ONNX's text and onnxruntime 1.32.0.
#
# AveragePool with ceil_mode=1, kernel 3, stride 3 over 1 2 3 4 5 6 7: the windows are 1 2 3, 4 5 6 and 7, so that the
# averages are 2, 5 and 7, as onnxruntime gives. The evaluator moves the windows and gives 1.5, 4 and 6; with stride 2
# and kernel 2 it agrees. MaxPool with pads=[0, 1], kernel 2 and stride 1 has floor((7 + 1 - 2) / 1) + 1 = 7 outputs;
# the evaluator gives 6. Whoever takes it for the truth about an importer looks for the error in the wrong place.
#
# Seen: "average 2 5 7 against 1.5 4 6, maxima 7 against 6".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


def both(kind, **attributes):
    node = helper.make_node(kind, ["x"], ["y"], **attributes)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", (1, 1, 7)), ("y", None)))
    model = helper.make_model(
        helper.make_graph([node], "pool", [x], [y]), opset_imports=[helper.make_opsetid("", 19)], ir_version=9
    )
    data = {"x": np.arange(1, 8, dtype=np.float32).reshape(1, 1, 7)}
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return runtime.run(None, data)[0].ravel(), ReferenceEvaluator(model).run(None, data)[0].ravel()


def words(values):
    return " ".join(f"{value:g}" for value in values)


average = both("AveragePool", kernel_shape=[3], strides=[3], ceil_mode=1)
agreed = both("AveragePool", kernel_shape=[2], strides=[2], ceil_mode=1)
maxima = both("MaxPool", kernel_shape=[2], strides=[1], pads=[0, 1])
print(f"average {words(average[0])} against {words(average[1])}, maxima {maxima[0].size} against {maxima[1].size}")
as_described = (
    words(average[0]) == "2 5 7"
    and words(average[1]) == "1.5 4 6"
    and np.array_equal(*agreed)
    and (maxima[0].size, maxima[1].size) == (7, 6)
)
sys.exit(0 if as_described else 1)
PY
echo "as described"
