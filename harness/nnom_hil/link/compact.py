"""Compact encoding of vectors: fewer bytes for images and other smooth, sparse or repetitive data.

Each element is predicted from its neighbours by whichever of four predictors was best nearby, and
the difference is written with an adaptive binary arithmetic coder (docs/protocol.md). Pure; many
vectors are encoded at once, element by element, since Python is slow at single ones.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Layout", "decode_compact", "encode_compact", "layout_of"]

MAX_RING: Final = 1024
_ROW: Final = 32  # of inputs without rows
_PREDICTORS: Final = 4
_CONTEXTS: Final = 7
_MAGNITUDES: Final = 8
_SLOWEST: Final = 4
_HALF: Final = 2048
_SIGN: Final = _CONTEXTS
_LONGER: Final = _SIGN + 1
_TOP: Final = _LONGER + _CONTEXTS * _MAGNITUDES
_FIXED: Final = _TOP + _MAGNITUDES

Int8 = npt.NDArray[np.int8]
Int64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Layout:
    """step: distance in elements to the left neighbour. stride: to the upper one."""

    step: int
    stride: int

    @property
    def ring(self) -> int:
        """Elements of history that a decoder keeps."""
        return self.step + self.stride


def layout_of(shape: tuple[int, ...]) -> Layout | None:
    """Return how an input's elements lie, None where its rows are too long for the encoding."""
    if len(shape) == 1:
        layout = Layout(1, min(shape[0], _ROW))
    elif len(shape) == 2:
        layout = Layout(1, shape[1])
    else:
        layout = Layout(shape[-1], shape[-1] * shape[-2])
    return layout if layout.ring <= MAX_RING else None


class _Predictor:
    """What encoder and decoder share: neighbours, guesses and contexts of n vectors."""

    def __init__(self, n: int, size: int, layout: Layout) -> None:
        self.values = np.zeros((size, n), dtype=np.int64)
        self._off = np.zeros((layout.ring, _PREDICTORS + 1, n), dtype=np.int64)
        self._layout = layout
        self._all = np.arange(n)

    def guess(self, i: int) -> tuple[Int64, Int64]:
        """Return the prediction of element i, and the context its difference is coded in."""
        step, stride = self._layout.step, self._layout.stride
        row, column = i // stride, i % stride // step
        near = [
            [
                self.values[i - y * stride - x * step] if y <= row and x <= column else 0
                for x in range(3)
            ]
            for y in range(3)
        ]
        left, up = near[0][1], near[1][0]
        slopes = 2 * left - near[0][2], 2 * up - near[2][0]
        plane = left + up - near[1][1]
        median = np.maximum(np.minimum(left, up), np.minimum(np.maximum(left, up), plane))
        both = slopes[0] + slopes[1] - 4 * near[1][1] + 2 * near[1][2] + 2 * near[2][1] - near[2][2]
        shape = (_PREDICTORS, self.values.shape[1])
        self._guesses = np.stack([np.broadcast_to(p, shape[1:]) for p in (*slopes, median, both)])
        ring = self._layout.ring
        zero = np.zeros((_PREDICTORS + 1, shape[1]), dtype=np.int64)
        off_left = self._off[(i - step) % ring] if column else zero
        off_up = self._off[(i - stride) % ring] if row else zero
        off_corner = self._off[i % ring] if row and column else zero
        sums = (off_left + off_up + off_corner)[:_PREDICTORS]
        chosen = self._guesses[sums.argmin(axis=0), self._all]
        wrong = off_left[_PREDICTORS] + off_up[_PREDICTORS]
        context = np.frexp(wrong)[1].astype(np.int64)  # 0, 1, 2-3, 4-7, ...
        return np.clip(chosen, -128, 127), np.minimum(context, _CONTEXTS - 1)

    def learn(self, i: int, difference: Int64) -> None:
        """Note what element i, already in values, was, and how far off the guesses were."""
        off = np.minimum(np.abs(self.values[i] - self._guesses), 255)
        self._off[i % self._layout.ring] = [*off, np.abs(difference)]


class _Models:
    """Adaptive probabilities that the next bit is 0, of 12 bits, for n vectors."""

    def __init__(self, n: int) -> None:
        self.zero = np.full((n, _FIXED + 1), _HALF, dtype=np.int64)
        self._seen = np.zeros((n, _FIXED + 1), dtype=np.int64)

    def learn(self, which: Int64, model: Int64, bit: Mask) -> None:
        adaptive = model < _FIXED
        which, model, bit = which[adaptive], model[adaptive], bit[adaptive]
        seen = np.minimum(self._seen[which, model] + 1, _SLOWEST)
        self._seen[which, model] = seen
        zero = self.zero[which, model]
        moved = np.where(bit, zero - (zero >> seen), zero + ((4096 - zero) >> seen))
        self.zero[which, model] = np.clip(moved, 32, 4064)


