"""What a layer may do instead of what it should: ways that are tried against the target's bytes.

Each suspect is given the target's own inputs of the layer, so that faults before it do not matter,
and computes exactly what the layer would give if that were wrong. One whose bytes are the target's
is the cause.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.layouts import stored_order
from nnom_hil.codegen.streams import interleaved_order
from nnom_hil.explanations import Cause
from nnom_hil.model.graph import MergeKind, Padding, Pool, PoolKind
from nnom_hil.model.qgraph import (
    Int8,
    Merge,
    QActivation,
    QConv,
    QDense,
    QNode,
    QRnn,
    QSoftmax,
    shape3d,
)
from nnom_hil.model.reference import layer_sums, run_layer, run_tail
from nnom_hil.model.windows import same_pad

__all__ = ["Suspect", "View", "suspects"]

Int64 = npt.NDArray[np.int64]
_MOST_CHANNELS: Final = 64
_SHIFTS: Final = range(31)


@dataclass(frozen=True, kw_only=True)
class View:
    """One layer as the target ran it.

    sources: the target's inputs of it, (n, *shape) each; decs: their fraction bits; got: what it
    gave, (n, *shape). interleaved: dense weights are stored four rows at a time. before: the
    shapes of the layers that its only input came through, nearest first.
    """

    node: QNode
    sources: list[Int8]
    decs: list[int]
    got: Int8
    compat: bool = False
    interleaved: bool = True
    before: tuple[tuple[int, ...], ...] = ()

    @property
    def right(self) -> Int8:
        """What it should have given."""
        return run_layer(self.node, self.sources, self.decs, compat=self.compat)

    def tail(self, y: Int8) -> Int8:
        """Return what the layer's activation makes of y."""
        return run_tail(self.node, y, self.decs, compat=self.compat)

    def run(self, node: QNode) -> Int8:
        """Return what another layer gives in its place."""
        return run_layer(node, self.sources, self.decs, compat=self.compat)


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A way to be wrong. says: in words, behind the layer's name. gives: the bytes that it leads
    to. node: the layer that gives them, where another layer of the graph's kinds does.
    """

    cause: Cause
    says: str
    gives: Int8
    node: QNode | None = None


def suspects(view: View) -> Iterator[Suspect]:
    """Yield what is tried on a layer, the likeliest first; those that cannot be are left out."""
    op = view.node.op
    if isinstance(op, QConv | QDense | Merge):
        yield from _endings(view)
    if isinstance(op, QConv | QDense):
        yield from _shifts(view, op)
        yield from _filters(view, op)
        yield from _streams(view, op)
        yield from _cut_off(view, op)
        yield from _inputs(view, op)
    if isinstance(op, QConv):
        yield from _paddings(view, op)
    if isinstance(op, Pool):
        yield from _pools(view, op)
    if isinstance(op, Merge):
        yield from _merges(view, op)
    yield from _other_formats(view)
    yield from _results(view)


# ---- how sums become bytes


def _endings(view: View) -> Iterator[Suspect]:
    products, bias, shift = layer_sums(view.node, view.sources, compat=view.compat)
    half = (np.int64(1) << np.asarray(shift)) >> 1
    sums = products + bias + half
    wrapped = (sums >> shift).astype(np.int8)  # the low byte
    yield Suspect(
        cause=Cause.OVERFLOW,
        says="its results wrap round beyond the ends of int8 where they should saturate",
        gives=view.tail(wrapped),
    )
    yield Suspect(
        cause=Cause.OVERFLOW,
        says="its sums are kept in 16 bits and wrap round",
        gives=view.tail(_sat8(sums.astype(np.int16).astype(np.int64) >> shift)),
    )
    stay16 = np.clip(sums, -(1 << 15), (1 << 15) - 1)
    yield Suspect(
        cause=Cause.OVERFLOW,
        says="its sums are kept in 16 bits, at whose ends they stay",
        gives=view.tail(_sat8(stay16 >> shift)),
    )
    yield Suspect(
        cause=Cause.ROUNDING,
        says="its results are cut off, not rounded (NNOM_TRUNCATE)",
        gives=view.tail(_sat8((sums - half) >> shift)),
    )
    toward_zero = np.sign(sums - half) * (np.abs(sums - half) >> shift)
    yield Suspect(
        cause=Cause.ROUNDING,
        says="its results are cut off toward zero",
        gives=view.tail(_sat8(toward_zero)),
    )
    if np.any(bias):
        yield Suspect(
            cause=Cause.DAMAGED_WEIGHTS,
            says="its bias is left out",
            gives=view.tail(_sat8((products + half) >> shift)),
            node=_without_bias(view.node),
        )
        yield Suspect(
            cause=Cause.KERNEL,
            says="its bias is subtracted",
            gives=view.tail(_sat8((products - bias + half) >> shift)),
        )
    if view.node.tail is not None:
        yield Suspect(
            cause=Cause.OTHER_NETWORK,
            says="its activation is left out",
            gives=_sat8(sums >> shift),
            node=replace(view.node, tail=None),
        )


def _without_bias(node: QNode) -> QNode:
    assert isinstance(node.op, QConv | QDense)
    return replace(node, op=replace(node.op, bias=None))


def _sat8(values: npt.NDArray[np.int64]) -> Int8:
    return values.clip(-128, 127).astype(np.int8)


def _shifts(view: View, op: QConv | QDense) -> Iterator[Suspect]:
    """Find the shift of each channel, of outputs first and of biases then, that gives its bytes."""
    products, bias, shift = layer_sums(view.node, view.sources, compat=view.compat)
    channels = view.node.shape[-1]
    if np.size(shift) not in (1, channels):
        return
    now = np.broadcast_to(shift, (channels,))
    whole = np.size(shift) == 1

    def output(s: int) -> Int8:
        half = (1 << s) >> 1
        return view.tail(_sat8((products + bias + half) >> s))

    found = _by_channel(view, output, now, whole=whole)
    if found is not None:
        yield _shift_suspect(view, op, "output", now, found)
    if op.bias is None:
        return
    before = np.broadcast_to(np.array(op.bias_shift), (channels,))

    def biased(s: int) -> Int8:
        assert op.bias is not None
        half = (np.int64(1) << np.asarray(shift)) >> 1
        return view.tail(_sat8((products + (op.bias.astype(np.int64) << s) + half) >> shift))

    found = _by_channel(view, biased, before, whole=whole)
    if found is not None:
        yield _shift_suspect(view, op, "bias", before, found)


def _by_channel(view: View, at: Callable[[int], Int8], now: Int64, *, whole: bool) -> Int64 | None:
    """Return the shift of each channel that gives the target's bytes; None where one has none.

    whole: all channels share it. The one that should be is kept where it fits.
    """
    channels = len(now)
    got = view.got.reshape(-1, channels)
    fits = np.array([(at(s).reshape(-1, channels) == got).all(axis=0) for s in _SHIFTS])
    if whole:
        common = np.flatnonzero(fits.all(axis=1))
        return None if not len(common) else np.full(channels, common[0])
    if not fits.any(axis=0).all():
        return None
    nearest = [min(np.flatnonzero(fits[:, c]), key=lambda s, c=c: abs(s - now[c]))  # type: ignore[misc]
               for c in range(channels)]  # fmt: skip
    return np.array(nearest, dtype=np.int64)


def _shift_suspect(view: View, op: QConv | QDense, what: str, now: Int64, found: Int64) -> Suspect:
    other = np.flatnonzero(found != now)
    name = f"{what}_shift"
    given = tuple(int(s) for s in found[: len(getattr(op, name))])
    changed: Any = {name: given}
    node = replace(view.node, op=replace(op, **changed))
    if len(other) == len(now):
        steps = found - now
        by = f"{steps[0]:+d}" if (steps == steps[0]).all() else "by several amounts"
        says = f"its {what} shift is {found[0]} where the model has {now[0]} ({by})"
    elif len(other):
        c = int(other[0])
        says = f"the {what} shift of channel {c} is {found[c]} where the model has {now[c]}" + (
            f", and {len(other) - 1} others are wrong" if len(other) > 1 else ""
        )
    else:
        says = f"its {what} shift is right"
    return Suspect(cause=Cause.WRONG_SHIFT, says=says, gives=view.run(node), node=node)


# ---- which weights


def _filters(view: View, op: QConv | QDense) -> Iterator[Suspect]:
    """Find output channels that are others', results whole or weights alone."""
    axis = None if isinstance(op, QConv) and op.depthwise else 0
    channels = view.node.shape[-1]
    right = view.right.reshape(-1, channels)
    got = view.got.reshape(-1, channels)
    places = {right[:, c].tobytes(): c for c in reversed(range(channels))}
    order = [
        c if (right[:, c] == got[:, c]).all() else places.get(got[:, c].tobytes())
        for c in range(channels)
    ]
    known = [c for c in order if c is not None]
    if len(known) == channels and known != list(range(channels)):
        yield Suspect(
            cause=Cause.SWAPPED_CHANNELS,
            says=f"its output channels are in another order: {_moved(known)}",
            gives=np.ascontiguousarray(view.right[..., np.array(known)]),
        )
    if axis is None or channels > _MOST_CHANNELS or (isinstance(op, QConv) and op.transposed):
        return
    taken = np.arange(channels)
    fits = (right == got).all(axis=0)
    for step in range(1, channels):
        rolled = view.run(
            replace(view.node, op=replace(op, weight=np.roll(op.weight, step, axis=0)))
        ).reshape(-1, channels)
        hit = ~fits & (rolled == got).all(axis=0)
        taken[hit] = (np.flatnonzero(hit) - step) % channels
        fits |= hit
    if fits.all() and (taken != np.arange(channels)).any():
        node = replace(view.node, op=replace(op, weight=op.weight[taken]))
        yield Suspect(
            cause=Cause.SWAPPED_CHANNELS,
            says=f"its channels have each other's weights: {_moved(taken.tolist())}",
            gives=view.run(node),
            node=node,
        )


