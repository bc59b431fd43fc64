"""Every interleaving of up to two faults with the frames of a stream: each vector is answered once.

The host's own code runs against the fake agent, in virtual time; between them each frame, in either
direction, may be lost, doubled, overtaken by the next, or find that the target has just been reset.
What the target sends comes frame by frame, or all that is there in one read.
"""

import itertools
import os
from collections import deque

import pytest

from nnom_hil.deadline import Deadline
from nnom_hil.link.client import AgentClient, Vector
from nnom_hil.link.frame import frames_of
from nnom_hil.target.fake import FakeModel, FakeTarget
from nnom_hil.target.simulated import VirtualClock

KINDS = ("lose", "double", "delay", "reset")
VECTORS = [Vector(index=i, data=bytes([i, 1, 2, 3]) * 10, label=i, compact=None) for i in range(4)]
MODEL = FakeModel(infer=lambda x: bytes(reversed(x[:4])), input_shape=(1, 1, 40), output_shape=(4,))
NIGHTLY = bool(os.environ.get("NNOM_HIL_NIGHTLY"))
SOME = [(150, 1), (400, 4)]
LINES = pytest.mark.parametrize(
    ("window", "slots"), [(150, 1), (150, 4), (400, 4), (400, 0)], ids=str
)
READS = pytest.mark.parametrize("together", [False, True], ids=["singly", "together"])
Schedule = dict[int, str]


class Scheduled:
    """A transport over the fake that treats the n-th frame since begin() as a schedule says."""

    def __init__(
        self, target: FakeTarget, schedule: Schedule, clock: VirtualClock, together: bool
    ) -> None:
        self.target = target
        self._together = together
        self.events = 0
        self._clock = clock
        self._schedule = schedule
        self._active = False
        self._delayed: dict[str, bytes] = {}
        self._out: deque[bytes] = deque()

    def begin(self) -> None:
        self._active = True

    def _treat(self, way: str, data: bytes) -> list[bytes]:
        if not self._active:
            return [data]
        kind = self._schedule.get(self.events)
        self.events += 1
        passing = [data]
        if kind == "lose":
            passing = []
        elif kind == "double":
            passing = [data, data]
        elif kind == "delay" and way not in self._delayed:
            self._delayed[way] = data
            return []
        elif kind == "reset":
            self.target.boot()
        if way in self._delayed:
            passing.append(self._delayed.pop(way))
        return passing

    def write(self, data: bytes) -> None:
        self._clock.now_s += 1e-4
        for whole in frames_of(data):
            for frame in self._treat("out", whole):
                self.target.write(frame)
        while self.target._out:
            self._out.extend(self._treat("in", self.target._out.popleft()))

    def read(self, deadline: Deadline) -> bytes:
        if self._out:
            frames = [self._out.popleft() for _ in range(len(self._out) if self._together else 1)]
            return b"".join(frames)
        self._clock.now_s = max(self._clock.now_s, deadline.at_s)
        return b""

    def reopen(self, deadline: Deadline) -> None:
        raise AssertionError("nothing was disconnected")

    def close(self) -> None:
        pass


def run(schedule: Schedule, window: int, slots: int, together: bool) -> Scheduled:
    target = FakeTarget(MODEL, slots=slots, window=window)
    clock = VirtualClock()
    transport = Scheduled(target, schedule, clock, together)
    client = AgentClient(transport, nonce=itertools.count(1).__next__, clock=clock)
    client.hello(timeout_s=1)
    client.begin_prediction(4, 1)
    transport.begin()
    answers = [
        (result.index, result.output)
        for result in client.stream(VECTORS, on_reset=lambda: client.begin_prediction(4, 1))
    ]
    assert sorted(answers) == [(v.index, bytes(reversed(v.data[:4]))) for v in VECTORS], schedule
    assert len(target.counted) == len(set(target.counted))
    return transport


@READS
@LINES
def test_one_fault_anywhere(window: int, slots: int, together: bool) -> None:
    events = run({}, window, slots, together).events
    for place, kind in itertools.product(range(events + 4), KINDS):
        run({place: kind}, window, slots, together)


@READS
@pytest.mark.parametrize(("window", "slots"), [*SOME, (150, 4), (400, 0)] if NIGHTLY else SOME)
def test_two_faults_anywhere(window: int, slots: int, together: bool) -> None:
    """All pairs of places, the later ones among what the first fault brings about."""
    last = run({}, window, slots, together).events + 6
    for first, second in itertools.combinations(range(last), 2):
        for kinds in itertools.product(KINDS, KINDS):
            run({first: kinds[0], second: kinds[1]}, window, slots, together)


@READS
@LINES
@pytest.mark.parametrize("burst", [3, 9])
def test_losses_in_a_row_are_survived(burst: int, window: int, slots: int, together: bool) -> None:
    """So many frames in a row are lost, from each place on."""
    for place in range(12):
        run({place + i: "lose" for i in range(burst)}, window, slots, together)
