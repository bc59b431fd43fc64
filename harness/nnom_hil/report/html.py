"""The HTML report: one file, no scripts, no outside resources."""

from collections.abc import Callable, Mapping

from nnom_hil.paths import templates_dir
from nnom_hil.profiles import ProfileRecord
from nnom_hil.records import RunRecord
from nnom_hil.report.figures import (
    deviation,
    headline,
    judged,
    kernels_in_words,
    layer_figures,
    measure_of,
    percent,
    size,
    thousands,
    total_amount,
    total_rate,
)
from nnom_hil.report.profile import profile_values
from nnom_hil.text import printable

__all__ = ["render_html", "render_page", "render_profile"]


def render_page(template: str, filters: Mapping[str, Callable[..., str]], **values: object) -> str:
    """Return a page from a template of reports/templates, with filters beside our own."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(templates_dir()),
        autoescape=True,
        finalize=lambda value: type(value)(printable(value)) if isinstance(value, str) else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "size": size, "thousands": thousands, **filters}
    return environment.get_template(template).render(**values).rstrip() + "\n"


def render_profile(record: ProfileRecord) -> str:
    """Return a page with a profile alone."""
    return render_page("profile.html.j2", {}, **profile_values(record))


def render_html(record: RunRecord, console: str = "", profile: ProfileRecord | None = None) -> str:
    """Return the page; console is the raw console text to show at its end."""
    figures = layer_figures(record)
    return render_page(
        "run.html.j2",
        {"deviation": deviation},
        record=record,
        figures=figures,
        judged=judged(record),
        kernels=kernels_in_words(record.kernels) if record.kernels else "",
        longest=max((f.amount or 0.0 for f in figures), default=0.0),
        measure=measure_of(record),
        headline=headline(record),
        total_amount=total_amount(record),
        total_rate=total_rate(record),
        spread=any(layer.spread_us for layer in record.layers),
        console=console,
        **profile_values(profile),
    )
