"""What the stream's parts decide: credit, what is lost, how long to wait, how large slices are."""

import math
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError
from nnom_hil.link.channel import Channel
from nnom_hil.link.client import AgentClient
from nnom_hil.link.flight import MOST_FRAMES, Flight, Sent
from nnom_hil.link.frame import Frame, FrameType, encode_frame, encode_short, stream_crc
from nnom_hil.link.job import Job, Vector
from nnom_hil.link.line import Line, best_payload, bytes_per_byte
from nnom_hil.link.pace import Pace
from nnom_hil.link.stream import StreamRules, VectorStream
from nnom_hil.link.transport import LinkAddress, SerialTransport
from nnom_hil.target.fake import FakeFaults, FakeModel, FakeTarget
from nnom_hil.target.simulated import LineModel, SimulatedLine, VirtualClock

# ---- credit


def send(flight: Flight, size: int, *, tag: int = 0, poll: bool = False) -> Sent:
    order = flight.next
    base = (flight.open[0].order if flight.open else order) if poll else -1
    sent = Sent(
        order=order, size=size, end=flight.sent_bytes + size, at_s=0.0, tag=tag,
        part=0 if poll else 1, base=base,
    )  # fmt: skip
    flight.add(sent)
    return sent


def test_window_is_never_exceeded_and_polls_have_a_reserve() -> None:
    flight = Flight(1000)
    while flight.has_room(100):
        send(flight, 100)
    assert flight.under_way == 800  # an eighth is kept, and a frame more would be too much
    assert not flight.has_room(76)
    assert flight.has_room(75)
    assert flight.has_room_for_poll(200)
    assert not flight.has_room_for_poll(201)


def test_an_echo_frees_what_went_before_it() -> None:
    flight = Flight(1000)
    frames = [send(flight, 100) for _ in range(5)]
    assert flight.echo(frames[2].order) is frames[2]
    assert flight.under_way == 200
    assert flight.echo(frames[1].order) is None, "an earlier one tells nothing new"
    assert flight.echo(frames[2].order) is None, "nor does it again"
    assert flight.under_way == 200


@pytest.mark.parametrize("sent", [0, 250, 300])
def test_no_number_means_two_frames_under_way(sent: int) -> None:
    """A byte numbers frames; the target tells older from newer ones by half of its values."""
    flight = Flight(10**6)
    for _ in range(sent):
        flight.echo(send(flight, 10).order & 0xFF)
        flight.open.clear()
    while flight.has_room(10):
        send(flight, 10)
    assert len(flight.open) == MOST_FRAMES == 96
    while flight.has_room_for_poll(10):
        send(flight, 10, poll=True)
    assert flight.next - sent == 127
    assert flight.sent_as(sent & 0xFF) == flight.open[0], "the oldest one's number is still its own"


def test_doubt_is_what_the_target_has_passed_and_no_poll_will_tell() -> None:
    flight = Flight(1000)
    first, second = send(flight, 10, tag=1), send(flight, 10, tag=2)
    assert not flight.leaves_doubt
    flight.echo(first.order)
    assert flight.leaves_doubt, "it came that far, but what is known of the frame itself?"
    flight.echo(second.order)
    assert flight.leaves_doubt, "what became of the first one?"
    poll = send(flight, 10, poll=True)
    assert not flight.leaves_doubt, "it is asked for"
    flight.echo(poll.order)
    assert flight.leaves_doubt, "the poll's answer was lost"
    assert flight.forget(1) == [first]
    assert flight.forget(2) == [second]
    assert not flight.leaves_doubt


# ---- vectors in granules


@given(size=st.integers(1, 300), sizes=st.lists(st.integers(1, 15), min_size=1))
def test_slices_make_up_the_vector(size: int, sizes: list[int]) -> None:
    vector = Vector(index=3, data=bytes(i & 0xFF for i in range(size)), label=1)
    job = Job(vector, 0, vector.content(0), 8, bytearray(15))
    got = bytearray(len(job.content))
    lasts: list[bool] = []
    while job.need:
        wish = sizes[len(lasts) % len(sizes)] * 8
        part, first, data, last = job.take(wish)
        assert len(data) <= wish
        assert part & job.need == 0
        got[first * 8 : first * 8 + len(data)] = data
        lasts.append(last)
    assert bytes(got) == vector.content(0)
    assert lasts == [False] * (len(lasts) - 1) + [True]


