"""docs/cli.md, from the commands themselves: python -m tests.support.command_line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from nnom_hil.cli import app

__all__ = ["PAGE", "all_commands", "command_line_page"]

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def all_commands() -> Iterator[tuple[str, Any]]:
    """Yield each command's words and itself, as click has it, groups before what is in them."""
    for name in (*app.COMMANDS, *app.GROUPS):
        root = typer.main.get_command(app._application(name))
        assert isinstance(root, typer.core.TyperGroup)
        command = root.commands[name]
        yield name, command
        for inner, part in sorted(getattr(command, "commands", {}).items()):
            yield f"{name} {inner}", part


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    help_ = parameter.help or ""
    default = parameter.default
    shown = default not in (None, False, (), []) and not callable(default) and "[" not in help_
    return f"| {names} | {_cell(help_)}{f' [{_cell(str(default))}]' if shown else ''} |"


def command_line_page() -> str:
    """Return the page."""
    parts = [
        "# Command line",
        "Made by `python -m tests.support.command_line` from the commands themselves. What a "
        "bracket has is the default;\n`nnom-hil COMMAND --help` tells the same. Exit codes: 0 "
        "pass; 1 fail; 2 usage; 3 environment or target; 128 + n after signal n.",
    ]
    for words, command in all_commands():
        level = "##" if " " not in words else "###"
        told = " ".join((command.help or "").split("\n\n")[0].split())
        rest = [" ".join(p.split()) for p in (command.help or "").split("\n\n")[1:]]
        rows = [
            _row(p) for p in command.params if not getattr(p, "hidden", False) and p.name != "help"
        ]
        parts.append("\n\n".join([f"{level} nnom-hil {words}", told, *rest]).rstrip())
        if rows:
            parts.append("\n".join(["| option | is |", "|---|---|", *rows]))
    return "\n\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(command_line_page(), encoding="utf-8")
