"""Sliding windows over NHWC arrays: the geometry that float and integer execution share."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import Padding

__all__ = [
    "depthwise_products",
    "output_length",
    "pad_before",
    "same_pad",
    "transposed_length",
    "window_products",
    "windows",
]


_PART_BYTES = 2 << 20


def output_length(size: int, kernel: int, padding: Padding, stride: int, dilation: int) -> int:
    """Return Keras' output length along one axis; 0 when a valid window does not fit."""
    if padding is Padding.SAME:
        return -(-size // stride)
    return max(0, -(-(size - (kernel - 1) * dilation) // stride))


def transposed_length(size: int, kernel: int, padding: Padding, stride: int, dilation: int) -> int:
    """Return Keras' output length of a transposed convolution along one axis."""
    if padding is Padding.SAME:
        return size * stride
    return size * stride + max((kernel - 1) * dilation + 1 - stride, 0)


def pad_before(
    size: int, kernel: int, padding: Padding, stride: int, dilation: int, *, compat: bool
) -> int:
    """Return the cells before the first tap of a window.

    compat: NNoM 0.4.3's rule, which ignores stride and size (NNOM_COMPAT.md, Q-05); otherwise
    Keras' rule, the smaller half of what the last window lacks.
    """
    if padding is Padding.VALID:
        return 0
    if compat:
        return dilation * (kernel - 1) // 2
    out = output_length(size, kernel, padding, stride, dilation)
    return max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size) // 2


def same_pad(
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    padding: Padding,
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    *,
    compat: bool = False,
) -> tuple[int, int]:
    """Return `pad_before` for rows and columns of an image of shape (h, w, ...)."""
    rows, columns = (
        pad_before(shape[i], kernel[i], padding, stride[i], dilation[i], compat=compat)
        for i in (0, 1)
    )
    return rows, columns


def window_products(view: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the sums of products (n, oh, ow, filters) of what windows() returns.

    kernel: (kh, kw, channels, filters). In parts whose copies of all windows stay in the cache.
    """
    flat = kernel.reshape(-1, kernel.shape[-1])
    total = np.empty((*view.shape[:3], flat.shape[1]), kernel.dtype)
    images = max(1, _PART_BYTES // max(1, view[:1].size * kernel.itemsize))
    for i in range(0, len(view), images):
        part = total[i : i + images]
        np.matmul(
            view[i : i + images].reshape(-1, len(flat)), flat, out=part.reshape(-1, flat.shape[1])
        )
    return total


def depthwise_products(view: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the sums of products (n, oh, ow, channels * multiplier) of what windows() returns.

    kernel: (kh, kw, channels, multiplier). Tap by tap, which no copy of all windows is needed for.
    """
    kh, kw, channels, multiplier = kernel.shape
    total = np.zeros((*view.shape[:3], channels, multiplier), kernel.dtype)
    for i in range(kh):
        for j in range(kw):
            total += view[:, :, :, i, j, :, np.newaxis] * kernel[i, j]
    return total.reshape(*view.shape[:3], channels * multiplier)


def windows(
    x: npt.NDArray[Any],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    pad: tuple[int, int],
    out: tuple[int, int],
    *,
    fill: float = 0,
) -> npt.NDArray[Any]:
    """Return a view of shape (n, oh, ow, kh, kw, c) on x (n, h, w, c), padded with `fill`."""
    n, h, w, c = x.shape
    rows = (out[0] - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1
    columns = (out[1] - 1) * stride[1] + (kernel[1] - 1) * dilation[1] + 1
    padded = np.full((n, max(rows, h + pad[0]), max(columns, w + pad[1]), c), fill, dtype=x.dtype)
    padded[:, pad[0] : pad[0] + h, pad[1] : pad[1] + w] = x
    sn, sh, sw, sc = padded.strides
    return np.lib.stride_tricks.as_strided(
        padded,
        (n, *out, *kernel, c),
        (sn, sh * stride[0], sw * stride[1], sh * dilation[0], sw * dilation[1], sc),
        writeable=False,
    )
