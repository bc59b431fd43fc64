"""Which inference library a firmware is built on, and which of its kernels."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nnom_hil.errors import UsageError

__all__ = ["Kernels", "Library", "nnom_tree"]


class Kernels(StrEnum):
    """auto: the best that the core has. plain: those in C99, on every core."""

    AUTO = "auto"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """nnom: an NNoM tree (inc, src, port) to build instead of the library that comes with us."""

    nnom: Path | None = None
    kernels: Kernels = Kernels.AUTO

    def __post_init__(self) -> None:
        if self.nnom is not None and self.kernels is not Kernels.AUTO:
            raise UsageError(
                f"--nnom --kernels {self.kernels}: NNoM's own library has no such choice; "
                "leave out one of the two"
            )

    def check(self) -> None:
        """Raise UsageError for a folder that is not what it is to be."""
        if self.nnom is not None:
            nnom_tree(self.nnom)

    @property
    def words(self) -> str:
        """Which library this is, for a reader."""
        own = f"nnom-hil, kernels {self.kernels}"
        return own if self.nnom is None else f"NNoM tree {self.nnom.name}"

    @property
    def switches(self) -> list[str]:
        """The library's switches, as C definitions."""
        return [] if self.kernels is Kernels.AUTO else [f"NNOM_KERNELS={self.kernels}"]


def nnom_tree(folder: Path) -> Path:
    """Return the absolute folder of an NNoM tree; raises UsageError naming what it lacks."""
    for part in ("inc/nnom.h", "port/nnom_port.h", "src"):
        if not (folder / part).exists():
            raise UsageError(f"{folder}: not an NNoM tree: it has no {part}")
    return folder.resolve()
