"""Benchmarks of the harness: the link's speed, what faults cost, how well models convert."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from nnom_hil.errors import LinkError
from nnom_hil.link.client import Vector
from nnom_hil.link.faults import LinkFaults
from nnom_hil.model.quantise.options import Method
from nnom_hil.model.reference import run_reference
from nnom_hil.run.prepare import ConvertOptions, find_model, prepare
from nnom_hil.run.request import RunRequest
from nnom_hil.run.runner import build_for
from nnom_hil.run.service import open_run
from nnom_hil.target.fake import FakeModel, FakeTarget
from nnom_hil.target.select import make_target
from nnom_hil.target.session import Session
from nnom_hil.target.simulated import LineModel, simulate
from nnom_hil.temporary import private_folder
from nnom_hil.times import TimeSource
from nnom_hil.zoo.data import zoo_model, zoo_models

__all__ = [
    "ConversionBench",
    "FaultBench",
    "LineBench",
    "LineModel",
    "LinkBench",
    "measure_conversion",
    "measure_faults",
    "measure_link",
    "simulate_line",
]

_FRAME_BYTES = 784  # a digit image
_OUTPUT_BYTES = 10


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
        rate = round(self.bytes_per_s, 1)
        return {**asdict(self), "bytes_per_s": rate, "time_source": TimeSource.HOST}


def measure_link(request: RunRequest, total_bytes: int) -> LinkBench:
    """Send about total_bytes of random data; raises LinkError if the target counted otherwise.

    request: the board, how the digits firmware is made, and the port behind which it runs already.
    """
    board = request.board
    image = build_for(
        board,
        prepare(find_model(None), None, options=request.conversion).graph,
        header=request.header,
        compat=request.is_compat,
        library=request.library,
    )
    generator = random.Random(1)
    frames = max(1, total_bytes // _FRAME_BYTES)
    payloads = [generator.randbytes(_FRAME_BYTES) for _ in range(frames)]
    session = Session(
        make_target(board, port=request.port, exact=False),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultBench:
    """The same vectors over a clean link and over a bad one; times in seconds of wall clock.

    wrong: answers that differ from the reference. lost: vectors without an answer. frames, bytes:
    sent over the bad one, bytes for vectors only; bound: what selective repeat sends for each byte
    of a vector; overruns: bytes that the target had no room for.
    """

    board: str
    faults: str
    vectors: int
    clean_s: float
    bad_s: float
    retransmitted: int
    resets: int
    wrong: int
    lost: int
    frames: int
    bytes: int
    clean_bytes: int
    byte_error: float
    bound: float
    over_bound: float
    overruns: int

    @property
    def extra_s(self) -> float:
        """What the faults cost."""
        return self.bad_s - self.clean_s

    def as_dict(self) -> dict[str, Any]:
        """Return the facts and the cost."""
        extra = round(self.extra_s, 3)
        return {**asdict(self), "extra_s": extra, "time_source": TimeSource.HOST}


def measure_faults(request: RunRequest, vectors: int) -> FaultBench:
    """Stream random images to the digits network twice, the second time with planted faults.

    request: the board, how the firmware is made, the faults and their seed.
    """
    with private_folder() as folder:
        x = np.random.default_rng(request.seed).random((vectors, 28, 28, 1), dtype=np.float32)
        np.savez(folder / "images.npz", x=x, x_calib=x[:50])
        planted = replace(
            request, runs=folder, model=zoo_model("digits"), data=folder / "images.npz"
        )
        clean = open_run(replace(planted, faults=None)).execute()
        bad = open_run(planted).execute()
    if clean.link is None or bad.link is None:
        raise LinkError("fault benchmark: a run was not streamed")
    return FaultBench(
        board=request.board.name,
        faults=str(request.faults),
        vectors=vectors,
        clean_s=clean.link.seconds,
        bad_s=bad.link.seconds,
        retransmitted=bad.link.retransmitted,
        resets=bad.link.resets,
        wrong=bad.outputs_different,
        lost=vectors - bad.vectors,
        frames=bad.link.frames_sent,
        bytes=bad.link.stream_bytes,
        clean_bytes=clean.link.stream_bytes,
        byte_error=bad.link.byte_error,
        bound=bad.link.bound,
        over_bound=round(bad.link.over_bound, 4),
        overruns=bad.link.rx_overruns + clean.link.rx_overruns,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBench:
    """A simulated line with one rate of byte errors; seconds are virtual.

    bytes_per_byte: sent for each byte of a vector; over_bound: times what selective repeat needs.
    """

    byte_error: float
    seconds: float
    frames: int
    retransmitted: int
    bytes_per_byte: float
    over_bound: float
    overruns: int
    wrong: int

    def as_dict(self) -> dict[str, Any]:
        """Return the figures."""
        return {**asdict(self), "time_source": TimeSource.VIRTUAL}


def simulate_line(
    faults: LinkFaults, *, vectors: int, size: int, seed: int = 1, model: LineModel
) -> LineBench:
    """Stream random vectors over a line in virtual time, by the host's own code.

    size: bytes of a vector.
    """
    network = FakeModel(
        infer=lambda x: x[:_OUTPUT_BYTES], input_shape=(size, 1, 1), output_shape=(_OUTPUT_BYTES,)
    )
    agent = FakeTarget(network, window=model.ring)
    agent.boot()
    generator = random.Random(seed)
    items = [Vector(index=i, data=generator.randbytes(size)) for i in range(vectors)]
    run = simulate(agent, items, faults, model, seed=seed)
    answers = {i: result.output for i, result in run.results.items()}
    return LineBench(
        byte_error=faults.byte_error,
        seconds=round(run.seconds, 3),
        frames=run.stats.frames_sent,
        retransmitted=run.stats.retransmitted,
        bytes_per_byte=round(run.bytes_per_byte, 4),
        over_bound=round(run.over_bound, 4),
        overruns=run.overruns,
        wrong=sum(answers.get(v.index) != v.data[:_OUTPUT_BYTES] for v in items),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionBench:
    """One bundled model. float_accuracy, int8: shares of right answers on its test data, 0 to 1;
    int8 by how it was quantised.
    """

    model: str
    vectors: int
    macs: int
    float_accuracy: float
    int8: dict[str, float]

    @property
    def loss(self) -> float:
        """Points of accuracy that the best way of quantising loses."""
        return 100 * (self.float_accuracy - max(self.int8.values()))


def measure_conversion(
    on_step: Callable[[str], None] = lambda _: None, models: Sequence[str] | None = None
) -> list[ConversionBench]:
    """Quantise bundled models in every way and count their right answers, by the reference.

    models: their names; None for all.
    """
    return [_conversion(name, on_step) for name in models or zoo_models()]


def _conversion(name: str, on_step: Callable[[str], None]) -> ConversionBench:
    int8 = {}
    for method in Method:
        for per_channel in (False, True):
            options = ConvertOptions(method=method, per_channel=per_channel)
            on_step(f"{name}: {options.describe()}")
            prepared = prepare(zoo_model(name), None, options=options)
            answers = run_reference(
                prepared.graph, prepared.x.reshape(-1, *prepared.graph.input.shape)
            )
            int8[options.describe()] = float((answers.argmax(axis=1) == prepared.labels).mean())
    float_answers = prepared.float_outputs.argmax(axis=1)
    return ConversionBench(
        model=name,
        vectors=len(prepared.x),
        macs=prepared.graph.macs,
        float_accuracy=float((float_answers == prepared.labels).mean()),
        int8=int8,
    )
