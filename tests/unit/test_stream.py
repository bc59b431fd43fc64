"""Which vectors are sent again: those that an answer, or a silence, shows to be lost, no others."""

import itertools
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from nnom_hil.deadline import Deadline
from nnom_hil.link.channel import LinkStats
from nnom_hil.link.frame import ANSWER, Frame, FrameType
from nnom_hil.link.stream import Vector, VectorStream
from nnom_hil.link.transport import LinkAddress, SerialTransport

SILENCE = None


class ScriptedChannel:
    """Notes the vectors that are sent, as (index, frame's number); answers are told beforehand.

    An answer is the number of the frame that it is to, or SILENCE.
    """

    def __init__(self, answers: list[int | None]) -> None:
        self.stats = LinkStats(damaged=1)  # a bad link
        self.reconnected_at = 0.0
        self.sent: list[tuple[int, int]] = []
        self._answers = iter(answers)
        self._seq = itertools.count(1)

    def frame(self, kind: int, body: bytes = b"") -> Frame:
        return Frame(kind, next(self._seq), 1, body)

    def send(self, frame: Frame) -> int:
        self.sent.append((int.from_bytes(frame.body[:4], "little"), frame.seq))
        return len(frame.body)

    def receive(self, deadline: Deadline) -> Frame | None:
        seq = next(self._answers)
        if seq is SILENCE:
            while not deadline.expired:
                pass
            return None
        index = next(i for i, number in self.sent if number == seq)
        return Frame(FrameType.VECTOR | ANSWER, seq, 1, index.to_bytes(4, "little") + bytes(6))


def sent_for(vectors: int, answers: list[int | None]) -> list[tuple[int, int]]:
    channel = ScriptedChannel(answers)
    stream = VectorStream(
        channel,  # type: ignore[arg-type]
        window=10_000,
        in_order=False,
        can_parts=True,
        start_again=lambda: None,
        retry_s=0.01,
        give_up_s=5.0,
    )
    items = [Vector(index=i, data=b"12345678") for i in range(vectors)]
    assert sorted(r.index for r in stream.run(items)) == list(range(vectors))
    return channel.sent


def test_nothing_is_sent_again_on_a_link_that_loses_nothing() -> None:
    assert sent_for(3, [1, 2, 3]) == [(0, 1), (1, 2), (2, 3)]


def test_an_answer_shows_that_earlier_ones_were_lost() -> None:
    assert sent_for(3, [3, 4, 5])[3:] == [(0, 4), (1, 5)]


def test_silence_repeats_the_oldest_alone() -> None:
    assert sent_for(3, [SILENCE, 4, 5, 6])[3:] == [(0, 4), (1, 5), (2, 6)]


def test_the_answer_to_an_earlier_copy_says_nothing_of_what_came_after_it() -> None:
    # the target was only slow: what it answers is the first copy
    assert sent_for(3, [SILENCE, 1, 2, 3])[3:] == [(0, 4)]


def test_a_vector_that_never_gets_through_goes_in_parts() -> None:
    sent = sent_for(1, [SILENCE] * 4 + [8])
    assert [index for index, _ in sent] == [0] * (5 + 3)  # whole ones, then its one part thrice


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
