#!/usr/bin/env bash
# ONNX's ConvTranspose with auto_pad=SAME_UPPER and a kernel smaller than its stride has one size too many.
#
# The text says of SAME_UPPER and SAME_LOWER that the output has input * stride cells: 12 for 4 cells, stride 3 and kernel
# 2. onnx 1.23.2's evaluator gives 12, its shape inference 11, and onnxruntime 1.32.0 gives 11: the padding that
# would be negative is taken for none. Keras' Conv2DTranspose(padding="same") has 12 there, so that a converter that
# writes SAME_UPPER changes the model's shape. Where the kernel is not smaller, all agree.
#
# Seen: "onnx infers 11, its evaluator gives 12, onnxruntime 11; with kernel 3: 12, 12, 12".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator


def lengths(kernel):
    weights = numpy_helper.from_array(np.ones((1, 1, kernel), np.float32), "w")
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[3], kernel_shape=[kernel]
    )
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, 4))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "same", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=9)
    inferred = shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim[2].dim_value
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # silent
    data = {"x": np.ones((1, 1, 4), np.float32)}
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return inferred, ReferenceEvaluator(model).run(None, data)[0].size, runtime.run(None, data)[0].size


smaller, equal = lengths(2), lengths(3)
print(
    f"onnx infers {smaller[0]}, its evaluator gives {smaller[1]}, onnxruntime {smaller[2]}; "
    f"with kernel 3: {', '.join(map(str, equal))}"
)
sys.exit(0 if (smaller, equal) == ((11, 12, 11), (12, 12, 12)) else 1)
PY
echo "as described"
