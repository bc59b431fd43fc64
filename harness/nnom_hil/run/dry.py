"""What a request would do, told without doing it."""

from pathlib import Path

from nnom_hil.cache import Entry
from nnom_hil.run.conversion import HeaderRequest
from nnom_hil.run.prepare import ConvertOptions, find_model, preparation_key
from nnom_hil.run.request import RunRequest, for_header, read_header
from nnom_hil.target.select import backends, check_wishes

__all__ = ["build_plan", "header_plan", "run_plan"]

Plan = dict[str, str]


def run_plan(request: RunRequest) -> Plan:
    """Return what a run would do, by heading; raises UsageError as the run would."""
    board = request.board
    check_wishes(board, request.backend, probe=request.probe)
    how = "".join([f", {request.jobs} targets" if request.jobs > 1 else ""])
    return {
        **_firmware(request),
        "runs in": _place(request) + how,
        "vectors": _vectors(request),
        "record": f"a new folder in {request.runs}",
    }


def build_plan(request: RunRequest, folder: Path) -> Plan:
    """Return what building would do."""
    return {**_firmware(request), "writes": str(folder / f"{request.board.name}.elf")}


def header_plan(request: HeaderRequest) -> Plan:
    """Return what writing a header would do."""
    convert = for_header(request.convert, request.header)
    model = find_model(request.model)
    return {**_conversion(model, request.data, convert), "writes": str(request.output)}


def _firmware(request: RunRequest) -> Plan:
    plan = {"board": f"{request.board.name}: {request.board.title}"}
    plan |= _conversion(request.model_file, request.data, request.conversion)
    if request.weights is not None:
        read_header(request.weights)
        plan["header"] = str(request.weights)
    request.library.check()
    return plan | {"firmware": f"on {request.library.words}, made or found in the cache"}


def _conversion(model: Path, data: Path | None, options: ConvertOptions) -> Plan:
    kept = Entry(kind="prepared", key=preparation_key(model, data, options)).path.exists()
    return {
        "model": str(model),
        "conversion": f"{options.describe()}; {'kept in the cache' if kept else 'to be made'}",
    }


def _place(request: RunRequest) -> str:
    if request.port is not None and request.probe is None:
        return f"the target at {request.port}"
    if request.probe is not None:
        return f"probe {request.probe}"
    ways = backends(request.board)
    wanted = [request.backend] if request.backend is not None else list(ways)
    here = [name for name in wanted if ways[name] is None]
    if here:
        return here[0]
    return "nothing here: " + "; ".join(f"{name}: {ways[name]}" for name in wanted)


def _vectors(request: RunRequest) -> str:
    if request.timing_only:
        return "none, layers are timed only"
    some = "all" if request.limit is None else f"the first {request.limit}"
    return f"{some} of {request.data or 'the bundled data'}"
