"""Frames in the form in which networks of the training side read them."""

from collections.abc import Iterator

import numpy as np

from dataflow import InputError

__all__ = ["planes_of"]


def planes_of(frames: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    """Yield the frames, at most `batch` at a time, channels first, as ``pixel / 255``.

    Parameters
    ----------
    frames : (frames, height, width, channels) uint8

    Yields
    ------
    planes : (n, channels, height, width) float32, 0 to 1

    Raises
    ------
    InputError
        The frames have another type or shape, or there are none.
    """
    if frames.ndim != 4 or frames.dtype != np.uint8 or len(frames) == 0:
        raise InputError(
            f"Frames must be (frames, height, width, channels) uint8, at least one, not {frames.shape} {frames.dtype}"
        )
    for start in range(0, len(frames), batch):
        planes = frames[start : start + batch].transpose(0, 3, 1, 2)
        yield np.ascontiguousarray(planes, np.float32) / np.float32(255)
