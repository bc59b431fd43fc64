"""Weights that Keras keeps in few bits, as the numbers they stand for."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.model.translation.problems import UnsupportedLayerError

__all__ = ["dense_weights"]

FloatArray = npt.NDArray[np.float32]


def dense_weights(layer: Any) -> list[FloatArray]:
    """Return a dense layer's kernel and bias, if it has one, in floating point.

    Raises UnsupportedLayerError where the kernel's form is none that is known.
    """
    mode = getattr(layer, "quantization_mode", None)
    if mode is None:
        kernel = np.asarray(layer.kernel, np.float32)
    elif mode in {"int8", "int4"}:
        kernel = _dequantised(layer, mode)
    else:
        raise UnsupportedLayerError(
            f"quantised to {mode}; int8 and int4 can be converted, or the model before quantize()"
        )
    if mode is not None and getattr(layer, "lora_enabled", False):
        a, b = (np.asarray(m, np.float32) for m in (layer.lora_kernel_a, layer.lora_kernel_b))
        kernel = kernel + np.float32(layer.lora_alpha / layer.lora_rank) * (a @ b)
    return [kernel] if layer.bias is None else [kernel, np.asarray(layer.bias, np.float32)]


def _dequantised(layer: Any, mode: str) -> FloatArray:
    whole = np.asarray(layer._kernel)
    if mode == "int4":
        whole = _unpacked(whole, layer.units)
    scale = np.asarray(layer.kernel_scale, np.float32)
    if scale.ndim == 1:
        return (whole.astype(np.float32) / scale).astype(np.float32)
    group = np.asarray(layer.g_idx).astype(int)  # of each row
    zero = np.asarray(layer.kernel_zero, np.float32)
    return np.asarray((whole - zero[group]) * scale[group], np.float32)


def _unpacked(packed: npt.NDArray[np.int8], columns: int) -> npt.NDArray[np.int8]:
    """Return the columns of numbers of four bits, two in a byte, the lower half first."""
    low, high = (packed << 4) >> 4, packed >> 4
    return np.stack([low, high], axis=-1).reshape(len(packed), -1)[:, :columns]