@given(missing=st.sets(st.integers(0, 40), min_size=1), unit=st.integers(1, 9))
def test_units_that_are_asked_for_hold_all_that_is_missing(missing: set[int], unit: int) -> None:
    vector = Vector(index=0, data=b"x")
    job = Job(vector, 0, vector.content(0), 8, bytearray(41 * 8))
    for granule in set(range(41)) - missing:
        job.add_result(granule, bytes(8))
    first, bits = job.missing_units(unit, 64)
    asked = {
        first + i * unit + k
        for i in range(8 * len(bits))
        if bits[i // 8] >> i % 8 & 1
        for k in range(unit)
    }
    assert missing <= asked
    assert len(asked) <= unit * len(missing)


# ---- time


def test_timeout_is_rfc_6298s() -> None:
    pace = Pace(first_s=1.0, longest_s=60.0)
    assert pace.timeout_s() == 1.0
    pace.took(0.1)
    assert pace.timeout_s() == pytest.approx(0.1 + 4 * 0.05)
    pace.took(0.2)
    assert pace.mean_s == pytest.approx(0.1 * 7 / 8 + 0.2 / 8)
    assert pace.spread_s == pytest.approx(0.05 * 3 / 4 + 0.1 / 4)


def test_timeout_doubles_where_losses_do_not_explain_the_silence() -> None:
    pace = Pace(first_s=0.01, longest_s=1.0)
    waits = []
    for pace.silent in range(9):
        waits.append(pace.timeout_s())
    assert waits == [min(1.0, 0.01 * 2**i) for i in range(9)]
    # of answers half of which are lost, four in a row may well be
    for pace.silent, wait in [(0, 0.01), (4, 0.01), (5, 0.02), (6, 0.04)]:
        assert pace.timeout_s(0.5) == wait


# ---- the line


@pytest.mark.parametrize("overhead", [11, 25])
@pytest.mark.parametrize("rate", [1e-4, 1e-2, 0.05])
def test_best_payload_is_the_best(overhead: int, rate: float) -> None:
    best = best_payload(overhead, rate)
    least = bytes_per_byte(best, overhead, rate)
    assert all(bytes_per_byte(best * f, overhead, rate) > least for f in (0.9, 1.1))


@pytest.mark.parametrize("rate", [1e-4, 1e-3, 1e-2, 5e-2])
def test_rate_is_learnt_from_frames_of_any_size(rate: float) -> None:
    generator, line = random.Random(1), Line()
    for _ in range(4000):
        size = generator.choice([20, 60, 200])
        line.note(size, generator.random() < math.exp(-rate * size))
    assert line.rate == pytest.approx(rate, rel=0.15)


def test_a_line_that_gets_better_is_believed() -> None:
    line = Line()
    for _ in range(3000):
        line.note(20, False)
    assert line.rate > 0.2
    for _ in range(10_000):
        line.note(20, True)
    assert line.rate < 0.01


@pytest.mark.parametrize(
    ("rate_of", "expected"), [(0, 792), (1e-3, 160), (1e-2, 40), (5e-2, 8), (0.5, 8)]
)
def test_slices_suit_the_line(rate_of: float, expected: int) -> None:
    line = Line()
    for size in (20, 40):
        lost = round(10_000 * -math.expm1(-rate_of * size))
        line.arrived[size], line.lost[size] = 10_000 - lost, lost
    line.note(20, True)
    # the best ones have 104, 28 and 10 bytes; a few more cost less than 4 % of the bytes
    assert line.slice_size(792, 11, 8, 2037) == expected


def test_a_slice_is_no_longer_than_half_of_the_window_allows() -> None:
    assert Line().slice_size(792, 11, 8, 250) == 248


# ---- a stream, step by step


def stepped() -> tuple[VectorStream, Job]:
    """A stream with a vector of three granules under way, in a slice each, and a poll behind."""
    channel = Channel(None, on_text=print, why_dead=lambda: None, clock=lambda: 5.0)  # type: ignore[arg-type]
    rules = StreamRules(window=1000, slots=4, granule=8, output_bytes=4)
    stream = VectorStream(channel, rules, open_stream=lambda: None, start_again=lambda: None)
    vector = Vector(index=0, data=bytes(16))
    job = Job(vector, 0, vector.content(0), 8, bytearray(9))
    stream._jobs[0] = job
    stream._tag = 1
    for _ in range(3):
        part, _, _, _ = job.take(8)
        order = stream._flight.next
        stream._flight.add(Sent(order, 19, 19 * (order + 1), 0.0, tag=0, part=part))
    stream._flight.add(Sent(3, 10, 67, 0.0, base=0))
    return stream, job


@pytest.mark.parametrize("came", range(8))
def test_what_a_poll_does_not_name_is_needed_again_and_nothing_else(came: int) -> None:
    stream, job = stepped()
    assert job.need == 0
    stream._acknowledged(Frame(FrameType.POLL | 0x80, 3, 0, bytes([came])))
    assert job.have == came
    assert job.need == 7 & ~came
    assert stream._channel.stats.retransmitted == 3 - came.bit_count()
    assert not stream._flight.open
    stream._acknowledged(Frame(FrameType.POLL | 0x80, 3, 0, bytes([0])))
    assert job.need == 7 & ~came, "a doubled answer changes nothing"


@pytest.mark.parametrize("repeated", [True, False])
def test_the_time_of_a_repeated_poll_tells_nothing(repeated: bool) -> None:
    """Karn's rule: which of the two was answered?"""
    stream, _ = stepped()
    stream._flight.repeated = 3 if repeated else -1
    stream._acknowledged(Frame(FrameType.POLL | 0x80, 3, 0, bytes([7])))
    assert stream._pace.mean_s == (None if repeated else 5.0)


def test_a_vector_waits_for_its_place() -> None:
    """Four slots: the fifth vector takes the first one's, which must have been answered."""
    stream, job = stepped()
    more = iter([Vector(index=i, data=bytes(16)) for i in range(1, 9)])
    assert stream._open_jobs(more)
    assert list(stream._jobs) == [0, 1, 2, 3]
    del stream._jobs[2]
    assert stream._open_jobs(more)
    assert list(stream._jobs) == [0, 1, 3]
    del stream._jobs[0]
    assert stream._open_jobs(more)
    assert list(stream._jobs) == [1, 3, 4]
    assert job.tag == 0


# ---- a client and its clock


def test_half_a_frame_before_a_lost_connection_is_no_part_of_what_comes_after() -> None:
    frame = encode_frame(Frame(FrameType.STATUS | 0x80, 1, 0, bytes(24)))
    text: list[str] = []

    class Parts:
        def __init__(self) -> None:  # the second frame's first delimiter is gone
            short = encode_short(FrameType.POLL | 0x80, 1, b"", stream_crc(7))
            self.parts = [frame[:20], None, frame[1:], short]

        def read(self, deadline: Deadline) -> bytes:
            part = self.parts.pop(0)
            if part is None:
                raise LinkError("pulled")
            return part

        def reopen(self, deadline: Deadline) -> None:
            pass

    channel = Channel(Parts(), on_text=text.append, why_dead=lambda: None)  # type: ignore[arg-type]
    channel.open_stream(7)
    got = channel.receive(Deadline.after(1.0))
    assert got is not None
    assert got.type == FrameType.STATUS | 0x80
    after = channel.receive(Deadline.after(1.0))
    assert after is not None
    assert after.type == FrameType.POLL | 0x80, "the stream is open still"
    assert channel.stats.damaged == 0
    assert text == []
    assert channel.stats.reconnects == 1


MODEL = FakeModel(infer=lambda x: x[:4], input_shape=(16, 1, 1), output_shape=(4,))


def connect(faults: FakeFaults) -> tuple[AgentClient, VirtualClock]:
    target, clock = FakeTarget(MODEL, faults), VirtualClock()
    target.boot()
    line = SimulatedLine(target, clock, LineModel())
    nonces = iter(range(1, 100))
    client = AgentClient(
        line, nonce=lambda: next(nonces), clock=clock, revive=target.reset, give_up_s=10.0
    )
    client.hello(timeout_s=1.0)
    return client, clock


def test_a_silent_target_is_given_up_after_the_time_for_it() -> None:
    client, clock = connect(FakeFaults(silent_from=3))
    with pytest.raises(LinkError, match=r"no reply to a vector in 1[01] s"):
        list(client.stream([Vector(index=i, data=bytes(16)) for i in range(9)]))
    assert 10.0 < clock.now_s < 12.0


def test_a_target_that_hangs_is_reset_after_the_time_for_it() -> None:
    client, clock = connect(FakeFaults(hang_at={3}, resettable=True))
    assert len(list(client.stream([Vector(index=i, data=bytes(16)) for i in range(9)]))) == 9
    assert client.stats.resets == 1
    assert 10.0 < clock.now_s < 12.0


def test_copies_of_a_request_stay_within_the_ring() -> None:
    """On a bad line small requests go four at a time, but never more than there is room for."""
    target, clock = FakeTarget(MODEL, window=40), VirtualClock()
    target.boot()
    line = SimulatedLine(target, clock, LineModel(ring=40, bytes_per_s=1000.0))
    client = AgentClient(line, nonce=lambda: 1, clock=clock)
    client.hello(timeout_s=60.0)
    client.stats.byte_error = 0.1
    line._busy_until_s = clock.now_s + 0.05  # it computes, and takes nothing
    before = client.stats.frames_sent
    client.begin_prediction(4, 1)
    client.begin_prediction(4, 1)
    assert client.stats.frames_sent - before == 3, "two, then one beside the second of those"
    assert line.overruns == 0


def test_a_slow_request_is_not_repeated_while_its_answer_is_on_its_way() -> None:
    """A run of the model may take longer than any time-out; a ping behind it waits as well."""
    target, clock = FakeTarget(MODEL), VirtualClock()
    target.boot()
    line = SimulatedLine(target, clock, LineModel(bytes_per_s=50.0, delay_s=2.0))
    client = AgentClient(line, nonce=lambda: 1, clock=clock)
    client.hello(timeout_s=60.0)
    before = client.stats.retransmitted
    client.time_layers(bytes(16))
    assert client.stats.retransmitted == before


def test_layers_are_timed_while_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping interrupts the model: what was timed with one behind it is timed again."""
    target, clock = FakeTarget(MODEL), VirtualClock()
    target.boot()
    line = SimulatedLine(target, clock, LineModel(bytes_per_s=1000.0, delay_s=2.0))
    client = AgentClient(line, nonce=lambda: 1, clock=clock)
    client.hello(timeout_s=60.0)
    sent: list[FrameType] = []
    send = client.channel.send

    def noted(frame: Frame) -> int:
        sent.append(FrameType(frame.type))
        return send(frame)

    monkeypatch.setattr(client.channel, "send", noted)
    for _ in range(3):
        client.time_layers(bytes(16))
        assert sent[-1] is FrameType.TIME
    assert FrameType.PING in sent, "this line is slower than the first time-out"
    assert sent.count(FrameType.TIME) == 4, "then it is known"


# ---- a peer that takes nothing before it has got rid of its output


def with_stubborn_peer(folder: Path, talk: Callable[[SerialTransport], None]) -> bytes:
    """Let talk() speak to a peer like an emulator: it writes byte by byte, and reads afterwards."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "s"))
    server.listen(1)
    got = bytearray()

    def peer() -> None:
        connection, _ = server.accept()
        with connection:
            for i in range(3000):  # each takes its own buffer in the kernel, which soon is full
                connection.sendall(bytes([i & 0xFF]))
            while data := connection.recv(65536):
                got.extend(data)

    thread = threading.Thread(target=peer)
    thread.start()
    transport = SerialTransport(LinkAddress(url=f"unix://{folder}/s"))
    try:
        talk(transport)
    finally:
        transport.close()
        thread.join()
        server.close()
    return bytes(got)


def test_writing_takes_in_what_the_peer_must_get_rid_of(tmp_path: Path) -> None:
    sent = bytes(range(256)) * 4000  # more than the kernel keeps
    received = bytearray()

    def talk(transport: SerialTransport) -> None:
        transport.write(sent)
        while data := transport.read(Deadline.after(0.2)):
            received.extend(data)

    assert with_stubborn_peer(tmp_path, talk) == sent
    assert received == bytes(i & 0xFF for i in range(3000)), "nothing is lost or out of order"
