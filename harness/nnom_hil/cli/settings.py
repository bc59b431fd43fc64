"""Defaults of options from a file: nnom-hil.toml, or [tool.nnom-hil] of pyproject.toml.

The file is the first of the working directory and the folders above it. The command line comes
before the environment, and that before the file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nnom_hil import variables
from nnom_hil.errors import UsageError, did_you_mean
from nnom_hil.paths import project_settings

if TYPE_CHECKING:
    from nnom_hil.run.options import Option

__all__ = ["defaults_for", "settings_file", "variable_of"]

_PROJECT: Final = "pyproject.toml"
_NONE: Final = "none"
_TOLD: Final = {"explain": ("model", "data"), "replay": ("model", "data")}
"""Commands that are told what to look at."""

_ONCE: Final = {"resume", "against"}
"""Options that are about one run, and have no default of a user's."""


def variable_of(option: str) -> str | None:
    """Return the environment variable of an option, by name; None where it has none."""
    name = f"NNOM_HIL_{option.upper()}"
    # a variable of that name that means something else, or is read where the option is used
    return None if option in _ONCE or name in variables.VARIABLES else name


def settings_file() -> Path | None:
    """Return the file that holds here, or None; raises UsageError for one that is named wrongly."""
    named = os.environ.get(variables.CONFIG)
    if named == _NONE:
        return None
    if named:
        if not Path(named).is_file():
            raise UsageError(f"{variables.CONFIG}: {named}: no such file; {_NONE} reads no file")
        return Path(named)
    return project_settings()


def defaults_for(command: str, options: Mapping[str, "Option"]) -> dict[str, Any]:
    """Return a command's defaults of the file, by option; options: its own, of the table.

    Raises UsageError naming file and key.
    """
    file = settings_file()
    if file is None:
        return {}
    document = _read(file)
    common = {key: value for key, value in document.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in document.items() if isinstance(value, dict)}
    _check_tables(file, tables)
    known = _all_options()
    found = {}
    for where, table in (("", common), (command, tables.get(command, {}))):
        for key, value in table.items():
            place = f"{file}: {f'[{where}] ' if where else ''}{key}"
            name = key.replace("-", "_")
            if name not in known or name in _ONCE:
                raise UsageError(f"{place}: no such option{did_you_mean(name, known)}")
            checked = _value(place, known[name], value, file.parent)
            if name in _TOLD.get(command, ()):
                continue
            if name in options:
                found[name] = checked
            elif where:
                raise UsageError(f"{place}: nnom-hil {command} has no such option")
    return found


def _all_options() -> Mapping[str, "Option"]:
    from nnom_hil.run.options import all_options

    return all_options()


def _read(file: Path) -> Mapping[str, Any]:
    from nnom_hil.toml import load_toml

    try:
        document: Any = load_toml(file)
    except OSError as exc:
        raise UsageError(f"{file}: cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise UsageError(f"{file}: not valid TOML: {exc}") from exc
    if file.name == _PROJECT:
        document = document.get("tool", {}).get("nnom-hil", {})
    if not isinstance(document, dict):
        raise UsageError(f"{file}: [tool.nnom-hil] is no table")
    return document


def _check_tables(file: Path, tables: Mapping[str, Any]) -> None:
    from nnom_hil.run.options import DOORS

    for name in tables:
        if name not in DOORS:
            known = [door for door in DOORS if door != "open run"]
            raise UsageError(
                f"{file}: [{name}]: no such command; there are: {', '.join(known)}"
                f"{did_you_mean(name, known)}"
            )


def _value(place: str, option: "Option", value: Any, folder: Path) -> Any:
    """Return a file's value as the option takes it; paths are meant from the file's folder."""
    kind = option.kind
    words = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
    right = {bool: (bool,), int: (int,), float: (int, float)}.get(kind, (str,))
    if not isinstance(value, right) or (kind is not bool and isinstance(value, bool)):
        raise UsageError(f"{place} = {value!r}: must be {words}")
    try:
        option.check(value)
    except UsageError as exc:
        raise UsageError(f"{place}: {exc}") from exc
    text = str(value)
    is_path = kind is Path or (option.name == "board" and text.endswith(".toml"))
    if is_path and (option.name != "model" or (folder / text).exists()):
        path = folder / text
        here = Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)
    return value
