"""What a user may choose about firmware: what it speaks, and what it takes bytes for."""

from enum import StrEnum

__all__ = ["Pixels", "Protocol"]


class Protocol(StrEnum):
    """What firmware speaks: the project's own link, or MLPerf Tiny's lines."""

    AGENT = "agent"
    MLPERF = "mlperf"


class Pixels(StrEnum):
    """What the model takes a pixel's byte for: itself, 0 to 1, or -1 to 1."""

    BYTES = "bytes"
    UNIT = "unit"
    SIGNED = "signed"
