"""The application object, and the one place where errors become messages and exit codes."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from nnom_hil.cli import bench, boards, build, convert, doctor, inspect, monitor, report, run
from nnom_hil.cli.options import Command, expand, stub
from nnom_hil.errors import ExitCode, HilError

__all__ = ["run_app"]

_INTERRUPTED = 130

_COMMANDS: dict[str, Command] = {
    "run": run.main,
    "convert": convert.main,
    "inspect": inspect.main,
    "build": build.main,
    "monitor": monitor.main,
    "report": report.main,
    "doctor": doctor.main,
}
_GROUPS = {"boards": boards, "bench": bench}


def _application(wanted: str) -> typer.Typer:
    """Return the application; only the wanted command has its options."""
    app = typer.Typer(
        name="nnom-hil",
        help="Proves that a quantised neural network works on a Cortex-M.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name, command in _COMMANDS.items():
        app.command(name)(expand(command) if name == wanted else stub(command))
    for name, module in _GROUPS.items():
        if name == wanted:
            app.add_typer(_group(module), name=name)
        else:
            app.command(name)(stub(module.main))
    return app


def _group(module: Any) -> typer.Typer:
    group = typer.Typer(no_args_is_help=module.NEEDS_COMMAND, rich_markup_mode=None)
    group.callback(invoke_without_command=not module.NEEDS_COMMAND)(expand(module.main))
    for name, command in module.COMMANDS.items():
        group.command(name)(expand(command))
    return group


def _print_version(wanted: bool) -> None:
    if wanted:
        from nnom_hil import __version__

        print(f"nnom-hil {__version__}")
        raise typer.Exit


def _options(
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Take the options that every sub-command shares."""
    del version
    if verbose:
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")


def run_app(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    # a polite end is an interruption too: targets are stopped and the record is written
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        wanted = next((word for word in argv if not word.startswith("-")), "")
        code = _application(wanted)(args=list(argv), standalone_mode=False)
    except HilError as exc:
        print(f"nnom-hil: {exc}", file=sys.stderr)
        return int(exc.exit_code)
    except typer.Exit as exc:
        return int(exc.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        print("nnom-hil: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone; leave without a complaint at shutdown
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.ENVIRONMENT)
    except Exception as exc:
        if (usage := getattr(exc, "format_message", None)) is not None:  # click's usage errors
            print(f"nnom-hil: {usage()}; see: nnom-hil --help", file=sys.stderr)
            return int(ExitCode.USAGE)
        traceback.print_exc()
        print(
            "nnom-hil: this is a fault of nnom-hil; please report the lines above", file=sys.stderr
        )
        return int(ExitCode.ENVIRONMENT)
    if code == _INTERRUPTED:  # how typer tells of a KeyboardInterrupt
        print("nnom-hil: interrupted", file=sys.stderr)
    return int(code) if isinstance(code, int) else int(ExitCode.PASS)
