"""Rounding that leaves the mean of each sum where it is.

A bias has eight bits, and its step is often coarser than the result's; it cannot make up for what
rounded weights do to the mean of a sum. Some weights that are nearly halfway between two codes are
rounded the other way instead, as many as bring the mean back (after Guo et al. 2022, SQuant,
arXiv:2202.07471).
"""

from typing import Any

import tensorflow as tf

from nnom_hil.train.rounding import LARGEST, LOWEST, with_gradient_of

__all__ = ["balanced"]


def balanced(weight: Any, mean: Any, error: Any) -> Any:
    """Return whole-numbered codes for real-valued ones (sums, taps), differentiated as these are.

    mean: (taps,) or (sums, taps), the codes that weights are multiplied with on average. error:
    (sums,), by how much each sum is too large on average already.
    """
    inside = tf.clip_by_value(weight, LOWEST, LARGEST)
    codes = tf.round(inside)
    left = inside - codes
    excess = error + tf.reduce_sum((codes - inside) * mean, axis=1)
    toward = tf.sign(left)
    helps = toward * mean * tf.sign(excess)[:, tf.newaxis] < 0
    order = tf.argsort(
        tf.where(helps, tf.abs(left), -1.0), axis=1, direction="DESCENDING", stable=True
    )
    gain = tf.where(helps, tf.abs(mean) + tf.zeros_like(left), 0.0)
    gain = tf.gather(gain, order, batch_dims=1)
    before = tf.cumsum(gain, axis=1) - gain
    taken = (gain > 0) & (before + gain / 2 < tf.abs(excess)[:, tf.newaxis])
    other_way = tf.gather(taken, tf.argsort(order, axis=1), batch_dims=1)
    codes = codes + tf.where(other_way, toward, 0.0)
    return with_gradient_of(codes, inside)
