"""What a user asks for, kept beside a run's journal so that it can be gone on with."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from nnom_hil.boards import Board
from nnom_hil.codegen.layouts import Api, HeaderOptions, Layout
from nnom_hil.errors import UsageError
from nnom_hil.files import write_whole
from nnom_hil.link.faults import LinkFaults
from nnom_hil.run.plan import Encoding, Timing
from nnom_hil.run.prepare import ConvertOptions, find_model

__all__ = ["RunRequest", "for_header", "load_request", "save_request"]

_FILE: Final = "request.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a user asks for; model None is the bundled digits. runs: the folder of all runs.

    backend: what runs the board; None is the first of its file that is there. jobs: targets that
    share the vectors. nnom: an NNoM tree to build on, whose answers are compared with NNoM 0.4.3's.
    port: a serial port. probe: the id of the one to flash by. pack: a CMSIS-Pack with the chip.
    """

    board: Board
    runs: Path
    model: Path | None = None
    data: Path | None = None
    limit: int | None = None
    min_accuracy: float | None = None
    max_error: float | None = None
    convert: ConvertOptions = field(default_factory=ConvertOptions)
    header: HeaderOptions = field(default_factory=HeaderOptions)
    compat: bool = False
    backend: str | None = None
    jobs: int = 1
    timing: Timing = field(default_factory=Timing)
    timing_only: bool = False
    nnom: Path | None = None
    encoding: Encoding = Encoding.AUTO
    faults: LinkFaults | None = None
    seed: int = 0
    port: str | None = None
    baud: int | None = None
    probe: str | None = None
    pack: Path | None = None

    @property
    def model_file(self) -> Path:
        """The model's file."""
        return find_model(self.model)

    @property
    def conversion(self) -> ConvertOptions:
        """How the model is converted for this form of header."""
        return for_header(self.convert, self.header, nnom=self.nnom is not None)

    @property
    def is_compat(self) -> bool:
        """Whether answers are compared with NNoM 0.4.3's own."""
        return self.compat or self.nnom is not None


def for_header(
    convert: ConvertOptions, header: HeaderOptions, *, nnom: bool = False
) -> ConvertOptions:
    """Return the options of a conversion whose result that form of header can hold.

    nnom: the header is for NNoM's own library. Raises UsageError where it cannot be.
    """
    if header.layout is Layout.CHW and convert.portable:
        raise UsageError(
            "--portable --layout chw: portable headers are channel-last, because NNoM's other "
            "layout has faults; leave out one of the two"
        )
    if header.api is Api.LAYER and convert.per_channel:
        raise UsageError(
            "--api layer --per-channel: this form has one weight format per layer; leave out one "
            "of the two"
        )
    return replace(
        convert,
        plain_pools=header.api is Api.LAYER,
        nnom_only=nnom or header.api is Api.LAYER or header.layout is Layout.CHW,
    )


def save_request(folder: Path, request: RunRequest) -> None:
    """Write request.json, its paths absolute: the run may be resumed from anywhere."""
    from pydantic import TypeAdapter

    def absolute(path: Path | None) -> Path | None:
        return None if path is None else path.resolve()

    kept = replace(
        request,
        runs=request.runs.resolve(),
        model=request.model_file.resolve(),
        data=absolute(request.data),
        nnom=absolute(request.nnom),
        pack=absolute(request.pack),
    )
    document = TypeAdapter(RunRequest).dump_json(kept, by_alias=True, indent=2)
    write_whole(folder / _FILE, document + b"\n")


def load_request(folder: Path) -> RunRequest:
    """Read request.json; raises UsageError where there is none, or none that can be read."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(RunRequest).validate_json((folder / _FILE).read_bytes())
    except OSError as exc:
        raise UsageError(f"{folder / _FILE}: cannot read it: {exc.strerror}") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{folder / _FILE}: {where}: {first['msg']}") from exc
