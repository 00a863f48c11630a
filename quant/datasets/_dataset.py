"""Dataset: images with their labels."""

from dataclasses import dataclass

import numpy as np

from dataflow import InputError
from quant.datasets._targets import checked_targets

__all__ = ["Dataset", "checked"]

_MOST_CHANNELS = 4


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    Parameters
    ----------
    images : (n, height, width, channels) uint8
    labels : (n,) int64, from 0; or the targets of another task (`quant.datasets.checked_targets`)
    name : name of the set
    broken : files that could not be read and were left out, with the cause
    """

    images: np.ndarray
    labels: np.ndarray
    name: str
    broken: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def head(self, count: int) -> "Dataset":
        """Return the first `count` images, or all if there are fewer."""
        return Dataset(self.images[:count], self.labels[:count], self.name)


def checked(
    images: np.ndarray, labels: np.ndarray, name: str, *, image_source: str, label_source: str, task: str = "classify"
) -> Dataset:
    """Return a data set of one's own arrays.

    Parameters
    ----------
    images : (n, height, width, channels) uint8, or (n, height, width) with one channel
    labels : targets of the task
    image_source, label_source : where they come from, for messages

    Raises
    ------
    InputError
        An array has another shape, type or range.
    """
    if images.ndim == 3 and images.shape[2] > _MOST_CHANNELS:  # with less, it is one image with colours
        images = images[..., None]
    if images.ndim != 4 or images.dtype != np.uint8 or images.size == 0:
        found = f"{images.shape} {images.dtype}"
        raise InputError(f"Images of {image_source!r} must be (n, height, width, channels) uint8, not {found}")
    return Dataset(images, checked_targets(task, images, labels, label_source), name)
