"""No kind of time passes for another: every figure of time stands with its source."""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.support.records import HZ, record

import nnom_hil
from nnom_hil import records
from nnom_hil.cli.timings import Timings
from nnom_hil.errors import UsageError
from nnom_hil.files import seal
from nnom_hil.gates import baseline_of, evaluate
from nnom_hil.link.messages import LayerTimes
from nnom_hil.matrix import CellRecord, MatrixRecord, figures_of
from nnom_hil.mlperf_record import MlperfRecord, MlperfRow
from nnom_hil.paths import templates_dir
from nnom_hil.profiles import ProfiledLayer, ProfileRecord
from nnom_hil.records import RUN_SCHEMA, LayerRecord, RunRecord, Verdict
from nnom_hil.report.facts import Part, facts_of
from nnom_hil.report.gates import comparison_markdown, comparison_text
from nnom_hil.report.html import render_html, render_profile
from nnom_hil.report.matrix import matrix_files
from nnom_hil.report.mlperf import print_mlperf
from nnom_hil.report.profile import print_profile
from nnom_hil.report.run_markdown import run_markdown
from nnom_hil.report.survey import survey_table
from nnom_hil.report.terminal import summary
from nnom_hil.report.tune import print_tune, tune_files
from nnom_hil.robot.library import NnomHil
from nnom_hil.run.bench import FaultBench, LineBench, LinkBench
from nnom_hil.run.timing import layer_times, time_facts
from nnom_hil.times import Clock, TimeSource, check_comparable
from nnom_hil.tuning import Limits, Point, TuneRecord

UNIT = re.compile(r"\d ?(µs|us|ms|s)\b|µs|MACops|MAC per|\binstructions\b|\bcycles\b|kB/s")
SOURCES = re.compile(
    r"\b(dwt|systick|model ±|instructions?|host|printed|virtual|unknown clock)", re.IGNORECASE
)
OLD = {TimeSource.VIRTUAL, TimeSource.RENODE}


# ---- what the record holds


def test_an_emulator_gives_instructions_and_no_time() -> None:
    counted = record(TimeSource.INSTRUCTIONS)
    assert [x.instructions for x in counted.layers] == [1000, 500]
    assert counted.total_instructions == 1500
    assert counted.total_time_us is None
    assert all(x.time_us is None and x.cycles is None for x in counted.layers)


def test_a_core_gives_cycles_and_what_they_take() -> None:
    measured = record(TimeSource.DWT)
    assert [x.cycles for x in measured.layers] == [1024, 512]
    assert [x.time_us for x in measured.layers] == [64.0, 32.0]
    assert measured.layers[0].spread_us == 0.375  # six ticks
    assert measured.total_cycles == 1536
    assert measured.total_instructions is None


def test_an_estimate_takes_the_place_of_a_time_and_keeps_the_instructions() -> None:
    estimated = record(TimeSource.MODEL)
    assert estimated.error_percent == 12.0
    assert [x.cycles for x in estimated.layers] == [1700.0, 341.5]
    assert estimated.total_time_us == round(2041.5 / 16, 3)
    assert estimated.total_instructions == 1500
    assert all(x.spread_us is None for x in estimated.layers)


def test_layer_that_was_not_timed_has_no_figures() -> None:
    clock = Clock(source=TimeSource.DWT, hz=HZ)
    times = [LayerTimes(status=-3, ticks=(7,))]
    assert layer_times(1, clock, times, None) == {}
    assert time_facts((), clock, None)["total_time_us"] is None


@pytest.mark.parametrize(
    ("source", "facts"),
    [
        (TimeSource.INSTRUCTIONS, {"total_time_us": 3.0}),
        (TimeSource.INSTRUCTIONS, {"total_cycles": 3}),
        (TimeSource.HOST, {"total_cycles": 3}),
        (TimeSource.DWT, {"total_instructions": 3}),
        (TimeSource.DWT, {"error_percent": 3.0}),
        (TimeSource.MODEL, {"error_percent": None}),
    ],
)
def test_figures_that_a_source_cannot_have_are_refused(
    source: TimeSource, facts: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"cannot come from|no time|error_percent"):
        record(source, **facts)


