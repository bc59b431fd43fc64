"""What number formats lose: float values against the bit-exact reference, layer by layer; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from nnom_hil.explanations import Cause, Confidence, ExplainedLayer, Finding
from nnom_hil.model.qgraph import Int8, QActivation, QGraph, QNode, QRnn, QSoftmax
from nnom_hil.model.quantise.quality import decibels

__all__ = ["Conversion", "FormatEvidence", "compare_formats", "format_findings"]

Floats = npt.NDArray[np.floating]
_POOR_DB: Final = 12.0
"""Below this an output has lost more than two of its bits to noise: its numbers differ visibly."""
_LOST: Final = 0.05
_FEWEST: Final = 20
_SATURATED: Final = 0.2
_TIED: Final = 0.05
_TIES_COST: Final = 0.1
_EDGES: Final = np.arange(-192, 193, 8)
_HELPS: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """Another conversion of the same model, measured on the same vectors.

    agreement: share of the float model's answers, None where nothing is chosen. command: its words.
    """

    what: str
    agreement: float | None
    sqnr_db: float | None
    command: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FormatEvidence:
    """Float values and the reference's bytes of the same vectors, (n, *shape) by layer.

    floats: by the layer's name in the quantised graph; those that quantisation put in are not
    there. chooses: an answer is one of several classes. others: conversions that were tried.
    """

    graph: QGraph
    floats: Mapping[str, Floats]
    codes: Mapping[str, Int8]
    chooses: bool
    others: tuple[Conversion, ...] = ()


def compare_formats(found: FormatEvidence) -> list[ExplainedLayer]:
    """Return each layer, float against reference."""
    return [_layer(node, found) for node in found.graph.nodes[:-1]]


def _layer(node: QNode, found: FormatEvidence) -> ExplainedLayer:
    codes = found.codes[node.name]
    by_channel = codes.reshape(-1, codes.shape[-1])
    dead = int((by_channel == by_channel[0]).all(axis=0).sum()) if len(by_channel) > 1 else 0
    facts = {
        "name": node.name,
        "type": type(node.op).__name__.removeprefix("Q"),
        "shape": node.shape,
        "dec": node.dec,
        "dead": dead,
        "channels": codes.shape[-1],
    }
    if node.name not in found.floats:
        return ExplainedLayer(**facts)
    values = found.floats[node.name].reshape(codes.shape).astype(np.float64)
    steps = values * 2.0**node.dec
    counts, _ = np.histogram(np.clip(steps, -192, 191.99), _EDGES)
    return ExplainedLayer(
        **facts,
        sqnr_db=decibels(values, codes * 2.0**-node.dec),
        saturated=float(_beyond(steps).mean()),
        histogram=tuple(map(int, counts)),
    )


def _beyond(steps: Floats) -> npt.NDArray[np.bool_]:
    """Return which values int8 has no code for, by half a step or more."""
    return np.asarray((steps >= 127.5) | (steps <= -128.5))


def format_findings(found: FormatEvidence, layers: list[ExplainedLayer]) -> list[Finding]:
    """Return what the formats lose: where, and what was tried that loses less.

    layers: compare_formats()'s. It is a fault where answers change or the outputs are mostly noise.
    """
    measured = [layer for layer in layers if layer.sqnr_db is not None]
    if not measured:
        return []
    loss = _loss(found, measured[-1])
    saturated = _saturation(found, layers, is_fault=loss is not None)
    ties = _ties(found)
    if loss is None:
        return [*saturated, *ties]
    if saturated and any(f.is_fault for f in saturated):
        return [*saturated, *ties]
    return [_collapse(found, measured, loss), *saturated, *ties]


def _loss(found: FormatEvidence, last: ExplainedLayer) -> str | None:
    """Return what was lost of the outputs, None where that is not much."""
    assert last.sqnr_db is not None
    shown = f"SQNR of the outputs {last.sqnr_db:.1f} dB"
    if found.chooses and (share := _agreement(found)) is not None:
        n = len(found.codes[last.name])
        lost = round((1 - share) * n)
        if share >= 1 - _LOST or (n >= _FEWEST and lost < 3):
            return None
        return f"{lost} of {n} answers differ from float, {shown}"
    return shown if last.sqnr_db < _POOR_DB else None


def _agreement(found: FormatEvidence) -> float | None:
    last = found.graph.nodes[-2]
    if last.name not in found.floats:
        return None
    codes, floats = (v.reshape(len(v), -1) for v in (found.codes[last.name],
                     found.floats[last.name]))  # fmt: skip
    return float(np.mean(codes.argmax(axis=1) == floats.argmax(axis=1)))


def _collapse(found: FormatEvidence, measured: list[ExplainedLayer], loss: str) -> Finding:
    """Name the layer after which most is lost, and what was tried that loses less."""
    by_name = {layer.name: layer for layer in measured}
    nodes = found.graph.by_name

    def before(layer: ExplainedLayer) -> float:
        """The worst of its inputs; what quantisation put in is looked through."""
        ratios = []
        for name in nodes[layer.name].inputs:
            source = nodes[name]
            while source.name not in by_name and source.inputs:
                source = nodes[source.inputs[0]]
            known = by_name.get(source.name)
            ratios += [known.sqnr_db] if known is not None and known.sqnr_db is not None else []
        return min(ratios, default=60.0)  # an input's float values are exact

    drops = [(before(layer) - (layer.sqnr_db or 0.0), layer) for layer in measured]
    worst = max(drops, key=lambda pair: pair[0])[1]
    evidence = [
        loss,
        f"SQNR falls from {before(worst):.1f} to {worst.sqnr_db:.1f} dB in {worst.name}, format "
        f"Q{7 - worst.dec}.{worst.dec}, more than in any other layer",
    ]
    if worst.saturated:
        evidence.append(f"{worst.saturated:.2%} of its float values lie beyond the ends of int8")
    remedy, command, sure = _what_helps(found, measured[-1], evidence)
    return Finding(
        cause=Cause.FORMAT,
        confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
        layer=worst.name,
        says=f"the number formats lose too much, most of it in {worst.name}",
        evidence=tuple(evidence),
        remedy=remedy,
        command=command,
    )


def _what_helps(
    found: FormatEvidence, last: ExplainedLayer, evidence: list[str]
) -> tuple[str, tuple[str, ...], bool]:
    """Return the change that was tried and helps most, its command, and whether there is one."""
    now = _score(_agreement(found) if found.chooses else None, last.sqnr_db)
    tried = sorted(found.others, key=lambda c: _score(c.agreement, c.sqnr_db), reverse=True)
    for other in tried:
        evidence.append(f"tried: {other.what}: {_words(other)}")
    if tried and _score(tried[0].agreement, tried[0].sqnr_db) > now + _HELPS:
        return f"convert with {tried[0].what}", tried[0].command, True
    if tried:
        return (
            "no conversion that was tried loses less; train for int8: nnom-hil finetune",
            (),
            (False),
        )
    return "convert otherwise: docs/conversion.md, Formats", (), False


def _score(agreement: float | None, sqnr_db: float | None) -> float:
    """Return what conversions are ordered by: points of agreement, then decibels."""
    return 100 * agreement if agreement is not None else (sqnr_db or 0.0)


def _words(other: Conversion) -> str:
    ratio = "–" if other.sqnr_db is None else f"{other.sqnr_db:.1f} dB"
    share = "" if other.agreement is None else f"{other.agreement:.2%} of float's answers, "
    return f"{share}{ratio}"


def _saturation(
    found: FormatEvidence, layers: list[ExplainedLayer], *, is_fault: bool
) -> list[Finding]:
    """Name channels of which many values lie beyond the ends; the first layer is the cause."""
    result: list[Finding] = []
    for layer in layers:
        if layer.name not in found.floats or not layer.saturated:
            continue
        if _is_fixed(found.graph.by_name[layer.name]):  # its ends are the function's own
            continue
        codes = found.codes[layer.name]
        steps = found.floats[layer.name].reshape(codes.shape).astype(np.float64) * 2.0**layer.dec
        shares = _beyond(steps).reshape(-1, codes.shape[-1]).mean(axis=0)
        many = np.flatnonzero(shares >= _SATURATED)
        if not len(many):
            continue
        of_channel = steps.reshape(-1, codes.shape[-1])
        worst = int(shares.argmax())
        result.append(
            Finding(
                cause=Cause.SATURATION,
                confidence=Confidence.CERTAIN,
                layer=layer.name,
                is_fault=is_fault and not result,
                says=f"{_channels(many)} of {layer.name} "
                f"{'is' if len(many) == 1 else 'are'} saturated",
                evidence=(
                    f"{shares[worst]:.1%} of channel {worst}'s float values lie beyond the ends of "
                    f"Q{7 - layer.dec}.{layer.dec}; they reach from "
                    f"{of_channel[:, worst].min():.0f} to {of_channel[:, worst].max():.0f} steps "
                    "of an int8 of -128 to 127",
                    f"{layer.saturated:.2%} of the whole layer's",
                ),
                remedy="formats were chosen by data that does not reach so far: give "
                "representative inputs as x_calib in --data, or leave x_calib out",
            )
        )
    return result[:3]


def _is_fixed(node: QNode) -> bool:
    """Whether a layer's format does not depend on its data."""
    act = node.op if isinstance(node.op, QActivation) else node.tail
    return isinstance(node.op, QSoftmax | QRnn) or (act is not None and act.fixed_dec is not None)


