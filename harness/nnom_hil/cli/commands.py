"""typer's commands with our habits: -h, nearest names, what is missing told with its help."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

from nnom_hil.errors import UsageError, did_you_mean

__all__ = ["HELP_NAMES", "Command", "Group", "usage_message"]

HELP_NAMES = ["-h", "--help"]


class _Habits:
    """What commands and groups have in common."""

    def get_help_option(self, ctx: Any) -> Any:
        """Give --help a default: a flag that is neither on nor off would need all of pydantic."""
        option = super().get_help_option(ctx)  # type: ignore[misc]  # typer's class stands beside
        if option is not None:
            option.default = False
        return option


class Command(_Habits, TyperCommand):
    """One command."""


class Group(_Habits, TyperGroup):
    """A command with commands of its own."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Name the nearest command where there is none of that name."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise UsageError(
                f"no command {args[0]!r}{did_you_mean(args[0], self.commands)}; "
                f"see: {ctx.command_path} --help"
            )
        return super().resolve_command(ctx, args)


def usage_message(error: Any) -> str:
    """Return what a usage error of typer's says, with the nearest option and that command's help.

    error: it has format_message().
    """
    context = getattr(error, "ctx", None)
    path = "nnom-hil" if context is None else context.command_path
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        flags = [] if context is None else [o for p in context.command.params for o in p.opts]
        flags += ["--help"]
        said = f"no option {option!r}{did_you_mean(option, [f for f in flags if f[:2] == '--'])}"
    else:
        said = error.format_message().rstrip(".")
    return f"{said}; see: {path} --help"
