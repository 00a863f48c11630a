"""Dataset: images with their labels."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    Parameters
    ----------
    images : (n, height, width, channels) uint8
    labels : (n,) int64, from 0
    name : name of the set
    """

    images: np.ndarray
    labels: np.ndarray
    name: str

    def __len__(self) -> int:
        return len(self.labels)

    def head(self, count: int) -> "Dataset":
        """Return the first `count` images, or all if there are fewer."""
        return Dataset(self.images[:count], self.labels[:count], self.name)
