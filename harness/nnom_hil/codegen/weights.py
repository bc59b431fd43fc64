"""weights.h: a quantised graph in NNoM's form, by default the struct API's (NNOM_COMPAT.md 5.3)."""

import math
from collections.abc import Sequence
from typing import assert_never

import numpy as np

from nnom_hil.codegen.layer_api import layer_api_header
from nnom_hil.codegen.layouts import Api, DenseOrder, HeaderOptions, Layout, channel_first
from nnom_hil.codegen.names import c_identifiers
from nnom_hil.codegen.pieces import (
    SET_DEC_GUARD,
    act_constructor,
    float_literal,
    input_function,
    mergex,
    set_dec,
    values,
)
from nnom_hil.codegen.portable import portable
from nnom_hil.codegen.streams import bias_of, interleave_dense, interleave_q7_q15
from nnom_hil.errors import ModelError
from nnom_hil.model.graph import (
    ActivationKind,
    Cropping,
    Flatten,
    GlobalPool,
    Pool,
    Reshape,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.qgraph import (
    CellKind,
    Concat,
    Copy,
    Int8,
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
)
from nnom_hil.text import printable

__all__ = ["weights_h"]

_CELLS = {
    CellKind.SIMPLE: "simple_rnn_cell",
    CellKind.GRU: "gru_cell",
    CellKind.LSTM: "lstm_cell",
}
# What NNoM's own library always does, and ours when it is told: macro that only ours has, member.
_BASE_TWO = ("NNOM_SOFTMAX_BASE_TWO", ".base = NNOM_SOFTMAX_BASE_TWO")
_TIME_ORDER = ("NNOM_RNN_TIME_ORDER", ".time_order = true")
_CREATE_ON_HEAP_ABOVE = 32  # layers: the pointer array leaves the stack, as NNoM's converter does


def weights_h(graph: QGraph, *, provenance: str, options: HeaderOptions | None = None) -> str:
    """Return the header's text; same graph, provenance and options, same bytes.

    provenance: who made it from what, one line of plain text. Raises ModelError when the layer API
    or NNoM's own library cannot hold the model.
    """
    options = options or HeaderOptions()
    if options.portable:
        graph = portable(graph)
    if options.layout is Layout.CHW:
        if options.portable:
            raise ModelError("portable headers are channel-last: NNoM's other layout has faults")
        graph = channel_first(graph)
    safe = printable(provenance).replace("*/", "* /").replace("\n", " ")
    comment = f"/* {safe} Do not edit. */"
    if options.api is Api.LAYER:
        return layer_api_header(graph, options, comment)
    return _Header(graph, comment, options).text()


def _needs(graph: QGraph) -> dict[str, str]:
    """Return what of a graph only our library has, by the macro that tells."""
    ops = [node.op for node in graph.nodes]
    needs = {}
    if any(isinstance(op, QDense) and op.is_per_unit for op in ops):
        needs["NNOM_DENSE_PER_AXIS"] = "dense layers with a weight format per unit"
    if any(isinstance(op, QConv) and op.pad_value for op in ops):
        needs["NNOM_CONV_PAD_VALUE"] = "images padded with other values than zero"
    return needs


class _Header:
    """One header in the making: the lines, and what the layers are called in C."""

    def __init__(self, graph: QGraph, comment: str, options: HeaderOptions) -> None:
        self.graph = graph
        self.comment = comment
        self.options = options
        names = [n for node in graph.nodes for n in (node.name, node.tail_name) if n]
        self.ident = c_identifiers(names)
        self.lines: list[str] = []

    def text(self) -> str:
        """Return the whole file."""
        dense = [node.op for node in self.graph.nodes if isinstance(node.op, QDense)]
        guards = self.options.guards(
            has_dense=any(not op.is_per_unit for op in dense),
            needs=_needs(self.graph),
        )
        self.lines = [self.comment, '#include "nnom.h"', "", *guards, ""]
        if any(isinstance(node.op, Merge) and node.op.halvings for node in self.graph.nodes):
            self.lines += [*SET_DEC_GUARD, ""]
        for node in self.graph.nodes:
            self._weight_macros(node)
        for node in self.graph.nodes[:-1]:
            self._format_macros(node)
        for node in self.graph.nodes:
            self._scale_macro(node)
        self.lines.append("")
        for node in self.graph.nodes:
            self._objects(node)
        self.lines += ["#define NNOM_MODEL_VERSION (10000*0 + 100*4 + 3)", ""]
        self._create()
        return "\n".join(self.lines) + "\n"

    def _define(self, name: str, value: str | int) -> None:
        self.lines.append(f"#define {name} {value}")

    # -- macros: values, formats, shifts

    def _weight_macros(self, node: QNode) -> None:
        op = node.op
        if isinstance(op, QRnn):
            self._rnn_macros(node, op)
            return
        if not isinstance(op, QConv | QDense):
            return
        weight, bias = self._tensor_names(node)
        stream = op.weight
        interleaved = self.options.dense_order is DenseOrder.INTERLEAVED
        if isinstance(op, QDense) and interleaved and not op.is_per_unit:
            stream = interleave_dense(op.weight)
        upper = self.ident[node.name].upper()
        self._define(weight.upper(), values(stream))
        self._define(f"{weight.upper()}_DEC_BITS", values(op.weight_dec))
        self._define(bias.upper(), values(bias_of(op)))
        self._define(f"{bias.upper()}_DEC_BITS", values(op.bias_dec))
        self._define(f"{upper}_BIAS_LSHIFT", values(op.bias_shift))
        self._define(f"{upper}_OUTPUT_RSHIFT", values(op.output_shift))
        self.lines.append("")

    def _rnn_macros(self, node: QNode, op: QRnn) -> None:
        interleave = interleave_dense if op.kind is CellKind.SIMPLE else interleave_q7_q15
        for name, stream, dec in zip(
            self._rnn_tensors(node, op),
            (interleave(op.weight), interleave(op.recurrent), self._rnn_bias(op)),
            (op.weight_dec, op.recurrent_dec, op.bias_dec),
            strict=True,
        ):
            self._define(name.upper(), values(stream))
            self._define(f"{name.upper()}_DEC_BITS", values([dec]))
        self.lines.append("")

    def _rnn_tensors(self, node: QNode, op: QRnn) -> list[str]:
        stem = f"tensor_{self.ident[node.name]}_{_CELLS[op.kind]}"
        return [f"{stem}_{part}_0" for part in ("kernel", "recurrent_kernel", "bias")]

    @staticmethod
    def _rnn_bias(op: QRnn) -> Int8:
        return np.zeros(len(op.weight), np.int8) if op.bias is None else op.bias

    def _tensor_names(self, node: QNode) -> tuple[str, str]:
        stem = "depthwise_kernel" if isinstance(node.op, QConv) and node.op.depthwise else "kernel"
        ident = self.ident[node.name]
        return f"tensor_{ident}_{stem}_0", f"tensor_{ident}_bias_0"

    def _format_macros(self, node: QNode) -> None:
        for name, dec in ((node.name, node.dec), (node.tail_name, node.dec)):
            if name:
                upper = self.ident[name].upper()
                self._define(f"{upper}_OUTPUT_DEC", dec)
                self._define(f"{upper}_OUTPUT_OFFSET", 0)

    def _scale_macro(self, node: QNode) -> None:
        """NNoM scales an advanced ReLU's limits by the integer bits instead of the fraction's."""
        act = node.op if isinstance(node.op, QActivation) else node.tail
        if self.options.portable and act is not None and act.kind is ActivationKind.ADV_RELU:
            self.lines += [
                "#if defined(NNOM_COMPAT_043) && !NNOM_COMPAT_043",
                f"#define {self._scale_of(node)} 1.0f",
                "#else",
                f"#define {self._scale_of(node)} {float_literal(2.0 ** (2 * act.dec - 7))}",
                "#endif",
            ]

    def _scale_of(self, node: QNode) -> str:
        return f"{self.ident[node.name].upper()}_LIMIT_SCALE"

    # -- constant objects

    def _tensor(
        self, name: str, data: str, dim: Sequence[int], dec: str, *, per_axis: bool = False
    ) -> None:
        axis = "PER_AXIS" if per_axis else "PER_TENSOR"
        self.lines += [
            f"const nnom_shape_data_t {name}_dim[] = {values(dim)};",
            f"const nnom_qformat_param_t {name}_dec[] = {dec};",
            f"const nnom_qformat_param_t {name}_offset[] = {{0}};",
            f"const nnom_tensor_t {name} = {{",
            f"    .p_data = (void*){data},",
            f"    .dim = (nnom_shape_data_t*){name}_dim,",
            f"    .q_dec = (nnom_qformat_param_t*){name}_dec,",
            f"    .q_offset = (nnom_qformat_param_t*){name}_offset,",
            f"    .qtype = NNOM_QTYPE_{axis},",
            f"    .num_dim = {len(dim)},",
            "    .bitwidth = 8",
            "};",
        ]

    def _config(
        self,
        node: QNode,
        kind: str,
        members: Sequence[str] = (),
        guarded: tuple[str, str] | None = None,
    ) -> None:
        ident = self.ident[node.name]
        body = [f'.super = {{.name = "{ident}"}}', *members]
        self._struct(f"nnom_{kind}_config_t {ident}_config", body, guarded)

    def _struct(
        self, declaration: str, members: Sequence[str], guarded: tuple[str, str] | None = None
    ) -> None:
        """Write a structure. guarded: a macro, and a last member for libraries that define it."""
        macro, member = guarded or ("", "")
        ends = [*[","] * (len(members) - 1), "," if macro else ""]
        self.lines += [
            f"const {declaration} = {{",
            *(f"    {line}{end}" for line, end in zip(members, ends, strict=True)),
            *([f"#ifdef {macro}", f"    {member},", "#endif"] if macro else []),
            "};",
            "",
        ]

    def _objects(self, node: QNode) -> None:
        ident = self.ident[node.name]
        match node.op:
            case QInput() as op:
                self._input(node, op)
            case QOutput():
                self._output(node)
            case QConv() as op:
                self._conv(node, op)
            case QDense() as op:
                self._parameters(node, op.weight.shape[::-1], per_axis=op.is_per_unit)
                per_axis = [".per_axis = true"] if op.is_per_unit else []
                self._config(node, "dense", [*self._parameter_members(node), *per_axis])
            case Pool() as op:
                self._pool(node, op)
            case GlobalPool() as op:
                self._config(node, "global_pool", [f".output_shift = {op.output_shift}"])
            case ZeroPadding() as op:
                self._config(node, "zero_padding", [f".pad = {values(op.border)}"])
            case Cropping() as op:
                self._config(node, "cropping", [f".pad = {values(op.border)}"])
            case UpSample() as op:
                self._config(node, "upsample", [f".kernel = {values(op.factor)}"])
            case Reshape() as op:
                target = f"{ident}_targeted_shape"
                self.lines.append(f"const nnom_shape_data_t {target}[] = {values(op.shape)};")
                members = [
                    f".dim = (nnom_shape_data_t*){target}",
                    f".num_dim = {len(op.shape)}",
                ]
                self._config(node, "reshape", members)
            case Flatten():
                self._config(node, "flatten")
            case QSoftmax() as op:
                self._config(node, "softmax", guarded=_BASE_TWO if op.base_two else None)
            case Concat() as op:
                # counted from the end: NNoM reads positive axes as Keras', with the batch
                axis = op.axis - len(self.graph.by_name[node.inputs[0]].shape)
                self._config(node, "concat", [f".axis = {axis}"])
            case Merge() as op:
                self._config(node, "matrix", [f".output_shift = {op.output_shift}"])
            case QRnn() as op:
                self._rnn(node, op)
            case QActivation() | Copy():
                pass
            case never:
                assert_never(never)

    def _pool(self, node: QNode, op: Pool) -> None:
        kernel, stride = (values(s if op.dims == 2 else s[1:]) for s in (op.size, op.stride))
        members = [
            f".padding_type = PADDING_{op.padding.upper()}",
            f".output_shift = {op.output_shift}",
            f".kernel_size = {kernel}",
            f".stride_size = {stride}",
            f".num_dim = {op.dims}",
        ]
        self._config(node, "pool", members)

    def _output(self, node: QNode) -> None:
        source = self.graph.by_name[node.inputs[0]]
        self.lines.append(f"static int8_t nnom_output_data[{node.size}] = {{0}};")
        dec = f"{{{self._dec_macro(source)}}}"
        shape = node.shape[1:] if node.shape[0] == 1 and len(node.shape) > 1 else node.shape
        self._tensor("tensor_output0", "nnom_output_data", shape, dec)
        self._config(node, "io", [".tensor = (nnom_tensor_t*)&tensor_output0"])

    def _input(self, node: QNode, op: QInput) -> None:
        ident, size = self.ident[node.name], math.prod(op.shape)
        # the shape as the model has it: what users' programs read from the header
        self.lines.append(f"static int8_t nnom_input_data[{size}] = {{0}};")
        self._tensor(f"tensor_{ident}", "nnom_input_data", op.shape, values([op.dec]))
        self._config(node, "io", [f".tensor = (nnom_tensor_t*)&tensor_{ident}"])
        self.lines += input_function(op, size)

    def _dec_macro(self, node: QNode) -> str:
        return f"{self.ident[node.tail_name or node.name].upper()}_OUTPUT_DEC"

    def _parameters(self, node: QNode, shape: Sequence[int], *, per_axis: bool) -> None:
        weight, bias = self._tensor_names(node)
        ident = self.ident[node.name]
        assert isinstance(node.op, QConv | QDense)
        for name, dims in ((weight, shape), (bias, (bias_of(node.op).size,))):
            self.lines.append(f"const int8_t {name}_data[] = {name.upper()};")
            dec = f"{name.upper()}_DEC_BITS"
            self._tensor(name, f"{name}_data", dims, dec, per_axis=per_axis)
        for what, macro in (("output_shift", "OUTPUT_RSHIFT"), ("bias_shift", "BIAS_LSHIFT")):
            self.lines.append(
                f"const nnom_qformat_param_t {ident}_{what}[] = {ident.upper()}_{macro};"
            )

    def _parameter_members(self, node: QNode) -> list[str]:
        weight, bias = self._tensor_names(node)
        ident = self.ident[node.name]
        return [
            ".qtype = NNOM_QTYPE_PER_TENSOR",
            f".weight = (nnom_tensor_t*)&{weight}",
            f".bias = (nnom_tensor_t*)&{bias}",
            f".output_shift = (nnom_qformat_param_t *)&{ident}_output_shift",
            f".bias_shift = (nnom_qformat_param_t *)&{ident}_bias_shift",
        ]

    def _conv(self, node: QNode, op: QConv) -> None:
        if op.depthwise:
            shape: tuple[int, ...] = op.weight.shape
            filters = shape[3]
        else:
            filters, kh, kw, channels = op.weight.shape
            shape = (kh, kw, filters, channels) if op.transposed else (kh, kw, channels, filters)
        self._parameters(node, shape[2 - op.dims :], per_axis=len(op.weight_dec) > 1)
        sizes = (op.kernel, op.stride, op.dilation)
        kernel, stride, dilation = (values(s[2 - op.dims :]) for s in sizes)
        members = [
            *self._parameter_members(node),
            f".filter_size = {filters}",
            f".kernel_size = {kernel}",
            f".stride_size = {stride}",
            ".padding_size = {0, 0}",
            f".dilation_size = {dilation}",
            f".padding_type = PADDING_{op.padding.upper()}",
            *([f".pad_value = {op.pad_value}"] if op.pad_value else []),
        ]
        self._config(node, "conv2d", members)

    def _rnn(self, node: QNode, op: QRnn) -> None:
        names = self._rnn_tensors(node, op)
        rows, features = op.weight.shape
        shapes = ((features, rows), (op.units, rows), self._rnn_bias(op).shape)
        for name, shape in zip(names, shapes, strict=True):
            self.lines.append(f"const int8_t {name}_data[] = {name.upper()};")
            self._tensor(name, f"{name}_data", shape, f"{name.upper()}_DEC_BITS")
        decs = {"h": op.h_dec, "z": op.z_dec, "c": op.c_dec}
        decs |= {"iw": op.input_product_dec, "hw": op.state_product_dec}
        used = {CellKind.SIMPLE: ("iw", "hw", "h"), CellKind.GRU: ("z", "h")}
        members = [
            f'.super = {{.name = "{self.ident[node.name]}"}}',
            f".weights = (nnom_tensor_t*)&{names[0]}",
            f".recurrent_weights = (nnom_tensor_t*)&{names[1]}",
            f".bias = (nnom_tensor_t*)&{names[2]}",
            *(f".q_dec_{k} = {decs[k]}" for k in used.get(op.kind, ("z", "h", "c"))),
            *([f".act_type = ACT_{op.activation.upper()}"] if op.kind is CellKind.SIMPLE else []),
            f".units = {op.units}",
        ]
        ident, kind = self.ident[node.name], op.kind.value
        self._struct(f"nnom_{kind}_cell_config_t {ident}_{kind}_cell_config", members)
        flags = ("return_sequence", "stateful", "go_backwards")
        members = [f".{f} = {str(getattr(op, f)).lower()}" for f in flags]
        self._config(node, "rnn", members, guarded=_TIME_ORDER if op.time_order else None)

    # -- the function that puts it together

    def _create(self) -> None:
        graph = self.graph
        index: dict[str, int] = {}
        body: list[str] = []
        for node in graph.nodes:
            index[node.name] = len(index)
            i = index[node.name]
            sources = [f"layer[{index[name]}]" for name in node.inputs]
            call = self._constructor(node, sources)
            if isinstance(node.op, Merge) and node.op.halvings:
                call = set_dec(call, node)
            body.append(f"\tlayer[{i}] = {call};")
            if node.tail is not None:
                act = self._activation(node, node.tail, self._dec_before_tail(node))
                body.append(f"\tlayer[{i}] = model.active({act}, layer[{i}]);")
        count = len(index)
        on_heap = count > _CREATE_ON_HEAP_ABOVE
        if on_heap:
            declare = [
                f"\tnnom_layer_t** layer = malloc(sizeof(nnom_layer_t *) * {count});",
                "\tif(NULL == layer) return NULL;",
            ]
        else:
            declare = [f"\tnnom_layer_t* layer[{count}];"]
        self.lines += [
            "static nnom_model_t* nnom_model_create(void)",
            "{",
            "\tstatic nnom_model_t model;",
            *declare,
            "",
            "\tcheck_model_version(NNOM_MODEL_VERSION);",
            "\tnew_model(&model);",
            "",
            *body,
            f"\tmodel_compile(&model, layer[0], layer[{count - 1}]);",
            *(["\tfree(layer);"] if on_heap else []),
            "\treturn &model;",
            "}",
        ]

    def _constructor(self, node: QNode, sources: Sequence[str]) -> str:
        ident = self.ident[node.name]
        config = f"&{ident}_config"
        match node.op:
            case QInput():
                return f"input_s({config})"
            case QConv() as op:
                plain = "conv2d_trans_s" if op.transposed else "conv2d_s"
                name = "dw_conv2d_s" if op.depthwise else plain
            case Concat():
                return mergex(f"concat_s({config})", sources)
            case Merge() as op:
                return mergex(f"{op.kind.value}_s({config})", sources)
            case QRnn() as op:
                cell = f"{op.kind.value}_cell_s(&{ident}_{op.kind.value}_cell_config)"
                return f"model.hook(rnn_s({cell}, {config}), {sources[0]})"
            case Copy():
                return f"model.hook(Lambda(NULL, NULL, NULL, NULL), {sources[0]})"
            case Pool() as op:
                name = f"{op.kind.value}pool_s"
            case GlobalPool() as op:
                name = f"global_{op.kind.value}pool_s"
            case QActivation() as op:
                act = self._activation(node, op, op.dec)
                return f"model.hook(Activation({act}), {sources[0]})"
            case (
                QDense() | ZeroPadding() | Cropping() | UpSample() | Reshape() | Flatten()
                | QSoftmax() | QOutput()
            ) as op:  # fmt: skip
                name = f"{type(op).__name__.removeprefix('Q').lower()}_s"
            case never:
                assert_never(never)
        return f"model.hook({name}({config}), {sources[0]})"

    def _dec_before_tail(self, node: QNode) -> int:
        return node.tail.dec if node.tail is not None else node.dec

    def _activation(self, node: QNode, op: QActivation, dec: int) -> str:
        return act_constructor(op, dec, self._scale_of(node) if self.options.portable else "")
