"""The HTML report: one file, no scripts, no outside resources."""

from nnom_hil.paths import templates_dir
from nnom_hil.records import RunRecord
from nnom_hil.report.figures import TIME_NOTES, layer_figures, percent, size, thousands

__all__ = ["render_html"]


def render_html(record: RunRecord, console: str = "") -> str:
    """Return the page; console is the raw console text to show at its end."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(templates_dir()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "size": size, "thousands": thousands}
    figures = layer_figures(record)
    text = environment.get_template("run.html.j2").render(
        record=record,
        figures=figures,
        longest=max((f.layer.time_us or 0.0 for f in figures), default=0.0),
        time_note=TIME_NOTES[record.time_source],
        console=console,
    )
    return text.rstrip() + "\n"
