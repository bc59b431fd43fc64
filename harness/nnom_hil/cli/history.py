"""nnom-hil history: all runs side by side, from their records."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption
from nnom_hil.cli.outcome import print_json

if TYPE_CHECKING:
    from nnom_hil.history import Filter, History, Synced

__all__ = ["COMMANDS", "NEEDS_COMMAND", "RunsOption", "main", "tell"]

NEEDS_COMMAND = False
_SHOWN = 20

RunsOption = Annotated[Path | None, typer.Option("--runs", help="Folder of runs [reports/runs].")]


def main(
    context: typer.Context,
    *,
    model: Annotated[str | None, typer.Option("--model", "-m", help="As nn*.")] = None,
    board: Annotated[str | None, typer.Option("--board", "-b", help="As stm32*.")] = None,
    commit: Annotated[str | None, typer.Option(help="How it begins.")] = None,
    verdict: Annotated[str | None, typer.Option(help="pass, fail or error.")] = None,
    kernels: Annotated[str | None, typer.Option(help="A form that ran: dsp, mve, plain.")] = None,
    compiler: Annotated[str | None, typer.Option(help="A part of its version.")] = None,
    source: Annotated[str | None, typer.Option(help="Of time: dwt, model, host ...")] = None,
    since: Annotated[
        str | None, typer.Option(help="2026-11-01, 2026-11-01T12:30 (UTC), or 12h, 7d, 2w ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before then.")] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help="The newest N [20; to files and as JSON all]."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write them to a .csv or .parquet file.")
    ] = None,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """List the runs there were, by model, board, commit and more; make the list again."""
    if context.invoked_subcommand:
        return 0
    from nnom_hil.history import Filter, open_history
    from nnom_hil.history import since as time_of
    from nnom_hil.paths import runs_dir

    wanted = Filter(
        model=model,
        board=board,
        commit=commit,
        verdict=_known(verdict, ["pass", "fail", "error"], "--verdict"),
        kernels=kernels,
        compiler=compiler,
        source=_source(source),
        since=None if since is None else time_of(since),
        until=None if until is None else time_of(until),
    )
    history, synced = open_history(runs or runs_dir())
    with history:
        tell(synced)
        if export is not None:
            _export(history, wanted, limit, export)
        elif json:
            _print_json(history.rows(wanted, newest=limit))
        else:
            _show(history, wanted, limit or _SHOWN)
    return 0


def _known(word: str | None, known: list[str], flag: str) -> str | None:
    from nnom_hil.errors import UsageError, did_you_mean

    if word is not None and word not in known:
        raise UsageError(
            f"{flag} {word!r} is unknown; there are: {', '.join(known)}{did_you_mean(word, known)}"
        )
    return word


def _source(word: str | None) -> str | None:
    from nnom_hil.times import TimeSource

    return _known(word, [source.value for source in TimeSource], "--source")


def tell(synced: "Synced") -> None:
    """Say which records are none, on standard error."""
    if synced.unread:
        what = "record is" if synced.unread == 1 else "records are"
        print(f"nnom-hil: {synced.unread} {what} left out; {synced.why}", file=sys.stderr)


def _export(history: "History", wanted: "Filter", limit: int | None, file: Path) -> None:
    from nnom_hil.history import export

    count = export(history.rows(wanted, newest=limit), file)
    print(f"{file}: {count} runs")


def _print_json(rows: Any) -> None:
    """Print a list, an object a run and line: nothing holds all of it."""
    import json as json_module

    first = True
    for row in rows:
        del row["folder"]
        print("[" if first else ",")
        print(json_module.dumps(row, sort_keys=True), end="")
        first = False
    print("[]" if first else "\n]")


def _show(history: "History", wanted: "Filter", limit: int) -> None:
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.report.history import print_history

    count = history.count(wanted)
    if count:
        print_history(history.rows(wanted, newest=limit), terminal())
    runs = "run" if count == 1 else "runs"
    print(f"{count} {runs}" + (f", the newest {limit} shown" if count > limit else ""))


def rebuild(*, runs: RunsOption = None, json: JsonOption = False) -> int:
    """Make the history from the records alone; runs whose folders are gone are dropped."""
    from nnom_hil.history import history_file
    from nnom_hil.history import rebuild as make
    from nnom_hil.paths import runs_dir

    folder = runs or runs_dir()
    count, synced = make(folder)
    tell(synced)
    if json:
        print_json({"file": history_file(folder), "runs": count, "dropped": synced.dropped})
        return 0
    dropped = f", {synced.dropped} without a record dropped" if synced.dropped else ""
    print(f"{history_file(folder)}: {count} runs{dropped}")
    return 0


COMMANDS = {"rebuild": rebuild}
