"""The application object, and the one place where errors become messages and exit codes."""

import contextlib
import logging
import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, TextIO

import typer

from nnom_hil.cli import loudness
from nnom_hil.cli.commands import HELP_NAMES, Command, Group, usage_message
from nnom_hil.cli.options import door_of, expand, stub
from nnom_hil.cli.terminal import shielded
from nnom_hil.errors import ExitCode, HilError
from nnom_hil.files import is_full
from nnom_hil.interrupt import Signals
from nnom_hil.text import a_screen

__all__ = ["COMMANDS", "GROUPS", "run_app"]

_INTERRUPTED = 130
_COMPLETE = "_NNOM_HIL_COMPLETE"
_OURS = logging.getLogger("nnom_hil")

COMMANDS = (
    "init",
    "run",
    "convert",
    "inspect",
    "build",
    "serve",
    "mlperf",
    "finetune",
    "profile",
    "explain",
    "replay",
    "monitor",
    "report",
    "site",
    "compare",
    "matrix",
    "worker",
    "scheduler",
    "tune",
    "doctor",
    "completion",
)
GROUPS = ("boards", "bench", "cache", "history")
"""Each a module of this package; it is imported when it is wanted."""


def _application(wanted: str) -> typer.Typer:
    """Return the application: the wanted command alone, or all of them by name."""
    app = typer.Typer(
        name="nnom-hil",
        cls=Group,
        help="Proves that a quantised neural network works on a Cortex-M.",
        no_args_is_help=True,
        add_completion=_COMPLETE in os.environ,  # a shell asks
        context_settings=_settings(),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    known = wanted in COMMANDS or wanted in GROUPS
    for name in (wanted,) if known else (*COMMANDS, *GROUPS):
        module = import_module(f"nnom_hil.cli.{name}")
        if not known:
            app.command(name, cls=Command)(stub(module.main))
        elif name in GROUPS:
            app.add_typer(_group(module), name=name)
        else:
            app.command(name, cls=Command, context_settings=_settings(module.main))(
                expand(module.main)
            )
    return app


def _settings(command: Any = None) -> dict[str, Any]:
    """Return typer's settings of a command: how help is asked for, and defaults of a file."""
    settings: dict[str, Any] = {"help_option_names": HELP_NAMES}
    door = None if command is None else door_of(command)
    if door is not None:
        from nnom_hil.cli.settings import defaults_for
        from nnom_hil.run.options import options_of

        settings["default_map"] = defaults_for(door, {o.name: o for o in options_of(door)})
    return settings


def _group(module: Any) -> typer.Typer:
    group = typer.Typer(
        cls=Group,
        no_args_is_help=module.NEEDS_COMMAND,
        rich_markup_mode=None,
        context_settings=_settings(module.main),
    )
    group.callback(invoke_without_command=not module.NEEDS_COMMAND)(expand(module.main))
    for name, command in module.COMMANDS.items():
        group.command(name, cls=Command, context_settings=_settings(command))(expand(command))
    return group


def _print_version(wanted: bool) -> None:
    if wanted:
        from nnom_hil.version import version

        print(f"nnom-hil {version()}")
        raise typer.Exit


def _options(
    *,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Tell results only, no steps.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Take the options that every sub-command shares."""
    del version
    loudness.choose(quiet=quiet, verbose=verbose)


def run_app(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    loudness.reset()
    notices = _Notices(logging.WARNING)
    _OURS.addHandler(notices)
    try:
        with shielded(), Signals() as signals:
            return _flushed(_run(argv, signals))
    finally:
        _OURS.removeHandler(notices)


class _Notices(logging.Handler):
    """Shows what our own rooms warn of, a line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        _say(f"nnom-hil: {record.getMessage()}")


def _run(argv: Sequence[str], signals: Signals) -> int:
    try:
        words = list(argv) or ["--help"]
        app = _application(_wanted(words))
        code = app(args=words, prog_name="nnom-hil", standalone_mode=False)
    except HilError as exc:
        _say(f"nnom-hil: {a_screen(str(exc))}")
        return int(exc.exit_code)
    except typer.Exit as exc:
        return int(exc.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _say("nnom-hil: interrupted")
        return signals.exit_code
    except BrokenPipeError:
        return _output_is_gone(sys.stdout)
    except OSError as exc:  # of a file that no room expected trouble with
        if signals.came:  # the terminal hung up, and cannot be told of it
            return signals.exit_code
        what = "standard output: " if is_full(exc) else ""  # which has no name
        if isinstance(exc.filename, (str, bytes)):
            what = f"{os.fsdecode(exc.filename)}: "
        _say(f"nnom-hil: {a_screen(what)}{exc.strerror or exc}")
        return int(ExitCode.ENVIRONMENT)
    except MemoryError:
        _say("nnom-hil: there is not enough memory; close other programs or raise ulimit -v")
        return int(ExitCode.ENVIRONMENT)
    except Exception as exc:
        if hasattr(exc, "format_message"):  # typer's usage errors
            if type(exc).__name__ == "NoArgsIsHelpError":
                print(exc.format_message())
                return int(ExitCode.PASS)
            _say(f"nnom-hil: {a_screen(usage_message(exc))}")
            return int(ExitCode.USAGE)
        _say(traceback.format_exc())
        _say("nnom-hil: this is a fault of nnom-hil; please report the lines above")
        return int(ExitCode.ENVIRONMENT)
    if code == _INTERRUPTED:  # how typer tells of a KeyboardInterrupt
        _say("nnom-hil: interrupted")
        return signals.exit_code
    return int(code) if isinstance(code, int) else int(ExitCode.PASS)


def _wanted(words: Sequence[str]) -> str:
    """Return the command that is asked for; a shell that completes has its words elsewhere."""
    if _COMPLETE in os.environ:
        words = os.environ.get("COMP_WORDS", os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()[1:]
    return next((word for word in words if not word.startswith("-")), "")


def _say(text: str) -> None:
    """Print to standard error, where there is one still."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr.isatty():  # words stay whole
            width = shutil.get_terminal_size().columns
            text = "\n".join(
                textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
                for line in text.split("\n")
            )
        print(text, file=sys.stderr, flush=True)


def _flushed(code: int) -> int:
    """Return the exit code, or the one of trouble where what was printed did not get out."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _output_is_gone(sys.stdout)
    except OSError as exc:
        _say(f"nnom-hil: standard output: {exc.strerror}")
        trouble = _output_is_gone(sys.stdout)
        code = code or trouble
    except ValueError:  # it is closed
        pass
    try:
        sys.stderr.flush()
    except (OSError, ValueError):  # messages have nowhere to go; the verdict stands
        _output_is_gone(sys.stderr)
    return code


def _output_is_gone(stream: TextIO) -> int:
    """Leave nothing that is tried again at shutdown, when Python would set its own exit code."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return int(ExitCode.ENVIRONMENT)
