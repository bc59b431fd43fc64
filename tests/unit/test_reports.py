"""Reports in every format, from records alone."""

import base64
import csv
import errno
import hashlib
import json
import re
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from tests.support.run_records import confusion, full_record
from tests.unit.test_records import OLD

from nnom_hil.cli.app import run_app
from nnom_hil.cli.run import _writer
from nnom_hil.model.lifetimes import alive_bytes, held_bytes
from nnom_hil.model.qgraph import Merge, MergeKind, QGraph, QInput, QNode, QOutput
from nnom_hil.records import Accuracy, RunError, RunRecord, Task, Verdict, WorstVector
from nnom_hil.report.advice import what_next
from nnom_hil.report.facts import Part, facts_of
from nnom_hil.report.figures import confidence, layer_figures, slowest, wilson
from nnom_hil.report.formats import FORMATS, Format
from nnom_hil.report.html import Shown, render_html, render_shown
from nnom_hil.report.memory import alive_in
from nnom_hil.report.mistakes import frequent_mistakes
from nnom_hil.report.pictures import picture
from nnom_hil.report.sides import Relation, compare
from nnom_hil.run.shown import Outcome
from nnom_hil.text import HIDDEN, printable
from nnom_hil.times import TimeSource

HOSTILE = (
    "<script>alert(1)</script> \"quoted\" 'it' & {{ 7*7 }}\nline two | `code` \x1b[31m\u202e=1+1"
)
PASSED: dict[str, Any] = {
    "verdict": Verdict.PASS, "reasons": (), "outputs_different": 0, "first_difference": None,
    "cross_checks": (), "min_accuracy": None,
}  # fmt: skip


