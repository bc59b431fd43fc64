"""What happens to a target while vectors stream: resets, hangs, lost connections, on purpose."""

import random
import threading

from nnom_hil.link.faults import FaultyTransport, LinkFaults
from nnom_hil.link.frame import FrameType, encode_frame
from nnom_hil.target.base import CoreHolder
from nnom_hil.target.session import Session

__all__ = ["Disturbance"]

_HANG_S = 1.5


class Disturbance:
    """Puts faults on a running session's link; after() is called with each answered vector."""

    def __init__(self, session: Session, faults: LinkFaults, seed: int, vectors: int) -> None:
        self._session = session
        self._link = session.client.channel.transport
        session.client.channel.transport = FaultyTransport(self._link, faults, seed)
        rng = random.Random(f"{seed} events")
        self._events: dict[int, list[str]] = {}
        for kind in ("resets", "hangs", "disconnects"):
            for _ in range(getattr(faults, kind) if vectors > 1 else 0):
                self._events.setdefault(rng.randrange(1, vectors), []).append(kind)
        self._timers: list[threading.Timer] = []

    def after(self, answered: int) -> None:
        """Let happen what is due after so many answers."""
        for kind in self._events.pop(answered, []):
            match kind:
                case "resets":  # past the faults: a reset button needs no link
                    channel = self._session.client.channel
                    self._link.write(encode_frame(channel.frame(FrameType.RESET)))
                case "hangs":
                    self._hang()
                case _:
                    self._link.close()

    def _hang(self) -> None:
        """Stop the target's core for a while, where it can be."""
        target = self._session.target
        if isinstance(target, CoreHolder) and target.hold():
            self._timers.append(threading.Timer(_HANG_S, target.let_go))
            self._timers[-1].start()

    def end(self) -> None:
        """Wait for what is still going on."""
        for timer in self._timers:
            timer.join()
