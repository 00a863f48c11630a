"""Batches of one epoch. They depend only on seed and epoch, so a resumed training sees the same ones."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from quant._augmentation import augmentation_of, cropped
from quant.moving import mirrored, shifted
from quant.recipes import Recipe
from quant.tasks import Task

__all__ = ["EpochBatches"]


class EpochBatches:
    """The training images of one epoch, shuffled and changed at random, in nearly equal batches, each image once.

    The whole set is one tensor and a batch is an index into it, so no worker processes are needed. All is computed
    where the images are.

    Parameters
    ----------
    images : (n, height, width, channels) uint8
    labels : (n,) int64, or another task's targets
    epoch : from 0
    task : which targets move with their images
    part, parts : which of several equal parts of each batch, when several processes train together
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        recipe: Recipe,
        epoch: int,
        *,
        task: Task,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        self._images = images
        self._labels = labels
        self._recipe = recipe
        self._augment = augmentation_of(recipe.augment)
        self._random = (recipe.seed, epoch)
        self._count = -(-len(labels) // recipe.batch_size)
        self._task = task
        self._part, self._parts = part, parts

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches: images (n, channels, height, width) float32 in 0 to 1, channels last in memory; and labels.

        Labels are the targets of these images, or (n, classes) float32 if they are mixed.
        """
        random = np.random.default_rng(self._random)
        for rows in np.array_split(random.permutation(len(self._labels)), self._count):
            images, labels = self._batch(random, torch.from_numpy(rows))
            yield images[self._part :: self._parts], labels[self._part :: self._parts]

    def _batch(self, random: np.random.Generator, rows: Tensor) -> tuple[Tensor, Tensor]:
        device, recipe, count = self._images.device, self._recipe, len(rows)
        rows = rows.to(device)
        images, labels = self._images[rows].permute(0, 3, 1, 2), self._labels[rows]
        if recipe.shift:
            offsets = random.integers(-recipe.shift, recipe.shift, (2, count), endpoint=True)
            offsets[:, random.random(count) >= recipe.shift_chance] = 0
            down, right = torch.from_numpy(offsets).to(device)
            images = shifted(images, down, right, recipe.shift)
            labels = self._task.shifted(labels, down, right, recipe.shift)
        if recipe.flip:
            chosen = torch.from_numpy(random.random(count) < 0.5).to(device)
            images, labels = mirrored(images, chosen), self._task.mirrored(labels, chosen)
        images = images.float() / 255
        if recipe.crop < 1:
            images = cropped(images, recipe.crop, int(random.integers(2**63)))
        if self._augment is not None:
            images = self._augment(images, int(random.integers(2**63)))
        if recipe.mixup:
            share, partners = random.beta(recipe.mixup, recipe.mixup), torch.from_numpy(random.permutation(count))
            partners = partners.to(device)
            images = images * share + images[partners] * (1 - share)
            given = F.one_hot(labels, self._task.outputs).float()
            labels = given * share + given[partners] * (1 - share)
        return images.contiguous(memory_format=torch.channels_last), labels