@pytest.mark.parametrize("source", sorted(OLD))
def test_virtual_times_of_old_records_stay_virtual(source: TimeSource) -> None:
    document = json.loads(record(source).to_json())
    del document["check"]
    for name in ("total_cycles", "total_instructions", "error_percent"):
        del document[name]
    for layer in document["layers"]:
        del layer["cycles"], layer["instructions"]
    document = seal(document | {"schema": "nnom-hil/run/1"})
    old = RunRecord.model_validate_json(json.dumps(document))
    assert (old.time_source, old.total_time_us) == (source, 96.0)
    assert old.schema_ == RUN_SCHEMA
    page = " ".join(text for _, text in blocks(render_html(old)))
    assert "Time per inference – virtual" in page
    assert "time µs, virtual" in page
    assert "MACops" not in page


# ---- what is shown


class _Blocks(HTMLParser):
    """The texts of a page that are looked at as one: a card, a heading, a row of facts, a line."""

    WHOLE = ("p", "li", "summary", "pre", "h1", "h2", "h3")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self._open: list[str] = []
        self._skip = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = dict(attrs).get("class") or ""
        self._skip += tag in ("style", "script")
        if kind == "card" or tag in (*self.WHOLE, "tr", "th"):
            self.found.append((f"{tag}.{kind}", []))

    def handle_endtag(self, tag: str) -> None:
        self._skip -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if self.found and not self._skip:
            self.found[-1][1].append(data)


def blocks(page: str) -> list[tuple[str, str]]:
    parser = _Blocks()
    parser.feed(page)
    return [(kind, " ".join(" ".join(texts).split())) for kind, texts in parser.found]


def check_labelled(text: str, source: TimeSource) -> None:
    """A text with a figure or unit of time has a source, its record's or the host's; no other."""
    if UNIT.search(text) is None:
        return
    said = {re.sub("instruction$", "instructions", w.lower()) for w in SOURCES.findall(text)}
    own = {"model": "model ±", "renode": "virtual", "unknown": "unknown clock"}.get(source, source)
    assert said, f"no source: {text!r}"
    assert said <= {own, "host"}, f"{source} is shown as {said}: {text!r}"
    assert len(said) == 1 or "kB/s" in text, f"two sources are mixed: {text!r}"


@pytest.mark.parametrize("source", TimeSource)
def test_every_figure_of_the_page_has_its_source(source: TimeSource) -> None:
    shown = blocks(render_html(record(source), console="conv 12 us"))
    cards = [text for kind, text in shown if kind.endswith(".card")]
    assert any("per inference" in text and SOURCES.search(text) for text in cards)
    for kind, text in shown:
        if kind == "pre.":  # what the target printed; the line above it says by what clock
            continue
        check_labelled(text, source)


def text_of(shown: Any) -> str:
    out = StringIO()
    Console(width=200, file=out).print(shown)
    return out.getvalue()


@pytest.mark.parametrize("source", TimeSource)
def test_every_figure_of_the_terminal_has_its_source(source: TimeSource) -> None:
    text = text_of(summary(record(source)))
    assert "per inference" in text
    text = re.sub(r"\n  (?=layer_0)", " ", text)  # what is told below a heading belongs to it
    assert ("where the time goes" in text) == (source is TimeSource.MODEL)
    heading = next(line for line in text.splitlines() if "MAC " in line)
    for column in re.split(r"\s{2,}", heading):
        check_labelled(column, source)
    for line in text.splitlines():
        if line != heading:
            check_labelled(line, source)


@pytest.mark.parametrize("source", TimeSource)
def test_every_row_of_the_survey_has_its_source(source: TimeSource) -> None:
    heading, _, row = survey_table([("b", "cortex-m4", "qemu", record(source), "")]).splitlines()
    assert UNIT.search(heading) is None
    check_labelled(row, source)
    assert SOURCES.search(row)


@pytest.mark.parametrize("source", TimeSource)
def test_every_line_for_a_pull_request_has_its_source(source: TimeSource) -> None:
    text = run_markdown(record(source))
    assert "per inference" in text
    for line in text.splitlines():
        check_labelled(line, source)


