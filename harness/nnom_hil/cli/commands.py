"""typer's commands with our habits."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "Group"]


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
