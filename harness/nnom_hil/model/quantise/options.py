"""What a user may choose about quantisation."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Method", "QuantiseOptions"]


class Method(StrEnum):
    """How the format of a layer's output is chosen from calibration data.

    MAX_MIN: NNoM's rule, the largest magnitude fits. KLD: NNoM's, the least Kullback-Leibler
    divergence of histograms. MSE: the least mean squared error, behind the layer's activation;
    weights likewise. PERCENTILE: likewise, but a share of the magnitudes fits.
    """

    MAX_MIN = "max_min"
    KLD = "kld"
    MSE = "mse"
    PERCENTILE = "percentile"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantiseOptions:
    """per_channel: one weight format per output channel of a convolution, and per unit of a dense
    layer where the method is not one of NNoM's; else one per layer.

    percentile: per cent of magnitudes that must fit, for Method.PERCENTILE.
    portable: only formats that NNoM's own library computes rightly with as well.
    plain_pools: average pools keep their input's format, as the layer API has it.
    nnom_only: cells around an image hold zeros, and a dense layer has one format, as in NNoM's own
    library.
    raw_input: int8 inputs are the model's times a power of two, as NNoM has it; otherwise they are
    scaled and shifted to the ends of int8.
    """

    method: Method = Method.MAX_MIN
    per_channel: bool = False
    percentile: float = 99.99
    portable: bool = False
    plain_pools: bool = False
    nnom_only: bool = False
    raw_input: bool = False

    @property
    def rescales(self) -> bool:
        """Whether weights may be rescaled; NNoM's own methods leave them as they are."""
        return self.method in {Method.MSE, Method.PERCENTILE}
