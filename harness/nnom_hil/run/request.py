"""What a user asks for, kept beside a run's journal so that it can be gone on with."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from nnom_hil.boards import Board, baud_fault
from nnom_hil.codegen.layouts import Api, HeaderOptions, Layout
from nnom_hil.errors import UsageError
from nnom_hil.files import first_problem, read_regular, seal, unseal
from nnom_hil.run.asked import LARGEST_BAUD, ConvertOptions, Wishes
from nnom_hil.run.prepare import find_model

__all__ = [
    "LARGEST_BAUD",
    "REQUEST_FILE",
    "RunRequest",
    "at_baud",
    "for_header",
    "load_request",
    "read_header",
    "request_document",
]

REQUEST_FILE: Final = "request.json"
_LIMIT: Final = 1 << 24
_HEADER_LIMIT: Final = 1 << 28
_AGAIN: Final = "start the run again"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest(Wishes):
    """What a user asks for, and the board. Raises UsageError for numbers that cannot be."""

    board: Board

    @property
    def model_file(self) -> Path:
        """The model's file."""
        return find_model(self.model)

    @property
    def conversion(self) -> ConvertOptions:
        """How the model is converted for this form of header."""
        return for_header(self.convert, self.header, nnom=self.library.nnom is not None)

    @property
    def conversion_words(self) -> str:
        """How the model is converted, and how its header is written where that is unusual."""
        header, usual = self.header, HeaderOptions()
        words = [self.conversion.describe()]
        words += [f"{header.api} API"] if header.api is not usual.api else []
        words += [str(header.layout)] if header.layout is not usual.layout else []
        if header.dense_order is not usual.dense_order:
            words.append(f"{header.dense_order} dense")
        return ", ".join(words)

    @property
    def is_compat(self) -> bool:
        """Whether answers are compared with NNoM 0.4.3's own."""
        return self.compat or self.library.nnom is not None


def at_baud(board: Board, baud: int | None) -> Board:
    """Return the board with its console at another rate; None is its own.

    Raises UsageError for a rate that its UART does not have.
    """
    if baud is None:
        return board
    console = board.console
    if fault := baud_fault(console.driver, console.clock_hz, baud):
        raise UsageError(f"--baud {baud}: board {board.name}: {fault}; name another rate")
    return board.model_copy(
        update={"console": console.model_copy(update={"baud": baud})},
    )


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


def read_header(file: Path) -> str:
    """Return the text of a weights.h; raises UsageError for a file that is none."""
    try:
        text = read_regular(file, _HEADER_LIMIT).decode("utf-8")
    except OSError as exc:
        raise UsageError(f"--weights {file}: cannot read it: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"--weights {file}: not a header in C: it is no text") from exc
    if "nnom_model_create" not in text:
        raise UsageError(
            f"--weights {file}: not a header that NNoM's converter or nnom-hil convert writes: it "
            "has no nnom_model_create()"
        )
    return text


def request_document(request: RunRequest) -> str:
    """Return request.json, its paths absolute: the run may be resumed from anywhere."""
    import json

    from pydantic import TypeAdapter

    def absolute(path: Path | None) -> Path | None:
        return None if path is None else path.resolve()

    kept = replace(
        request,
        runs=request.runs.resolve(),
        model=request.model_file.resolve(),
        data=absolute(request.data),
        weights=absolute(request.weights),
        library=replace(
            request.library,
            nnom=absolute(request.library.nnom),
            cmsis_nn=absolute(request.library.cmsis_nn),
        ),
        pack=absolute(request.pack),
    )
    document = TypeAdapter(RunRequest).dump_python(kept, mode="json", by_alias=True)
    return json.dumps(seal(document), indent=2) + "\n"


def load_request(folder: Path) -> RunRequest:
    """Read request.json; raises UsageError where there is none, or not what was written."""
    import json

    from pydantic import TypeAdapter, ValidationError

    file = folder / REQUEST_FILE
    try:
        document = unseal(json.loads(read_regular(file, _LIMIT)))
        return TypeAdapter(RunRequest).validate_json(json.dumps(document))
    except OSError as exc:
        raise UsageError(f"{file}: cannot read it: {exc.strerror}; {_AGAIN}") from exc
    except ValidationError as exc:
        raise UsageError(f"{file}: {first_problem(exc)}; {_AGAIN}") from exc
    except (ValueError, TypeError, RecursionError, UsageError) as exc:
        raise UsageError(f"{file}: not what was written: {exc}; {_AGAIN}") from exc
