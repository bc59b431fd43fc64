"""What test vectors and labels show against the float model: pure, by trying what people do.

Each way of spoiling data is undone, and the float model asked again. Where its answers become
right that were wrong, more often than chance allows, that is what was done to the data.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnom_hil.explanations import Cause, Confidence, Finding

__all__ = ["DataEvidence", "Variant", "data_findings", "variants"]

Floats = npt.NDArray[np.floating]
Change = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
Predict = Callable[[npt.NDArray[np.float32]], Floats]
_GAIN = 0.15
"""Share of right answers that a change must gain before it is told."""
_SIGMAS = 4.0
_HARDLY = 0.5
_PERIODS = (255.0, 256.0, 128.0, 127.5)
_RANGES = 20.0


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A way to undo what may have been done to data. was: what was done; undo: what mends it.

    spoil: does it to data that is right, None where that is what apply does.
    """

    cause: Cause
    was: str
    undo: str
    apply: Change
    spoil: Change | None = None

    @property
    def spoiling(self) -> Change:
        """What does it to data that is right."""
        return self.apply if self.spoil is None else self.spoil


@dataclass(frozen=True, kw_only=True)
class DataEvidence:
    """x (n, *shape) and classes (n,), None without; predict: the float model's outputs (n, c).

    calibration: inputs of their own that formats were chosen by, None where x served. right: which
    answers are right, from outputs.
    """

    x: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64] | None
    predict: Predict
    right: Callable[[Floats], npt.NDArray[np.bool_]] | None
    calibration: npt.NDArray[np.float32] | None = None


def data_findings(found: DataEvidence) -> list[Finding]:
    """Return what was done to inputs and labels, if anything tells of it."""
    result: list[Finding] = []
    base = None
    if found.right is not None and len(found.x):
        outputs = found.predict(found.x)
        base = found.right(outputs)
        if found.labels is not None and outputs.shape[1] > 1:
            result += _label_order(outputs, found.labels)
        if not result:
            result += _undone(found, base)
    if not result and found.calibration is not None:
        result += _other_range(found.x, found.calibration)
    if not result and base is not None and base.mean() < _HARDLY:
        result.append(_hardly_right(base))
    return result


def _undone(found: DataEvidence, base: npt.NDArray[np.bool_]) -> Iterator[Finding]:
    if base.mean() > 1 - _GAIN:  # nothing can gain enough
        return
    best: tuple[float, Variant] | None = None
    for variant in variants(found.x):
        x = variant.apply(found.x)
        if x.shape != found.x.shape or not np.isfinite(x).all():
            continue
        assert found.right is not None
        right = found.right(found.predict(x))
        if _is_gain(base, right) and (best is None or right.mean() > best[0] + 0.005):
            best = float(right.mean()), variant
    if best is None:
        return
    share, variant = best
    yield Finding(
        cause=variant.cause,
        confidence=Confidence.CERTAIN if share >= 0.9 else Confidence.LIKELY,
        layer=None,
        says=f"the vectors are not what the model was trained on: {variant.was}",
        evidence=(
            f"the float model answers {base.mean():.2%} of {len(base)} vectors rightly as they "
            f"are, and {share:.2%} after {variant.undo}",
            f"the vectors lie from {found.x.min():.6g} to {found.x.max():.6g}",
        ),
        remedy=f"do the same in --data and in the firmware as in training: {variant.undo}",
    )


def _is_gain(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> bool:
    """Whether answers became right that were wrong, more often than chance lets them (McNemar)."""
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    enough = after.mean() - before.mean() >= _GAIN
    return bool(enough and gained - lost >= _SIGMAS * np.sqrt(gained + lost))


def variants(x: npt.NDArray[np.float32]) -> list[Variant]:
    """Return what to try on inputs (n, *shape), what people do most often first."""
    return [*_scales(x), *_orders(x.shape[1:]), *_bytes(x), *_inversions(x)]


def _scales(x: npt.NDArray[np.float32]) -> Iterator[Variant]:
    lines: list[tuple[str, str, float, float]] = []  # what was done, and x * factor + offset
    for period in _PERIODS:
        by = f"{period:g}"
        lines += [
            (f"they are {by} times too small, as values that were scaled twice are",
             f"x * {by}", period, 0.0),
            (f"they are {by} times too large, as values that were not scaled are",
             f"x / {by}", 1 / period, 0.0),
        ]  # fmt: skip
    lines += [
        ("they lie around 0 where training had them from 0 on", "(x + 1) / 2", 0.5, 0.5),
        ("they lie from 0 to 1 where training had them around 0", "2 * x - 1", 2.0, -1.0),
        ("bytes of 0 to 255 where training had -1 to 1", "x / 127.5 - 1", 1 / 127.5, -1.0),
        ("values of -1 to 1 where training had 0 to 255", "(x + 1) * 127.5", 127.5, 127.5),
        ("unsigned bytes where training had signed ones", "x - 128", 1.0, -128.0),
        ("signed bytes where training had unsigned ones", "x + 128", 1.0, 128.0),
    ]
    for was, undo, factor, offset in lines:
        yield Variant(
            cause=Cause.INPUT_SCALE,
            was=was,
            undo=undo,
            apply=_line(factor, offset),
            spoil=_line(1 / factor, -offset / factor),
        )
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, np.float32(1))
    yield Variant(
        cause=Cause.INPUT_SCALE,
        was="they are not standardised",
        undo="(x - mean) / standard deviation, by element",
        apply=lambda v: ((v - mean) / spread).astype(np.float32),
        spoil=lambda v: (v * spread + mean).astype(np.float32),
    )


