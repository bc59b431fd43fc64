"""How much a command tells beside its result."""

import logging

__all__ = ["choose", "is_quiet", "reset"]

_OURS = logging.getLogger("nnom_hil")
_state = {"quiet": False}


def choose(*, quiet: bool = False, verbose: bool = False) -> None:
    """Take the words of a command line; what was said before the command's name holds on."""
    _state["quiet"] = _state["quiet"] or quiet
    if verbose:
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
        _OURS.handlers.clear()  # they come with the others


def is_quiet() -> bool:
    """Whether steps are not told."""
    return _state["quiet"]


def reset() -> None:
    """Begin a command line."""
    _state["quiet"] = False
