"""Tensors whose elements may stand in another order in the graph than in the model.

A graph's data is channels last, a model's need not be. Where each element stands is followed from
node to node, so that reshapes and transpositions cost nothing: a dense layer's rows are put in the
order of what it reads, and a transposition that only undoes another one is none.
"""

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nnom_hil.model.graph import Flatten, Reshape
from nnom_hil.model.translation.place import Place
from nnom_hil.model.translation.problems import UnsupportedLayerError

__all__ = ["Indices", "Shape", "Tensor", "axes_of", "canonical", "flat", "laid_out", "viewed"]

Indices = npt.NDArray[np.int32]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Tensor:
    """A tensor of the model that a node of the graph holds.

    shape: as the model has it, with a batch of 1. order: in the shape of the node's data, the place
    of each element in the model's flattened tensor.
    """

    node: str
    shape: Shape
    order: Indices

    @property
    def size(self) -> int:
        """Elements."""
        return int(self.order.size)


@lru_cache(maxsize=256)
def canonical(shape: Shape, axes: Shape) -> Indices:
    """Return the order of data that has these axes of a tensor, all others being 1."""
    places = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
    rest = tuple(a for a in range(len(shape)) if a not in axes)
    order = places.transpose((*rest, *axes)).reshape([shape[a] for a in axes])
    order.setflags(write=False)
    return order


def laid_out(node: str, shape: Shape, axes: Shape) -> Tensor:
    """Return the tensor in a node whose data has these axes."""
    return Tensor(node=node, shape=shape, order=canonical(shape, axes))


def _is_laid_out(tensor: Tensor, axes: Shape) -> bool:
    want = canonical(tensor.shape, axes)
    return want is tensor.order or np.array_equal(want.ravel(), tensor.order.ravel())


def viewed(place: Place, tensor: Tensor, axes: Shape) -> tuple[str, Shape]:
    """Return a node whose data has these axes of the tensor, in this order, and their lengths.

    Raises UnsupportedLayerError where an axis that is left out has a length, or data would have to
    be moved.
    """
    shape = tuple(tensor.shape[a] for a in axes)
    if int(np.prod(shape)) != tensor.size:
        raise UnsupportedLayerError(
            f"its input has shape {tensor.shape}; all axes but {axes} must be 1"
        )
    if not _is_laid_out(tensor, axes):
        raise UnsupportedLayerError(
            f"its input of shape {tensor.shape} stands in another order in memory, after a "
            "transposition or reshape that NNoM cannot do; its data is channels last"
        )
    return _reshaped(place, tensor, shape), shape


def _reshaped(place: Place, tensor: Tensor, shape: Shape) -> str:
    if tensor.order.shape == shape:
        return tensor.node
    if len(shape) == 1:
        return place.node(Flatten(), tensor.node, suffix="_flatten")
    return place.node(Reshape(shape=shape), tensor.node, suffix="_view")


def flat(place: Place, tensor: Tensor) -> tuple[str, Indices]:
    """Return a node with the tensor's elements in one axis, and their order."""
    return _reshaped(place, tensor, (tensor.size,)), tensor.order.reshape(-1)


def axes_of(tensor: Tensor) -> Shape:
    """Return the axes of the tensor that its data has, at most three.

    Axes of 1 stand where channels last or the tensor's own order has them. Raises
    UnsupportedLayerError where the data stands in no order of axes.
    """
    rank = len(tensor.shape)
    long = [a for a in range(rank) if tensor.shape[a] != 1]
    if len(long) <= 3:
        data = tensor.order.shape
        for axes in _candidates(rank, long, len(data)):
            if tuple(tensor.shape[a] for a in axes) == data and _is_laid_out(tensor, axes):
                return axes
        for axes in itertools.permutations(long or [rank - 1]):
            if _is_laid_out(tensor, axes):
                return axes
    raise UnsupportedLayerError(
        f"its input of shape {tensor.shape} stands in an order that NNoM cannot take apart"
    )


def _candidates(rank: int, long: list[int], count: int) -> list[Shape]:
    """Return orders of so many axes, batch first, that hold all the long ones; likeliest first."""
    inner = range(1, rank) if count < rank else range(rank)
    found = [axes for axes in itertools.permutations(inner, count) if set(long) <= set(axes)]
    last = (*range(2, rank), 1)[-count:]
    return sorted(found, key=lambda axes: (axes != last, axes != tuple(sorted(axes))))
