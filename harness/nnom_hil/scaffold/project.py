"""The files of a new project, as text and bytes; pure but for the templates beside this file."""

from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

__all__ = ["NewProject", "project_files"]

_FILES: Final = Path(__file__).parent / "files"
_TEMPLATES: Final = {
    "nnom-hil.toml": "nnom-hil.toml",
    "tests/model.robot": "model.robot",
    ".github/workflows/nnom-hil.yml": "workflow.yml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
}
_EXTRA: Final = {".onnx": "onnx", ".tflite": "tflite"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """What a project is about. model, data: names of files in its models/. min_accuracy: what its
    verdict asks for; None where the vectors have no labels that tell classes.
    """

    name: str
    board: str
    model: str
    data: str
    min_accuracy: float | None = None

    @property
    def extra(self) -> str:
        """The extra of nnom-hil that reads the model."""
        return _EXTRA.get(Path(self.model).suffix.lower(), "convert")


def project_files(project: NewProject) -> dict[str, str]:
    """Return a project's files but for model and data, by their names in its folder."""
    asked = project.min_accuracy
    facts = {
        "name": project.name,
        "board": project.board,
        "model": f"models/{project.model}",
        "data": f"models/{project.data}",
        "extra": project.extra,
        "accuracy_setting": "" if asked is None else f"min-accuracy = {asked}\n",
        "accuracy_test": ""
        if asked is None
        else f"\nAccuracy Is Kept\n    Accuracy Should Be At Least    {asked}\n",
    }
    return {
        name: Template((_FILES / file).read_text(encoding="utf-8")).substitute(facts)
        for name, file in _TEMPLATES.items()
    }
