"""Which version of us this is: of git's tag, written down when the package was built."""

import functools

__all__ = ["version"]


@functools.cache
def version() -> str:
    """Return the version of the installed package; "0+unknown" where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version("nnom-hil")
    except metadata.PackageNotFoundError:
        return "0+unknown"
