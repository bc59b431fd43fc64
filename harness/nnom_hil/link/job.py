"""One vector on its way: which of its granules are missing, and which of its result's."""

from dataclasses import dataclass

from nnom_hil.link.messages import VectorResult, vector_content

__all__ = ["Job", "Vector"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One input to send; label None keeps it out of the target's own counts.

    compact: the input in the compact encoding, where that is wanted and shorter.
    """

    index: int
    data: bytes
    label: int | None = None
    compact: bytes | None = None

    def content(self, unit: int) -> bytes:
        """Return what its slices are cut from; unit: granules of one piece of the result, or 0."""
        data = self.data if self.compact is None else self.compact
        compact = self.compact is not None
        return vector_content(self.index, self.label, data, compact=compact, unit=unit)


def _run(bits: int) -> tuple[int, int]:
    """Return place and length of the lowest run of ones."""
    first = (bits & -bits).bit_length() - 1
    rest = ~(bits >> first)
    return first, (rest & -rest).bit_length() - 1


@dataclass(slots=True)
class Job:
    """A vector that the target is to answer. Sets of granules are integers, a bit each.

    need: granules that are to be sent; neither they nor `have`, which the target is known to have
    got, are under way.
    """

    vector: Vector
    tag: int
    content: bytes
    granule: int
    result: bytearray
    need: int = 0
    have: int = 0
    got: int = 0  # of the result
    asked: int = -1  # the ask whose fate is not known
    last: int = -1  # the newest slice

    def __post_init__(self) -> None:
        self.begin(self.tag)

    def begin(self, tag: int) -> None:
        """Start from nothing, as after a reset of the target."""
        self.tag = tag
        self.need = self.all
        self.have = self.got = 0
        self.asked = self.last = -1

    @property
    def all(self) -> int:
        """All granules of the content."""
        return (1 << -(-len(self.content) // self.granule)) - 1

    @property
    def is_delivered(self) -> bool:
        """Whether the target is known to have all of it."""
        return self.have == self.all

    @property
    def under_way(self) -> int:
        """Bytes of granules whose fate is not known."""
        return (self.all & ~self.need & ~self.have).bit_count() * self.granule

    def take(self, size: int) -> tuple[int, int, bytes, bool]:
        """Take the first slice of what is needed, of at most so many bytes.

        Return its granules, the first one, its bytes, and whether it is the last of the vector.
        """
        first, count = _run(self.need)
        count = min(count, size // self.granule)
        part = ((1 << count) - 1) << first
        self.need &= ~part
        start, stop = first * self.granule, (first + count) * self.granule
        return part, first, self.content[start:stop], stop >= len(self.content)

    def add_result(self, first: int, data: bytes) -> bool:
        """Put in a piece of the result; return whether it is whole."""
        start = first * self.granule
        if start + len(data) <= len(self.result) and data:
            self.result[start : start + len(data)] = data
            self.got |= ((1 << -(-len(data) // self.granule)) - 1) << first
        return self.got == self.all_of_result

    @property
    def all_of_result(self) -> int:
        """All granules of the result."""
        return (1 << -(-len(self.result) // self.granule)) - 1

    def missing_units(self, unit: int, most: int) -> tuple[int, bytes]:
        """Return the first granule of the result that is missing, and bits of units from there on.

        The units of so many granules that hold something missing; at most so many units.
        """
        missing = self.all_of_result & ~self.got
        first = (missing & -missing).bit_length() - 1
        missing >>= first
        bits = 0
        for i in range(most):
            if missing >> (i * unit) & ((1 << unit) - 1):
                bits |= 1 << i
        return first, bits.to_bytes(-(-bits.bit_length() // 8), "little")

    def parsed(self) -> VectorResult:
        """Return the whole result."""
        return VectorResult.parse(self.vector.index, bytes(self.result))
