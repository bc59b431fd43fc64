"""What a firmware may do to the input before the network sees it; tried on the target's bytes."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from nnom_hil.explanations import Cause
from nnom_hil.model.qgraph import Int8, shape3d

__all__ = ["input_suspects"]


def input_suspects(sent: Int8, shape: tuple[int, ...]) -> Iterator[tuple[Cause, str, Int8]]:
    """Yield cause, words and bytes of what the first layer may give instead of what was sent.

    sent: (n, inputs), the bytes that the network should see. shape: the input's.
    """
    h, w, c = shape3d(shape)
    image = sent.reshape(len(sent), h, w, c)
    flat = sent.reshape(len(sent), -1)
    wrong = Cause.PREPROCESSING

    yield wrong, "unsigned bytes are taken for signed ones (x ^ 0x80)", flat ^ -128
    yield from _scaled(flat)
    if c > 1:
        yield from _reordered(image, flat)
    yield from _turned(image, flat)
    for width in (2, 4):
        if flat.shape[1] % width == 0:
            swapped = flat.reshape(len(flat), -1, width)[:, :, ::-1].reshape(flat.shape)
            words = f"the bytes of each {8 * width}-bit word are swapped"
            yield Cause.BYTE_ORDER, words, swapped
    yield wrong, "its sign is wrong", _saturated(-flat.astype(np.int64))
    yield wrong, "it is inverted (~x)", ~flat
    yield wrong, "it is 0 throughout: it never reaches the network", np.zeros_like(flat)
    if len(flat) > 1:
        always = np.broadcast_to(flat[0], flat.shape)
        yield wrong, "it is always the first vector's: it is written once", always


def _saturated(values: npt.NDArray[np.int64]) -> Int8:
    return values.clip(-128, 127).astype(np.int8)


def _scaled(flat: Int8) -> Iterator[tuple[Cause, str, Int8]]:
    again = Cause.INPUT_SCALE
    for n in range(1, 8):
        yield again, f"it is scaled again: x / {2**n}, rounded down", flat >> n
        toward_zero = np.sign(flat) * (np.abs(flat.astype(np.int64)) >> n)
        yield again, f"it is scaled again: x / {2**n}", toward_zero.astype(np.int8)
        wide = flat.astype(np.int64) << n
        yield again, f"it is scaled again: x * {2**n}", _saturated(wide)
        wrapped = wide.astype(np.int8)
        yield again, f"it is scaled again and wraps round: x * {2**n}", wrapped


def _reordered(image: Int8, flat: Int8) -> Iterator[tuple[Cause, str, Int8]]:
    _, h, w, c = image.shape
    first = flat.reshape(-1, c, h, w)
    for words, other in (
        ("its channels are in reverse order, as BGR is to RGB", image[..., ::-1]),
        ("its channels come first in memory (CHW), not last", image.transpose(0, 3, 1, 2)),
        ("channels last are read as channels first", first.transpose(0, 2, 3, 1)),
    ):
        yield Cause.CHANNEL_ORDER, words, np.ascontiguousarray(other).reshape(flat.shape)


def _turned(image: Int8, flat: Int8) -> Iterator[tuple[Cause, str, Int8]]:
    _, h, w, c = image.shape
    if h > 1 and w > 1:
        yield (
            Cause.PREPROCESSING,
            "rows and columns are swapped",
            (np.ascontiguousarray(image.reshape(-1, w, h, c).swapaxes(1, 2)).reshape(flat.shape)),
        )
    for axis, size, words in ((1, h, "upside down"), (2, w, "mirrored")):
        if size > 1:
            yield (
                Cause.PREPROCESSING,
                f"it is {words}",
                (np.ascontiguousarray(np.flip(image, axis)).reshape(flat.shape)),
            )
