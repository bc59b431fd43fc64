"""A new project: model, vectors, settings, a Robot suite and a CI file that pass at once."""

from nnom_hil.scaffold.project import NewProject, project_files

__all__ = ["NewProject", "project_files"]
