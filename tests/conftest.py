"""No test depends on how fast or how busy the machine is."""

import os
import shutil
import tempfile

from hypothesis import HealthCheck, settings

from tests.support.native import OBJECTS

settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

_makes_objects = OBJECTS not in os.environ  # else a worker, or run by a test


def pytest_configure() -> None:
    """Make the folder of what all workers use, before there are any."""
    if _makes_objects:
        os.environ[OBJECTS] = tempfile.mkdtemp(prefix="nnom-objects-")


def pytest_unconfigure() -> None:
    if _makes_objects:
        shutil.rmtree(os.environ[OBJECTS], ignore_errors=True)