class _Encoder:
    """Binary arithmetic coders of n vectors."""

    def __init__(self, n: int) -> None:
        self._low = np.zeros(n, dtype=np.int64)
        self._high = np.full(n, 0xFFFFFFFF, dtype=np.int64)
        self._models = _Models(n)
        self._written: list[tuple[Int64, npt.NDArray[np.uint8]]] = []

    def put(self, which: Int64, model: Int64, bit: Mask) -> None:
        """Write a bit for some of the vectors, each by one of its models."""
        low, high = self._low[which], self._high[which]
        middle = low + ((high - low) >> 12) * self._models.zero[which, model]
        self._low[which] = np.where(bit, middle + 1, low)
        self._high[which] = np.where(bit, high, middle)
        self._models.learn(which, model, bit)
        while len(which := which[((self._low[which] ^ self._high[which]) >> 24) == 0]):
            self._written.append((which, (self._high[which] >> 24).astype(np.uint8)))
            self._low[which] = (self._low[which] << 8) & 0xFFFFFFFF
            self._high[which] = (self._high[which] << 8) & 0xFFFFFFFF | 0xFF

    def finish(self) -> list[bytes]:
        """Return what was written for each vector, as short as a decoder can do with."""
        out = [bytearray() for _ in self._low]
        for which, data in self._written:
            for i, byte in zip(which.tolist(), data.tolist(), strict=True):
                out[i].append(byte)
        for i, (low, high) in enumerate(zip(self._low.tolist(), self._high.tolist(), strict=True)):
            # the decoder reads zeros beyond the end
            for length in range(5):
                mask = (0xFFFFFFFF << (8 * (4 - length))) & 0xFFFFFFFF
                if low <= high & mask:
                    out[i] += (high & mask).to_bytes(4, "big")[:length]
                    break
        return [bytes(text).rstrip(b"\0") for text in out]


def encode_compact(x: Int8, layout: Layout) -> list[bytes]:
    """Return each vector of x (n, size) encoded."""
    n, size = x.shape
    predictor, coder = _Predictor(n, size, layout), _Encoder(n)
    everyone = np.arange(n)
    for i in range(size):
        guess, context = predictor.guess(i)
        value = x[:, i].astype(np.int64)
        difference = ((value - guess + 128) & 255) - 128
        predictor.values[i] = value
        predictor.learn(i, difference)
        some = difference != 0
        coder.put(everyone, context, some)
        which = everyone[some]
        if len(which):
            _put_difference(coder, which, context[which], difference[which])
    return coder.finish()


def _put_difference(coder: _Encoder, which: Int64, context: Int64, difference: Int64) -> None:
    coder.put(which, np.full(len(which), _SIGN), difference < 0)
    magnitude = np.abs(difference)
    bits = np.frexp(magnitude)[1].astype(np.int64) - 1
    for k in range(_MAGNITUDES - 1):
        here = bits >= k
        if not here.any():
            break
        model = _LONGER + context[here] * _MAGNITUDES + k
        coder.put(which[here], model, bits[here] > k)
    for k in range(int(bits.max()) - 1, -1, -1):
        here = bits > k
        first = bits[here] == k + 1
        model = np.where(first, _TOP + bits[here], _FIXED)
        coder.put(which[here], model, (magnitude[here] >> k) & 1 == 1)


class _Decoder:
    """The binary arithmetic decoder of one vector."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)
        self._low, self._high, self._value = 0, 0xFFFFFFFF, 0
        for _ in range(4):
            self._value = self._value << 8 | next(self._data, 0)
        self._models = _Models(1)

    def get(self, model: int) -> int:
        zero = int(self._models.zero[0, model])
        middle = self._low + ((self._high - self._low) >> 12) * zero
        bit = self._value > middle
        if bit:
            self._low = middle + 1
        else:
            self._high = middle
        self._models.learn(np.array([0]), np.array([model]), np.array([bit]))
        while (self._low ^ self._high) >> 24 == 0:
            self._low = (self._low << 8) & 0xFFFFFFFF
            self._high = (self._high << 8) & 0xFFFFFFFF | 0xFF
            self._value = (self._value << 8) & 0xFFFFFFFF | next(self._data, 0)
        return int(bit)


def decode_compact(data: bytes, size: int, layout: Layout) -> bytes:
    """Return the vector of size bytes; what the target's decoder does, slowly."""
    predictor, coder = _Predictor(1, size, layout), _Decoder(data)
    for i in range(size):
        guess, context = predictor.guess(i)
        difference = 0
        if coder.get(int(context[0])):
            negative = coder.get(_SIGN)
            bits = 0
            while bits < _MAGNITUDES - 1 and coder.get(
                _LONGER + int(context[0]) * _MAGNITUDES + bits
            ):
                bits += 1
            magnitude = 1
            for k in range(bits, 0, -1):
                magnitude = magnitude << 1 | coder.get(_TOP + bits if k == bits else _FIXED)
            difference = -magnitude if negative else magnitude
        value = ((int(guess[0]) + difference + 128) & 255) - 128
        predictor.values[i] = value
        predictor.learn(i, np.array([difference]))
    return predictor.values[:, 0].astype(np.int8).tobytes()
