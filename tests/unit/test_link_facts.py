"""The link's facts stand in C, in the host, in the fake and in the book: the same everywhere."""

import re
from pathlib import Path

from nnom_hil.codegen import firmware
from nnom_hil.deadline import Deadline
from nnom_hil.link import frame, messages
from nnom_hil.link.frame import AgentError, Frame, FrameType, Splitter, encode_frame
from nnom_hil.link.messages import Capability, Hello
from nnom_hil.target.fake import FakeModel, FakeTarget

ROOT = Path(__file__).parents[2]
AGENT = (ROOT / "firmware" / "agent" / "agent.h").read_text()
INTERNAL = (ROOT / "firmware" / "agent" / "agent_internal.h").read_text()
FRAME = (ROOT / "firmware" / "agent" / "frame.h").read_text()
AGENT_C = (ROOT / "firmware" / "agent" / "agent.c").read_text()
BOOK = (ROOT / "docs" / "protocol.md").read_text()
MODEL = FakeModel(infer=lambda x: x[:4], input_shape=(1, 1, 8), output_shape=(4,))


def enumerators(name: str) -> dict[str, int]:
    found = re.search(rf"enum {name} \{{(.*?)\}};", AGENT, re.DOTALL)
    assert found is not None
    return {key: int(value, 0) for key, value in re.findall(r"(\w+) = (\w+),", found[1])}


def number(text: str, macro: str) -> int:
    found = re.search(rf"#define {macro} (\w+?)u\b", text)
    assert found is not None, macro
    return int(found[1], 0)


def test_types_of_frames() -> None:
    in_c = enumerators("agent_type")
    assert in_c.pop("AGENT_ANSWER") == frame.ANSWER
    assert in_c == {f"AGENT_{kind.name}": kind.value for kind in FrameType}
    rows = re.findall(r"^\| ([0-9A-F]{2})(?: – [0-9A-F]{2})? \| ([A-Z]+)[ ,|]", BOOK, re.MULTILINE)
    assert {name: int(code, 16) for code, name in rows} == {k.name: k.value for k in FrameType}


def test_reasons_to_refuse() -> None:
    assert enumerators("agent_error") == {f"AGENT_ERROR_{e.name}": e.value for e in AgentError}
    told = re.search(r"Error codes: (.*?)\.$", BOOK, re.MULTILINE)
    assert told is not None
    assert [int(n) for n in re.findall(r"\d+", told[1])] == [e.value for e in AgentError]


def test_version_and_capabilities() -> None:
    version = messages.PROTOCOL_VERSION
    assert number(AGENT, "AGENT_PROTOCOL_VERSION") == version
    assert f"Protocol version {version}." in BOOK
    names = re.findall(r"#define CAN_(\w+)", AGENT_C)
    in_c = {name: number(AGENT_C, f"CAN_{name}") for name in names}
    assert in_c == {c.name: c.value for c in Capability}
    listed = re.search(r"capabilities u32 \((.*?)\)", BOOK, re.DOTALL)
    assert listed is not None
    told = dict(re.findall(r"(\d+)\s+([A-Z]+)", listed[1]))
    assert told == {str(c.value): c.name for c in Capability}


def test_sizes() -> None:
    assert number(INTERNAL, "CONTENT_HEAD") == messages.CONTENT_HEAD
    assert 4 + messages.CONTENT_HEAD + number(FRAME, "FRAME_CRC_SIZE") == firmware.FRAME_OVERHEAD
    empty = b"".join(frames_raw(encode_frame(Frame(FrameType.PING, 1, 2))))
    header = number(FRAME, "FRAME_HEADER_SIZE")
    assert len(empty) == header + number(FRAME, "FRAME_CRC_SIZE")


def frames_raw(data: bytes) -> list[bytes]:
    from cobs import cobs

    return [cobs.decode(part) for part in data.split(b"\0") if part]


def asked(kind: int, body: bytes, boot: int) -> Frame:
    target = FakeTarget(MODEL)
    target.start(Path(), Deadline.after(1))
    target.write(encode_frame(Frame(FrameType.HELLO, 1, 0, (7).to_bytes(4, "little"))))
    target.write(encode_frame(Frame(kind, 2, boot, body)))
    answers: list[Frame] = []
    splitter = Splitter()
    while data := target.read(Deadline.after(0)):
        answers += [item for item in splitter.feed(data) if isinstance(item, Frame)]
    return answers[-1]


def test_the_fake_says_the_same() -> None:
    hello = Hello.parse(asked(FrameType.HELLO, (7).to_bytes(4, "little"), 0).body, 7)
    assert set(Capability(hello.capabilities)) <= set(Capability)
    refused = asked(0x19, b"", 7)
    assert (refused.type, refused.body) == (
        FrameType.ERROR, bytes([AgentError.UNKNOWN_TYPE, 0x19])
    )  # fmt: skip
    stale = asked(FrameType.PING, b"", 8)
    assert stale.body == bytes([AgentError.STALE_BOOT, FrameType.PING])
