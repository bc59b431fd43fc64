"""Which inference library a firmware is built on, which of its kernels, and by which compiler."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nnom_hil.errors import UsageError

__all__ = ["CmsisNn", "Kernels", "Library", "Optimise", "cmsis_nn_tree", "nnom_tree"]


class Kernels(StrEnum):
    """auto: the best that the core has. plain: those in C99, on every core."""

    AUTO = "auto"
    PLAIN = "plain"


class Optimise(StrEnum):
    """What the compiler optimises for: GCC's -O2 and -O3 speed, -Os size."""

    O2 = "o2"
    O3 = "o3"
    OS = "os"

    @property
    def flag(self) -> str:
        """The compiler's own word."""
        return f"-{self.value.replace('o', 'O')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """nnom: an NNoM tree (inc, src, port) to build instead of the library that comes with us.

    cmsis_nn: a folder of CMSIS 5, or of CMSIS-NN alone, whose functions serve what they can.
    compiler: the program that builds it and the firmware around it; None is the usual one.
    optimise: what for.
    """

    nnom: Path | None = None
    kernels: Kernels = Kernels.AUTO
    cmsis_nn: Path | None = None
    compiler: str | None = None
    optimise: Optimise = Optimise.O2

    def __post_init__(self) -> None:
        if self.nnom is not None and self.kernels is not Kernels.AUTO:
            raise UsageError(
                f"--nnom --kernels {self.kernels}: NNoM's own library has no such choice; "
                "leave out one of the two"
            )
        if self.cmsis_nn is not None and self.kernels is not Kernels.AUTO:
            raise UsageError(
                f"--cmsis-nn --kernels {self.kernels}: kernels in C99 are not CMSIS-NN's; leave "
                "out one of the two"
            )

    def check(self) -> None:
        """Raise UsageError for a folder that is not what it is to be."""
        if self.nnom is not None:
            nnom_tree(self.nnom)
        if self.cmsis_nn is not None:
            cmsis_nn_tree(self.cmsis_nn)

    @property
    def is_ours(self) -> bool:
        """Whether it is the library that comes with us, with the best kernels that a core has."""
        return self == self.ours

    @property
    def ours(self) -> "Library":
        """That library, built by the same compiler in the same way."""
        return Library(compiler=self.compiler, optimise=self.optimise)

    @property
    def words(self) -> str:
        """Which library this is, for a reader."""
        own = f"nnom-hil, kernels {self.kernels}"
        whose = own if self.nnom is None else f"NNoM tree {self.nnom.name}"
        return whose if self.cmsis_nn is None else f"{whose} on {self.cmsis_nn.name}"

    @property
    def switches(self) -> list[str]:
        """The library's switches, as C definitions."""
        switches = [] if self.kernels is Kernels.AUTO else [f"NNOM_KERNELS={self.kernels}"]
        if self.cmsis_nn is not None:
            switches.append("NNOM_USING_CMSIS_NN")
            switches += ["NNOM_CMSIS_NN_S8"] if not cmsis_nn_tree(self.cmsis_nn).has_q7 else []
        return switches


def nnom_tree(folder: Path) -> Path:
    """Return the absolute folder of an NNoM tree; raises UsageError naming what it lacks."""
    for part in ("inc/nnom.h", "port/nnom_port.h", "src"):
        if not (folder / part).exists():
            raise UsageError(f"{folder}: not an NNoM tree: it has no {part}")
    return folder.resolve()


@dataclass(frozen=True, slots=True, kw_only=True)
class CmsisNn:
    """Where CMSIS-NN is. root: its Include and Source. includes: also what it needs of CMSIS 5.

    has_q7: it has the functions that NNoM's users know.
    """

    root: Path
    includes: tuple[Path, ...]
    has_q7: bool


def cmsis_nn_tree(folder: Path) -> CmsisNn:
    """Return what a folder of CMSIS 5, or of CMSIS-NN, holds; raises UsageError for another."""
    folder = folder.resolve()
    for root in (folder, folder / "NN", folder / "CMSIS" / "NN"):
        if (root / "Include" / "arm_nnfunctions.h").is_file() and (root / "Source").is_dir():
            break
    else:
        raise UsageError(
            f"{folder}: not CMSIS-NN: neither it nor its NN or CMSIS/NN has "
            "Include/arm_nnfunctions.h and Source"
        )
    has_q7 = (root / "Source" / "ConvolutionFunctions" / "arm_convolve_HWC_q7_fast.c").is_file()
    includes = [root / "Include"]
    if has_q7:
        for name in ("DSP/Include", "Core/Include"):
            if not (root.parent / name).is_dir():
                raise UsageError(
                    f"{folder}: CMSIS-NN's q7 functions need {name} beside {root.name}, which is "
                    f"not in {root.parent}; name the folder of CMSIS 5"
                )
            includes.append(root.parent / name)
    return CmsisNn(root=root, includes=tuple(includes), has_q7=has_q7)