def _line(factor: float, offset: float) -> Change:
    def change(v: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return (v * np.float32(factor) + np.float32(offset)).astype(np.float32)

    return change


def _orders(shape: tuple[int, ...]) -> Iterator[Variant]:
    channels = shape[-1] if shape else 1
    if len(shape) > 1 and 2 <= channels <= 8:
        yield Variant(
            cause=Cause.CHANNEL_ORDER,
            was="their channels are in reverse order, as BGR is to RGB",
            undo="x[..., ::-1]",
            apply=lambda v: np.ascontiguousarray(v[..., ::-1]),
        )
        for a in range(channels):
            for b in range(a + 1, channels):
                order = list(range(channels))
                order[a], order[b] = b, a
                yield Variant(
                    cause=Cause.CHANNEL_ORDER,
                    was=f"their channels {a} and {b} are swapped",
                    undo=f"x[..., {order}]",
                    apply=lambda v, o=order: np.ascontiguousarray(v[..., o]),  # type: ignore[misc]
                )
    if len(shape) == 3 and channels > 1:
        h, w, c = shape
        yield Variant(
            cause=Cause.CHANNEL_ORDER,
            was="their channels come first in memory (CHW), the model has them last (HWC)",
            undo=f"x.reshape(-1, {c}, {h}, {w}).transpose(0, 2, 3, 1)",
            apply=lambda v: np.ascontiguousarray(v.reshape(-1, c, h, w).transpose(0, 2, 3, 1)),
            spoil=lambda v: np.ascontiguousarray(v.transpose(0, 3, 1, 2)).reshape(v.shape),
        )
    if len(shape) >= 2 and (shape[0] > 1 or shape[1] > 1):
        yield from _turned(shape)


def _turned(shape: tuple[int, ...]) -> Iterator[Variant]:
    h, w, *rest = shape
    yield Variant(
        cause=Cause.PREPROCESSING,
        was="rows and columns are swapped",
        undo="the transposed x",
        apply=lambda v: np.ascontiguousarray(v.reshape(-1, w, h, *rest).swapaxes(1, 2)),
        spoil=lambda v: np.ascontiguousarray(v.swapaxes(1, 2)).reshape(v.shape),
    )
    for axis, was in ((1, "they are upside down"), (2, "they are mirrored")):
        yield Variant(
            cause=Cause.PREPROCESSING,
            was=was,
            undo=f"numpy.flip(x, {axis})",
            apply=lambda v, a=axis: np.ascontiguousarray(np.flip(v, a)),  # type: ignore[misc]
        )


def _bytes(x: npt.NDArray[np.float32]) -> Iterator[Variant]:
    """Yield other orders of bytes of the types that the values may have come in."""
    whole = bool((x == np.round(x)).all()) and float(np.abs(x).max(initial=0)) > 255
    for kind in (np.int16, np.uint16, np.int32) if whole else ():
        limits = np.iinfo(kind)
        if limits.min <= x.min() and x.max() <= limits.max:
            yield Variant(
                cause=Cause.BYTE_ORDER,
                was=f"the bytes of their {np.dtype(kind).itemsize * 8}-bit numbers are swapped",
                undo=f"x.astype('{np.dtype(kind)}').byteswap()",
                apply=lambda v, k=kind: v.astype(k).byteswap().astype(np.float32),  # type: ignore[misc]
            )
    yield Variant(
        cause=Cause.BYTE_ORDER,
        was="the bytes of their 32-bit floats are swapped",
        undo="x.byteswap()",
        apply=lambda v: v.byteswap(),
    )


def _inversions(x: npt.NDArray[np.float32]) -> Iterator[Variant]:
    low, high = float(x.min(initial=0)), float(x.max(initial=0))
    yield Variant(
        cause=Cause.PREPROCESSING,
        was="dark is bright: they are inverted",
        undo=f"{low + high:g} - x",
        apply=lambda v: (np.float32(low + high) - v).astype(np.float32),
    )
    yield Variant(
        cause=Cause.PREPROCESSING,
        was="their sign is wrong",
        undo="-x",
        apply=lambda v: -v,
    )


def _label_order(outputs: Floats, labels: npt.NDArray[np.int64]) -> Iterator[Finding]:
    """Say if the float model's answers are right but for the names of the classes."""
    classes = outputs.shape[1]
    said = outputs.argmax(axis=1)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, said), 1)
    order = permutation_of(confusion)
    if order is None:
        return
    before, after = said == labels, said == order[labels]
    if not _is_gain(before, after):
        return
    yield label_finding(order, float(before.mean()), float(after.mean()), len(labels), "the float "
                        "model")  # fmt: skip


