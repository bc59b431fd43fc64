"""A line in virtual time: the host's own link code against an agent, repeatable to the byte.

Nothing here waits: reading moves the clock to where something comes. So how many frames go, and
when, depends on the model of the line alone, not on the machine.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nnom_hil.deadline import Deadline
from nnom_hil.link.channel import LinkStats
from nnom_hil.link.client import AgentClient
from nnom_hil.link.faults import FaultyTransport, LinkFaults
from nnom_hil.link.frame import frames_of
from nnom_hil.link.job import Vector
from nnom_hil.link.messages import VectorResult

__all__ = ["Agent", "LineModel", "SimulatedLine", "SimulatedRun", "VirtualClock", "simulate"]

_HOST_S = 20e-6  # what a write costs the host
_STALL_SHARE = 0.02  # of reads, where the host stalls


class Agent(Protocol):
    """The target's end: bytes in, bytes out. now is called for each inference."""

    now: Callable[[], None]

    def take(self, data: bytes) -> bytes:
        """Take bytes as they come and return what is answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LineModel:
    """A serial line and what is at its ends.

    bytes_per_s: of the line. delay_s: each way, on top. ring: bytes of the target's buffer, which
    fills while it computes. inference_s: of each vector. stall_s: how long the host is away at
    random reads, as on a machine with too much to do.
    """

    bytes_per_s: float = 11_520.0
    delay_s: float = 0.001
    ring: int = 4096
    inference_s: float = 0.01
    stall_s: float = 0.0


class VirtualClock:
    """Seconds since the simulation began."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRun:
    """What a stream over a simulated line took.

    seconds: virtual. overruns: bytes that the target's ring had no room for.
    """

    results: dict[int, VectorResult]
    stats: LinkStats
    seconds: float
    overruns: int
    inferences: int

    @property
    def bytes_per_byte(self) -> float:
        """Bytes sent for each one of the vectors' data."""
        return self.stats.stream_bytes / max(1, self.stats.vector_bytes)

    @property
    def over_bound(self) -> float:
        """The same over what selective repeat needs on such a line."""
        return self.bytes_per_byte / self.stats.bound


class SimulatedLine:
    """A transport: serial both ways, to an agent behind a receive ring."""

    def __init__(
        self, agent: Agent, clock: VirtualClock, model: LineModel, *, seed: int = 0
    ) -> None:
        self._agent = agent
        self._clock = clock
        self._model = model
        self._stalls = random.Random(f"{seed} stalls")
        self._line_free_s = self._answer_free_s = self._busy_until_s = 0.0
        self._waiting: deque[tuple[float, int]] = deque()  # when bytes leave the ring, how many
        self._answers: list[tuple[float, int, bytes]] = []
        self._count = 0
        self.overruns = 0
        self.inferences = 0
        agent.now = self._compute

    def _compute(self) -> None:
        self.inferences += 1
        self._busy_until_s += self._model.inference_s

    def write(self, data: bytes) -> None:
        """Send frames; the target takes each when it has the time."""
        for frame in frames_of(data):
            self._send(frame)

    def _send(self, data: bytes) -> None:
        self._clock.now_s += _HOST_S
        begin = max(self._clock.now_s, self._line_free_s)
        self._line_free_s = begin + len(data) / self._model.bytes_per_s
        arrives = self._line_free_s + self._model.delay_s
        while self._waiting and self._waiting[0][0] <= arrives:
            self._waiting.popleft()
        room = self._model.ring - sum(size for _, size in self._waiting)
        self.overruns += max(0, len(data) - room)
        data = data[: max(0, room)]
        starts = max(arrives, self._busy_until_s)
        self._waiting.append((starts, len(data)))
        self._busy_until_s = starts
        if answer := self._agent.take(data):
            begin = max(self._busy_until_s, self._answer_free_s)
            self._answer_free_s = begin + len(answer) / self._model.bytes_per_s
            self._busy_until_s = self._answer_free_s  # the agent waits for its UART
            self._count += 1
            at_s = self._answer_free_s + self._model.delay_s
            heapq.heappush(self._answers, (at_s, self._count, answer))

    def read(self, deadline: Deadline) -> bytes:
        """Return what comes next, b"" when the deadline passes before."""
        if self._model.stall_s and self._stalls.random() < _STALL_SHARE:
            self._clock.now_s += self._model.stall_s
        if not self._answers or self._answers[0][0] > max(deadline.at_s, self._clock.now_s):
            self._clock.now_s = max(self._clock.now_s, deadline.at_s)
            return b""
        at_s, _, data = heapq.heappop(self._answers)
        self._clock.now_s = max(self._clock.now_s, at_s)
        return data

    def reopen(self, deadline: Deadline) -> None:
        """Open again; nothing to do."""

    def close(self) -> None:
        """Close; nothing to do."""


def simulate(
    agent: Agent,
    vectors: list[Vector],
    faults: LinkFaults,
    model: LineModel,
    *,
    seed: int = 0,
    in_order: bool = False,
) -> SimulatedRun:
    """Stream vectors to an agent over a simulated line that has these faults.

    The greeting goes over a good line. Raises as AgentClient.stream does.
    """
    clock = VirtualClock()
    simulated = SimulatedLine(agent, clock, model, seed=seed)
    nonces = random.Random(f"{seed} nonces")
    client = AgentClient(simulated, nonce=lambda: nonces.getrandbits(32), clock=clock)
    client.hello(timeout_s=10.0)
    client.channel.transport = FaultyTransport(simulated, faults, seed)
    start_s = clock.now_s
    results: dict[int, VectorResult] = {}
    for result in client.stream(vectors, in_order=in_order):
        assert result.index not in results
        results[result.index] = result
    return SimulatedRun(
        results=results,
        stats=client.stats,
        seconds=clock.now_s - start_s,
        overruns=simulated.overruns,
        inferences=simulated.inferences,
    )