def _moved(order: Sequence[int]) -> str:
    moved = [f"{place} is {c}" for place, c in enumerate(order) if place != c]
    return ", ".join(moved[:8]) + (" ..." if len(moved) > 8 else "")


def _inputs(view: View, op: QConv | QDense) -> Iterator[Suspect]:
    """Try the channels of the input in other orders."""
    if isinstance(op, QDense):
        yield from _flattened(view, op)
        return
    channels = shape3d(view.sources[0].shape[1:])[2]
    axis = 2 if op.depthwise else 3
    if channels < 2 or channels > _MOST_CHANNELS:
        return
    orders = [list(range(channels))[::-1]]
    if channels <= 16:
        for a in range(channels):
            for b in range(a + 1, channels):
                order = list(range(channels))
                order[a], order[b] = b, a
                orders.append(order)
    for order in orders:
        weight = np.ascontiguousarray(np.take(op.weight, order, axis=axis))
        node = replace(view.node, op=replace(op, weight=weight))
        yield Suspect(
            cause=Cause.SWAPPED_CHANNELS,
            says=f"it takes the channels of its input in another order: {_moved(list(order))}",
            gives=view.run(node),
            node=node,
        )


def _flattened(view: View, op: QDense) -> Iterator[Suspect]:
    """Try the orders in which an image in front of a dense layer can be flattened."""
    for shape in view.before:
        if len(shape) < 2 or int(np.prod(shape)) != op.weight.shape[1]:
            continue
        order = stored_order(shape)
        for columns, was in (
            (order, "its weights are for channels first (CHW), the data has them last"),
            (np.argsort(order), "its weights are for channels last, the data is flattened CHW"),
        ):
            node = replace(
                view.node, op=replace(op, weight=np.ascontiguousarray(op.weight[:, columns]))
            )
            yield Suspect(cause=Cause.DENSE_ORDER, says=was, gives=view.run(node), node=node)