def permutation_of(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Return which class each label is, from confusion[label][said]; None where that is no other
    order: the identity, or one that is said of two labels.

    Labels that do not occur are what is left over.
    """
    classes = len(confusion)
    order = np.where(confusion.any(axis=1), confusion.argmax(axis=1), -1)
    known = order[order >= 0]
    if len(set(known.tolist())) < len(known):
        return None
    left = sorted(set(range(classes)) - set(known.tolist()))
    for label in np.flatnonzero(order < 0):
        order[label] = label if label in left else left[0]
        left.remove(int(order[label]))
    return None if (order == np.arange(classes)).all() else order


def label_finding(
    order: npt.NDArray[np.int64], before: float, after: float, count: int, who: str
) -> Finding:
    """Return what is said of labels in another order; order[label]: the class that it is."""
    moved = np.flatnonzero(order != np.arange(len(order)))
    pairs = ", ".join(f"{label} is {order[label]}" for label in moved[:12])
    return Finding(
        cause=Cause.LABEL_ORDER,
        confidence=Confidence.CERTAIN if after >= 0.9 else Confidence.LIKELY,
        says=f"labels and outputs count the classes in different orders: {_named(order)}",
        evidence=(
            f"{who} gives {before:.2%} of {count} labels as they are, and {after:.2%} when labels "
            "are renamed one to one",
            f"of {len(order)} labels {len(moved)} mean another output: {pairs}"
            + (" ..." if len(moved) > 12 else ""),
        ),
        remedy="make the labels with the list of classes that training had, in its order",
    )


def _named(order: npt.NDArray[np.int64]) -> str:
    n = len(order)
    places = np.arange(n)
    text = np.array(sorted(range(n), key=str))
    for known, words in (
        (text, "labels are sorted as text (0, 1, 10, 2 ...)"),
        (np.argsort(text), "outputs are sorted as text (0, 1, 10, 2 ...)"),
        (places[::-1], "one order is the other's reverse"),
        ((places + 1) % n, "labels are one too small"),
        ((places - 1) % n, "labels are one too large"),
    ):
        if (order == known).all():
            return words
    moved = np.flatnonzero(order != places)
    if len(moved) == 2:
        return f"labels {moved[0]} and {moved[1]} are swapped"
    return f"{len(moved)} labels have other places"


def _hardly_right(base: npt.NDArray[np.bool_]) -> Finding:
    """Remark that the float model is mostly wrong: no target can be better."""
    return Finding(
        cause=Cause.UNKNOWN,
        confidence=Confidence.POSSIBLE,
        is_fault=False,
        says=f"the float model itself answers only {base.mean():.2%} rightly",
        evidence=(
            f"{int(base.sum())} of {len(base)} answers are the labels; no other scaling, order or "
            "names of classes that were tried make it more",
        ),
        remedy="compare with training: other data, labels of another set, or a model that was not "
        "trained",
    )


def _other_range(x: Floats, calibration: Floats) -> Iterator[Finding]:
    """Say if vectors lie in quite another range than the inputs that formats were chosen by."""
    spread, before = (float(np.percentile(np.abs(v), 99.9)) for v in (x, calibration))
    if not spread or not before or 1 / _RANGES < spread / before < _RANGES:
        return
    yield Finding(
        cause=Cause.INPUT_SCALE,
        confidence=Confidence.LIKELY,
        says="vectors and calibration data lie in different ranges",
        evidence=(
            f"99.9 % of the vectors' magnitudes are below {spread:.6g}, of the calibration "
            f"data's below {before:.6g}: {max(spread / before, before / spread):.0f} times as much",
        ),
        remedy="scale both as in training, once",
    )
