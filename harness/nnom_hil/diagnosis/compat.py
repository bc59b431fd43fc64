"""What NNoM 0.4.3's own faults cost a network, without any other fault; pure."""

from typing import Final

import numpy as np

from nnom_hil.diagnosis.formats import FormatEvidence
from nnom_hil.explanations import Cause, Confidence, Finding
from nnom_hil.model.qgraph import QInput, QNode
from nnom_hil.model.quantise.quality import decibels
from nnom_hil.model.reference import run_all_layers, run_layer

__all__ = ["compat_findings"]

_LOST: Final = 0.05
_POOR_DB: Final = 12.0


def compat_findings(found: FormatEvidence) -> list[Finding]:
    """Return what NNoM 0.4.3's bytes lose against the right ones of the same network.

    found.codes: the right ones. It is a fault where answers change, or where outputs are mostly
    another thing.
    """
    graph = found.graph
    theirs = run_all_layers(graph, found.codes[graph.input.name], compat=True)
    right, got = (v[graph.output.name].reshape(len(v[graph.output.name]), -1)
                  for v in (found.codes, theirs))  # fmt: skip
    if np.array_equal(right, got):
        return []
    evidence = [f"{int((right != got).any(axis=1).sum())} of {len(got)} outputs are others"]
    if found.chooses:
        lost = int((right.argmax(axis=1) != got.argmax(axis=1)).sum())
        evidence.append(f"{lost} of {len(got)} answers are others")
        is_fault = lost > _LOST * len(got)
    else:
        ratio = decibels(right.astype(np.float64), got.astype(np.float64)) or 0.0
        evidence.append(f"the difference is {ratio:.1f} dB below the outputs")
        is_fault = ratio < _POOR_DB
    decs = graph.library_decs(compat=True)

    def differs(node: QNode) -> bool:
        sources = [theirs[name] for name in node.inputs]
        right = run_layer(node, sources, [graph.by_name[n].dec for n in node.inputs], compat=False)
        ours = run_layer(node, sources, [decs[n] for n in node.inputs], compat=True)
        return not np.array_equal(right, ours)

    first = next((n for n in graph.nodes if not isinstance(n.op, QInput) and differs(n)), None)
    where = "" if first is None else f", first in {first.name}"
    return [
        Finding(
            cause=Cause.COMPAT,
            confidence=Confidence.CERTAIN,
            layer=None if first is None else first.name,
            is_fault=is_fault,
            says=f"NNoM 0.4.3 computes this network otherwise than it should{where}",
            evidence=tuple(evidence),
            remedy="convert with --portable, which avoids what NNoM's library gets wrong, or build "
            "on the library that comes with nnom-hil; docs/numerics.md lists every difference",
        )
    ]
