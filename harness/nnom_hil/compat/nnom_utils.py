"""NNoM's older converter's names: `from nnom_hil.compat.nnom_utils import *` for `nnom_utils`.

generate_model() writes the layer API's header, as the old one did.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnom_hil.codegen.layouts import Api, HeaderOptions
from nnom_hil.compat.helpers import (
    fuse_bn_to_conv,
    is_shift_layer,
    quantize_data,
)
from nnom_hil.compat.scripts import (
    evaluate_model,
    generate_test_bin,
    layout_of,
    quantize_output,
    write_converted,
    write_header,
)
from nnom_hil.errors import UsageError
from nnom_hil.files import write_whole
from nnom_hil.model.quantise import Method, QuantiseOptions

__all__ = [
    "evaluate_model",
    "fuse_bn_to_conv",
    "generate_model",
    "generate_test_bin",
    "generate_weights",
    "is_shift_layer",
    "layers_output_ranges",
    "np",
    "quantize_data",
]

Array = npt.NDArray[Any]


def layers_output_ranges(
    model: Any, x_test: Array, quantize_method: str = "max_min", calibrate_size: int = 1000
) -> dict[str, int]:
    """Return the fraction bits of each layer's output; x_test keeps its order."""
    formats = quantize_output(model, x_test, quantize_method, calibrate_size=calibrate_size)
    return _shifts(formats)


def generate_weights(
    model: Any,
    name: str = "weights.h",
    format: str = "hwc",
    shift_list: dict[str, int] | None = None,
) -> None:
    """Write the whole layer API header, with formats from layers_output_ranges().

    Raises UsageError without them.
    """
    if not shift_list:
        raise UsageError(
            "generate_weights: shift_list is needed; layers_output_ranges() returns it"
        )
    header = HeaderOptions(api=Api.LAYER, layout=layout_of(format))
    formats = {layer: [dec] for layer, dec in shift_list.items()}
    write_header(model, name, header, QuantiseOptions(), formats)


def generate_model(
    model: Any,
    x_test: Array,
    name: str = "weights.h",
    format: str = "hwc",
    quantize_method: str = "max_min",
) -> None:
    """Convert a Keras model and write a layer API header, and `.shift_list` beside the script.

    Raises ModelError listing the layers that this form cannot hold; nothing is written then.
    """
    method = Method.KLD if "kld" in quantize_method else Method.MAX_MIN
    header = HeaderOptions(api=Api.LAYER, layout=layout_of(format))
    options = QuantiseOptions(method=method)
    formats = write_converted(model, x_test, name, header, options, f"{method}, {format}")
    write_whole(Path(".shift_list"), str(_shifts(formats)))


def _shifts(formats: dict[str, list[int]]) -> dict[str, int]:
    return {name: dec for name, (dec, *_) in formats.items() if not name.startswith("interm")}