def _stream_order(view: View, op: QConv | QDense) -> Int64:
    """Return which weight, by its place in op.weight, lies where in the firmware's memory."""
    if isinstance(op, QDense) and view.interleaved and not op.is_per_unit:
        return interleaved_order(op)
    return np.arange(op.weight.size)


def _streams(view: View, op: QConv | QDense) -> Iterator[Suspect]:
    """Try other orders of the weights' bytes in memory."""
    order = _stream_order(view, op)
    flat = op.weight.ravel()

    def stored(says: str, cause: Cause, stream: Int8) -> Suspect:
        weight = np.empty_like(flat)
        weight[order] = stream
        node = replace(view.node, op=replace(op, weight=weight.reshape(op.weight.shape)))
        return Suspect(cause=cause, says=says, gives=view.run(node), node=node)

    stream = flat[order]
    for width in (4, 2, 8):
        whole = len(stream) - len(stream) % width
        swapped = stream.copy()
        swapped[:whole] = stream[:whole].reshape(-1, width)[:, ::-1].ravel()
        yield stored(
            f"the bytes of each {8 * width}-bit word of its weights are swapped",
            Cause.BYTE_ORDER,
            swapped,
        )
    yield stored("its weights lie backwards in memory", Cause.BYTE_ORDER, stream[::-1].copy())
    if isinstance(op, QDense):
        inter = interleaved_order(op)
        for says, other in (
            ("its weights are stored row by row, and read as interleaved (DENSE_WEIGHT_OPT)",
             flat),
            ("its weights are interleaved, and read row by row (DENSE_WEIGHT_OPT)", flat[inter]),
            ("its weights are stored input by input, as Keras has them",
             op.weight.T.ravel()),
        ):  # fmt: skip
            if not np.array_equal(other, stream):
                yield stored(says, Cause.DENSE_ORDER, other)
        return
    for axes in permutations(range(4)):
        if axes != (0, 1, 2, 3):
            yield stored(
                f"its weights are stored in another order of axes: {axes} of "
                "(filters, rows, columns, channels)",
                Cause.WEIGHT_ORDER,
                np.ascontiguousarray(op.weight.transpose(axes)).ravel(),
            )
    for says, weight in _turned(op):
        node = replace(view.node, op=replace(op, weight=np.ascontiguousarray(weight)))
        yield Suspect(cause=Cause.WEIGHT_ORDER, says=says, gives=view.run(node), node=node)


