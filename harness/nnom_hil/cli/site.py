"""nnom-hil site: pages over the history, for a browser or a web server."""

from pathlib import Path
from typing import Annotated

import typer

from nnom_hil.cli.history import RunsOption, tell
from nnom_hil.cli.options import JsonOption
from nnom_hil.cli.outcome import print_json

__all__ = ["main"]


def main(
    site: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write it into.")],
    *,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Write a site: every model on every board over commits, with what changed."""
    from nnom_hil.paths import runs_dir
    from nnom_hil.run.site import write_site

    count, synced = write_site(runs or runs_dir(), site)
    tell(synced)
    if json:
        print_json({"index": site / "index.html", "pages": count})
    else:
        print(f"{site / 'index.html'}: {count} pages")
    return 0