@pytest.mark.parametrize("source", TimeSource)
def test_every_figure_of_a_list_has_its_source(source: TimeSource) -> None:
    """CSV and comparisons are made of these; instructions stay counted beside an estimate."""
    facts = facts_of(record(source))
    assert any(fact.part is Part.LAYER for fact in facts)
    for fact in facts:
        check_labelled(f"{fact.what} {fact.text}", fact.source or source)
        timed = fact.figure in {"time", "cycles", "instructions"}
        assert (fact.source is not None) == timed or fact.part is Part.LINK


@pytest.mark.parametrize("source", TimeSource)
def test_every_figure_of_a_matrix_has_its_source(source: TimeSource) -> None:
    cell = CellRecord(
        key="k", name="c", options={}, verdict=Verdict.PASS, figures=figures_of(record(source))
    )
    files = matrix_files(MatrixRecord(name="m", started="", cells=(cell, cell)))
    assert (" ms " in files["report.md"]) == source.is_time
    cells = [part for line in files["report.md"].splitlines() for part in line.split("|")]
    cells += re.findall(r"<t[dh][^>]*>([^<]*)", files["report.html"])
    timed = [text for text in cells if re.search(r"\d ms", text)]
    assert len(timed) == (4 if source.is_time else 0)
    for text in timed:
        check_labelled(text, source)


def test_every_figure_of_a_search_has_its_source() -> None:
    point = Point(options={}, command="", cycles=5e3, flash=1, ram=1, error_percent=20.0)
    search = TuneRecord(
        tool_version="", started="", model="m", board="b", seed=0, gain="accuracy",
        limits=Limits(time_us=1), conversions=(), points=(point, point), front=(0,), planned=1,
        vectors={"choosing": 9, "unseen": 9, "calibration": 9},
    )  # fmt: skip
    cells = re.findall(r"<t[dh][^>]*>([^<]*)", tune_files(search)["report.html"])
    timed = [text for text in cells if "000" in text]
    assert len(timed) == 3
    for text in timed:
        check_labelled(text, TimeSource.MODEL)
    out = StringIO()
    print_tune(search, Console(width=80, file=out))
    assert "cycles: model ±20 % at most" in out.getvalue()
    slow = point.model_copy(update={"time_us": 2.0})
    assert search.limits.broken_by(slow) == "2 us (model ±20 %), at most 1"


@pytest.mark.parametrize("source", [s for s in TimeSource if s.has_cycles])
def test_gate_of_cycles_has_their_source(source: TimeSource) -> None:
    facts = {"outputs_hash": "0" * 64, "vectors_hash": "1" * 64, "vectors": 1}
    of = record(source).model_copy(update=facts)
    comparison = evaluate(of, baseline_of(of))
    for text in (comparison_text(comparison), comparison_markdown(comparison)):
        (row,) = [line for line in text.splitlines() if line.lstrip(" |").startswith("cycles")]
        assert {word.lower() for word in SOURCES.findall(row)} == {
            "model ±" if source is TimeSource.MODEL else source
        }


@pytest.mark.parametrize("source", TimeSource)
def test_headline_of_an_emulator_is_no_time(source: TimeSource) -> None:
    text = text_of(summary(record(source)))
    line = next(line for line in text.splitlines() if "per inference" in line)
    is_time = source in {"dwt", "systick", "model", "host", "printed"}
    assert (" ms " in line) == is_time
    assert line.startswith("instructions") == (source == "instructions")


def test_cycles_of_a_profile_are_the_models() -> None:
    layer = ProfiledLayer(
        name="conv", type="Conv2D", activation=None, shape=(1,), macs=10, instructions=20,
        taken=1, cycles=31.0, clock_instructions=None,
    )  # fmt: skip
    profile = ProfileRecord(
        board="b", core="cortex-m4", counted_on="b", emulator="q", compiler="c", model="m",
        model_hash="h", image_id="i", layers=(layer,), error_percent=21.3,
    )  # fmt: skip
    out = StringIO()
    print_profile(profile, Console(width=200, file=out))
    assert re.search(r"cycles,.*\n.*model.*\n.*±21.3 %", out.getvalue())
    assert '<th scope="col">cycles, model ±21.3 %</th>' in render_profile(profile)
    without = profile.model_copy(
        update={"layers": (layer.model_copy(update={"cycles": None}),), "error_percent": None}
    )
    assert "cycles," not in render_profile(without)


