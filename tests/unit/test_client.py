"""The link's client against a fake target that fails on purpose."""

import contextlib
import errno
import itertools
import os
import socket
import zlib

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from nnom_hil.deadline import Deadline
from nnom_hil.errors import LinkError, TargetError
from nnom_hil.link.client import _PIECE, _WHOLE_TEXT, AgentClient, TargetFaultError, Vector
from nnom_hil.link.frame import ANSWER, Frame, FrameType
from nnom_hil.link.messages import PrintWhat
from nnom_hil.link.transport import LinkAddress, SerialTransport
from nnom_hil.target.fake import FakeFaults, FakeModel, FakeTarget

MODEL = FakeModel(infer=lambda x: bytes(reversed(x)), input_shape=(1, 1, 8), output_shape=(8,))


PATIENT_S = 60.0  # where nothing is to be given up, on the slowest machine


def connect(
    faults: FakeFaults | None = None, give_up_s: float = 0.3
) -> tuple[FakeTarget, AgentClient]:
    target = FakeTarget(MODEL, faults)
    target.start(None, Deadline.after(1))  # type: ignore[arg-type]  # the fake takes no image
    nonces = itertools.count(1)
    client = AgentClient(
        target,
        nonce=lambda: next(nonces),
        why_dead=target.why_dead,
        revive=target.reset,
        retry_s=0.01,
        give_up_s=give_up_s,
    )
    return target, client


def vectors(n: int) -> list[Vector]:
    return [Vector(index=i, data=bytes([i % 256, 0, 1, 2, 3, 4, 5, 6]), label=0) for i in range(n)]


def run(client: AgentClient, n: int) -> dict[int, bytes]:
    client.hello(timeout_s=1)
    client.begin_prediction(8, 1)
    results: dict[int, bytes] = {}
    for result in client.stream(
        vectors(n), window=200, on_reset=lambda: client.begin_prediction(8, 1)
    ):
        assert result.index not in results, "a vector was answered twice"
        results[result.index] = result.output
    return results


def expected(n: int) -> dict[int, bytes]:
    return {v.index: bytes(reversed(v.data)) for v in vectors(n)}


def test_clean_link_answers_every_vector_and_repeats_nothing() -> None:
    target, client = connect(give_up_s=PATIENT_S)
    assert run(client, 50) == expected(50)
    assert client.stats.retransmitted == 0
    assert target.inferences == 50


faulty_frames = st.sets(st.integers(min_value=0, max_value=80), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    drop=faulty_frames,
    damage=faulty_frames,
    drop_answers=faulty_frames,
    damage_answers=faulty_frames,
    resets=st.sets(st.integers(min_value=0, max_value=40), max_size=2),
)
def test_no_vector_is_lost_or_doubled_whatever_the_link_does(
    drop: set[int],
    damage: set[int],
    drop_answers: set[int],
    damage_answers: set[int],
    resets: set[int],
) -> None:
    faults = FakeFaults(
        drop=drop,
        damage=damage,
        drop_answers=drop_answers,
        damage_answers=damage_answers,
        reset_before=resets,
    )
    target, client = connect(faults, PATIENT_S)
    assert run(client, 40) == expected(40)
    # the target's own counts hold each vector since its last start once
    assert len(target.counted) == len(set(target.counted))


def test_target_that_stops_answering_is_named() -> None:
    _, client = connect(FakeFaults(silent_from=5))
    with pytest.raises(LinkError, match="the target stopped answering: no reply to a vector"):
        run(client, 20)


def test_target_that_hangs_is_reset_from_outside_and_loses_nothing() -> None:
    _, client = connect(FakeFaults(hang_at={5, 9}, resettable=True))
    assert run(client, 20) == expected(20)
    assert client.stats.resets == 2


def test_target_that_hangs_again_and_again_is_left_alone() -> None:
    _, client = connect(FakeFaults(silent_from=5, resettable=True))
    with pytest.raises(LinkError, match=r"no reply to a vector.*after 2 resets from outside"):
        run(client, 20)


def test_fault_carries_its_registers() -> None:
    _, client = connect(FakeFaults(fault_at=3))
    with pytest.raises(TargetFaultError, match="HardFault: pc 0x08000400") as caught:
        run(client, 20)
    assert caught.value.report.lr == 0x08000300


def test_silence_from_the_start_is_named() -> None:
    target, client = connect()
    target.write = lambda data: None  # type: ignore[method-assign]  # deaf
    target._out.clear()
    with pytest.raises(LinkError, match="no bytes at all from the target"):
        client.hello(timeout_s=0.1)


def test_text_without_frames_is_named() -> None:
    target, client = connect()
    target.write = lambda data: None  # type: ignore[method-assign]  # deaf
    target._out.clear()
    target._out.append(b"U-Boot 2016.01\r\n")
    with pytest.raises(LinkError, match=r"16 bytes but no frames .* wrong baud rate"):
        client.hello(timeout_s=0.1)


def test_death_of_the_target_is_told_by_its_own_reason() -> None:
    target, client = connect()
    client.hello(timeout_s=1)
    target.stop()
    with pytest.raises(TargetError, match="the fake target was stopped"):
        client.status()


def test_port_that_may_not_be_opened_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root, which tests may run as, may open any; so the system's answer is given here."""

    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(LinkError, match=r"/dev/ttyACM0: permission denied; .*dialout.*udev rule"):
        SerialTransport(LinkAddress(url="/dev/ttyACM0"))


def test_missing_port_is_named() -> None:
    with pytest.raises(LinkError, match="no such port; is the board plugged in"):
        SerialTransport(LinkAddress(url="/dev/ttyUSB-nowhere"))


@pytest.mark.parametrize("came", ["whole", "damaged", "doubled"])
def test_table_is_the_one_of_its_checksum(came: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever of it the console shows, once or twice."""
    table = b"Prediction summary:\nTop 1 Accuracy: 100% \n"
    shown = {
        "whole": table,
        "damaged": table[:9] + b"?" + table[10:],
        "doubled": table + table[20:],
    }
    client = AgentClient(FakeTarget(MODEL), nonce=lambda: 1)

    def request(_: FrameType, body: bytes = b"") -> Frame:
        if len(body) == 1:
            client.channel.text += shown[came].decode()
            answer = _WHOLE_TEXT.pack(len(table), zlib.crc32(table))
        else:
            _, start, count = _PIECE.unpack(body)
            answer = table[start : start + count]
        return Frame(type=FrameType.PRINT | ANSWER, seq=1, boot_id=1, body=answer)

    monkeypatch.setattr(client, "_request", request)
    assert client.print_table(PrintWhat.PREDICTION_SUMMARY) == table.decode()


@pytest.mark.parametrize("kind", ["device", "socket"])
def test_a_port_that_was_closed_is_a_lost_connection(kind: str) -> None:
    """So that it is opened again; a device's read as one that has no file descriptor."""
    with contextlib.ExitStack() as stack:
        if kind == "device":
            ends = os.openpty()
            for end in ends:
                stack.callback(os.close, end)
            url = os.ttyname(ends[1])
        else:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        transport = SerialTransport(LinkAddress(url=url, baud=115_200))
        transport.close()
        with pytest.raises(LinkError, match="the connection was lost"):
            transport.read(Deadline.after(0.1))
        with pytest.raises(LinkError, match="the connection was lost"):
            transport.write(b"x")
        transport.reopen(Deadline.after(1))
        assert transport.read(Deadline.after(0.0)) == b""
        transport.close()
