"""Charts as SVG to stand in a page: no scripts, no identifiers, no colours of their own.

The page's style sheet (reports/templates/style.css.j2) colours them, so that they are dark where
the page is, and print. pygal draws; it is imported by the first chart.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from nnom_hil.report.figures import thousands
from nnom_hil.text import printable

__all__ = ["Dot", "bars", "lines", "points", "stacked_bars"]

_SERIES_COLOURS: Final = 8
"""That the style sheet has, .color-0 on; further series begin anew."""
_LONGEST_LABEL: Final = 32
_MOST_LABELS: Final = 12
_ROW, _BESIDE_ROWS, _HEIGHT, _WIDTH, _LEGEND_ROW = 26, 60, 340, 800, 22
_PLACES: Final = {"x", "y", "cx", "cy", "d", "width", "height", "transform"}
_FRACTION: Final = re.compile(r"\d\.\d{2,20}+")
_DROPPED: Final = {"defs", "desc", "title"}
"""Scripts and styles, what the scripts read, and what is said of each label of an axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A value with more to say. value: a number, or x and y in points(). label: what a reader is
    told of it, beside the value. link: a relative address.
    """

    value: float | tuple[float, float] | None
    label: str = ""
    link: str = ""


Value = float | Dot | None
"""One of a series; None where there is none."""


def bars(
    title: str, rows: Iterable[tuple[str, Value]], *, unit: str = "", digits: int = 0
) -> Markup:
    """Return horizontal bars from 0 on, the first row on top, each with its amount beside it."""
    named = list(rows)[::-1]  # pygal begins at the bottom
    chart = _chart("HorizontalBar", title, unit, digits)
    chart.config.height = _BESIDE_ROWS + _ROW * len(named)
    chart.config.print_values, chart.config.print_values_position = True, "top"
    chart.config.show_legend, chart.config.margin_right = False, 80  # room for the last amount
    chart.x_labels = [_short(name) for name, _ in named]
    return _drawn(chart, {title: [value for _, value in named]})


def stacked_bars(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[Value]],
    *,
    unit: str = "",
    digits: int = 0,
) -> Markup:
    """Return vertical bars, one a label, each a stack of what the series have there."""
    chart = _chart("StackedBar", title, unit, digits)
    _label(chart, labels)
    return _drawn(chart, series)


def lines(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[Value]],
    *,
    unit: str = "",
    digits: int = 0,
    marks: Collection[str] = (),
    from_zero: bool = True,
) -> Markup:
    """Return one line a series over the labels, in order; of many labels some are written.

    marks: series that are large dots and no line. from_zero: the axis begins there, else a little
    below the least value, so that small differences are seen.
    """
    chart = _chart("Line", title, unit, digits)
    chart.config.margin_right = 44  # the last label is in the middle of the last place
    if not from_zero:
        chart.config.include_x_axis = False
        chart.config.range = _around(series)
    _label(chart, labels)
    return _drawn(chart, series, marks)


def points(
    title: str,
    series: Mapping[str, Sequence[Dot]],
    *,
    x_title: str,
    y_title: str,
    joined: bool = False,
    from_zero: bool = True,
    digits: int = 0,
) -> Markup:
    """Return dots at x and y; joined: those of a series by a line, in the order given.

    from_zero: y begins there.
    """
    chart = _chart("XY", title, "", digits)
    chart.config.x_title, chart.config.y_title = _text(x_title), _text(y_title)
    chart.config.stroke, chart.config.dots_size = joined, 4
    chart.config.include_x_axis = from_zero
    chart.config.x_value_formatter = chart.config.value_formatter
    return _drawn(chart, series)


def _chart(kind: str, title: str, unit: str, digits: int) -> Any:
    import pygal
    from pygal.style import Style

    suffix = f" {_text(unit)}" if unit else ""

    def amount(value: float) -> str:
        return thousands(value, digits) + suffix

    chart = getattr(pygal, kind)(
        js=[],
        css=[],
        # the letters of the style sheet, so that room is left for them
        style=Style(label_font_size=12, major_label_font_size=12, legend_font_size=13),
        width=_WIDTH,
        height=_HEIGHT,
        margin=6,
        no_prefix=True,  # it would be an identifier
        disable_xml_declaration=True,
        include_x_axis=True,
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        truncate_legend=_LONGEST_LABEL,
        truncate_label=-1,
        max_scale=8,
        no_data_text="no data",
        value_formatter=amount,
    )
    chart.add_xml_filter(lambda root: _bare(root, _text(title)))
    return chart


def _label(chart: Any, labels: Sequence[str]) -> None:
    """Name the places along a chart; of many, evenly spread ones are written."""
    step = max(1, -(-len(labels) // _MOST_LABELS))
    chart.x_labels = [_short(label) for label in labels]
    chart.config.x_labels_major_every, chart.config.show_minor_x_labels = step, step == 1
    if len(labels) * max(map(len, labels), default=0) > 90 * step:  # letters that fit side by side
        chart.config.x_label_rotation = 30


def _around(series: Mapping[str, Sequence[Value]]) -> tuple[float, float] | None:
    """Return the ends of an axis around all values, with room; None where there are none."""
    given = (v.value if isinstance(v, Dot) else v for values in series.values() for v in values)
    known = [value for value in given if isinstance(value, int | float)]
    if not known:
        return None
    room = (max(known) - min(known)) / 8 or abs(known[0]) / 50 or 1.0
    return min(known) - room, max(known) + room


def _drawn(
    chart: Any, series: Mapping[str, Sequence[Value]], marks: Collection[str] = ()
) -> Markup:
    for name, values in series.items():
        look = {"stroke": False, "dots_size": 7} if name in marks else {}
        chart.add(_text(name), [_value(value) for value in values], **look)
    return Markup(chart.render(is_unicode=True))


def _value(value: Value) -> Any:
    if not isinstance(value, Dot):
        return value
    if re.match(r"[^/?#]{0,200}:|//", value.link):
        raise ValueError(f"{value.link!r}: a chart links to the page's own neighbours only")
    known = {"value": value.value, "label": _text(value.label), "xlink": value.link}
    return {key: what for key, what in known.items() if what not in ("", None)} or None


def _text(text: str) -> str:
    return printable(text)


def _short(text: str) -> str:
    shown = _text(text)
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"


# ---- what pygal draws, without what it is for a page of its own


def _bare(root: Any, title: str) -> Any:
    """Return the drawing without scripts, styles, identifiers and comments, named by the title."""
    _strip(root)
    root.attrib.pop("id", None)
    linked = any(_tag(element) == "a" for element in root.iter())
    for name, value in (("role", "group" if linked else "img"), ("aria-label", title)):
        root.set(name, value)
    root.set("class", "chart")
    root.set("viewBox", f"0 0 {_WIDTH} {_height(root)}")
    return root


def _height(root: Any) -> int:
    """Return the height that the drawing needs: pygal forgets the legend beside other margins."""
    height = int(root.get("viewBox").split()[3])
    for group in root.iter("g"):
        if group.get("class") == "legends" and len(group):
            top = float(group.get("transform").rpartition(",")[2].strip(" )"))
            last = max(float(row.find("rect").get("y")) for row in group)
            height = max(height, int(top + last) + _LEGEND_ROW)
    return height


def _strip(parent: Any) -> None:
    says: list[str] = []
    for child in list(parent):
        tag = _tag(child)
        if tag == "desc" and child.get("class") in {"x_label", "label", "value"}:
            says.append(child.text or "")
        if not tag or tag in _DROPPED or "tooltip-overlay" in child.get("class", ""):
            parent.remove(child)
            continue
        for name in ("id", "target"):
            child.attrib.pop(name, None)
        for name in _PLACES & set(child.attrib):
            child.attrib[name] = _FRACTION.sub(lambda found: found[0][:3], child.attrib[name])
        if classes := child.get("class", "").split():
            child.attrib["class"] = " ".join(map(_colour, classes))
        _strip(child)
    if says:
        _add_title(parent, ", ".join(dict.fromkeys(reversed(says))))


def _tag(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _colour(name: str) -> str:
    """Return a class of pygal's; of many series some have the same colour."""
    number = name.removeprefix("color-")
    return f"color-{int(number) % _SERIES_COLOURS}" if number.isdecimal() else name


def _add_title(parent: Any, text: str) -> None:
    """Say something of an element, to the pointer and to who cannot see it."""
    title = parent.makeelement("title", {})
    title.text = text
    parent.insert(0, title)