def test_benchmarks_name_their_clock_and_the_model() -> None:
    row = MlperfRow(
        benchmark="ic01", title="t", model="m", model_hash="h", macs=1, runs=2, per_second=[1.0],
        median_per_second=1.0, cycles=200.0, error_percent=12.0, core_hz=1_000_000,
    )  # fmt: skip
    told = MlperfRecord(
        board="b", core="c", target="q", clock="instructions", clock_words="w", rows=[row]
    )
    out = StringIO()
    print_mlperf(told, Console(width=200, file=out))
    assert out.getvalue().count(", instructions") == 2
    assert "cycles, model" in out.getvalue()
    assert "200 ±12 %" in out.getvalue()


def test_rates_are_named_by_what_they_relate_to() -> None:
    assert "MAC per instruction" in text_of(summary(record(TimeSource.INSTRUCTIONS)))
    assert "MACops/Hz, dwt" in text_of(summary(record(TimeSource.DWT)))
    assert "MACops/Hz, model ±12 %" in text_of(summary(record(TimeSource.MODEL)))
    for source in (TimeSource.VIRTUAL, TimeSource.UNKNOWN, TimeSource.RENODE):
        assert "MAC" not in text_of(summary(record(source))).replace("MAC ", "")


# ---- where times are shown

PACKAGE = Path(nnom_hil.__file__).parent
SHOWING = ("cli", "report", "robot", "run")  # the rooms whose texts people read
AMOUNTS = re.compile(
    r"\.(time_us|total_time_us|spread_us|cycles|total_cycles|seconds|inference_s|\w+_s|bytes_per_s)\b"
)
NUMBER_AND_UNIT = re.compile(r"\{\} ?(µs|us|ms|s|kB/s|MACops/Hz|cycles)\b")
LABELLED = {
    # each is rendered, or called, by a test of this file
    "cli/bench.py", "cli/timings.py", "report/figures.py", "report/html.py", "report/terminal.py",
    "nnom_hil/assertions.py", "report/facts.py",
    "report/matrix.py", "report/mlperf.py", "report/tune.py", "templates/tune.html.j2",
    "report/profile.py", "templates/profile_part.html.j2", "templates/run.html.j2",
    # these hand amounts on, as records and results do, or as JUnit has it (seconds of the host)
    "report/junit.py",
    "run/bench.py", "run/findings.py", "run/mlperf.py", "run/model_bench.py", "run/timing.py",
    "run/runner.py", "run/trials.py",
    # what a console's tables hold, and seconds that a user gives
    "run/monitor.py", "run/printed.py", "run/verdict.py", "run/guest.py",
}  # fmt: skip
WISHES = {"searched {} s", "searching formats for {} s"}  # how long a user lets something take


def sources() -> list[Path]:
    places = [path for room in SHOWING for path in sorted((PACKAGE / room).rglob("*.py"))]
    places += [PACKAGE / "assertions.py", PACKAGE / "pytest_plugin.py"]
    return places + sorted(templates_dir().glob("*.j2"))


def place(path: Path) -> str:
    return "/".join(path.parts[-2:])


