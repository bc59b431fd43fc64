"""A transport that spoils what passes, on purpose and repeatably."""

import math
import random
import time
from collections import deque

from nnom_hil.deadline import Deadline
from nnom_hil.link.fault_options import LinkFaults
from nnom_hil.link.frame import frames_of
from nnom_hil.link.transport import Transport

__all__ = ["FaultyTransport", "LinkFaults"]

_GARBAGE_BYTES = 40


class FaultyTransport:
    """Another transport with faults; the same seed and traffic give the same faults."""

    def __init__(self, inner: Transport, faults: LinkFaults, seed: int) -> None:
        self.inner = inner
        self._faults = faults
        self._to_target = random.Random(f"{seed} to target")
        self._to_host = random.Random(f"{seed} to host")
        self._held: deque[bytes] = deque()

    def read(self, deadline: Deadline) -> bytes:
        """Return what arrived and survived; b"" at the deadline."""
        while True:
            if self._held:
                return self._held.popleft()
            data = self.inner.read(deadline)
            if not data:
                return b""
            self._held.extend(part for part in self._spoil(data, self._to_host) if part)

    def write(self, data: bytes) -> None:
        """Send what survives of each frame; they come several at a time."""
        parts = [part for frame in frames_of(data) for part in self._spoil(frame, self._to_target)]
        if parts:
            self.inner.write(b"".join(parts))

    def reopen(self, deadline: Deadline) -> None:
        """Open the port again."""
        self._held.clear()
        self.inner.reopen(deadline)

    def close(self) -> None:
        """Close the port; twice is fine."""
        self.inner.close()

    def _spoil(self, data: bytes, rng: random.Random) -> list[bytes]:
        faults = self._faults
        if faults.drop and rng.random() < faults.drop:
            return []
        if faults.delay and rng.random() < faults.delay:
            time.sleep(faults.delay_ms / 1000)
        if faults.byte_error:
            data = _changed(data, faults.byte_error, rng)
        parts = [data]
        if faults.split and rng.random() < faults.split and len(data) > 1:
            cut = rng.randrange(1, len(data))
            parts = [data[:cut], data[cut:]]
        if faults.duplicate and rng.random() < faults.duplicate:
            parts = parts * 2
        if faults.garbage and rng.random() < faults.garbage:
            noise = rng.choice(
                [rng.randbytes(rng.randrange(1, _GARBAGE_BYTES)), b"\r\nboot> ok\r\n"]
            )
            parts.insert(0, noise)
        return parts


def _changed(data: bytes, share: float, rng: random.Random) -> bytes:
    """Return the data with about that share of its bytes changed to something else."""
    if share >= 1.0:
        return bytes(byte ^ rng.randrange(1, 256) for byte in data)
    changed = bytearray(data)
    keeps = math.log1p(-share)
    at = -1
    while True:  # how many bytes in a row stay as they are is distributed geometrically
        stay = math.log(1.0 - rng.random()) / keeps
        if stay >= len(changed):
            return bytes(changed)
        at += 1 + int(stay)
        if at >= len(changed):
            return bytes(changed)
        changed[at] ^= rng.randrange(1, 256)