class _Page(HTMLParser):
    """A page's tags, its attributes, and its text but for styles and scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.scripts = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["script"]:
            self.scripts += data
        elif self.tags[-1:] != ["style"]:
            self.text += data


def page_of(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    return page


def shown_text(text: str, form: Format) -> str:
    """Return what a reader of a format sees; fails where it is more than text."""
    match form:
        case Format.HTML:
            page = page_of(text)
            assert page.tags.count("script") == 1
            assert "alert" not in page.scripts
            assert not [name for name, _ in page.attributes if name.startswith("on")]
            return page.text
        case Format.MARKDOWN:
            document = MarkdownIt("commonmark").enable("table").render(text)
            page = page_of(document.replace("<br>", "\n"))
            assert "script" not in page.tags
            return page.text
        case Format.JUNIT:
            root = ElementTree.fromstring(text)
            values = [value for element in root.iter() for value in element.attrib.values()]
            return "\n".join([*values, *(element.text or "" for element in root.iter())])
        case Format.CSV:
            cells = [cell for row in csv.reader(StringIO(text)) for cell in row]
            assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
            return "\n".join(cells)
        case Format.JSON:
            return json.dumps(json.loads(text), ensure_ascii=False)
        case _:
            return text


def letters(text: str) -> str:
    """Return text without white space, which tables fold, and without what they draw."""
    return "".join(text.split())


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("name", [HOSTILE, "=1+1\n@x", "\u2028a"])
def test_hostile_names_are_text_in_every_format(form: Format, name: str) -> None:
    record = full_record(name=name)
    for text in (
        FORMATS[form].run(Shown(record=record, console=name, files=("console.log",))),
        FORMATS[form].compare(record, full_record(name="b")),
    ):
        if form is Format.JSON:  # which spells hidden characters its own way
            text.encode("ascii")
            assert json.loads(text)
            continue
        assert HIDDEN.search(text) is None
        shown = shown_text(text, form)
        if form is not Format.TERMINAL:  # whose tables fold long names letter by letter
            assert letters(printable(name)) in letters(shown)


@pytest.mark.parametrize("form", Format)
def test_old_records_are_shown_in_every_format(form: Format) -> None:
    old = RunRecord.model_validate(OLD)
    assert "digits" in FORMATS[form].run(Shown(record=old))
    assert "digits" in FORMATS[form].compare(old, full_record())


@pytest.mark.parametrize("form", Format)
def test_reports_are_the_same_bytes_every_time(form: Format) -> None:
    record = full_record()
    assert FORMATS[form].run(Shown(record=record)) == FORMATS[form].run(Shown(record=record))


# ---- what the formats say


def test_interval_is_wilsons() -> None:
    low, high = wilson(0.0, 10)
    assert (low, round(high, 4)) == (0.0, 0.2775)  # as Newcombe 1998 has both
    low, high = wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_interval_needs_independent_answers_of_a_known_number() -> None:
    assert confidence(full_record()) is not None
    assert confidence(full_record(task=Task.MULTI_LABEL)) is None
    odd = Accuracy(float_=None, quantised=0.123456, top_k=())
    assert confidence(full_record(accuracy=odd)) is None
    assert confidence(full_record(accuracy=None)) is None


def test_verdict_and_what_to_do_come_first() -> None:
    text = page_of(render_html(full_record())).text
    order = [text.index(words) for words in ("Why it failed", "What to do next", "Layers")]
    assert order == sorted(order)
    assert "Slowest: digits_2, 88.15 %" in text
    assert "95 %: " in text


def test_next_step_fits_what_happened() -> None:
    assert "nnom-hil compare 20260101T" in what_next(full_record(**PASSED))[0]
    assert what_next(full_record(**PASSED, outputs_hash=None)) == ["Nothing needs to be done."]
    stopped: dict[str, Any] = {
        "verdict": Verdict.ERROR,
        "error": RunError(kind="Interrupted", message="stop"),
    }
    assert "--resume 20260101T000000000000Z-digits" in what_next(full_record(**stopped))[0]
    steps = " ".join(what_next(full_record()))
    assert "--kernels plain" in steps
    assert "quality.html: begin at layer digits_11" in steps
    as_float = Accuracy(float_=0.9, quantised=0.9, top_k=())
    steps = " ".join(what_next(full_record(accuracy=as_float, outputs_different=0)))
    assert "The float model is no better" in steps


def test_mistakes_are_the_most_frequent_ones() -> None:
    found = frequent_mistakes(full_record())
    assert [(m.truth, m.said, m.count, m.of) for m in found[:2]] == [(3, 4, 3, 40), (7, 8, 3, 40)]
    many = full_record(confusion=None, mistakes=((5, 6, 1), (7, 8, 9)))
    assert [(m.truth, m.count, m.of) for m in frequent_mistakes(many)] == [
        (7, 9, None),
        (5, 1, None),
    ]


def test_slowest_layer_is_named_where_there_are_times() -> None:
    found = slowest(layer_figures(full_record()))
    assert found is not None
    assert found.layer.name == "digits_2"
    assert slowest([]) is None


def test_junit_fails_as_the_run_did() -> None:
    def outcomes(record: RunRecord) -> tuple[int, int]:
        root = ElementTree.fromstring(FORMATS[Format.JUNIT].run(Shown(record=record)))
        return len(root.findall(".//failure")), len(root.findall(".//error"))

    assert outcomes(full_record(**PASSED)) == (0, 0)
    assert outcomes(full_record()) == (3, 0)  # outputs, accuracy, one of two cross-checks
    only = {**PASSED, "verdict": Verdict.FAIL, "reasons": ("3 vectors were not answered",)}
    assert outcomes(full_record(**only)) == (1, 0)
    error = RunError(kind="LinkError", message="silent")
    stopped = {**PASSED, "verdict": Verdict.ERROR, "reasons": ("silent",), "error": error}
    assert outcomes(full_record(**stopped)) == (0, 1)


def test_csv_has_every_figure_with_its_source() -> None:
    rows = list(csv.DictReader(StringIO(FORMATS[Format.CSV].run(Shown(record=full_record())))))
    assert len(rows) == len(facts_of(full_record()))
    for row in rows:
        timed = row["figure"] in {"time", "cycles", "instructions", "streaming", "vector data"}
        assert bool(row["source"]) == timed, row
    slow = next(r for r in rows if r["name"] == "digits_2" and r["figure"] == "time")
    assert (slow["value"], slow["unit"], slow["source"], slow["error %"]) == (
        "9000.0", "µs", "model", "21.2",
    )  # fmt: skip


# ---- pictures


def vector(data: bytes | None, shape: tuple[int, ...]) -> WorstVector:
    text = None if data is None else base64.b64encode(data).decode()
    return WorstVector(vector=0, margin=0.0, shape=shape, input=text)


@pytest.mark.parametrize(("shape", "kind"), [((4, 6, 1), 0), ((4, 6, 3), 2), ((20, 30), 0)])
def test_images_are_drawn_pixel_by_pixel(shape: tuple[int, ...], kind: int) -> None:
    count = 1
    for length in shape:
        count *= length
    data = bytes((i * 7) % 256 for i in range(count))
    found = re.search(r"base64,([^\"]*)", picture(vector(data, shape)))
    assert found is not None
    png = base64.b64decode(found[1])
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    assert (height, width, depth, colour) == (*shape[:2], 8, kind)
    size = struct.unpack(">I", png[33:37])[0]
    rows = zlib.decompress(png[41 : 41 + size])
    across = count // height + 1
    assert len(rows) == height * across
    low, high = (f(data, key=lambda byte: byte ^ 0x80) for f in (min, max))
    pixels = b"".join(rows[i + 1 : i + across] for i in range(0, len(rows), across))
    assert (pixels[data.index(low)], pixels[data.index(high)]) == (0, 255)
    order = sorted(range(count), key=lambda i: data[i] ^ 0x80)
    assert [pixels[i] for i in order] == sorted(pixels)


@pytest.mark.parametrize(("shape", "traces"), [((128,), 1), ((1, 64, 1), 1), ((500, 3), 3)])
def test_series_are_drawn_as_traces(shape: tuple[int, ...], traces: int) -> None:
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    drawn = picture(vector(bytes(i % 256 for i in range(count)), shape))
    assert drawn.count("<polyline") == traces
    assert len(drawn) < 2000 * traces


@pytest.mark.parametrize(
    ("data", "shape"), [(None, (4, 4, 1)), (b"", ()), (b"abc", (2, 2)), (bytes(32), (4, 2, 4))]
)
def test_what_is_no_picture_is_left_out(data: bytes | None, shape: tuple[int, ...]) -> None:
    assert picture(vector(data, shape)) == ""
    assert picture(WorstVector(vector=0, margin=0.0, shape=(4,), input="no base64!")) == ""


# ---- memory


def test_memory_over_the_layers_adds_up() -> None:
    record = full_record()
    alive = alive_in(record)
    assert [a.total for a in alive][:4] == [2352, 4064, 5776, 4704]
    assert ("held for later layers", 784) in alive[3].parts
    for layer, each in zip(record.layers, alive, strict=True):
        assert sum(count for _, count in each.parts) == each.total
        assert layer is each.layer
    unknown = record.layers[0].model_copy(update={"elements_in": None})
    assert alive_in(full_record(layers=(unknown, *record.layers[1:]))) == []
    in_place = record.layers[0].model_copy(update={"blocks": (1, 0, 0)})
    assert alive_in(full_record(layers=(in_place,)))[0].total == 784


def test_bytes_held_for_later_layers_are_the_graphs() -> None:
    """A skip over two layers: its tensor is held while the second of them runs."""

    def node(name: str, op: Any, *inputs: str) -> QNode:
        return QNode(name=name, op=op, inputs=inputs, shape=(4, 4, 2), dec=7)

    add = Merge(kind=MergeKind.ADD, output_shift=7)
    graph = QGraph(
        name="skip",
        nodes=(
            node("in", QInput(shape=(4, 4, 2), dec=7)),
            node("a", add, "in", "in"), node("b", add, "a", "a"),
            node("c", add, "b", "b"), node("d", add, "c", "a"), node("out", QOutput(), "d"),
        ),
    )  # fmt: skip
    assert held_bytes(graph) == [0, 0, 0, 32, 0, 0]
    assert alive_bytes(graph) == [32, 64, 64, 96, 96, 64]


# ---- two runs side by side


def by_what(one: RunRecord, other: RunRecord) -> dict[str, Any]:
    return {f"{side.fact.part}/{side.fact.what}": side for side in compare(one, other)}


def test_a_run_is_the_same_as_itself() -> None:
    record = full_record()
    assert {side.relation for side in compare(record, record)} == {Relation.SAME}


def test_differences_are_marked_and_the_rest_is_not() -> None:
    one = full_record()
    layers = [*one.layers]
    layers[1] = layers[1].model_copy(update={"time_us": 203.0})
    sides = by_what(one, full_record(layers=tuple(layers), flash_bytes=66_000, board="other"))
    changed = {what for what, side in sides.items() if side.relation is not Relation.SAME}
    assert changed == {"layer/digits_1: time", "memory/flash", "identity/board"}
    assert sides["layer/digits_1: time"].change_text == "+100.00 %"
    assert sides["memory/flash"].change_text == "+10.00 %"
    assert sides["identity/board"].change_text == "differs"


def test_layers_that_one_run_lacks_have_one_side() -> None:
    sides = by_what(full_record(layer_count=3), full_record(layer_count=4))
    assert sides["layer/digits_3: time"].relation is Relation.ONE_SIDED
    assert sides["layer/digits_2: time"].relation is Relation.SAME
    parts = [side.fact.part for side in compare(full_record(layer_count=3), full_record())]
    assert parts == sorted(parts, key=list(Part).index)


def on(source: TimeSource) -> RunRecord:
    """Return a record by another clock: without what only an estimate has."""
    layers = tuple(
        layer.model_copy(update={"cycles": None, "instructions": None})
        for layer in full_record().layers
    )
    return full_record(
        time_source=source, error_percent=None, total_cycles=None, total_instructions=None,
        layers=layers,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (full_record(), on(TimeSource.HOST)),
        (on(TimeSource.DWT), on(TimeSource.SYSTICK)),
        (on(TimeSource.UNKNOWN), on(TimeSource.UNKNOWN)),
    ],
)
def test_times_of_different_sources_are_not_compared(one: RunRecord, other: RunRecord) -> None:
    sides = by_what(one, other)
    time = sides["time/time"]
    assert (time.relation, time.change) == (Relation.APART, None)
    assert "cannot be compared" in time.why
    assert sides["memory/flash"].relation is Relation.SAME
    for form in Format:
        assert "cannot be compared" in letters_kept(FORMATS[form].compare(one, other))


def letters_kept(text: str) -> str:
    return " ".join(text.split())


def test_junit_of_two_runs_fails_where_outputs_must_be_equal() -> None:
    def failures(other: RunRecord) -> int:
        document = FORMATS[Format.JUNIT].compare(full_record(), other)
        return len(ElementTree.fromstring(document).findall(".//failure"))

    assert failures(full_record()) == 0
    assert failures(full_record(outputs_hash="2" * 64)) == 1
    assert failures(full_record(outputs_hash="2" * 64, model_hash="ef" * 32)) == 0
    assert failures(full_record(flash_bytes=1)) == 0


# ---- how much


def lines_of(do: Callable[[], object]) -> int:
    """Return how many lines of Python something runs."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        do()
    finally:
        sys.settrace(before)
    return count


