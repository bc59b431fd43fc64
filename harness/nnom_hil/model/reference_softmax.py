"""Bit-exact softmax: base e, whose bounds are argued in the library's nnom_softmax_exact.c, and
NNoM's base two (NNOM_COMPAT.md 3.12).
"""

from typing import cast

import numpy as np
import numpy.typing as npt

__all__ = ["softmax", "softmax_base_two"]

Array = npt.NDArray[np.int64]
_T_BITS = 20
_LOG2_E = 1549082005  # in Q2.30
_POLYNOMIAL = (2034029, 19784458, 118765909, 515789246, 1488515590, 1 << 31)  # of 2^-f, in Q0.31


def _power(t: Array) -> Array:
    """Return 2^-t in Q0.31, t with 20 fraction bits."""
    fraction = (t & ((1 << _T_BITS) - 1)) << (32 - _T_BITS)
    y = np.full(t.shape, _POLYNOMIAL[0])
    for coefficient in _POLYNOMIAL[1:]:
        y = coefficient - (y * fraction >> 32)
    return cast(Array, y >> np.minimum(t >> _T_BITS, 32))


def softmax(x: npt.NDArray[np.integer], dec: int, bits: int = 7) -> Array:
    """Return softmax over the last axis of integers with dec fraction bits, with `bits` of them."""
    values = x.astype(np.int64)
    below = values.max(axis=-1, keepdims=True) - values
    e = _power(below * _LOG2_E >> (30 - _T_BITS + min(max(dec, -5), 40)))
    reciprocal = (1 << 62) // e.sum(axis=-1, keepdims=True)
    half = 1 << (29 - bits)
    scaled = ((e * reciprocal >> 32) + half) >> (30 - bits)
    return cast(Array, np.minimum(scaled, (1 << bits) - 1))


def softmax_base_two(x: npt.NDArray[np.integer]) -> Array:
    """Return NNoM's softmax of int8 values over the last axis: base two, whatever the format."""
    values = x.astype(np.int64)
    base = values.max(axis=-1, keepdims=True) - 8
    counted = values > base
    powers = np.where(counted, np.int64(1) << np.where(counted, values - base, 0), 0)
    quotient = 0x100000 // powers.sum(axis=-1, keepdims=True)
    scaled = np.where(counted, quotient >> (13 + base - values).clip(0, 31), 0)
    return cast(Array, np.minimum(scaled, 127))
