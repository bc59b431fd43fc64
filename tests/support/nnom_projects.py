"""Projects in the shapes of NNoM's examples, whole: with the header and test data they need."""

import random
import shutil
from pathlib import Path
from typing import Final

PROJECTS: Final = Path(__file__).parents[1] / "data" / "nnom_projects"
_MINIMAL: Final = Path(__file__).parents[2] / "firmware" / "nnom" / "examples" / "minimal"
_LABELS: Final = 128


def place(name: str, folder: Path) -> Path:
    """Put a project into a folder of its own name in this one, and return that."""
    project = folder / name
    shutil.copytree(PROJECTS / name, project)
    if not list(project.rglob("weights.h")):
        shutil.copyfile(_MINIMAL / "weights.h", project / "weights.h")
        rng = random.Random(1)
        labels = bytes(rng.randrange(2) for _ in range(_LABELS))
        inputs = bytes(rng.randrange(256) for _ in range(_LABELS * 4))
        (project / "test_data.bin").write_bytes(labels + inputs)
    return project
