"""Batches of one epoch. They depend only on seed and epoch, so a resumed training sees the same ones."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from quant.recipes import ConvolutionalRecipe, Recipe, ResidualRecipe

__all__ = ["EpochBatches", "mirrored", "shifted"]


class EpochBatches:
    """The training images of one epoch, shuffled and shifted, in nearly equal batches, each image once.

    The whole set is one tensor and a batch is an index into it, so no worker processes are needed.

    Parameters
    ----------
    images : (n, channels, height, width) uint8
    labels : (n,) int64
    epoch : from 0
    """

    def __init__(self, images: Tensor, labels: Tensor, recipe: Recipe, epoch: int) -> None:
        self._images = images
        self._labels = labels
        self._shift, self._chance = recipe.shift, recipe.shift_chance
        self._flip = isinstance(recipe, ConvolutionalRecipe | ResidualRecipe) and recipe.flip
        self._random = (recipe.seed, epoch)
        self._count = -(-len(labels) // recipe.batch_size)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches: images float32 in 0 to 1, labels int64."""
        random = np.random.default_rng(self._random)
        for rows in np.array_split(random.permutation(len(self._labels)), self._count):
            images = self._images[rows]
            if self._shift:
                offsets = random.integers(-self._shift, self._shift, (2, len(rows)), endpoint=True)
                offsets[:, random.random(len(rows)) >= self._chance] = 0
                images = shifted(images, torch.from_numpy(offsets[0]), torch.from_numpy(offsets[1]))
            if self._flip:
                images = mirrored(images, torch.from_numpy(random.random(len(rows)) < 0.5))
            yield images.float() / 255, self._labels[rows]


def mirrored(images: Tensor, chosen: Tensor) -> Tensor:
    """Return the images, the chosen ones mirrored left to right.

    Parameters
    ----------
    images : (n, channels, height, width)
    chosen : (n,) bool
    """
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Return images shifted by integer numbers of pixels, each by its own offsets, and filled with zeros.

    Parameters
    ----------
    images : (n, channels, height, width)
    down, right : (n,) int64
    """
    count, channels, height, width = images.shape
    border = int(max(down.abs().max(), right.abs().max()))
    padded = F.pad(images, (border, border, border, border))
    rows = (border - down)[:, None, None, None] + torch.arange(height)[:, None]
    columns = (border - right)[:, None, None, None] + torch.arange(width)
    return padded[torch.arange(count)[:, None, None, None], torch.arange(channels)[:, None, None], rows, columns]
