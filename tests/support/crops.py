"""Crops of the photographs that scikit-learn ships: unlabelled data for networks of colour images.

The photographs are cut into blocks that belong to one set each, so that no pixel is in two sets.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Crops", "crops"]

SIDE = 32
_BLOCK = 3 * SIDE
_SETS = (0, 1, 0, 2)  # whose a block is, over and over

Images = npt.NDArray[np.float32]


class Crops(NamedTuple):
    """(n, 32, 32, 3), values 0 to 255."""

    train: Images
    held: Images
    test: Images


def crops(train: int = 300, held: int = 500, test: int = 500) -> Crops:
    """Return that many crops for each set; the same ones every time."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    blocks: tuple[list[Images], ...] = ([], [], [])
    for photograph in load_sample_images().images:
        rows, columns = photograph.shape[0] // _BLOCK, photograph.shape[1] // _BLOCK
        for i in range(rows * columns):
            row, column = divmod(i, columns)
            top, left = row * _BLOCK, column * _BLOCK
            block = photograph[top : top + _BLOCK, left : left + _BLOCK].astype(np.float32)
            blocks[_SETS[(column + row) % len(_SETS)]].append(block)
    return Crops(*(_cut(own, n, rng) for own, n in zip(blocks, (train, held, test), strict=True)))


def _cut(blocks: list[Images], count: int, rng: np.random.Generator) -> Images:
    """Return crops in turn of every block, once, twice or three times as large as the network
    takes them, every other one mirrored.
    """
    made = []
    for i in range(count):
        block, scale = blocks[i % len(blocks)], int(rng.integers(1, 4))
        top, left = rng.integers(0, _BLOCK - scale * SIDE + 1, 2)
        part = block[top : top + scale * SIDE, left : left + scale * SIDE]
        crop = part.reshape(SIDE, scale, SIDE, scale, 3).mean(axis=(1, 3))
        made.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    return np.stack(made).astype(np.float32)