def _turned(op: QConv) -> Iterator[tuple[str, Int8]]:
    rows, columns = (0, 1) if op.depthwise else (1, 2)
    kh, kw = op.kernel
    if kh * kw > 1:
        yield "its kernels are turned by 180 degrees", np.flip(op.weight, (rows, columns))
    if kh == kw > 1:
        yield "its kernels' rows and columns are swapped", op.weight.swapaxes(rows, columns)


def _cut_off(view: View, op: QConv | QDense) -> Iterator[Suspect]:
    """Try weights whose end is missing: erased flash is 0xFF, memory that was never written 0."""
    order = _stream_order(view, op)
    flat = op.weight.ravel()
    channels = view.node.shape[-1]
    got = view.got.reshape(-1, channels)
    wrong = ~(view.right.reshape(-1, channels) == got).all(axis=0)
    for fill in (-1, 0):

        def cut(at: int, fill: int = fill) -> QNode:
            weight = flat.copy()
            weight[order[at:]] = fill
            return replace(view.node, op=replace(op, weight=weight.reshape(op.weight.shape)))

        at = _where_cut(view, order, np.flatnonzero(wrong), op, cut)
        if at is None:
            continue
        node = cut(at)
        yield Suspect(
            cause=Cause.TRUNCATED_FLASH,
            says=f"its weights end after {at} of {flat.size} bytes, all behind is "
            f"0x{fill & 0xFF:02X}",
            gives=view.run(node),
            node=node,
        )


