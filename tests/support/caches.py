"""Copies of the cache that all tests share, while others write to it."""

import shutil
from pathlib import Path

KINDS = ("prepared", "reference", "libraries", "images")


def copy_cache(cache: Path, to: Path, *kinds: str) -> None:
    """Copy whole entries, of all kinds or some; one that is replaced meanwhile is left out."""
    for kind in kinds or KINDS:
        for entry in (cache / kind).glob("*/entry.json"):
            if entry.parent.name.startswith("."):
                continue  # half made, or half removed
            target = to / kind / entry.parent.name
            try:
                shutil.copytree(entry.parent, target)
            except (OSError, shutil.Error):
                shutil.rmtree(target, ignore_errors=True)
