"""Quantisation: a pure function of float graph, calibration data and options.

calibration.py leads through it: simplify -> statistics of the data (statistics.py) -> what each
layer asks for (choose.py) -> formats that fit together (formats.py) -> integers (lower.py).
Formats and shifts follow NNOM_COMPAT.md 5.4 and 5.5, without the faults marked there. equalise.py,
logits.py, pools.py and fit.py improve on NNoM's methods, search.py tries formats, quality.py
measures the result.
"""

from typing import TYPE_CHECKING

from nnom_hil.lazy import lazily

if TYPE_CHECKING:
    from nnom_hil.model.quantise.calibration import Calibration, calibrate, quantise
    from nnom_hil.model.quantise.numbers import dec_bits, to_int8
    from nnom_hil.model.quantise.options import Method, QuantiseOptions
    from nnom_hil.model.quantise.quality import LayerQuality, Quality, decibels, measure_quality
    from nnom_hil.model.quantise.search import SearchResult, search_formats

__all__ = [
    "Calibration",
    "LayerQuality",
    "Method",
    "Quality",
    "QuantiseOptions",
    "SearchResult",
    "calibrate",
    "dec_bits",
    "decibels",
    "measure_quality",
    "quantise",
    "search_formats",
    "to_int8",
]

__getattr__ = lazily(
    __name__,
    {
        "Calibration": "calibration",
        "LayerQuality": "quality",
        "Method": "options",
        "Quality": "quality",
        "QuantiseOptions": "options",
        "SearchResult": "search",
        "calibrate": "calibration",
        "dec_bits": "numbers",
        "decibels": "quality",
        "measure_quality": "quality",
        "quantise": "calibration",
        "search_formats": "search",
        "to_int8": "numbers",
    },
)