def _channels(many: npt.NDArray[np.intp]) -> str:
    if len(many) == 1:
        return f"channel {many[0]}"
    named = ", ".join(map(str, many[:6])) + (" ..." if len(many) > 6 else "")
    return f"channels {named}"


def _ties(found: FormatEvidence) -> list[Finding]:
    """Say if answers are no answers, because several outputs are the same byte."""
    last = found.graph.nodes[-2]
    if not found.chooses or last.name not in found.floats:
        return []
    codes, floats = (v.reshape(len(v), -1) for v in (found.codes[last.name],
                     found.floats[last.name]))  # fmt: skip
    if codes.shape[1] < 2:
        return []
    tied = (codes == codes.max(axis=1, keepdims=True)).sum(axis=1) > 1
    wrong = tied & (codes.argmax(axis=1) != floats.argmax(axis=1))
    if tied.mean() < _TIED:
        return []
    why = "its outputs are nearly equal in float, too"
    if isinstance(last.op, QSoftmax):
        gap = np.sort(floats, axis=1)
        why = (
            f"the median gap of the two largest floats is {np.median(gap[:, -1] - gap[:, -2]):.4f}"
        )
    return [
        Finding(
            cause=Cause.TIES,
            confidence=Confidence.CERTAIN,
            layer=last.name,
            is_fault=bool(wrong.mean() >= _TIES_COST and tied.sum() >= _FEWEST),
            says=f"{tied.mean():.1%} of the answers are ties",
            evidence=(
                f"{int(tied.sum())} of {len(tied)} vectors have several largest outputs, of which "
                f"the first is taken; {int(wrong.sum())} of them are not the float model's",
                f"a step of the outputs is {2.0**-last.dec:g}; {why}",
            ),
            remedy="compare the logits in front of the softmax, or train for larger differences",
        )
    ]
