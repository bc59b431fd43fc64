"""What memory a run's layers have alive, and what takes up the board's flash."""

from dataclasses import dataclass

from nnom_hil.records import LayerRecord, RunRecord

__all__ = ["Alive", "alive_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """What is alive while a layer runs, in bytes. outputs: 0 where they take the place of the
    inputs; held: what later layers read.
    """

    layer: LayerRecord
    inputs: int
    outputs: int
    scratch: int
    held: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.inputs + self.outputs + self.scratch + self.held

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """Its parts that there are, by name."""
        parts = (
            ("inputs", self.inputs),
            ("outputs", self.outputs),
            ("scratch", self.scratch),
            ("held for later layers", self.held),
        )
        return tuple((name, count) for name, count in parts if count)


def alive_in(record: RunRecord) -> list[Alive]:
    """Return what is alive in each layer; nothing unless all layers tell it.

    Elements are int8, a byte each. A layer that uses one buffer only, once, works in place.
    """
    found = []
    for layer in record.layers:
        if layer.elements_in is None or layer.elements_out is None:
            return []
        in_place = sum(layer.blocks) == 1
        found.append(
            Alive(
                layer=layer,
                inputs=layer.elements_in,
                outputs=0 if in_place else layer.elements_out,
                scratch=layer.scratch_bytes or 0,
                held=layer.held_bytes or 0,
            )
        )
    return found
