"""The link benchmark: how fast vector data reaches a target that does nothing with it."""

import random
import time
from dataclasses import asdict, dataclass
from typing import Any

from nnom_hil.boards import Board
from nnom_hil.errors import LinkError
from nnom_hil.run.prepare import digits_model, prepare
from nnom_hil.run.runner import build_for, default_target
from nnom_hil.target.session import Session

__all__ = ["LinkBench", "measure_link"]

_FRAME_BYTES = 784  # a digit image


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBench:
    """payload_bytes of vector data in seconds of wall clock; overhead: framing's share on top."""

    board: str
    payload_bytes: int
    frames: int
    seconds: float
    wire_bytes: int

    @property
    def bytes_per_s(self) -> float:
        """Vector data per second."""
        return self.payload_bytes / self.seconds

    @property
    def overhead(self) -> float:
        """Bytes on the wire beside the data, per byte of data."""
        return self.wire_bytes / self.payload_bytes - 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return the facts and the rate."""
        return {**asdict(self), "bytes_per_s": round(self.bytes_per_s, 1)}


def measure_link(board: Board, total_bytes: int) -> LinkBench:
    """Send about total_bytes of random data; raises LinkError if the target counted otherwise."""
    image = build_for(board, prepare(digits_model(), None).graph)
    generator = random.Random(1)
    frames = max(1, total_bytes // _FRAME_BYTES)
    payloads = [generator.randbytes(_FRAME_BYTES) for _ in range(frames)]
    session = Session(
        default_target(board),
        image.elf,
        image.id,
        on_text=lambda _: None,
        nonce=lambda: random.SystemRandom().getrandbits(32),
    )
    with session:
        before = session.client.stats.tx_bytes
        start = time.monotonic()
        counted = session.client.sink(payloads, session.hello.rx_window)
        seconds = time.monotonic() - start
        wire = session.client.stats.tx_bytes - before
    sent = frames * _FRAME_BYTES
    if counted != sent:
        raise LinkError(f"link benchmark: {sent} bytes sent, the target counted {counted}")
    return LinkBench(
        board=board.name, payload_bytes=sent, frames=frames, seconds=seconds, wire_bytes=wire
    )
