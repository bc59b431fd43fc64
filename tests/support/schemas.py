"""The JSON schemas that docs/schemas has; `python -m tests.support.schemas` writes them anew."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from nnom_hil.record_files import run_schema

__all__ = ["SCHEMAS"]

_FOLDER: Final = Path(__file__).parents[2] / "docs" / "schemas"
SCHEMAS: Final[Mapping[Path, Callable[[], str]]] = {_FOLDER / "run.schema.json": run_schema}
"""Each file, and what makes it."""


if __name__ == "__main__":
    for file, make in SCHEMAS.items():
        file.write_text(make())
