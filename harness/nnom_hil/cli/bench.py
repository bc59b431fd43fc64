"""nnom-hil bench: measurements of the harness itself."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnom_hil.cli.options import JsonOption, door
from nnom_hil.cli.outcome import print_json

if TYPE_CHECKING:
    from nnom_hil.records import RunRecord

__all__ = ["COMMANDS", "NEEDS_COMMAND", "main"]

NEEDS_COMMAND = True


def main() -> int:
    """Measure the link, what faults cost, one model on every board, ways of conversion."""
    return 0


@door("bench link")
def link(
    *,
    kilobytes: Annotated[int, typer.Option(min=1, help="How much vector data to send.")] = 1000,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Measure the link alone: vector data that the target takes, checks, and only counts."""
    from nnom_hil.run.bench import measure_link
    from nnom_hil.run.options import request_of

    result = measure_link(request_of(given), kilobytes * 1000)
    if json:
        import json as json_module

        print(json_module.dumps(result.as_dict(), sort_keys=True, indent=2))
    else:
        print(
            f"{result.board}: {result.bytes_per_s / 1000:.1f} kB/s (host) of vector data "
            f"({result.payload_bytes} bytes in {result.frames} frames, {result.seconds:.2f} s, "
            f"{result.overhead:.1%} framing)"
        )
    return 0