def test_report_of_many_vectors_is_small() -> None:
    record = full_record(vectors=10_000, layer_count=30)
    console = "a line of the target's\n" * 100_000
    tracemalloc.start()
    try:
        sizes = {form: len(FORMATS[form].run(Shown(record=record, console=console)))
            for form in Format}  # fmt: skip
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(sizes.values()) <= 2_000_000, sizes
    assert sizes[Format.HTML] > 50_000
    assert peak <= 300 << 20


def test_cost_of_a_report_does_not_grow_with_the_vectors() -> None:
    def lines(vectors: int) -> int:
        shown = Shown(record=full_record(vectors=vectors), console="x" * vectors)
        return lines_of(lambda: render_shown(shown))

    assert lines(100_000) <= 1.05 * lines(1000)


# ---- files


def test_reports_load_neither_models_nor_numbers(run: Path) -> None:
    """A report comes quickly: from a record, by what reads records."""
    code = (
        "import sys; from nnom_hil.cli.app import run_app;"
        "code = run_app(['report', sys.argv[1], '-f', sys.argv[2]]);"
        "print(code, *{m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    for form in (Format.HTML, Format.JUNIT):
        done = subprocess.run(
            [sys.executable, "-c", code, run, form], capture_output=True, text=True, check=True
        )
        code_of, *loaded = done.stderr.split()
        assert code_of == "0"
        assert not set(loaded) & {"numpy", "keras", "sklearn", "elftools", "serial", "pygal"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "r1"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(full_record().to_json())
    (folder / "console.log").write_text("hello from the target\n")
    (folder / "journal.jsonl").write_text("")
    return folder


@pytest.mark.parametrize("form", Format)
def test_report_command_writes_and_prints_every_format(
    form: Format, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"r{FORMATS[form].ending}"
    assert run_app(["report", str(run), "-o", str(file)]) == 0
    capsys.readouterr()
    assert run_app(["report", str(run), "--format", form]) == 0
    assert capsys.readouterr().out == file.read_text()
    both = tmp_path / f"both{FORMATS[form].ending}"
    assert run_app(["report", "--compare", str(run), str(run), "-o", str(both)]) == 0
    capsys.readouterr()
    assert run_app(["report", "--compare", str(run), str(run), "-f", form]) == 0
    if form is not Format.TERMINAL:  # which is as wide as it is there
        assert capsys.readouterr().out == both.read_text()


def test_report_in_the_runs_folder_links_to_its_files(run: Path, tmp_path: Path) -> None:
    assert run_app(["report", str(run)]) == 0
    page = page_of((run / "report.html").read_text())
    links = [value for name, value in page.attributes if name == "href"]
    assert links == ["console.log", "journal.jsonl", "run.json"]
    assert run_app(["report", str(run), "-o", str(tmp_path / "else.html")]) == 0
    assert "href" not in dict(page_of((tmp_path / "else.html").read_text()).attributes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-f", "pdf"], "--format 'pdf' is unknown; there are: terminal, html"),
        (["-o", "x.pdf"], "x.pdf: no format has the ending '.pdf'; there are: .txt, .html"),
        (["--compare", "a", "b"], "with --compare there are two runs, A and B, and no other"),
    ],
)
def test_wrong_wishes_for_a_report_are_named(
    arguments: list[str], said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["report", str(run), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_wrong_report_file_is_told_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["run", "--out", str(tmp_path / "runs"), "--report", "x.pdf"]) == 2
    assert "no format has the ending '.pdf'" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_report_that_cannot_be_written_leaves_the_old_one(
    code: int,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "r.html"
    file.write_text("old")

    def refuse(handle: int, data: bytes) -> None:
        raise OSError(code, "no room")

    monkeypatch.setattr("nnom_hil.files._write_all", refuse)
    assert run_app(["report", str(run), "-o", str(file)]) == 3
    assert f"{file}: cannot write" in capsys.readouterr().err
    assert file.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.html", "runs"]


def test_run_whose_report_cannot_be_written_says_so_after_its_verdict(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    files = [tmp_path / "file" / "r.xml", tmp_path / "r.md"]
    outcome = Outcome(folder=tmp_path, shown=Shown(record=full_record()))
    told = _writer(files)(outcome)
    assert "r.xml: cannot write" in str(told.unwritten)
    assert told.record is outcome.record
    assert files[1].read_text().startswith("### ")


def test_confusion_of_many_classes_is_folded() -> None:
    def folds(classes: int) -> int:
        record = full_record(vectors=1000, confusion=confusion(classes, 1000))
        return page_of(render_html(record)).tags.count("details")

    assert (folds(20), folds(25)) == (0, 1)


def test_pages_run_one_script_and_know_it_by_its_hash() -> None:
    text = render_html(full_record())
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [value for name, value in page_of(text).attributes if "script-src" in value]
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith(f"script-src 'sha256-{digest}'")
