"""weights.h in NNoM's older form: one constructor call a layer (NNOM_COMPAT.md 5.8)."""

import math
from collections.abc import Sequence
from typing import assert_never

from nnom_hil.codegen.layouts import DenseOrder, HeaderOptions
from nnom_hil.codegen.names import c_identifiers
from nnom_hil.codegen.pieces import (
    SET_DEC_GUARD,
    act_constructor,
    input_function,
    mergex,
    set_dec,
    values,
)
from nnom_hil.codegen.streams import bias_of, interleave_dense
from nnom_hil.errors import ModelError
from nnom_hil.model.graph import (
    ActivationKind,
    Cropping,
    Flatten,
    GlobalPool,
    Pool,
    PoolKind,
    Reshape,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.qgraph import (
    Concat,
    Copy,
    Merge,
    QActivation,
    QConv,
    QDense,
    QGraph,
    QInput,
    QNode,
    QOutput,
    QRnn,
    QSoftmax,
    shape3d,
)

__all__ = ["layer_api_header"]

# NNoM's own library has no name for what it always does
_BASE_TWO = ("#ifndef NNOM_SOFTMAX_BASE_TWO", "#define SoftmaxBaseTwo() Softmax()", "#endif")
_POOLS = {PoolKind.MAX: "MaxPool", PoolKind.AVERAGE: "AvgPool", PoolKind.SUM: "SumPool"}


def layer_api_header(graph: QGraph, options: HeaderOptions, comment: str) -> str:
    """Return the header's text; raises ModelError listing layers that this form cannot hold."""
    problems = [f"  {node.name}: {why}" for node in graph.nodes if (why := _problem(node))]
    if problems:
        raise ModelError("the layer API cannot hold:\n" + "\n".join(problems))
    names = [n for node in graph.nodes for n in (node.name, node.tail_name) if n]
    ident = c_identifiers(names)
    has_dense = any(isinstance(node.op, QDense) for node in graph.nodes)
    lines = [
        comment,
        '#include "nnom.h"',
        "",
        *options.guards(has_dense=has_dense),
        "",
    ]
    lines += SET_DEC_GUARD
    if any(isinstance(node.op, QSoftmax) and node.op.base_two for node in graph.nodes):
        lines += _BASE_TWO
    lines.append("")
    for node in graph.nodes:
        if isinstance(node.op, QConv | QDense):
            lines += _parameters(ident[node.name], node.op, options)
    for node in graph.nodes[:-1]:
        lines.append(
            f"#define {ident[node.tail_name or node.name].upper()}_OUTPUT_SHIFT {node.dec}"
        )
    lines += [
        "",
        f"static int8_t nnom_input_data[{graph.input.size}];",
        f"static int8_t nnom_output_data[{graph.output.size}];",
        *_input_function(graph),
        "",
        *_create(graph, ident),
    ]
    return "\n".join(lines) + "\n"


def _input_function(graph: QGraph) -> list[str]:
    op = graph.input.op
    assert isinstance(op, QInput)
    return input_function(op, graph.input.size)


def _problem(node: QNode) -> str | None:
    for act in (node.op, node.tail):
        if isinstance(act, QActivation) and act.kind is ActivationKind.ADV_RELU:
            return "ReLU with a maximum or threshold: it needs formats, which this form has not"
    match node.op:
        case QConv() as op if op.pad_value:
            return f"cells of {op.pad_value} around the image: this form has zeros"
        case QConv() | QDense() as op if len(op.weight_dec) > 1:
            return "one weight format per channel: this form has one per layer"
        case Pool() | GlobalPool() as op if op.output_shift:
            return "a pool that changes the format"
        case (
            QInput() | QConv() | QDense() | QActivation() | Pool() | GlobalPool() | ZeroPadding()
            | Cropping() | UpSample() | Flatten() | QSoftmax() | Concat() | Merge() | Copy()
            | QOutput()
        ):  # fmt: skip
            return None
        case Reshape() | QRnn() as op:
            return f"{type(op).__name__.removeprefix('Q')} has no constructor in this form"
        case never:
            assert_never(never)


def _parameters(ident: str, op: QConv | QDense, options: HeaderOptions) -> list[str]:
    upper = ident.upper()
    stream = op.weight
    if isinstance(op, QDense) and options.dense_order is DenseOrder.INTERLEAVED:
        stream = interleave_dense(op.weight)
    shifts = (op.weight_dec, op.bias_dec, op.output_shift, op.bias_shift)
    weight_dec, bias_dec, right, left = (v[0] for v in shifts)
    return [
        f"#define {upper}_KERNEL_0 {values(stream)}",
        f"#define {upper}_KERNEL_0_SHIFT ({weight_dec})",
        f"#define {upper}_BIAS_0 {values(bias_of(op))}",
        f"#define {upper}_BIAS_0_SHIFT ({bias_dec})",
        f"#define {upper}_OUTPUT_RSHIFT ({right})",
        f"#define {upper}_BIAS_LSHIFT ({left})",
        f"static const int8_t {ident}_weights[] = {upper}_KERNEL_0;",
        f"static const nnom_weight_t {ident}_w = {{ (const void*){ident}_weights, "
        f"{upper}_OUTPUT_RSHIFT}};",
        f"static const int8_t {ident}_bias[] = {upper}_BIAS_0;",
        f"static const nnom_bias_t {ident}_b = {{ (const void*){ident}_bias, "
        f"{upper}_BIAS_LSHIFT}};",
        "",
    ]


def _create(graph: QGraph, ident: dict[str, str]) -> list[str]:
    index = {node.name: i for i, node in enumerate(graph.nodes)}
    body = []
    for node in graph.nodes:
        i = index[node.name]
        sources = [f"layer[{index[name]}]" for name in node.inputs]
        call = _constructor(graph, node, ident[node.name], sources)
        if isinstance(node.op, QInput | QConv | QDense | Merge):
            call = set_dec(call, node)
        body.append(f"\tlayer[{i}] = {call};")
        if node.tail is not None:
            act = act_constructor(node.tail, node.tail.dec)
            body.append(f"\tlayer[{i}] = model.active({act}, layer[{i}]);")
    last = len(index) - 1
    return [
        "static nnom_model_t* nnom_model_create(void)",
        "{",
        "\tstatic nnom_model_t model;",
        f"\tnnom_layer_t* layer[{len(index)}];",
        "",
        "\tnew_model(&model);",
        "",
        *body,
        f"\tmodel_compile(&model, layer[0], layer[{last}]);",
        "\treturn &model;",
        "}",
    ]


def _call(name: str, *values_of: Sequence[int]) -> str:
    return f"{name}({', '.join(str(v) for part in values_of for v in part)})"


def _convolution(op: QConv, ident: str) -> str:
    plain = "Conv2DTrans" if op.transposed else "Conv2D"
    name = "DW_Conv2D" if op.depthwise else plain
    filters = op.weight.shape[3] if op.depthwise else op.weight.shape[0]
    return (
        f"{name}({filters}, {_call('kernel', op.kernel)}, {_call('stride', op.stride)}, "
        f"{_call('dilation', op.dilation)}, PADDING_{op.padding.upper()}, "
        f"&{ident}_w, &{ident}_b)"
    )


def _constructor(graph: QGraph, node: QNode, ident: str, sources: list[str]) -> str:
    def hook(call: str) -> str:
        return f"model.hook({call}, {sources[0]})"

    match node.op:
        case QInput() as op:
            return f"Input({_call('shape', shape3d(op.shape))}, nnom_input_data)"
        case QOutput():
            size = math.prod(node.shape)
            shape = (size, 1, 1) if len(node.shape) == 1 else shape3d(node.shape)
            return hook(f"Output({_call('shape', shape)}, nnom_output_data)")
        case QConv() as op:
            return hook(_convolution(op, ident))
        case QDense() as op:
            return hook(f"Dense({len(op.weight)}, &{ident}_w, &{ident}_b)")
        case QActivation() as op:
            return hook(f"Activation({act_constructor(op, op.dec)})")
        case Pool() as op:
            return hook(
                f"{_POOLS[op.kind]}({_call('kernel', op.size)}, {_call('stride', op.stride)}, "
                f"PADDING_{op.padding.upper()})"
            )
        case GlobalPool() as op:
            return hook(f"Global{_POOLS[op.kind]}()")
        case ZeroPadding() | Cropping() as op:
            return hook(f"{type(op).__name__}({_call('border', op.border)})")
        case UpSample() as op:
            return hook(f"UpSample({_call('kernel', op.factor)})")
        case Concat() as op:
            axis = op.axis - len(graph.by_name[node.inputs[0]].shape)
            return mergex(f"Concat({axis})", sources)
        case Merge() as op:
            return mergex(f"{op.kind.value.capitalize()}({op.output_shift})", sources)
        case Flatten():
            return hook("Flatten()")
        case QSoftmax() as op:
            return hook("SoftmaxBaseTwo()" if op.base_two else "Softmax()")
        case Copy():
            return hook("Lambda(NULL, NULL, NULL, NULL)")
        case Reshape() | QRnn():
            raise AssertionError(f"{node.name}: _problem() names it")
        case never:
            assert_never(never)
