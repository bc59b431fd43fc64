"""From the table of options (run/options.py) to the terminal's signatures.

The table is asked for the command that runs only: it needs NumPy, and --help of the whole must be
quick.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from nnom_hil.cli import loudness
from nnom_hil.cli.completing import completion_of
from nnom_hil.cli.settings import variable_of
from nnom_hil.errors import UsageError

__all__ = ["Command", "DryRunOption", "JsonOption", "door", "door_of", "expand", "stub"]

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, nothing else.")]

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Tell what would be done, and do none of it.")
]
_EVERYWHERE: Final = {
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Tell results only, no steps.")],
    "verbose": Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")],
}

Command = Callable[..., int]
_DOORS: Final = "__nnom_hil_door__"
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def door(name: str, *, argument: str = "", **defaults: Any) -> Callable[[Command], Command]:
    """Mark a command whose keywords are a door's options; it is given those that the user gave.

    argument: the option that comes without a name. defaults: other ones than the table's; they are
    given to the command as if the user had.
    """

    def mark(command: Command) -> Command:
        setattr(command, _DOORS, (name, argument, defaults))
        return command

    return mark


def door_of(command: Command) -> str | None:
    """Return the name of a command's door, if it has one."""
    return getattr(command, _DOORS, (None,))[0]


def expand(command: Command) -> Command:
    """Return the command with the signature that typer reads: its door's options, its own, and
    those that every command has.
    """
    return everywhere(_with_door(command))


def everywhere(command: Command) -> Command:
    """Return the command with --quiet and --verbose, where it has none of its own."""
    own = inspect.signature(command).parameters
    added = {name: hint for name, hint in _EVERYWHERE.items() if name not in own}

    def call(*context: Any, **values: Any) -> int:
        loudness.choose(**{name: values.pop(name) for name in added})
        return command(*context, **values)

    hints = [
        inspect.Parameter(name, _KEYWORD, default=False, annotation=hint)
        for name, hint in added.items()
    ]
    return _dressed(call, command, [*own.values(), *hints])


def _with_door(command: Command) -> Command:
    if not hasattr(command, _DOORS):
        return command
    from nnom_hil.run.options import checked, options_of

    name, argument, defaults = getattr(command, _DOORS)
    options = options_of(name)
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
    parameters = [p for p in own if p.kind is not _KEYWORD]  # typer's context
    for option in options:
        hint = _hint(option, is_argument=option.name == argument, default=defaults.get(option.name))
        parameters.append(inspect.Parameter(option.name, _KEYWORD, default=None, annotation=hint))
    parameters += [p for p in own if p.kind is _KEYWORD]

    def call(**values: Any) -> int:
        given = {option.name: values.pop(option.name) for option in options}
        wanted = {k: v for k, v in given.items() if v is not None}
        try:
            right = checked(defaults | wanted)
        except UsageError as exc:
            raise UsageError(f"{exc}; see: nnom-hil {name} --help") from exc
        return command(**values, **right)

    return _dressed(call, command, parameters)


def _dressed(call: Command, like: Command, parameters: list[inspect.Parameter]) -> Command:
    call.__doc__ = like.__doc__
    call.__name__ = like.__name__
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call


def _hint(option: Any, *, is_argument: bool, default: Any) -> Any:
    kind = option.kind | None
    default = option.default if default is None else default
    text = option.text if default in (None, False) else f"{option.text}  [default: {default}]"
    if is_argument:
        return Annotated[kind, typer.Argument(help=text, autocompletion=completion_of(option))]
    names = [option.flags, *([option.short] if option.short else [])]
    return Annotated[
        kind,
        typer.Option(
            *names,
            help=text,
            min=option.low,
            max=option.high,
            envvar=variable_of(option.name),
            show_envvar=False,
            autocompletion=completion_of(option),
        ),
    ]


def stub(command: Command) -> Command:
    """Return a command that only has the docstring, for the list of commands."""

    def nothing() -> int:
        return 0

    nothing.__doc__ = command.__doc__
    return nothing
