"""Crops of the photographs that scikit-learn ships: unlabelled data for networks of colour images.

The photographs are cut into blocks that belong to one set each, so that no pixel is in two sets.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Crops", "crops"]

SIDE = 32
_BLOCK = 64
_SETS = (0, 0, 1, 2, 1, 2, 0)  # whose a block is, over and over

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
            top, left = i // columns * _BLOCK, i % columns * _BLOCK
            block = photograph[top : top + _BLOCK, left : left + _BLOCK].astype(np.float32)
            blocks[_SETS[i % len(_SETS)]].append(block)
    return Crops(*(_cut(own, n, rng) for own, n in zip(blocks, (train, held, test), strict=True)))


def _cut(blocks: list[Images], count: int, rng: np.random.Generator) -> Images:
    """Return crops in turn of every block: half as they are, half of the block at half its size."""
    made = []
    for i in range(count):
        block = blocks[i % len(blocks)]
        if i // len(blocks) % 4 == 3:
            crop = block.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
        else:
            top, left = rng.integers(0, _BLOCK - SIDE + 1, 2)
            crop = block[top : top + SIDE, left : left + SIDE]
        made.append(crop[:, ::-1] if i // len(blocks) % 2 else crop)
    return np.stack(made).astype(np.float32)
