"""Integer arithmetic in floating point, exact, with gradients that pass roundings by.

Codes are whole numbers in float tensors. A straight-through estimator (Bengio et al. 2013,
arXiv:1308.3432) gives what is rounded the gradient of what is not.
"""

from typing import Any, Final

import tensorflow as tf

__all__ = ["LARGEST", "LOWEST", "exact_type", "finished", "rounded", "with_gradient_of"]

LOWEST: Final = -128.0
LARGEST: Final = 127.0
_EXACT_IN_32: Final = 1 << 24  # beyond, float32 skips whole numbers


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow is untyped
def with_gradient_of(exact: Any, smooth: Any) -> Any:
    """Return `exact`, differentiated as if it were `smooth`."""
    del smooth
    return tf.identity(exact), lambda gradient: (None, gradient)


def rounded(value: Any) -> Any:
    """Return int8 codes for real-valued ones: ties to even, saturated, as to_int8() rounds."""
    inside = tf.clip_by_value(value, LOWEST, LARGEST)
    return with_gradient_of(tf.round(inside), inside)


def exact_type(largest: int) -> Any:
    """Return the type in which whole numbers up to `largest` are held without loss."""
    return tf.float32 if largest < _EXACT_IN_32 else tf.float64


def finished(total: Any, shift: Any) -> Any:
    """Return sat8((total + round) >> shift) of whole numbers, as float32.

    shift: whole numbers that broadcast against total. docs/numerics.md has the rounding.
    """
    shift = tf.constant(shift, total.dtype)
    value = total * 2.0**-shift
    half = tf.where(shift > 0, tf.constant(0.5, total.dtype), tf.constant(0.0, total.dtype))
    inside = tf.clip_by_value(with_gradient_of(tf.floor(value + half), value), LOWEST, LARGEST)
    return tf.cast(inside, tf.float32)
