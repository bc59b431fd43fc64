"""Pages: one file each, with a script of our own that sorts tables, and nothing from outside."""

import base64
import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from nnom_hil.paths import templates_dir
from nnom_hil.profiles import ProfileRecord
from nnom_hil.records import RunRecord
from nnom_hil.report.advice import what_next
from nnom_hil.report.figures import (
    confidence,
    decibels,
    headline,
    judged,
    kernels_in_words,
    layer_figures,
    measure_of,
    percent,
    printed,
    size,
    slowest,
    thousands,
    total_amount,
    total_rate,
)
from nnom_hil.report.memory import alive_in
from nnom_hil.report.mistakes import frequent_mistakes
from nnom_hil.report.pictures import picture
from nnom_hil.report.profile import profile_values
from nnom_hil.text import printable

__all__ = ["Shown", "render_html", "render_page", "render_profile", "render_shown"]

_CONSOLE_SHOWN: Final = 100_000
"""Characters of a console, from its end; all of it is in the file beside the page."""


def render_page(template: str, filters: Mapping[str, Callable[..., str]], **values: object) -> str:
    """Return a page from a template of reports/templates, with filters beside our own."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(templates_dir()),
        autoescape=True,
        optimized=False,  # a template is used once: compiling it takes longer than it
        finalize=lambda value: type(value)(printable(value)) if isinstance(value, str) else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "size": size, "thousands": thousands, **filters}
    environment.globals |= {"script": _script, "script_hash": _script_hash}
    return environment.get_template(template).render(**values).rstrip() + "\n"


def _script() -> str:
    """Return the one script that pages have."""
    from markupsafe import Markup

    return Markup((templates_dir() / "sort.js").read_text())


def _script_hash() -> str:
    """Return what a page's policy knows its script by: no other one runs, whoever wrote it."""
    digest = hashlib.sha256(_script().encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def render_profile(record: ProfileRecord) -> str:
    """Return a page with a profile alone."""
    return render_page("profile.html.j2", {}, **profile_values(record))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a run has to show. console: what its target printed; files: names of those that lie
    beside the page, to link to.
    """

    record: RunRecord
    console: str = ""
    profile: ProfileRecord | None = None
    files: Sequence[str] = ()

    def at(self, folder: Path, report: Path) -> Self:
        """Return the same for a report at a place: one outside the run's folder has no links."""
        beside = report.parent.resolve() == folder.resolve()
        return self if beside else replace(self, files=())


def render_html(record: RunRecord, console: str = "", profile: ProfileRecord | None = None) -> str:
    """Return the page of a run that has no files."""
    return render_shown(Shown(record=record, console=console, profile=profile))


def render_shown(shown: Shown) -> str:
    """Return the page of a run."""
    record, console = shown.record, shown.console
    figures = layer_figures(record)
    return render_page(
        "run.html.j2",
        {"decibels": decibels, "picture": picture},
        record=record,
        figures=figures,
        slowest=slowest(figures),
        next=what_next(record),
        judged=judged(record),
        confidence=confidence(record),
        printed=printed(record),
        mistakes=frequent_mistakes(record),
        command=shlex.join(record.command),
        kernels=kernels_in_words(record.kernels) if record.kernels else "",
        longest=max((f.amount or 0.0 for f in figures), default=0.0),
        measure=measure_of(record),
        headline=headline(record),
        total_amount=total_amount(record),
        total_rate=total_rate(record),
        spread=any(layer.spread_us for layer in record.layers),
        quality=any(layer.sqnr_db is not None for layer in record.layers),
        alive=alive_in(record),
        files=shown.files,
        console=console[-_CONSOLE_SHOWN:],
        console_length=len(console),
        **profile_values(shown.profile),
    )
