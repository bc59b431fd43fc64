"""Where a target leaves the reference, and why: pure, from what its layers gave.

A layer is at fault where it gives other bytes than the reference does on the target's own inputs
of it. What comes behind such a layer is wrong, too, and at no fault.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from nnom_hil.diagnosis.contents import Contents, HeldLayer, held_layers
from nnom_hil.diagnosis.inputs import input_suspects
from nnom_hil.diagnosis.suspects import Suspect, View, suspects
from nnom_hil.explanations import Cause, Confidence, Finding
from nnom_hil.model.graph import Padding, Pool
from nnom_hil.model.qgraph import Int8, QConv, QDense, QGraph, QInput, QNode, QRnn
from nnom_hil.model.reference import run_all_layers, run_layer
from nnom_hil.model.windows import output_length

__all__ = [
    "Alone",
    "Difference",
    "PrintedLayer",
    "TargetEvidence",
    "compare_layers",
    "culprits",
    "explained_by",
    "target_findings",
    "view_of",
]

_FEW_BYTES: Final = 8
_NEARLY_ALL: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class PrintedLayer:
    """A line of the compile log."""

    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Alone:
    """A layer as a network of its own, with the target's input of it. differs: with the same
    kernels; elsewhere: what it was also built with, and whether it differs there.
    """

    layer: str
    differs: bool
    elsewhere: Mapping[str, bool]


@dataclass(frozen=True, kw_only=True)
class TargetEvidence:
    """What a target gave for vectors x (n, inputs).

    tensors: (n, *shape) by layer; those that were not fetched are not there. sizes: bytes that a
    layer gave, where they are not the model's. printed: the compile log's layers, right: what it
    should be. model_hash: what the firmware says it holds. contents: the image's. answers: how
    many of all vectors' outputs differ, and of how many. trouble: what ended it, in words.
    """

    graph: QGraph
    x: Int8
    tensors: Mapping[str, Int8]
    sizes: Mapping[str, int]
    compat: bool = False
    interleaved: bool = True
    printed: Sequence[PrintedLayer] = ()
    right: Sequence[PrintedLayer] = ()
    model_hash: str | None = None
    contents: Contents | None = None
    alone: Alone | None = None
    answers: tuple[int, int] = (0, 0)
    trouble: str | None = None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One layer's bytes against the reference's. own: that differ with the target's own inputs.

    first: where the first of own is, its index, the reference's byte and the target's.
    """

    different: int
    own: int
    compared: int
    first: tuple[int, int, int] | None = None


def view_of(found: TargetEvidence, node: QNode) -> View | None:
    """Return a layer as the target ran it; None where its inputs or outputs are not known."""
    tensors, by_name = found.tensors, found.graph.by_name
    if node.name not in tensors or any(name not in tensors for name in node.inputs):
        return None
    decs = found.graph.library_decs(compat=found.compat)
    before, at = [], node
    while len(at.inputs) == 1:
        at = by_name[at.inputs[0]]
        before.append(at.shape)
        if at.size != by_name[node.inputs[0]].size:
            break
    return View(
        node=node,
        sources=[tensors[name] for name in node.inputs],
        decs=[decs[name] for name in node.inputs],
        got=tensors[node.name],
        compat=found.compat,
        interleaved=found.interleaved,
        before=tuple(before),
    )


def compare_layers(found: TargetEvidence) -> dict[str, Difference]:
    """Return how each layer that was fetched differs, by name, in run order."""
    reference = _reference(found)
    result = {}
    for node in found.graph.nodes:
        if node.name not in found.tensors:
            continue
        got = found.tensors[node.name]
        expected = reference[node.name]
        own = expected if isinstance(node.op, QInput) else _own(found, node)
        wrong = np.flatnonzero((got != own).ravel()) if own is not None else np.empty(0, np.int64)
        first = None
        if own is not None and len(wrong):
            place = int(wrong[0])
            first = place % node.size, int(own.ravel()[place]), int(got.ravel()[place])
        result[node.name] = Difference(
            different=int((got != expected).sum()),
            own=len(wrong),
            compared=got.size,
            first=first,
        )
    return result


