"""Frames for a network: a data set, an array file, or random ones."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataflow import InputError, Network

__all__ = ["Frames", "frames_of_input"]


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames and, where they are known, their labels.

    Parameters
    ----------
    values : (frames, *stream shape) int64, within the range of the network's input
    labels : (frames,) int64, or None
    origin : where they come from, for people
    """

    values: np.ndarray
    labels: np.ndarray | None
    origin: str

    def __len__(self) -> int:
        return len(self.values)


def frames_of_input(
    network: Network,
    *,
    dataset: str | None = None,
    array: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    frames: int | None = None,
    default: int = 100,
    seed: int = 0,
) -> Frames:
    """Return the frames that a command works on.

    Parameters
    ----------
    dataset : name of a data set, whose test split is used
    array : path of an .npy file
    data : folder of the data sets
    frames : how many; all of the data, or `default` random ones, without it
    seed : of the random frames

    Raises
    ------
    InputError
        Both data set and array, no such data, or frames of another size than the network's.
    """
    from hwsim.frames import frames_for

    if dataset is not None and array is not None:
        raise InputError("Frames must come from --dataset or --input, not both")
    if frames is not None and frames < 1:
        raise InputError(f"Frames must be at least 1, not {frames}")
    if dataset is not None:
        from quant.datasets import load

        loaded = load(dataset, "test", data=data)
        images = loaded.images
        if len(network.frame_shape) == 1:
            images = images.reshape(len(images), -1)  # a network of vectors takes an image in H, W, C order
        return _cut(frames_for(network, images), loaded.labels, dataset, frames)
    if array is not None:
        return _cut(frames_for(network, _load_array(Path(array))), None, str(array), frames)
    stream = network.inputs[0].stream
    rng = np.random.default_rng(seed)
    shape = (frames or default, *stream.shape)
    values = rng.integers(stream.element.minimum, stream.element.maximum + 1, shape)
    return Frames(values, None, f"random, seed {seed}")


def _cut(values: np.ndarray, labels: np.ndarray | None, origin: str, frames: int | None) -> Frames:
    if frames is not None and frames > len(values):
        raise InputError(f"Frames must be at most the {len(values)} of {origin}, not {frames}")
    return Frames(values[:frames], None if labels is None else labels[:frames], origin)


def _load_array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"Input {str(path)!r} must be an .npy file of integers, not one with: {error}") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"Input {str(path)!r} must be an .npy file with one array, not an archive of several")
    return array
