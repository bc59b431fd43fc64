"""What NNoM printed, as a record has it; pure."""

from typing import Any

from nnom_hil.console import Banner, CompileLog, FormatLayer, ModelStat, PredictionSummary
from nnom_hil.records import PrintedFigures, PrintedMemory

__all__ = ["figures_as_printed", "layers_as_printed", "memory_as_printed"]


def layers_as_printed(
    log: CompileLog | None, stat: ModelStat | None, formats: tuple[FormatLayer, ...] | None
) -> dict[int, dict[str, Any]]:
    """Return what is known of each layer from what was printed alone, by its number from 1.

    The fields are those of LayerRecord that no other part of a run gives.
    """
    facts: dict[int, dict[str, Any]] = {}
    for line in log.layers if log else ():
        facts[line.index] = {
            "elements_in": line.size_in,
            "elements_out": line.size_out,
            "scratch_bytes": line.size_buf,
            "blocks": line.blocks,
        }
    for time in stat.layers if stat else ():
        facts.setdefault(time.index, {})["printed_rate"] = time.rate
    for made in formats or ():
        facts.setdefault(made.index, {})["dec_in"] = made.input_dec
    return facts


def memory_as_printed(
    log: CompileLog | None, stat: ModelStat | None, banner: Banner
) -> PrintedMemory | None:
    """Return what was printed of memory, None where there was nothing."""
    memory = PrintedMemory(
        blocks=log.blocks if log else (),
        blocks_total=log.blocks_total if log else None,
        network_buffers=log.network_buffers if log else None,
        total=log.total_memory if log else None,
        stat_total=stat.total_memory if stat else None,
        static=banner.static_memory,
    )
    return None if memory == PrintedMemory() else memory


def figures_as_printed(
    log: CompileLog | None,
    stat: ModelStat | None,
    prediction: PredictionSummary | None,
    banner: Banner,
) -> PrintedFigures | None:
    """Return what else was printed, None where there was nothing."""
    figures = PrintedFigures(
        version=banner.version,
        model_version=banner.model_version,
        data_format=banner.data_format,
        backend=banner.backend,
        compile_ms=log.compile_ms if log else None,
        time_us=stat.time_us if stat else None,
        rate=stat.rate if stat else None,
        frames=prediction.frames if prediction else None,
        test_s=prediction.test_s if prediction else None,
        model_ms=prediction.model_time_ms if prediction else None,
        average_us=prediction.average_us if prediction else None,
        average_rate=prediction.average_rate if prediction else None,
        frames_per_s=prediction.frames_per_s if prediction else None,
    )
    return None if figures == PrintedFigures() else figures