def _reference(found: TargetEvidence) -> dict[str, Int8]:
    """Return the reference's layers; each vector is the first that a recurrent layer sees."""
    x = found.x.reshape(-1, *found.graph.input.shape)
    if not found.graph.is_stateful:
        return run_all_layers(found.graph, x, compat=found.compat)
    parts = [run_all_layers(found.graph, x[i : i + 1], compat=found.compat) for i in range(len(x))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _own(found: TargetEvidence, node: QNode) -> Int8 | None:
    view = view_of(found, node)
    if view is None:
        return None
    if not (isinstance(node.op, QRnn) and node.op.stateful):
        return view.right
    return np.concatenate(
        [
            run_layer(node, [s[i : i + 1] for s in view.sources], view.decs, compat=view.compat)
            for i in range(len(view.got))
        ]
    )


def culprits(found: TargetEvidence) -> list[QNode]:
    """Return the layers that are at fault, in run order."""
    differences = compare_layers(found)
    return [n for n in found.graph.nodes if n.name in differences and differences[n.name].own]


def explained_by(found: TargetEvidence, node: QNode) -> list[Suspect]:
    """Return the suspects that give all of a layer's bytes, likeliest first."""
    view = view_of(found, node)
    if view is None:
        return []
    return [s for s in suspects(view) if np.array_equal(s.gives, view.got)]


def target_findings(found: TargetEvidence) -> list[Finding]:
    """Return why a target does not answer as the reference does; empty where it does."""
    whole = _whole(found)
    if whole:
        return whole
    differences = compare_layers(found)
    guilty = culprits(found)
    if not guilty:
        return _without_layers(found)
    if isinstance(guilty[0].op, QInput):
        return [_input_finding(found, differences[guilty[0].name])]
    held = {}
    if found.contents is not None:
        held = held_layers(found.graph, found.contents, interleaved=found.interleaved)
    explained = {node.name: explained_by(found, node) for node in guilty}
    stale = _stale(found, guilty, explained, held, differences)
    if stale is not None:
        return [stale]
    return _merged(found, guilty, explained, held, differences)


# ---- what concerns the whole firmware


def _whole(found: TargetEvidence) -> list[Finding]:
    result = []
    if found.contents is not None and found.contents.is_cut:
        result.append(_cut_image(found, found.contents))
    if found.trouble is not None:
        if result:
            seen = (*result[0].evidence, f"the target: {found.trouble}")
            return [result[0].model_copy(update={"evidence": seen})]
        return [
            Finding(
                cause=Cause.TARGET,
                confidence=Confidence.POSSIBLE,
                says="the target does not run the model",
                evidence=(found.trouble,),
                remedy="docs/trouble.md says what each message means",
            )
        ]
    wanted = found.graph.content_hash
    if found.model_hash is not None and found.model_hash != wanted:
        return [*result, _other_hash(found, found.model_hash, wanted)]
    if (other := _other_network(found)) is not None:
        return [*result, other]
    return result


def _cut_image(found: TargetEvidence, contents: Contents) -> Finding:
    held = held_layers(found.graph, contents, interleaved=found.interleaved)
    gone = [layer for layer in held.values() if layer.missing]
    through = [layer for layer in gone if layer.missing < layer.total]
    evidence = [
        f"the file has {contents.file_bytes} bytes, its own headers tell of "
        f"{contents.needed_bytes}: {contents.needed_bytes - contents.file_bytes} are missing"
    ]
    if gone:
        named = ", ".join(f"{x.layer} {x.missing} of {x.total} bytes" for x in gone[:6])
        evidence.append(f"weights, biases and shifts that are not there: {named}")
    first = next(iter([*through, *gone]), None)
    where = ""
    if first is not None:
        where = f", {'within' if through else 'before'} the weights of {first.layer}"
    return Finding(
        cause=Cause.TRUNCATED_FLASH,
        confidence=Confidence.CERTAIN,
        layer=None if first is None else first.layer,
        says=f"the image is not whole: its file ends early{where}",
        evidence=tuple(evidence),
        remedy="copy or build the image again, and flash all of it",
    )


def _other_hash(found: TargetEvidence, told: str, wanted: str) -> Finding:
    evidence = [f"the firmware says it holds model {told[:16]}, this one is {wanted[:16]}"]
    if found.answers[1]:
        evidence.append(f"{found.answers[0]} of {found.answers[1]} outputs differ")
    return Finding(
        cause=Cause.STALE_WEIGHTS,
        confidence=Confidence.CERTAIN,
        says="the firmware was built from another model, or from this one before it changed",
        evidence=tuple(evidence),
        remedy="convert the model again, build and flash the firmware",
        command=("nnom-hil", "build"),
    )


def _other_network(found: TargetEvidence) -> Finding | None:
    """Say where the layers that the firmware printed are not the model's."""
    printed, right = list(found.printed), list(found.right)
    if not printed or printed == right:
        return None
    at = next(
        (i for i, (a, b) in enumerate(zip(printed, right, strict=False)) if a != b),
        min(len(printed), len(right)),
    )
    node = found.graph.nodes[min(at, len(right) - 1)]
    shown = _line(printed[at]) if at < len(printed) else "the end"
    wanted = _line(right[at]) if at < len(right) else "the end"
    evidence = [
        f"the compile log has {len(printed)} layers, the model {len(right)}; #{at + 1} is {shown}, "
        f"expected {wanted}"
    ]
    cause, says = Cause.OTHER_NETWORK, f"the firmware's network is another from layer #{at + 1} on"
    sure = Confidence.CERTAIN
    types = [layer.type for layer in printed]
    if at < len(printed) and printed[at].type == "Softmax" and printed[at - 1].type == "Softmax":
        cause = Cause.DOUBLE_SOFTMAX
        says = "the firmware takes the softmax of a softmax"
        node = found.graph.nodes[at - 1]
        evidence.append(f"{types.count('Softmax')} layers Softmax follow each other")
    elif (
        at < min(len(printed), len(right))
        and printed[at].type == right[at].type
        and (why := _as_padded(found.graph, node, printed[at].shape)) is not None
    ):
        cause, says = Cause.PADDING, f"layer {node.name} is padded otherwise than in the model"
        evidence.append(why)
    return Finding(
        cause=cause,
        confidence=sure,
        layer=node.name,
        says=says,
        evidence=tuple(evidence),
        remedy="take the header that convert writes as it is, and build again",
    )


def _line(layer: PrintedLayer) -> str:
    return f"{layer.type} {'×'.join(map(str, layer.shape))}"


def _as_padded(graph: QGraph, node: QNode, shape: tuple[int, ...]) -> str | None:
    """Return what padding gives that shape."""
    if not isinstance(node.op, QConv | Pool):
        return None
    op = node.op
    kernel = op.kernel if isinstance(op, QConv) else op.size
    dilation = op.dilation if isinstance(op, QConv) else (1, 1)
    source = (1, 1, 1, *graph.by_name[node.inputs[0]].shape)[-3:]
    for padding in Padding:
        made = tuple(
            output_length(source[i], kernel[i], padding, op.stride[i], dilation[i]) for i in (0, 1)
        )
        if padding is not op.padding and shape[-3:-1] == made[-len(shape[-3:-1]) :]:
            return (
                f"padding {padding.value} gives this shape, the model has {op.padding.value}: "
                f"PADDING_{padding.value.upper()} in weights.h"
            )
    return None


def _without_layers(found: TargetEvidence) -> list[Finding]:
    """Say of a target whose outputs differ though no layer that was fetched does."""
    different, total = found.answers
    if found.sizes:
        name, size = next(iter(found.sizes.items()))
        node = found.graph.by_name[name]
        return [
            Finding(
                cause=Cause.OTHER_NETWORK,
                confidence=Confidence.CERTAIN,
                layer=name,
                says=f"layer {name} has another size on the target",
                evidence=(f"it gives {size} bytes, the model {node.size}",),
                remedy="take the header that convert writes as it is, and build again",
            )
        ]
    if not different:
        return []
    return [
        Finding(
            cause=Cause.MEMORY if found.tensors else Cause.UNKNOWN,
            confidence=Confidence.POSSIBLE,
            says="outputs differ, and no layer does when it is looked at",
            evidence=(
                f"{different} of {total} outputs differ while vectors stream; run one at a time, "
                f"all {len(found.tensors)} layers give the reference's bytes",
            ),
            remedy="something outlives a run or is overwritten between runs: look for a stack or "
            "heap that overflows, an interrupt that writes, a cache that is not flushed",
        )
    ]


# ---- what concerns layers


def _input_finding(found: TargetEvidence, difference: Difference) -> Finding:
    got = found.tensors[found.graph.input.name].reshape(len(found.x), -1)
    sent = found.x.reshape(len(found.x), -1)
    base = _seen(found.graph.input, difference)
    for cause, says, gives in input_suspects(sent, found.graph.input.shape):
        if np.array_equal(gives, got):
            return Finding(
                cause=cause,
                confidence=Confidence.CERTAIN,
                layer=found.graph.input.name,
                says=f"the firmware changes the input before the network sees it: {says}",
                evidence=(base, f"that gives all {got.size} bytes of the input layer"),
                remedy="do in the firmware exactly what training did, once; nnom_quantise_input() "
                "in weights.h is the last step",
            )
    return Finding(
        cause=Cause.PREPROCESSING,
        confidence=Confidence.LIKELY,
        layer=found.graph.input.name,
        says="the network does not see the input that was sent",
        evidence=(base,),
        remedy="look at what writes nnom_input_data before model_run()",
    )


def _seen(node: QNode, difference: Difference) -> str:
    assert difference.first is not None
    place, right, got = difference.first
    return (
        f"{difference.own} of {difference.compared} bytes of {node.name} are not the reference's "
        f"on the target's own inputs; the first is at {place}: expected {right}, got {got}"
    )


def _has_weights(node: QNode) -> bool:
    return isinstance(node.op, QConv | QDense | QRnn)


def _stale(
    found: TargetEvidence,
    guilty: Sequence[QNode],
    explained: Mapping[str, Sequence[Suspect]],
    held: Mapping[str, HeldLayer],
    differences: Mapping[str, Difference],
) -> Finding | None:
    """Say if the firmware has another model's weights: most layers that have any are wrong."""
    heavy = [node for node in found.graph.nodes if _has_weights(node)]
    wrong = [node for node in guilty if _has_weights(node)]
    unknown = [node for node in wrong if not explained[node.name]]
    if len(wrong) < len(guilty) or not unknown:
        return None
    other = [held[n.name] for n in heavy if n.name in held and not held[n.name].is_right]
    first = unknown[0]
    evidence = [
        f"{len(wrong)} of {len(heavy)} layers with weights do not give the reference's bytes on "
        f"the target's own inputs, and none of the {len(found.tensors) - len(heavy)} without",
        _seen(first, differences[first.name]),
    ]
    if held:
        most = [h for h in other if h.different + h.missing >= _NEARLY_ALL * h.total]
        if len(most) < max(1, len(heavy) // 2):
            return None
        evidence.append(
            "bytes in the image that are not the model's: "
            + ", ".join(f"{h.layer} {h.different} of {h.total}" for h in other[:6])
        )
        if gives := [n for n in unknown if _gives(found, n, held.get(n.name))]:
            evidence.append(f"with the image's weights the reference gives the target's bytes in "
                            f"{len(gives)} of {len(unknown)} of these layers")  # fmt: skip
    elif len(wrong) < len(heavy) or len(wrong) < 2:
        return None
    return Finding(
        cause=Cause.STALE_WEIGHTS,
        confidence=Confidence.CERTAIN if held else Confidence.LIKELY,
        layer=wrong[0].name,
        says=f"the firmware has the weights of another model, from {wrong[0].name} on",
        evidence=tuple(evidence),
        remedy="convert the model again, build and flash the firmware",
        command=("nnom-hil", "build"),
    )


def _gives(found: TargetEvidence, node: QNode, held: HeldLayer | None) -> bool:
    """Whether the reference gives the target's bytes with the weights that the image holds."""
    view = view_of(found, node)
    if held is None or held.node is None or view is None:
        return False
    return np.array_equal(view.run(held.node), view.got)


def _merged(
    found: TargetEvidence,
    guilty: Sequence[QNode],
    explained: Mapping[str, Sequence[Suspect]],
    held: Mapping[str, HeldLayer],
    differences: Mapping[str, Difference],
) -> list[Finding]:
    """Return a finding for each cause, at the first layer that has it."""
    found_by_cause: dict[Cause, Finding] = {}
    others: dict[Cause, list[str]] = {}
    for node in guilty:
        finding = _layer_finding(
            found, node, explained[node.name], held.get(node.name), differences[node.name]
        )
        if finding.cause in found_by_cause:
            others.setdefault(finding.cause, []).append(node.name)
        else:
            found_by_cause[finding.cause] = finding
    result = []
    for cause, finding in found_by_cause.items():
        more = others.get(cause, [])
        evidence = finding.evidence
        if more:
            shown = ", ".join(more[:8]) + (" ..." if len(more) > 8 else "")
            what = "layer" if len(more) == 1 else "layers"
            evidence = (*evidence, f"the same of {len(more)} more {what}: {shown}")
        result.append(finding.model_copy(update={"evidence": evidence}))
    return result


def _layer_finding(
    found: TargetEvidence,
    node: QNode,
    explained: Sequence[Suspect],
    held: HeldLayer | None,
    difference: Difference,
) -> Finding:
    evidence = [_seen(node, difference)]
    if held is not None:
        evidence.append(_holds(held))
    if held is not None and held.erased is not None and held.different:
        return _erased(node, held, evidence)
    if held is not None and held.is_right:  # then no weights are at fault, whatever they'd explain
        explained = [s for s in explained if s.node is None or s.cause in _NOT_IN_WEIGHTS]
    if explained:
        return _certain(node, explained, difference, evidence)
    if held is not None and not held.is_right:
        return _other_weights(found, node, held, evidence)
    return _kernel(found, node, held, evidence)


_NOT_IN_WEIGHTS: Final = {
    Cause.PADDING, Cause.OTHER_NETWORK, Cause.DENSE_ORDER, Cause.WEIGHT_ORDER, Cause.BYTE_ORDER,
}  # fmt: skip
"""A kernel that reads right weights wrongly gives the same bytes."""


def _certain(
    node: QNode, explained: Sequence[Suspect], difference: Difference, evidence: list[str]
) -> Finding:
    first = explained[0]
    evidence.append(
        f"the reference with this one change gives all {difference.compared} bytes that the target "
        "gave"
    )
    causes = list(dict.fromkeys(s.cause for s in explained))
    sure = Confidence.CERTAIN
    if len(causes) > 1:
        sure = Confidence.LIKELY
        evidence.append(
            "so does: "
            + "; ".join(dict.fromkeys(s.says for s in explained[1:4] if s.cause is not first.cause))
        )
    if difference.own < _FEW_BYTES:
        sure = Confidence.LIKELY
    return Finding(
        cause=first.cause,
        confidence=sure,
        layer=node.name,
        says=f"layer {node.name}: {first.says}",
        evidence=tuple(evidence),
        remedy=_REMEDIES.get(first.cause, "convert the model again and build with the header as "
                                          "it is"),
    )  # fmt: skip


_REMEDIES: Final = {
    Cause.OVERFLOW: "build with a library that saturates (SSAT, __SSAT) and adds up in 32 bits",
    Cause.ROUNDING: "build the library without NNOM_TRUNCATE, or compare by what it does",
    Cause.COMPAT: "compare with --compat, or build on the library that comes with nnom-hil",
    Cause.DENSE_ORDER: "convert with the --dense-order and --layout that the library is built for",
    Cause.BYTE_ORDER: "write the image as bytes: no tool may swap words on the way to flash",
    Cause.TRUNCATED_FLASH: "flash all of the image, and verify it",
    Cause.PADDING: "take the header that convert writes as it is, on a library that pads as Keras",
    Cause.KERNEL: "look at the layer's kernel; the reproducer runs it alone",
}


def _holds(held: HeldLayer) -> str:
    what = f"{held.total} bytes of weights, biases and shifts"
    if held.is_right:
        return f"the image has its {what} as they should be"
    return f"{held.different + held.missing} of the image's {what} are not the model's"


def _erased(node: QNode, held: HeldLayer, evidence: list[str]) -> Finding:
    evidence.append(f"from byte {held.erased} on, its weights are 0xFF in the image: erased flash")
    return Finding(
        cause=Cause.TRUNCATED_FLASH,
        confidence=Confidence.CERTAIN,
        layer=node.name,
        says=f"layer {node.name}: its weights end after {held.erased} bytes, the rest is erased",
        evidence=tuple(evidence),
        remedy=_REMEDIES[Cause.TRUNCATED_FLASH],
    )


def _other_weights(
    found: TargetEvidence, node: QNode, held: HeldLayer, evidence: list[str]
) -> Finding:
    view = view_of(found, node)
    gives = (
        held.node is not None and view is not None
        and np.array_equal(view.run(held.node), view.got)
    )  # fmt: skip
    if gives:
        evidence.append("with the image's weights the reference gives the target's bytes")
    stuck = None if view is None else _stuck_channel(view)
    if stuck is not None:
        evidence.append(stuck[1])
        return Finding(
            cause=Cause.SATURATION,
            confidence=Confidence.CERTAIN if gives else Confidence.LIKELY,
            layer=node.name,
            says=f"channel {stuck[0]} of layer {node.name} is saturated on the target",
            evidence=tuple(evidence),
            remedy="convert the model again and build with the header as it is",
        )
    return Finding(
        cause=Cause.DAMAGED_WEIGHTS,
        confidence=Confidence.CERTAIN if gives else Confidence.LIKELY,
        layer=node.name,
        says=f"layer {node.name} has other weights in the firmware than in the model",
        evidence=tuple(evidence),
        remedy="convert the model again, build and flash the firmware",
    )


def _stuck_channel(view: View) -> tuple[int, str] | None:
    """Return a channel that the target has at an end of int8 throughout, where it should vary."""
    channels = view.got.shape[-1]
    got, right = view.got.reshape(-1, channels), view.right.reshape(-1, channels)
    for c in range(channels):
        value = int(got[0, c])
        if value in (-128, 127) and (got[:, c] == value).all() and (right[:, c] != value).any():
            low, high = int(right[:, c].min()), int(right[:, c].max())
            return c, (
                f"channel {c} is {value} in all {len(got)} places, where the reference has "
                f"{low} to {high}"
            )
    return None


def _kernel(
    found: TargetEvidence, node: QNode, held: HeldLayer | None, evidence: list[str]
) -> Finding:
    alone = found.alone if found.alone is not None and found.alone.layer == node.name else None
    cause, sure = Cause.UNKNOWN, Confidence.POSSIBLE
    says = f"layer {node.name} is the first that is wrong; nothing that was tried gives its bytes"
    remedy = "the reproducer runs this layer alone"
    stuck = (view := view_of(found, node)) is not None and _stuck_channel(view)
    if stuck:
        evidence.append(stuck[1])
    if alone is not None and alone.differs:
        cause, sure = Cause.KERNEL, Confidence.LIKELY
        evidence.append("alone, as a network of one layer on the same kernels, it differs too")
        right = [what for what, differs in alone.elsewhere.items() if not differs]
        wrong = [what for what, differs in alone.elsewhere.items() if differs]
        if right:
            sure = Confidence.CERTAIN
            evidence.append(f"built with {' and with '.join(right)}, it is right")
        if wrong:
            evidence.append(f"built with {' and with '.join(wrong)}, it is wrong, too")
        says = f"layer {node.name} is computed wrongly: its kernel, or what the compiler made of it"
        remedy = _REMEDIES[Cause.KERNEL]
    elif alone is not None:
        evidence.append("alone, as a network of one layer on the same kernels, it is right")
        if held is None and _has_weights(node):
            cause, says = (
                Cause.DAMAGED_WEIGHTS,
                (f"layer {node.name} has other weights in the firmware than in the model"),
            )
            remedy = "convert the model again, build and flash the firmware"
        else:
            cause, says = (
                Cause.MEMORY,
                (
                    f"layer {node.name} is right alone and wrong in the network: something writes "
                    "into its memory, or its weights"
                ),
            )
            remedy = "look for a stack or heap that overflows, and for buffers that overlap"
        sure = Confidence.LIKELY
    elif held is not None and held.is_right:
        cause, sure = Cause.KERNEL, Confidence.POSSIBLE
        says = f"layer {node.name} is computed wrongly though its weights are right"
    return Finding(
        cause=cause,
        confidence=sure,
        layer=node.name,
        says=says,
        evidence=tuple(evidence),
        remedy=remedy,
    )