def test_every_place_that_takes_up_a_time_is_known() -> None:
    """A new one is labelled with its source, rendered by a test here, and added to the list."""
    found = {place(path) for path in sources() if AMOUNTS.search(path.read_text())}
    assert found == LABELLED


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """The f-strings of a file, with {} for what they format, and the code of that."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            parts = [
                ast.unparse(v) if isinstance(v, ast.FormattedValue) else "" for v in node.values
            ]
            words = [v.value if isinstance(v, ast.Constant) else "{}" for v in node.values]
            yield "".join(map(str, words)), " ".join(parts)


def test_every_text_with_a_time_names_its_source() -> None:
    """F-strings with a number before a unit: a source stands in the same text."""
    seen = 0
    for path in sources():
        for text, code in texts(path) if path.suffix == ".py" else ():
            if not NUMBER_AND_UNIT.search(text) or text in WISHES or text in UNLABELLED:
                continue
            seen += 1
            named = SOURCES.search(text) or "source" in code or "label" in code
            assert named, f"{place(path)}: {text!r}"
    assert seen >= 5


UNLABELLED = {"{} ms"}  # the headline's amount, whose source stands beside it, as rendered above


def test_benches_tell_their_source() -> None:
    line = LineBench(byte_error=0, seconds=1, frames=1, retransmitted=0, bytes_per_byte=1,
                     over_bound=1, overruns=0, wrong=0)  # fmt: skip
    link = LinkBench(board="b", payload_bytes=1, frames=1, seconds=1, wire_bytes=1)
    assert line.as_dict()["time_source"] == "virtual"
    assert link.as_dict()["time_source"] == "host"
    for result in (LineBench, LinkBench, FaultBench):
        assert "time_source" in inspect.getsource(result.as_dict)


def test_phases_are_of_the_host(tmp_path: Path) -> None:
    timings = Timings("imports")
    timings.end()
    heading, *_ = text_of_printed(timings).splitlines()
    assert re.findall(r"\S+ ?s?, host", heading) == ["seconds, host", "CPU s, host"]
    timings.write(tmp_path)
    assert json.loads((tmp_path / "timings.json").read_text())["time_source"] == "host"


def text_of_printed(timings: Timings) -> str:
    out = StringIO()
    timings.show(Console(width=200, file=out))
    return out.getvalue()


def holders(module: object) -> list[type]:
    """The records and results of a module that hold times."""
    kinds = [k for k in vars(module).values() if isinstance(k, type)]
    return [k for k in kinds if any(re.search(r"(_us|_s|seconds|cycles)$", n) for n in fields(k))]


def fields(kind: type) -> set[str]:
    return set(getattr(kind, "model_fields", {})) | set(getattr(kind, "__dataclass_fields__", {}))


def test_every_record_with_times_has_their_source() -> None:
    of_the_run = {LayerRecord}  # part of a RunRecord, which has it once for all
    kinds = holders(records)
    assert {k.__name__ for k in kinds} == {
        "RunRecord", "LayerRecord", "LinkRecord", "PrintedFigures",
    }  # fmt: skip
    assert all("time_source" in fields(kind) for kind in set(kinds) - of_the_run)


# ---- what may be compared


@pytest.mark.parametrize("one", TimeSource)
@pytest.mark.parametrize("other", TimeSource)
def test_only_times_of_one_known_source_are_compared(one: TimeSource, other: TimeSource) -> None:
    if one is other and one is not TimeSource.UNKNOWN:
        check_comparable(one, other)
        return
    with pytest.raises(UsageError, match="cannot be compared") as refused:
        check_comparable(one, other)
    assert one.words in str(refused.value)
    assert other.words in str(refused.value)


def keywords(source: TimeSource) -> NnomHil:
    library = NnomHil()
    library._record = record(source)
    return library


def test_limit_of_a_time_names_its_source() -> None:
    measured = keywords(TimeSource.DWT)
    assert measured.inference_time_should_be_at_most(96.0, "dwt") == 96.0
    with pytest.raises(AssertionError, match=r"96.0 µs \(dwt\), allowed 95"):
        measured.inference_time_should_be_at_most(95.0, "dwt")
    with pytest.raises(UsageError, match="'dwt' and 'model' cannot be compared"):
        measured.inference_time_should_be_at_most(1e9, "model")
    with pytest.raises(UsageError, match=r"no source of time 'sistick'.*did you mean 'systick'"):
        measured.inference_time_should_be_at_most(1e9, "sistick")
    with pytest.raises(AssertionError, match="no instructions were counted: the source is dwt"):
        measured.inference_instructions_should_be_at_most(10)


def test_limit_of_instructions_is_of_an_emulator() -> None:
    for source in (TimeSource.INSTRUCTIONS, TimeSource.MODEL):
        counted = keywords(source)
        assert counted.inference_instructions_should_be_at_most(1500) == 1500
        with pytest.raises(AssertionError, match="1500 instructions, allowed 1499"):
            counted.inference_instructions_should_be_at_most(1499)
        counted.layer_times_should_be_positive()
    with pytest.raises(UsageError, match="'instructions' and 'dwt' cannot be compared"):
        keywords(TimeSource.INSTRUCTIONS).inference_time_should_be_at_most(1e9, "dwt")
