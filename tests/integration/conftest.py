"""Runs in QEMU share one cache of conversions and images, apart from the user's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all workers: the builds are locked and cached by content."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    before = os.environ.get("NNOM_HIL_CACHE")
    os.environ["NNOM_HIL_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["NNOM_HIL_CACHE"]
    else:
        os.environ["NNOM_HIL_CACHE"] = before
