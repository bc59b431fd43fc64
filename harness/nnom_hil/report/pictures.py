"""A vector as something to look at: a small PNG of what is an image, a trace of what is a series.

Each is stretched to the vector's own range, as a page says.
"""

import base64
import math
import struct
import zlib
from typing import Final

from markupsafe import Markup

from nnom_hil.records import WorstVector

__all__ = ["picture"]

_MOST_TRACES: Final = 8
"""Of a series with more channels, an image is made."""
_POINTS: Final = 160
_WIDTH, _HEIGHT = 160, 60


def picture(vector: WorstVector) -> str:
    """Return the vector's input as HTML, empty where the record has none or it is no picture."""
    if vector.input is None:
        return ""
    try:
        data = base64.b64decode(vector.input, validate=True)
    except ValueError:  # somebody else's record
        return ""
    shape = vector.shape
    if not data or len(data) != math.prod(shape):
        return ""
    wide = tuple(length for length in shape if length > 1) or (1,)
    if len(shape) == 3 and len(wide) > 1 and shape[2] in (1, 3):
        return _image(data, *shape)
    match wide:
        case (steps,):
            return _traces(data, steps, 1)
        case (steps, channels) if channels <= _MOST_TRACES:
            return _traces(data, steps, channels)
        case (height, width):
            return _image(data, height, width, 1)
        case _:
            return ""


def _stretched(data: bytes) -> bytes:
    """Return a table from int8 to 0 .. 255, over the range of values that there is."""
    values = [(byte ^ 0x80) - 128 for byte in set(data)]
    low, span = min(values), max(1, max(values) - min(values))
    table = bytearray(256)
    for value in values:
        table[value & 0xFF] = (value - low) * 255 // span
    return bytes(table)


def _image(data: bytes, height: int, width: int, colours: int) -> Markup:
    pixels, row = data.translate(_stretched(data)), width * colours
    rows = b"".join(b"\0" + pixels[i : i + row] for i in range(0, len(pixels), row))
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if colours == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)
    source = base64.b64encode(png).decode()
    return Markup(
        '<img class="pixels" width="{}" height="{}" alt="the input, {} × {}" '
        'src="data:image/png;base64,{}">'
    ).format(*_fitted(width, height), height, width, source)


def _fitted(width: int, height: int) -> tuple[int, int]:
    """Return the size to show an image in: as large as a thumbnail, in its own proportions."""
    scale = min(112 / width, 112 / height)
    return max(8, round(width * scale)), max(8, round(height * scale))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _traces(data: bytes, steps: int, channels: int) -> Markup:
    """Draw each channel over time; of many steps, evenly spread ones."""
    table = _stretched(data)
    every = max(1, -(-steps // _POINTS))
    lines = Markup()
    for channel in range(channels):
        values = data[channel::channels][::every].translate(table)
        across = _WIDTH / max(1, len(values) - 1)
        places = (
            f"{i * across:.0f},{_HEIGHT - value * _HEIGHT / 255:.0f}"
            for i, value in enumerate(values)
        )
        lines += Markup('<polyline class="color-{}" points="{}"/>').format(
            channel, " ".join(places)
        )
    return Markup(
        '<svg class="trace" viewBox="-2 -2 {} {}" width="{}" height="{}" role="img" '
        'aria-label="the input, {} × {}">{}</svg>'
    ).format(_WIDTH + 4, _HEIGHT + 4, _WIDTH, _HEIGHT, steps, channels, lines)