def _where_cut(
    view: View,
    order: npt.NDArray[np.int64],
    wrong: npt.NDArray[np.intp],
    op: QConv | QDense,
    cut: Callable[[int], QNode],
) -> int | None:
    """Return after how many bytes the weights may be cut off; None where no place fits.

    The first channel that is wrong is where it is: what lies before is whole, and what lies
    behind is gone.
    """
    if not len(wrong) or (isinstance(op, QConv) and op.depthwise):
        return None
    per_channel = op.weight.size // op.weight.shape[0]
    first = int(wrong[0])
    own = np.flatnonzero(order // per_channel == first)  # places in memory of that channel
    one = replace(view, sources=[s[:1] for s in view.sources], got=view.got[:1])
    target = one.got[..., first]
    for at in own:
        node = cut(int(at))
        if not (one.run(node)[..., first] == target).all():
            continue
        if (view.run(node) == view.got).all():
            return int(at)
    return None


# ---- layers of other kinds


def _paddings(view: View, op: QConv) -> Iterator[Suspect]:
    for value in {0, -128, op.pad_value} - {op.pad_value}:
        node = replace(view.node, op=replace(op, pad_value=value))
        yield Suspect(
            cause=Cause.PADDING,
            says=f"cells around its image hold {value} where they should hold {op.pad_value}",
            gives=view.run(node),
            node=node,
        )
    if op.transposed:
        return
    h, w, _ = shape3d(view.sources[0].shape[1:])
    now = same_pad((h, w), op.kernel, op.padding, op.stride, op.dilation, compat=view.compat)
    reach = [(k - 1) * d for k, d in zip(op.kernel, op.dilation, strict=True)]
    for top in range(reach[0] + 1):
        for left in range(reach[1] + 1):
            if (top, left) == now or (op.padding is Padding.VALID and top + left == 0):
                continue
            products, bias, shift = layer_sums(
                view.node, view.sources, compat=view.compat, pad=(top, left)
            )
            half = (np.int64(1) << np.asarray(shift)) >> 1
            yield Suspect(
                cause=Cause.PADDING,
                says=f"its image has {top} rows and {left} columns of padding in front where it "
                f"should have {now[0]} and {now[1]}",
                gives=view.tail(_sat8((products + bias + half) >> shift)),
            )


def _pools(view: View, op: Pool) -> Iterator[Suspect]:
    for kind in PoolKind:
        if kind is not op.kind:
            node = replace(view.node, op=replace(op, kind=kind))
            yield Suspect(
                cause=Cause.OTHER_NETWORK,
                says=f"it takes the {kind.name.lower()} of its windows, not the "
                f"{op.kind.name.lower()}",
                gives=view.run(node),
                node=node,
            )
    if op.kind is PoolKind.AVERAGE and op.padding is Padding.SAME:
        x = view.sources[0]
        image = x.reshape(len(x), *shape3d(x.shape[1:]))
        top, left = same_pad(image.shape[1:3], op.size, op.padding, op.stride)
        rows, columns, _ = shape3d(view.node.shape)
        ends = [
            max(0, (n - 1) * s + k - size - before)
            for n, s, k, size, before in zip(
                (rows, columns), op.stride, op.size, image.shape[1:3], (top, left), strict=True
            )
        ]
        padded = np.pad(image, ((0, 0), (top, ends[0]), (left, ends[1]), (0, 0)))
        whole = replace(view.node, op=replace(op, padding=Padding.VALID))
        yield Suspect(
            cause=Cause.PADDING,
            says="it counts the cells of its padding in its averages",
            gives=run_layer(whole, [padded], view.decs, compat=view.compat),
        )


def _merges(view: View, op: Merge) -> Iterator[Suspect]:
    for kind in MergeKind:
        if kind is not op.kind:
            node = replace(view.node, op=replace(op, kind=kind))
            yield Suspect(
                cause=Cause.OTHER_NETWORK,
                says=f"it computes {kind.value}, not {op.kind.value}",
                gives=view.run(node),
                node=node,
            )
    if op.kind is MergeKind.SUB and len(view.sources) == 2:
        yield Suspect(
            cause=Cause.SWAPPED_CHANNELS,
            says="its inputs are swapped",
            gives=run_layer(view.node, view.sources[::-1], view.decs[::-1], compat=view.compat),
        )
    now = op.output_shift
    for shift in _SHIFTS:
        if shift != now:
            node = replace(view.node, op=replace(op, output_shift=shift))
            yield Suspect(
                cause=Cause.WRONG_SHIFT,
                says=f"its output shift is {shift} where the model has {now} ({shift - now:+d})",
                gives=view.run(node),
                node=node,
            )


def _other_formats(view: View) -> Iterator[Suspect]:
    """Try other formats of what a layer takes: functions look at them, sums do not."""
    for step in (1, -1, 2, -2, 3, -3, 4, -4):
        decs = [dec + step for dec in view.decs]
        op, tail = view.node.op, view.node.tail
        node = replace(
            view.node,
            op=replace(op, dec=op.dec + step) if isinstance(op, QActivation) else op,
            tail=None if tail is None else replace(tail, dec=tail.dec + step),
            dec=view.node.dec + step,
        )
        yield Suspect(
            cause=Cause.WRONG_SHIFT,
            says=f"it takes its input for {step:+d} fraction bits of what it has",
            gives=run_layer(node, view.sources, decs, compat=view.compat),
        )


def _results(view: View) -> Iterator[Suspect]:
    """Try what may become of the bytes of any layer behind it."""
    right = view.right
    if not view.compat:
        yield Suspect(
            cause=Cause.COMPAT,
            says="it gives what NNoM 0.4.3 gives, faults included",
            gives=run_layer(view.node, view.sources, view.decs, compat=True),
        )
    if isinstance(view.node.op, QSoftmax):
        again = replace(view.node, tail=None)
        yield Suspect(
            cause=Cause.DOUBLE_SOFTMAX,
            says="it takes the softmax of its own result",
            gives=run_layer(again, [right], [7], compat=view.compat),
        )
    if len(right.shape) > 1 and right.shape[-1] > 1 and not isinstance(view.node.op, QRnn):
        yield Suspect(
            cause=Cause.SWAPPED_CHANNELS,
            says="its output channels are in reverse order",
            gives=np.ascontiguousarray(right[..., ::-1]),
        )
    for fill, words in ((0, "is 0 throughout"), (-1, "is 0xFF throughout")):
        if not (right == fill).all():
            yield Suspect(
                cause=Cause.CONSTANT_OUTPUT,
                says=f"its result {words}: it is never written, or something else is written there",
                gives=np.full_like(right, fill),
            )
