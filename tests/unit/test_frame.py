"""Frame codec: nothing is lost between text and frames, no damaged frame is accepted."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from nnom_hil.link.frame import Damaged, Frame, Splitter, Text, encode_frame

frames = st.builds(
    Frame,
    st.integers(min_value=0, max_value=255),
    st.integers(min_value=0, max_value=0xFFFF),
    st.integers(min_value=0, max_value=0xFFFFFFFF),
    st.binary(max_size=1200),
)
console_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=80)


def split(data: bytes, cuts: list[int]) -> list[Frame | Text | Damaged]:
    splitter = Splitter()
    items: list[Frame | Text | Damaged] = []
    places = sorted({min(c, len(data)) for c in cuts} | {0, len(data)})
    for start, end in pairwise(places):
        items += splitter.feed(data[start:end])
    return [*items, *splitter.flush()]


@given(
    st.lists(st.one_of(frames, console_text.map(Text)), max_size=6),
    st.lists(st.integers(0, 4000), max_size=8),
)
@example([Frame(1, 2, 3, bytes(range(1, 255)))], [])  # one full COBS group
@example([Frame(1, 2, 3, bytes(600))], [])
def test_frames_and_text_arrive_in_order_however_they_are_cut(
    items: list[Frame | Text], cuts: list[int]
) -> None:
    wire = b"".join(encode_frame(i) if isinstance(i, Frame) else i.text.encode() for i in items)
    merged: list[Frame | Text | Damaged] = []
    for item in items:  # neighbouring texts have no border on the wire
        if isinstance(item, Text) and merged and isinstance(last := merged[-1], Text):
            merged[-1] = Text(last.text + item.text)
        else:
            merged.append(item)
    assert split(wire, cuts) == merged


@given(frames, st.data())
def test_frame_with_a_changed_byte_is_never_accepted(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode_frame(frame))
    position = data.draw(st.integers(1, len(wire) - 2))
    wire[position] ^= data.draw(st.integers(1, 255))
    assert not any(isinstance(item, Frame) for item in split(bytes(wire), []))


@given(st.binary(max_size=300))
def test_noise_before_a_frame_costs_nothing_but_itself(noise: bytes) -> None:
    frame = Frame(2, 7, 9, b"payload")
    items = split(noise + encode_frame(frame), [])
    assert items[-1] == frame
