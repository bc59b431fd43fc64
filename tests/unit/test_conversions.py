"""Converting small networks gives what it gave: formats exactly, weights and quality closely.

Sums of weights and decibels have room for linear algebra that rounds otherwise on other machines.
"""

import json
from typing import Any

import pytest
from tests.support.conversions import FILE, WAYS, facts_of, networks

RECORDED: dict[str, dict[str, Any]] = json.loads(FILE.read_text())
NETWORKS = {graph.name: (graph, x) for graph, x in networks()}


def test_record_is_whole() -> None:
    assert set(RECORDED) == {f"{name}, {way}" for name in NETWORKS for way in WAYS}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("way", WAYS)
def test_conversion_gives_what_it_gave(name: str, way: str) -> None:
    graph, x = NETWORKS[name]
    facts, recorded = facts_of(graph, x, WAYS[way]), RECORDED[f"{name}, {way}"]
    assert facts["agreement"] == recorded["agreement"]
    assert facts["sqnr_db"] == pytest.approx(recorded["sqnr_db"], abs=0.1)
    assert list(facts["layers"]) == list(recorded["layers"])
    for layer, wanted in recorded["layers"].items():
        got = facts["layers"][layer]
        assert got["dec"] == wanted["dec"], layer
        assert got["formats"] == wanted["formats"], layer
        for array, sums in wanted["sums"].items():
            assert got["sums"][array] == pytest.approx(sums, abs=3), (layer, array)
