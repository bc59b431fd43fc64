"""Where Renode is, how it was packaged, which version it says it is."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nnom_hil import variables
from nnom_hil.deadline import Deadline
from nnom_hil.errors import ToolError
from nnom_hil.files import digest
from nnom_hil.paths import cache_dir
from nnom_hil.tool import find_tool, run_tool

if TYPE_CHECKING:
    import tarfile

__all__ = [
    "RENODE_LIMITS",
    "RENODE_VARIABLE",
    "TRIED",
    "Installation",
    "examine_renode",
    "find_renode",
]

RENODE_VARIABLE: Final = variables.RENODE
"""Environment variable that names Renode's program, folder or portable package."""
TRIED: Final = ("1.15.3", "1.16.1")
"""Versions that the tests have run on."""
RENODE_LIMITS: Final = (
    "it counts instructions, not cycles; no line errors, no baud rate; registers that are not in "
    "the board's description read as 0"
)
"""What it cannot do, for people."""

_HELP = (
    "get a portable package (renode-1.15.3 or newer, linux-portable) from the Renode project's "
    f"releases and name it: --renode FILE.tar.gz, or {RENODE_VARIABLE} (docs/renode.md)"
)
_VERSION_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A Renode that answers. version: digits and dots; packaging: how it came, for people."""

    program: Path
    version: str
    packaging: str

    @property
    def tried(self) -> bool:
        """Whether the tests have run on this version; a build number is no other version."""
        return ".".join(self.version.split(".")[:3]) in TRIED

    @property
    def has_wrong_flags(self) -> bool:
        """Whether SSUB8 and USUB8 leave wrong GE flags, as before 1.16 (docs/renode.md)."""
        major, _, rest = self.version.partition(".")
        minor = rest.partition(".")[0]
        known = major.isdecimal() and minor.isdecimal()
        return known and (int(major), int(minor)) < (1, 16)


def examine_renode(program: Path) -> Installation:
    """Start Renode for its version; raises ToolError if it does not answer."""
    said = run_tool([program, "--version"], deadline=Deadline.after(_VERSION_TIMEOUT_S))
    facts = [line.strip() for line in said.splitlines() if line.strip()]
    version = next((x.removeprefix("Renode v") for x in facts if x.startswith("Renode v")), None)
    if version is None:
        first = next(iter(facts), "nothing")
        raise ToolError(f"{program} --version: this is not Renode, it says: {first[:120]}")
    runtime = [x.removeprefix("runtime: ") for x in facts if x.startswith("runtime: ")]
    packaging = ", ".join([_packaging(program), *runtime])
    return Installation(program=program, version=version, packaging=packaging)


def _packaging(program: Path) -> str:
    """Return how this Renode came, by what lies around it."""
    place = program.resolve()
    with place.open("rb") as file:
        script = file.read(2) == b"#!"
    if (place.parent / "build.sh").is_file() and (place.parent / "output").is_dir():
        return "source tree"
    if not script:
        return "portable package"
    system = any(place.is_relative_to(folder) for folder in ("/usr", "/opt"))
    return "system package" if system else "script"


def find_renode() -> Path:
    """Return Renode's program: the one the variable names, or the one on PATH.

    The variable may name a program, a folder with one in it, or a portable package, which is
    unpacked into the cache once. Raises ToolError that says how to get it.
    """
    named = os.environ.get(RENODE_VARIABLE)
    if not named:
        try:
            return find_tool("renode")
        except ToolError as exc:
            raise ToolError(f"renode: program not found; {_HELP}") from exc
    path = Path(named)
    if path.is_file() and path.name.endswith((".tar.gz", ".tar.xz")):
        path = _unpacked(path)
    if path.is_dir():
        programs = [p for p in (path / "renode", *sorted(path.glob("*/renode"))) if p.is_file()]
        if not programs:
            raise ToolError(f"{path}: no program 'renode' in this folder; {_HELP}")
        path = programs[0]
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ToolError(f"{path}: not a program; {_HELP}")
    return path


def _unpacked(package: Path) -> Path:
    import tarfile
    import tempfile

    stat = package.stat()
    name = digest(str(package.resolve()), str(stat.st_size), str(stat.st_mtime_ns))[:16]
    folder = cache_dir() / "renode" / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            with tarfile.open(package) as archive:
                _extract(archive, Path(work) / "done")
            (Path(work) / "done").rename(folder)
    except (OSError, tarfile.TarError) as exc:
        raise ToolError(f"{package}: cannot unpack this package: {exc}; {_HELP}") from exc
    return folder


def _extract(archive: "tarfile.TarFile", folder: Path) -> None:
    """Unpack into a folder; raises TarError for what would land outside it."""
    import tarfile

    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
        return
    folder.mkdir()  # Python before 3.11.4, which Debian 12 has, knows no filter
    root = folder.resolve()
    for member in archive:
        place = root / member.name
        reached = [place.resolve()]
        if member.issym() or member.islnk():
            reached.append(((place.parent if member.issym() else root) / member.linkname).resolve())
        if member.isdev() or not all(path.is_relative_to(root) for path in reached):
            raise tarfile.TarError(f"{member.name!r} would land outside the folder")
        member.mode &= 0o755
        archive.extract(member, root)
