"""From a float graph and data to the formats it asks for, and from those to a quantised graph."""

from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
import numpy.typing as npt

from nnom_hil.errors import DataError
from nnom_hil.model.graph import (
    Activation,
    Affine,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    GlobalPool,
    Input,
    MergeKind,
    Pool,
    Requantise,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
)
from nnom_hil.model.qgraph import QGraph
from nnom_hil.model.quantise.choose import wanted_formats
from nnom_hil.model.quantise.equalise import equalise
from nnom_hil.model.quantise.fit import fit_weights
from nnom_hil.model.quantise.formats import Shifts, assign_formats
from nnom_hil.model.quantise.inputs import place_input
from nnom_hil.model.quantise.logits import centre_logits
from nnom_hil.model.quantise.lower import WeightDecs, lower, weight_decs
from nnom_hil.model.quantise.offsets import shift_outputs
from nnom_hil.model.quantise.options import QuantiseOptions
from nnom_hil.model.quantise.pools import stretch_pools
from nnom_hil.model.quantise.statistics import Observed, observe
from nnom_hil.model.simplify import simplify

__all__ = ["Calibration", "calibrate", "quantise"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A rewritten graph and what it asks for; build() makes the quantised graph of it.

    data: what the graph does on the calibration inputs. wanted: fraction bits by the layer that a
    chain of one format begins with. weights: fraction bits of weights. stretch: bits that average
    pools may gain.
    """

    graph: FloatGraph
    data: Observed
    wanted: dict[str, int]
    weights: WeightDecs
    stretch: Shifts
    options: QuantiseOptions

    def build(
        self, wanted: dict[str, int] | None = None, weights: WeightDecs | None = None
    ) -> QGraph:
        """Return the quantised graph, with other formats than those found if given."""
        weights = self.weights if weights is None else weights

        wanted = self.wanted if wanted is None else wanted
        graph, decs = _formats(self.graph, wanted, weights, self.stretch)
        return lower(graph, decs, weights, self.data.found, self.options)

    def finish(
        self, wanted: dict[str, int] | None = None, weights: WeightDecs | None = None
    ) -> QGraph:
        """Return build()'s graph, its weights fitted to the data where the method does so."""
        quantised = self.build(wanted, weights)
        return fit_weights(self.graph, quantised, self.data) if self.options.rescales else quantised


def _formats(
    graph: FloatGraph, wanted: dict[str, int], weights: WeightDecs, stretch: Shifts
) -> tuple[FloatGraph, dict[str, int]]:
    """Return the graph, changes of format inserted where needed, and every node's fraction bits."""

    def finest(node: FloatNode, in_decs: list[int]) -> int:
        match node.op:
            case Conv() | Dense():
                return in_decs[0] + min(weights[node.name])
            case Combine(kind=MergeKind.MULT) as op:
                return sum(in_decs) + op.halvings
            case Combine() as op:
                return in_decs[0] + op.halvings
            case Pool() | GlobalPool():
                return in_decs[0] + stretch[node.name][1]
            case (
                Input() | Affine() | Activation() | ZeroPadding() | Cropping() | UpSample()
                | Reshape() | Flatten() | Softmax() | Concatenate() | Requantise() | Rnn()
            ):  # fmt: skip
                raise AssertionError(f"{node.name} has its input's format")
            case never:
                assert_never(never)

    return assign_formats(graph, wanted, stretch, finest)


def _shifted(found: Calibration) -> Calibration:
    """Return what is asked for where results behind ReLUs use both halves of int8."""
    graph, decs = _formats(found.graph, found.wanted, found.weights, found.stretch)
    inputs = {node.name: node.inputs for node in graph.nodes}
    spare = {
        name: decs[inputs[name][0]] + min(weight) - decs[name]
        for name, weight in found.weights.items()
    }
    options = found.options
    pads = not (options.nnom_only or options.portable)
    shifted, data, names = shift_outputs(found.graph, found.data, decs, spare, pads=pads)
    return replace(
        found,
        graph=shifted,
        data=data,
        wanted=found.wanted | {name: decs[name] for name in names},
        weights=weight_decs(shifted, options),
    )


def calibrate(
    graph: FloatGraph, calibration: FloatArray, options: QuantiseOptions | None = None
) -> Calibration:
    """Find the formats that a graph asks for on calibration data.

    calibration: (n, *input shape), representative inputs. Raises DataError when it is empty, has
    the wrong shape or is not finite.
    """
    options = options or QuantiseOptions()
    expected = graph.input.shape
    if calibration.shape[1:] != expected or len(calibration) == 0:
        raise DataError(
            f"calibration data has shape {calibration.shape}, the model takes (n, *{expected}) "
            "with n >= 1"
        )
    if not np.isfinite(calibration).all():
        raise DataError("calibration data holds NaN or infinity")
    calibration = calibration.astype(np.float32, copy=False)
    graph = simplify(graph, raw_input=options.raw_input)
    data = observe(graph, calibration)
    for name, entry in data.found.items():
        if not np.isfinite(entry.largest):
            raise DataError(
                f"layer {name} overflows on the calibration data: its values are not "
                "finite; check the data's range"
            )
    logits: dict[str, int] = {}
    # NNoM's methods leave the weights alone and know nothing of a pool's shift
    stretch: Shifts = {}
    if options.rescales:
        if not options.raw_input:
            pads = not (options.nnom_only or options.portable)
            graph, data = place_input(graph, data, calibration, pads=pads)
        graph, data = equalise(graph, data)
        graph, logits, data = centre_logits(graph, data)
        if not options.plain_pools:
            graph, stretch, data = stretch_pools(graph, data)
    found = Calibration(
        graph=graph,
        data=data,
        wanted=wanted_formats(graph, calibration, data, stretch, options) | logits,
        stretch=stretch,
        weights=weight_decs(graph, options),
        options=options,
    )
    return _shifted(found) if options.rescales else found


def quantise(
    graph: FloatGraph, calibration: FloatArray, options: QuantiseOptions | None = None
) -> QGraph:
    """Return the quantised graph; raises DataError as calibrate(), ModelError when a layer does
    not fit.
    """
    return calibrate(graph, calibration, options).finish()