@door("bench faults", board="native")
def faults(
    *,
    faults: Annotated[
        str, typer.Option(help="What to spoil, as for nnom-hil run.")
    ] = "byte_error=0.01,drop=0.005,resets=2",
    vectors: Annotated[int, typer.Option("--vectors", "-n", min=50, help="How many images.")] = 360,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Measure what a bad link costs: the same images over a clean one and one with faults."""
    from nnom_hil.errors import ExitCode
    from nnom_hil.run.bench import measure_faults
    from nnom_hil.run.options import request_of

    result = measure_faults(request_of({**given, "faults": faults}), vectors)
    if json:
        import json as json_module

        print(json_module.dumps(result.as_dict(), sort_keys=True, indent=2))
    else:
        print(
            f"{result.board}, {result.vectors} images: clean {result.clean_s:.2f} s (host); with "
            f"{result.faults} {result.bad_s:.2f} s: {result.extra_s:.2f} s more, "
            f"{result.frames} frames, {result.retransmitted} sent again, {result.resets} resets, "
            f"{result.overruns} bytes overrun; {result.wrong} wrong, {result.lost} lost"
        )
        print(
            f"the line: about {result.byte_error:.2%} of the bytes damaged; {result.bytes} bytes "
            f"for vectors, {result.bytes / result.clean_bytes:.2f} times those of the clean one, "
            f"{result.over_bound:.2f} times what selective repeat needs"
        )
    return int(ExitCode.FAIL if result.wrong or result.lost else ExitCode.PASS)


def line(
    *,
    errors: Annotated[
        str, typer.Option(help="Shares of bytes that are changed, with commas between.")
    ] = "0,0.0001,0.001,0.003,0.01,0.03,0.05",
    drop: Annotated[float, typer.Option(min=0, max=0.9, help="Share of frames lost.")] = 0.0,
    vectors: Annotated[int, typer.Option("--vectors", "-n", min=1, help="How many.")] = 100,
    size: Annotated[int, typer.Option(min=10, max=30_000, help="Bytes of each.")] = 784,
    baud: Annotated[int, typer.Option(min=300, help="Of the line, 8N1.")] = 115_200,
    delay_ms: Annotated[float, typer.Option(min=0, help="Each way.")] = 1.0,
    inference_ms: Annotated[float, typer.Option(min=0, help="The target's model.")] = 10.0,
    stall_ms: Annotated[float, typer.Option(min=0, help="The host is away, now and then.")] = 0.0,
    ring: Annotated[int, typer.Option(min=2048, help="Bytes of the target's buffer.")] = 4096,
    seed: Annotated[int, typer.Option(help="Of the faults and the vectors.")] = 1,
    json: JsonOption = False,
) -> int:
    """Simulate lines in virtual time, by the host's own code, against selective repeat's bound."""
    from nnom_hil.errors import ExitCode, UsageError
    from nnom_hil.link.faults import LinkFaults
    from nnom_hil.run.bench import LineModel, simulate_line

    try:
        shares = [float(item) for item in errors.split(",")]
    except ValueError as exc:
        raise UsageError(f"--errors {errors}: needs numbers with commas between") from exc
    if not all(0 <= share <= 0.1 for share in shares):
        raise UsageError(f"--errors {errors}: each from 0 to 0.1")
    model = LineModel(
        bytes_per_s=baud / 10,
        delay_s=delay_ms / 1000,
        ring=ring,
        inference_s=inference_ms / 1000,
        stall_s=stall_ms / 1000,
    )
    results = [
        simulate_line(
            LinkFaults(byte_error=share, drop=drop),
            vectors=vectors,
            size=size,
            seed=seed,
            model=model,
        )
        for share in shares
    ]
    if json:
        import json as json_module

        print(json_module.dumps([r.as_dict() for r in results], sort_keys=True, indent=2))
    else:
        print(
            "| byte errors | s, virtual | frames | sent again | bytes a byte | over bound "
            "| overruns |"
        )
        print("|---" * 7 + "|")
        for r in results:
            print(
                f"| {r.byte_error:g} | {r.seconds:.2f} | {r.frames} | {r.retransmitted} "
                f"| {r.bytes_per_byte:.3f} | {r.over_bound:.3f} | {r.overruns} |"
            )
    return int(ExitCode.FAIL if any(r.wrong for r in results) else ExitCode.PASS)


@door("bench kernels")
def kernels(
    *,
    against: Annotated[
        Path | None,
        typer.Option(help="Count the same cases on this NNoM tree or CMSIS-NN folder too."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Fail where a case takes over 1 % more than this file says.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Write the counts into the baseline.")
    ] = False,
    json: JsonOption = False,
    **given: Any,
) -> int:
    """Count the instructions of the library's kernels in QEMU: exact, the same in every run."""
    from nnom_hil.errors import ExitCode, UsageError
    from nnom_hil.run.kernel_bench import (
        compare_counts,
        count_kernels,
        library_against,
        load_baseline,
        update_baseline,
    )
    from nnom_hil.run.options import request_of

    if update and baseline is None:
        raise UsageError("--update: name the file to write with --baseline FILE")
    known = load_baseline(baseline) if baseline is not None and not update else {}
    request = request_of(given)
    library = None if against is None else library_against(against)
    counts = count_kernels(request.board, request.library)
    other = None if library is None else count_kernels(request.board, library)
    if update and baseline is not None:
        update_baseline(baseline, counts)
    if json:
        import json as json_module

        document = {"counts": counts.as_dict(), "against": other.as_dict() if other else None}
        print(json_module.dumps(document, sort_keys=True, indent=2))
    else:
        _print_kernels(counts, other)
    if baseline is None or update:
        return 0
    worse = compare_counts(counts, known)
    if worse is None:
        raise UsageError(
            f"{baseline}: it knows nothing of {counts.core} by {counts.tool}; add them with "
            "--update"
        )
    for line in worse:
        print(f"worse: {line}", file=sys.stderr)
    return ExitCode.FAIL if worse else 0


@door("bench model")
def model(*, json: JsonOption = False, **given: Any) -> int:
    """Hold the cycle model against published times of layers on silicon, each table left out."""
    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.run.model_bench import check_model

    with Progress(terminal(stderr=True), quiet=json) as progress:
        tables = check_model(given.get("nnom"), given.get("cmsis_nn"), progress.step)
    if json:
        import json as json_module

        documents = [table.as_dict() for table in tables]
        print(json_module.dumps(documents, sort_keys=True, indent=2))
    else:
        _print_model(tables)
    return 0


@door("bench boards")
def boards(*, json: JsonOption = False, **given: Any) -> int:
    """Run a model on every board that can run here and print a Markdown table."""
    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.errors import ExitCode
    from nnom_hil.report.survey import survey_table
    from nnom_hil.run.boardfiles import known_boards
    from nnom_hil.run.options import request_of
    from nnom_hil.run.survey import survey

    with Progress(terminal(stderr=True), quiet=json) as progress:
        rows = survey(known_boards(given.get("boards")), request_of(given), progress.step)
    cells = [(r.board.name, r.board.core.cpu.value, r.backend, r.record, r.why) for r in rows]
    if json:
        print_json([_of_board(*row) for row in cells])
    else:
        print(survey_table(cells))
    wrong = [r.board.name for r in rows if r.record is not None and not r.record.outputs_equal]
    return int(ExitCode.FAIL if wrong else ExitCode.PASS)


def _of_board(
    board: str, core: str, backend: str, record: "RunRecord | None", why: str
) -> dict[str, Any]:
    shown = None if record is None else record.model_dump(mode="json", by_alias=True)
    return {"board": board, "core": core, "backend": backend, "record": shown, "why": why}


@door("bench convert")
def convert(*, json: JsonOption = False, **given: Any) -> int:
    """Quantise models and compare with float: all that are bundled in every way, or as asked."""
    if given.pop("against", None) is not None:  # there is one so far
        return _convert_against(given, json)
    from dataclasses import asdict

    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.run.bench import measure_conversion
    from nnom_hil.run.options import conversion_of
    from nnom_hil.run.ways import every_way, measure_ways

    with Progress(terminal(stderr=True), quiet=json) as progress:
        if not given:
            results: list[Any] = list(measure_conversion(progress.step))
        else:
            wish, header = conversion_of(given)
            asked = given.keys() - {"model", "data"}
            ways = [wish] if asked else every_way(wish)
            model, data = given.get("model"), given.get("data")
            results = [measure_ways(model, data, ways, header, progress.step)]
    if json:
        import json as json_module

        print(json_module.dumps([asdict(r) for r in results], sort_keys=True, indent=2))
        return 0
    if given:
        _print_ways(results[0])
        return 0
    ways_of_all = list(results[0].int8)
    print(f"| model | MAC | float | {' | '.join(ways_of_all)} | loss at best |")
    print("|---" * (len(ways_of_all) + 4) + "|")
    for r in results:
        shares = [f"{100 * share:.2f} %" for share in (r.float_accuracy, *r.int8.values())]
        print(f"| {r.model} | {r.macs} | {' | '.join(shares)} | {r.loss:.2f} points |")
    return 0


def _convert_against(given: dict[str, Any], json: bool) -> int:
    from dataclasses import asdict

    from nnom_hil.cli.progress import Progress
    from nnom_hil.cli.terminal import terminal
    from nnom_hil.run.against import measure_against
    from nnom_hil.run.options import conversion_of

    wish, header = conversion_of(given)
    with Progress(terminal(stderr=True), quiet=json) as progress:
        rows = measure_against(given.get("model"), given.get("data"), wish, header, progress.step)
    if json:
        import json as json_module

        print(json_module.dumps([asdict(r) for r in rows], sort_keys=True, indent=2))
        return 0
    versions = {r.version for r in rows} - {None}
    print(f"nnom-hil: {rows[0].way}; TFLite: int8{''.join(f', TensorFlow {v}' for v in versions)}")
    print(
        "| model | vectors | float | agreement | TFLite | accuracy | TFLite | SQNR | TFLite "
        "| bytes of weights | TFLite file |"
    )
    print("|---" * 11 + "|")
    for r in rows:
        pairs = zip(_cells(r.nnom_hil), _cells(r.tflite), strict=True)
        cells = [cell for pair in pairs for cell in pair]
        print(f"| {r.model} | {r.vectors} | {_share(r.float_accuracy)} | {' | '.join(cells)} |")
    for r in rows:
        if r.why is not None:
            print(f"{r.model}: no TFLite int8: {r.why}")
    return 0


def _cells(figures: Any) -> list[str]:
    if figures is None:
        return ["–"] * 4
    sqnr = "–" if figures.sqnr_db is None else f"{figures.sqnr_db:.1f} dB"
    return [_share(figures.agreement), _share(figures.accuracy), sqnr, str(figures.size)]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _print_kernels(counts: Any, other: Any) -> None:
    from nnom_hil.run.kernel_bench import peer_figures

    peers = peer_figures(counts.core)
    columns = [name for name in peers if any(case.name in peers[name] for case in counts.cases)]
    theirs = {} if other is None else {case.name: case for case in other.cases}
    cycles = f"cycles each, model ±{counts.error_percent} %"
    heads = ["case", "instructions", "each", cycles, "of", "scratch", *columns]
    heads += [other.kernels, "ratio"] if other is not None else []
    print(f"{counts.board}, {counts.core}, {counts.tool}, {counts.kernels}: instructions")
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for case in counts.cases:
        each = f"{case.cycles / case.work:.3f}"
        cells = [case.name, str(case.instructions), f"{case.each:.3f}", each, case.unit]
        cells.append(str(case.scratch) if case.scratch else "")
        cells += [
            f"{peers[name][case.name]:g}" if case.name in peers[name] else "" for name in columns
        ]
        if other is not None:
            their = theirs.get(case.name)
            cells += (
                ["–", "–"]
                if their is None
                else [f"{their.each:.3f}", f"{case.instructions / their.instructions:.2f}"]
            )
        print(f"| {' | '.join(cells)} |")
    print("bytes of code and constants of each kernel's file:")
    print(", ".join(f"{name} {size}" for name, size in sorted(counts.text.items())))


def _print_model(tables: Any) -> None:
    for checked in tables:
        table = checked.table
        clock = f"{checked.clock_hz / 1e6:.1f} MHz"
        clock += ", published" if table.clock_hz else ", as fits best"
        print(
            f"{table.title}; {table.compiler}; {clock}. By the other tables: a taken branch "
            f"{checked.taken} more, {checked.data_cache} bytes of flash held for loads."
        )
        print("| layer | published cycles | model | error | |")
        print("|---|---|---|---|---|")
        for layer in checked.layers:
            print(
                f"| {layer.name} | {layer.published:.0f} | {layer.estimated:.0f} "
                f"| {layer.error:+.1%} | {layer.other_code or ''} |"
            )
        if checked.errors:
            print(f"layers above 100 us: {_errors(checked.errors)}")
        print(f"whole model: {checked.total_error:+.1%}\n")
    for core in sorted({checked.table.core for checked in tables}):
        own = [checked for checked in tables if checked.table.core == core]
        known = [error for checked in own for error in checked.errors]
        every = [error for checked in own for error in checked.errors_of_all]
        print(
            f"{core}: layers above 100 us: {_errors(known)}; with those of code that cannot be "
            f"had: {_errors(every)}; whole models: {_errors([abs(c.total_error) for c in own])}"
        )


def _errors(errors: list[float]) -> str:
    return f"mean {sum(errors) / len(errors):.1%}, worst {max(errors):.1%}, {len(errors)} in all"


def _print_ways(result: Any) -> None:
    def figure(value: float | None) -> str:
        if value is None:
            return "–"
        return f"{value:.6g}" if "mae" in result.figure else _share(value)

    print(f"{result.model}, {result.task.words}, {result.vectors} vectors, {result.macs} MAC")
    print(f"| way | {result.figure} |")
    print("|---|---|")
    for way, value in ({"float model": result.keras} | result.int8).items():
        print(f"| {way} | {figure(value)} |")


COMMANDS = {
    "link": link,
    "line": line,
    "faults": faults,
    "kernels": kernels,
    "model": model,
    "boards": boards,
    "convert": convert,
}
