"""The host's own link code over lines in virtual time: exact counts, whatever the machine does."""

import ctypes
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.agent import build_agent
from tests.support.random_graphs import random_graph

from nnom_hil.boards import find_board
from nnom_hil.codegen.firmware import FirmwareSettings, granule, rx_size, slots
from nnom_hil.errors import LinkError
from nnom_hil.link.client import Vector
from nnom_hil.link.faults import LinkFaults
from nnom_hil.link.line import bytes_per_byte
from nnom_hil.link.stream import SLICE_OVERHEAD
from nnom_hil.model.reference import run_reference
from nnom_hil.target.fake import FakeModel, FakeTarget
from nnom_hil.target.simulated import Agent, LineModel, SimulatedRun, simulate
from nnom_hil.tool import find_tool

DIGIT = 784
ERRORS = [1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 5e-2]


def digits(count: int, seed: int = 0, size: int = DIGIT) -> list[Vector]:
    generator = random.Random(seed)
    return [Vector(index=i, data=generator.randbytes(size), label=None) for i in range(count)]


def fake(size: int = DIGIT, output: int = 10, *, slots: int = 4, window: int = 4096) -> FakeTarget:
    model = FakeModel(
        infer=lambda x: (x * (output // len(x) + 1))[:output],
        input_shape=(size, 1, 1),
        output_shape=(output,),
    )
    target = FakeTarget(model, slots=slots, window=window)
    target.boot()
    return target


def stream(
    faults: LinkFaults, model: LineModel, *, count: int = 60, seed: int = 1, size: int = DIGIT,
    output: int = 10, in_order: bool = False, **options: int,
) -> SimulatedRun:  # fmt: skip
    target = fake(size, output, window=model.ring, **options)
    vectors = digits(count, seed, size)
    run = simulate(target, vectors, faults, model, seed=seed, in_order=in_order)
    assert {i: r.output for i, r in run.results.items()} == {
        v.index: target.model.infer(v.data) for v in vectors
    }
    assert run.overruns == 0
    return run


def bound(rate: float) -> float:
    """What selective repeat needs at least, found by trying every size."""
    errors = -math.log1p(-rate)
    return min(bytes_per_byte(n, SLICE_OVERHEAD, errors) for n in range(1, DIGIT + 1))


def test_a_clean_line_carries_each_vector_in_one_frame() -> None:
    run = stream(LinkFaults(), LineModel())
    assert run.stats.retransmitted == 0
    assert run.inferences == 60
    # greeting, opening, a slice each, and what asks for the end of the first ones' fate
    assert run.stats.frames_sent <= 60 + 6
    assert run.bytes_per_byte < 1.03
    # the line is what takes the time, not waiting
    assert run.seconds < 1.03 * run.stats.tx_bytes / LineModel().bytes_per_s


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rate", ERRORS)
def test_bytes_stay_near_the_bound(rate: float, seed: int) -> None:
    run = stream(LinkFaults(byte_error=rate), LineModel(), seed=seed)
    assert run.bytes_per_byte <= 1.3 * bound(rate)
    seen = max(1, run.stats.retransmitted)
    assert run.stats.byte_error == pytest.approx(rate, rel=0.1 + 4 / math.sqrt(seen))
    assert run.stats.bound == pytest.approx(bound(rate), rel=0.12)
    assert run.inferences == 60, "a lost answer is given again, not computed"
    # what is not the line's time is the waiting for lost polls
    assert run.seconds <= 1.6 * run.stats.tx_bytes / LineModel().bytes_per_s


@pytest.mark.parametrize("rate", [0.0, 1e-3, 1e-2, 5e-2])
@pytest.mark.parametrize("stall_s", [0.05, 0.5, 3.0])
def test_a_host_that_stalls_repeats_nothing_more(rate: float, stall_s: float) -> None:
    faults = LinkFaults(byte_error=rate)
    calm = stream(faults, LineModel()).stats
    stalled = stream(faults, LineModel(stall_s=stall_s)).stats
    assert stalled.retransmitted == pytest.approx(calm.retransmitted, rel=0.2, abs=2)
    assert stalled.frames_sent == pytest.approx(calm.frames_sent, rel=0.2, abs=4)


@pytest.mark.parametrize("inference_s", [0.0, 0.3, 4.0])
def test_a_slow_target_is_no_lossy_line(inference_s: float) -> None:
    run = stream(LinkFaults(), LineModel(inference_s=inference_s), count=20)
    assert run.stats.retransmitted == 0
    # each second a poll and a ping: small ones, where nobody has told how long the model takes
    assert run.stats.frames_sent <= 48 + 20 * 2 * inference_s
    assert run.inferences == 20


@pytest.mark.parametrize(("inference_s", "share"), [(0.02, 0.97), (0.2, 0.99)])
def test_a_core_that_computes_never_waits_for_the_line(inference_s: float, share: float) -> None:
    """9 ms of transfer a vector: they come in while the one before is computed."""
    model = LineModel(bytes_per_s=92_160, inference_s=inference_s)
    run = stream(LinkFaults(), model, count=100)
    assert 100 * inference_s >= share * run.seconds


@pytest.mark.parametrize("slots", [0, 1, 2, 8])
@pytest.mark.parametrize("ring", [2048, 4096, 16384])
def test_any_target_has_room_for_what_is_under_way(slots: int, ring: int) -> None:
    faults = LinkFaults(byte_error=3e-4, drop=0.02)
    run = stream(faults, LineModel(ring=ring, inference_s=0.2), count=20, slots=slots)
    assert run.stats.retransmitted > 0


def test_several_vectors_in_slices_keep_a_long_line_busy() -> None:
    """Two thirds of a round trip's bytes are under way: one vector at a time would stand idle."""
    faults = LinkFaults(byte_error=0.01)
    model = LineModel(bytes_per_s=92_160, delay_s=0.01, ring=4096, inference_s=0.0)
    many = stream(faults, model, slots=4).seconds
    one = stream(faults, model, slots=1).seconds
    assert many < 0.6 * one


@settings(max_examples=25, deadline=None)
@given(
    rate=st.floats(0, 0.06),
    drop=st.floats(0, 0.2),
    size=st.integers(1, 1500),
    output=st.integers(1, 400),
    slots=st.sampled_from([1, 2, 4, 8]),
    delay_s=st.floats(0, 0.1),
    in_order=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_line_gets_every_vector_right(
    rate: float, drop: float, size: int, output: int, slots: int, delay_s: float, in_order: bool,
    seed: int,
) -> None:  # fmt: skip
    faults = LinkFaults(byte_error=rate, drop=drop)
    model = LineModel(delay_s=delay_s)
    run = stream(
        faults, model, count=3, seed=seed, size=size, output=output, slots=slots, in_order=in_order
    )
    assert run.inferences == 3, "what stateful networks remember is one of each"


def test_a_bad_line_is_given_time_before_anything_is_known_of_it() -> None:
    """The worst lines above, at the first request: a few lost answers in a row blame nobody."""
    faults = LinkFaults(byte_error=0.06, drop=0.2)
    for seed in (13, 66, 94, 262, *range(2000, 2100)):
        stream(faults, LineModel(delay_s=0.0), count=1, seed=seed, size=1, output=1, slots=1)


def test_a_line_without_hope_is_what_gets_the_blame() -> None:
    target = fake()
    target.faults.damage_answers = set(range(5, 100_000))
    with pytest.raises(LinkError, match=r"the line lets nothing through: .* damaged frames"):
        simulate(target, digits(9), LinkFaults(), LineModel())


def test_a_target_that_says_nothing_on_a_good_line_gets_the_blame() -> None:
    target = fake()
    target.faults.silent_from = 2
    with pytest.raises(LinkError, match="the target stopped answering: no reply to a vector"):
        simulate(target, digits(5), LinkFaults(), LineModel())


# ---- the agent in C, in the place of the fake


class AgentInC:
    """The firmware's own agent, compiled for this machine."""

    def __init__(self, library: Path) -> None:
        self.now: Callable[[], None] = lambda: None
        self._library = ctypes.CDLL(str(library))
        self._library.library_take.restype = ctypes.c_size_t
        self._library.library_start()

    def take(self, data: bytes) -> bytes:
        answer = ctypes.POINTER(ctypes.c_uint8)()
        length = self._library.library_take(data, len(data), ctypes.byref(answer))
        return bytes(answer[:length])


class Recorder:
    """Notes all that an agent is given and what it answers."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.log: list[tuple[bytes, bytes]] = []
        self.now: Callable[[], None] = lambda: None

    def take(self, data: bytes) -> bytes:
        answer = self.agent.take(data)
        self.log.append((data, answer))
        return answer


def test_the_fake_is_the_agent_in_c(tmp_path: Path) -> None:
    """Same bytes in, same bytes out, but for the greeting; so what is simulated is the firmware."""
    graph = max((random_graph(seed) for seed in range(12)), key=lambda g: g.input.size)
    source = Path(__file__).parents[1] / "native" / "agent_library.c"
    compiler = [str(find_tool("cc")), "-O1", "-shared", "-fPIC"]
    library = build_agent(tmp_path, graph, compiler, source)
    generator = np.random.default_rng(0)
    x = generator.integers(-128, 128, (12, *graph.input.shape), dtype=np.int8)
    answers = run_reference(graph, x)
    known = {a.tobytes(): b.tobytes() for a, b in zip(x, answers, strict=True)}
    model = FakeModel(
        infer=lambda data: known[data],
        input_shape=graph.input.shape,
        output_shape=(len(answers[0].tobytes()),),
    )
    vectors = [Vector(index=i, data=row.tobytes()) for i, row in enumerate(x)]
    sizes = FirmwareSettings(input_bytes=graph.input.size, model_hash="00")
    ring = rx_size(find_board("native"), sizes)
    for rate in (0.0, 1e-3, 2e-2, 5e-2):
        fresh = tmp_path / f"agent_{rate}.so"  # each with a state of its own
        shutil.copy(library, fresh)
        python = FakeTarget(model, slots=slots(find_board("native"), sizes), window=ring)
        python.granule = granule(sizes)
        logs = []
        for agent in (AgentInC(fresh), python):
            recorder = Recorder(agent)
            line = LineModel(ring=ring, inference_s=0.0)
            run = simulate(recorder, vectors, LinkFaults(byte_error=rate), line, seed=3)
            assert {i: r.output for i, r in run.results.items()} == {
                v.index: known[v.data] for v in vectors
            }
            logs.append(recorder.log)
        assert logs[0][1:] == logs[1][1:], "all but HELLO"
