"""Single tensors: fraction bits by NNoM's rules and by error, and the int8 values."""

import math

import numpy as np
import numpy.typing as npt

from nnom_hil.model.qgraph import Int8

__all__ = ["MAX_DEC", "dec_bits", "dec_bits_of", "mse_dec_bits", "quantise_biases", "to_int8"]

Floats = npt.NDArray[np.floating]
MAX_DEC = 32


def dec_bits_of(largest: float) -> int:
    """Return the fraction bits for a largest magnitude, by NNoM's max-min rule (5.4).

    It may exceed the range by 1/256 of itself. 0 gets 7.
    """
    largest -= largest / 256.0
    if largest <= 0.0:
        return 7
    return min(7 - math.ceil(math.log2(largest)), MAX_DEC)


def dec_bits(data: Floats) -> int:
    """Return the fraction bits that hold the data's extremes, by NNoM's max-min rule."""
    return dec_bits_of(float(np.max(np.abs(data), initial=0.0)))


def to_int8(data: Floats, dec: int | npt.NDArray[np.int64]) -> Int8:
    """Return round-half-even(data * 2^dec), saturated."""
    scaled = np.asarray(data, dtype=np.float64) * np.exp2(np.asarray(dec, dtype=np.float64))
    return np.clip(np.round(scaled), -128, 127).astype(np.int8)


def mse_dec_bits(data: Floats) -> int:
    """Return the fraction bits of the least squared error, from one coarser than max-min's on."""
    base = dec_bits(data)

    def error(dec: int) -> float:
        return float(np.sum((to_int8(data, dec) * 2.0**-dec - data) ** 2))

    return min(range(base - 1, min(base + 4, MAX_DEC) + 1), key=error)


def quantise_biases(
    bias: Floats, product_decs: tuple[int, ...]
) -> tuple[Int8, tuple[int, ...], tuple[int, ...]]:
    """Return values, fraction bits and left shifts for biases (c,) added to products.

    product_decs: fraction bits of the products, one or one a channel; so many entries the results
    have.
    """
    parts = [bias] if len(product_decs) == 1 else [bias[c : c + 1] for c in range(bias.size)]
    decs = tuple(
        min(dec_bits(part) if part.any() else product, product)
        for part, product in zip(parts, product_decs, strict=True)
    )
    values = np.concatenate([to_int8(part, dec) for part, dec in zip(parts, decs, strict=True)])
    return values, decs, tuple(p - d for p, d in zip(product_decs, decs, strict=True))
