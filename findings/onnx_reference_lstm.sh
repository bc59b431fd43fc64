#!/usr/bin/env bash
# onnx 1.23.2: its ReferenceEvaluator ignores an LSTM's `clip` and its input `sequence_lens`, without a word.
#
# ONNX's LSTM clips what enters each activation to [-clip, clip], and gives zeros for steps beyond a sequence's length;
# onnxruntime 1.32.0 does both. The evaluator computes as if neither were there: the same outputs for clip 0.1 as for
# none, and outputs other than zero behind the end of a sequence.
#
# Seen: "clip changes onnxruntime's outputs: True, the evaluator's: False; behind the end: 0 against 0.37".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(0)
W, R, B = (rng.normal(size=shape).astype(np.float32) for shape in ((1, 12, 2), (1, 12, 3), (1, 24)))
DATA = rng.normal(size=(5, 2, 2)).astype(np.float32)  # steps, sequences, features


def both(lengths=None, **attributes):
    weights = {"w": W, "r": R, "b": B} | ({} if lengths is None else {"l": np.array(lengths, np.int32)})
    node = helper.make_node("LSTM", ["x", *weights], ["y"], hidden_size=3, **attributes)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, DATA.shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (5, 1, 2, 3))
    graph = helper.make_graph([node], "lstm", [x], [y], [numpy_helper.from_array(v, k) for k, v in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=9)
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return runtime.run(None, {"x": DATA})[0], ReferenceEvaluator(model).run(None, {"x": DATA})[0]


plain, clipped, short = both(), both(clip=0.1), both(lengths=[5, 3])
changes = [not np.allclose(a, b, atol=1e-5) for a, b in zip(plain, clipped, strict=True)]
behind = [float(np.abs(y[3:, 0, 1]).max()) for y in short]
print(
    f"clip changes onnxruntime's outputs: {changes[0]}, the evaluator's: {changes[1]}; "
    f"behind the end: {behind[0]:g} against {behind[1]:.2f}"
)
agree = np.allclose(*plain, atol=1e-5)
sys.exit(0 if agree and changes == [True, False] and behind[0] == 0 and behind[1] > 0.01 else 1)
PY
echo "as described"
