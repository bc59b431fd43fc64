"""Payloads of a firmware that is not ours are told, by name and length."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnom_hil.errors import LinkError
from nnom_hil.link.messages import PROTOCOL_VERSION, FaultReport, Hello, LayerTimes, TargetStatus

PARSERS: dict[str, Callable[[bytes], object]] = {
    "TIME": LayerTimes.parse,
    "STATUS": TargetStatus.parse,
    "FAULT": FaultReport.parse,
    "HELLO": lambda body: Hello.parse(bytes([PROTOCOL_VERSION]) + body, 1),
}
SIZES = {"STATUS": {24}, "FAULT": {40}, "TIME": set(range(1, 100, 4)), "HELLO": set()}


@pytest.mark.parametrize("name", PARSERS)
@given(body=st.binary(max_size=60))
def test_wrong_sizes_are_told(name: str, body: bytes) -> None:
    if len(body) in SIZES[name]:
        PARSERS[name](body)
        return
    size = len(body) + (name == "HELLO")
    with pytest.raises(LinkError, match=f"malformed {name} of {size} bytes: wrong firmware"):
        PARSERS[name](body)


def test_times_are_a_status_and_ticks() -> None:
    times = LayerTimes.parse(struct.pack("<b2I", -3, 7, 2**32 - 1))
    assert (times.status, times.ticks) == (-3, (7, 2**32 - 1))
