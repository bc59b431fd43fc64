"""What all reports are made of: Markdown, JUnit XML and charts show the text of others as text."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nnom_hil.report.charts import Dot, Value, bars, lines, points, stacked_bars
from nnom_hil.report.junit import Case, Suite, junit
from nnom_hil.report.markdown import Markdown, code, escape, table
from nnom_hil.text import printable

HOSTILE = (
    "<script>alert(1)</script>", 'a "quoted" \'name\'', "two\nlines", "| cell | more |", "*b* _i_",
    "`code` ``more``", "[link](http://x.y)", "&amp; &#64;", "\\| \\\\", "\x1b[31mred\x00", "~~x~~",
    "@everyone #12", "<!-- no -->", "www.example.com", "$x$", "\ud800", "\uffff", "![i](j)", "a_b",
)  # fmt: skip


def shown_cells(document: str) -> list[str]:
    """Return what a reader sees in a table's body."""
    tokens = MarkdownIt("commonmark").enable("table").parse(document)
    cells = []
    for token, inside in pairwise(tokens):
        if token.type == "td_open":
            text = ""
            for part in inside.children or []:
                assert part.type in {"text", "code_inline", "html_inline", "text_special"}, part
                if part.type == "html_inline":
                    assert part.content in {"<!-- -->", "<br>"}
                    text += "\n" if part.content == "<br>" else ""
                else:
                    text += part.content
            cells.append(text)
    return cells


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_hostile_text(text: str) -> None:
    assert shown_cells(table(["x", "y"], [[text, "end"]])) == [printable(text), "end"]
    in_code = shown_cells(table(["x", "y"], [[code(text), "end"]]))
    assert in_code == [" ".join(printable(text).splitlines()), "end"]


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=30))
def test_markdown_shows_any_text(text: str) -> None:
    wanted = "\n".join(line.strip() for line in printable(text).splitlines()).strip()
    shown = shown_cells(table(["x", "y"], [[text, "end"]]))
    assert [" ".join(shown[0].split()), shown[1:]] == [" ".join(wanted.split()), ["end"]]


def test_markdown_refers_to_nobody() -> None:
    assert "@everyone" not in escape("@everyone")
    assert "#12" not in escape("#12")
    assert escape(Markdown("*kept*")) == "*kept*"


@pytest.mark.parametrize("text", HOSTILE)
def test_junit_holds_hostile_text(text: str) -> None:
    case = Case(name=text, classname=text, failure=f"{text}\nmore", properties={text: text})
    suite = Suite(name=text, cases=(case, Case(name="b", classname="c", error="e"), Case(
        name="s", classname="c", skipped="why")), started="2026-01-01T00:00:00")  # fmt: skip
    root = ElementTree.fromstring(junit([suite]))
    wanted = printable(text)
    found = root.find("testsuite")
    assert found is not None
    assert found.get("name") == wanted
    counts = [found.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["3", "1", "1", "1"]
    failure = found.find("testcase/failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == (wanted.split("\n")[0], f"{wanted}\nmore")
    given_ = found.find("testcase/properties/property")
    assert given_ is not None
    assert given_.attrib == {"name": wanted, "value": wanted}


def charts(text: str) -> list[str]:
    dots = [Dot(value=(i, i * i), label=text, link="runs/a%20b/report.html") for i in range(3)]
    return [
        bars(text, [(text, 1), ("none", None)], unit=text),
        stacked_bars(text, [text, "b"], {text: [1, Dot(value=2, label=text)], "y": [None, 3]}),
        lines(text, [f"{text}{i}" for i in range(30)], {text: list(range(30))}),
        points(text, {text: dots}, x_title=text, y_title=text, joined=True),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_charts_show_hostile_text(text: str) -> None:
    for chart in charts(text):
        root = ElementTree.fromstring(chart)
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "g", "rect", "path", "text", "title", "circle", "a"}
        assert root.get("aria-label") == printable(text)
        names = {name for element in root.iter() for name in element.attrib}
        assert not names & {"id", "target", "style", "onclick"}
        assert "<!--" not in chart
    assert charts(text) == charts(text)


def test_charts_tell_every_amount_in_words() -> None:
    chart = bars("t", [("conv", 1234.0)], unit="µs", digits=1)
    assert chart.count("1\u202f234.0 µs") >= 2  # beside the bar, and to the pointer
    assert "conv, 1\u202f234.0 µs" in chart


def test_charts_of_nothing_are_drawn() -> None:
    for chart in (bars("t", []), lines("t", [], {}), points("t", {}, x_title="x", y_title="y")):
        assert "no data" in chart


@pytest.mark.parametrize("link", ["javascript:alert(1)", "http://x.y/z", "//x.y/z"])
def test_charts_link_to_neighbours_only(link: str) -> None:
    with pytest.raises(ValueError, match="neighbours"):
        lines("t", ["a"], {"s": [Dot(value=1, link=link)]})


def test_marks_are_dots_without_a_line() -> None:
    chart = lines("t", ["a", "b"], {"s": [1, 2], "change": [None, 2]}, marks=["change"])
    drawn = ElementTree.fromstring(chart)
    lines_ = [e for e in drawn.iter() if "line" in e.get("class", "").split() and e.get("d")]
    in_series = [e for e in lines_ if "reactive" in e.get("class", "")]
    assert len(in_series) == 1
    assert 'r="7"' in chart


def test_axis_can_begin_near_the_least_value() -> None:
    """What repeats, too, has an axis; 1 % of a difference is seen where it does not begin at 0."""
    values: dict[str, list[Value]] = {"s": [1000, Dot(value=1010), None]}
    assert ">0<" in lines("t", ["a", "b", "c"], values)
    assert ">0<" not in lines("t", ["a", "b", "c"], values, from_zero=False)
    kinds: list[dict[str, list[Value]]] = [{"s": [7]}, {"s": [0, 0]}, {"s": [None]}, {}]
    for same in kinds:
        assert "svg" in lines("t", ["a", "b"], same, from_zero=False)
