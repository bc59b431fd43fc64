"""Pages in headless Chromium: nothing from outside, no sideways scroll, every column in print."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.chromium import CHROMIUM, Browser
from tests.support.run_records import full_record
from tests.support.runs import write_run
from tests.unit.test_matrix import cell, matrix_of

from nnom_hil.explanations import Cause, Confidence, ExplainedLayer, Explanation, Finding
from nnom_hil.profiles import ProfiledFunction, ProfiledLayer, ProfileRecord
from nnom_hil.records import ConversionRecord, ConvertedLayer, Verdict
from nnom_hil.report.explain import render_explanation
from nnom_hil.report.formats import FORMATS, Format
from nnom_hil.report.html import Shown, render_profile, render_shown
from nnom_hil.report.matrix import matrix_files
from nnom_hil.report.quality import render_quality
from nnom_hil.report.site import page_name
from nnom_hil.run.site import write_site

AXE = os.environ.get("NNOM_HIL_AXE", "")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
LONG = "a_layer_with_a_long_name_that_has_no_blank_in_it"


def profile() -> ProfileRecord:
    layers = tuple(
        ProfiledLayer(
            name=f"{LONG}_{i}", type="Conv2D", activation=None, shape=(1,), macs=10 * i,
            instructions=300 + i, taken=i, cycles=31.0, clock_instructions=None,
            functions=(ProfiledFunction(name=f"nnom_{LONG}", instructions=300 + i, taken=i,
                classes={"load": 100, "SIMD multiply": 150, "branch": 50 + i}),),
        )
        for i in range(8)
    )  # fmt: skip
    return ProfileRecord(
        board="b", core="cortex-m4", counted_on="b", emulator="q", compiler="c", model=LONG,
        model_hash="h", image_id="i", layers=layers, error_percent=21.3,
    )  # fmt: skip


def quality() -> str:
    layers = tuple(
        ConvertedLayer(name=f"{LONG}_{i}", type="Conv2D", shape=(28, 28, 8), dec=4, macs=1000 * i,
            weight_bytes=i, largest=3.25, sqnr_db=5.0 * i, saturated=i / 100)
        for i in range(8)
    )  # fmt: skip
    return render_quality(ConversionRecord(
        tool_version="1", model=LONG, model_hash="ab" * 32, options="mse", header=None,
        layers=layers, macs=1, weight_bytes=1, activation_bytes=1, samples=9, agreement=0.5,
        advice="lost: 50 % of 9 answers; per channel less is: nnom-hil convert", notes=(LONG,),
    ))  # fmt: skip


def explanation() -> str:
    finding = Finding(
        cause=Cause.WRONG_SHIFT, confidence=Confidence.CERTAIN, layer=f"{LONG}_1", says=LONG * 3,
        evidence=(LONG, "8 of 288 bytes"), remedy=LONG, command=("nnom-hil", "run", LONG * 2),
    )  # fmt: skip
    layers = tuple(
        ExplainedLayer(name=f"{LONG}_{i}", type="Conv", shape=(28, 28, 8), dec=4, sqnr_db=40.0 - i,
            saturated=i / 100, dead=1, channels=8, different=i * 1000, own=1000 * (i == 1),
            compared=90_000, histogram=tuple(range(48)))
        for i in range(8)
    )  # fmt: skip
    return render_explanation(Explanation(
        tool_version="1", model=LONG, model_hash="ab" * 32, board="b", run=LONG, vectors=300,
        with_tensors=8, accuracy_float=0.99, accuracy_target=0.5, checked=(LONG, "formats"),
        findings=(finding, finding.model_copy(update={"is_fault": False})), layers=layers,
        input="AAEC", input_shape=(1, 3), reproducer=f"{LONG}.npz",
    ))  # fmt: skip


def matrix() -> str:
    figures = {"accuracy": 0.98, "time_us": 8000.0, "flash": 60_000, "ram": 20_000, "stack": 900}
    cells = (
        *(cell(f"{LONG} {i}", figures={**figures, "time_us": 8000.0 * (i + 1)}) for i in range(4)),
        cell(f"{LONG} fails", verdict=Verdict.FAIL, reasons=(LONG,)),
    )
    return matrix_files(matrix_of(*cells))["report.html"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser.opened() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    record = full_record(name=LONG)
    shown = Shown(record=record, console=LONG * 9, profile=profile(), files=("run.json",))
    texts = {
        "run": render_shown(shown),
        "compare": FORMATS[Format.HTML].compare(record, full_record(layer_count=3)),
        "profile": render_profile(profile()),
        "quality": quality(),
        "explanation": explanation(),
        "matrix": matrix(),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    for number in range(40):
        more = {"total_instructions": 700_000 + 50_000 * (number >= 12)}
        write_run(folder / "runs", number, model=LONG, board=LONG, conversion=LONG, **more)
    write_site(folder / "runs", folder / "site")
    site = {"site": "site/index", "site place": f"site/{page_name(LONG, LONG)[:-5]}"}
    return {name: folder / f"{site.get(name, name)}.html" for name in (*texts, *site)}


PAGES = ("run", "compare", "profile", "quality", "explanation", "matrix", "site", "site place")


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_and_ask_for_nothing(name: str, browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages[name])
    for width in (360, 768, 1280):
        for dark in (False, True):
            browser.show(width, dark=dark)
            assert browser.value("document.documentElement.scrollWidth") <= width
    ground = "getComputedStyle(document.body).backgroundColor"
    assert browser.value(ground) == "rgb(16, 21, 27)"  # the last one was dark
    assert browser.complaints() == []


@pytest.mark.parametrize("name", PAGES)
def test_print_loses_no_column(name: str, browser: Browser, pages: dict[str, Path]) -> None:
    """A4 less its margins is 703 pixels wide; what stands further right would not be printed."""
    browser.open(pages[name])
    browser.show(703, dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        cut = browser.value(
            "[...document.querySelectorAll('th, td, svg, img, p, li')]"
            ".filter(e => e.getBoundingClientRect().right > 704).map(e => e.textContent)"
        )
        assert cut == []
        assert browser.value("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    assert browser.pdf().startswith(b"%PDF")


def test_too_wide_a_page_is_found(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text(
        "<div style='width:900px'>x</div><img src='http://127.0.0.1:9/x.png'><img src='y.png'>"
        "<script>console.error('no')</script>"
    )
    browser.open(page)
    browser.show(360)
    assert browser.value("document.documentElement.scrollWidth") > 360
    assert any("127.0.0.1:9" in said for said in browser.complaints())
    assert any("y.png" in said for said in browser.complaints())
    assert any("no" in said for said in browser.complaints())


def test_tables_sort_by_the_heading_that_is_pressed(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages["run"])

    def pressed(heading: str) -> list[str]:
        press = (
            "const t = document.querySelector('table.sortable'); const h = "
            f"[...t.tHead.rows[0].cells].find(c => c.textContent.startsWith('{heading}'));"
        )
        rows = "[...t.tBodies[0].rows].map(r => r.cells[0].textContent)"
        found = browser.value(
            f"(() => {{ {press} h.querySelector('button').click(); return {rows}; }})()"
        )
        assert isinstance(found, list)
        return found

    in_order = [str(i + 1) for i in range(12)]
    assert pressed("time")[0] == "3"  # the slowest
    assert pressed("time")[-1] == "3"
    assert pressed("time") == in_order
    assert pressed("layer") == pressed("layer")[::-1]
    assert browser.complaints() == []


@pytest.mark.skipif(not AXE, reason="needs NNOM_HIL_AXE, the file axe.min.js of npm's axe-core")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(
    name: str, dark: bool, browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages[name])
    browser.show(1280, dark=dark)
    browser.value(Path(AXE).read_text() + ";0")
    found = browser.value(
        "axe.run().then(r => r.violations.map(v => v.impact + ' ' + v.id + ': ' + "
        "v.nodes.slice(0, 3).map(n => n.html + ' ' + n.failureSummary).join('; ')))"
    )
    assert found == []
