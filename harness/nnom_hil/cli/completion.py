"""nnom-hil completion: what makes a shell complete commands, options, boards and models."""

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["main"]


class _Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def main(
    shell: Annotated[_Shell, typer.Argument(help="Which shell it is for.")],
) -> int:
    """Print a script for a shell: eval "$(nnom-hil completion bash)"."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    variable = "_NNOM_HIL_COMPLETE"
    print(get_completion_script(prog_name="nnom-hil", complete_var=variable, shell=shell.value))
    return 0
