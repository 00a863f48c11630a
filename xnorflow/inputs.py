"""Frames for a network: a data set, an array file, or random ones."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dataflow import InputError, Network
from xnorflow.arrays import frames_of_array, raw_frames_of_array, read_array

__all__ = ["Frames", "frames_of_input", "raw_frames"]


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames and, if known, their labels.

    Parameters
    ----------
    values : (frames, ...) integers
    labels : (frames,) int64, or None
    origin : where the frames come from, for people
    notes : a sentence for each conversion of an array, for people
    """

    values: np.ndarray
    labels: np.ndarray | None
    origin: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)


def raw_frames(
    *,
    dataset: str | None = None,
    array: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    frames: int | None = None,
) -> Frames | None:
    """Return frames of a data set or an .npy file for a network that is not known, or None if neither is named.

    Parameters
    ----------
    dataset : name of a data set, whose test split is used
    array : path of an .npy file
    data : folder of the data sets
    frames : how many; the default is all

    Raises
    ------
    InputError
        Both data set and array, no such data, fewer frames than asked for, or an array that only the network could
        explain.
    """
    found = _given_frames(dataset, array, data, frames)
    if found is None or array is None:
        return found
    return replace(found, values=raw_frames_of_array(found.values, Path(array)))


def _given_frames(
    dataset: str | None,
    array: str | os.PathLike[str] | None,
    data: str | os.PathLike[str] | None,
    frames: int | None,
    image_size: tuple[int, ...] = (),
) -> Frames | None:
    """Return frames as a data set or an .npy file has them, or None if neither is named.

    Parameters
    ----------
    image_size : height and width of the network's frames, to which images of a folder are scaled
    """
    if dataset is not None and array is not None:
        raise InputError("Frames must come from --dataset or --input, not both")
    if frames is not None and frames < 1:
        raise InputError(f"Frames must be at least 1, not {frames}")
    if dataset is not None:
        from quant.datasets import load

        loaded = load(dataset, "test", data=data, image_size=image_size)
        return _cut(Frames(loaded.images, loaded.labels, dataset), frames)
    if array is not None:
        return _cut(Frames(read_array(Path(array)), None, str(array)), frames)
    return None


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
    """Return the frames that a command works on, in the form of the network's input.

    Parameters
    ----------
    dataset, array, data, frames : as in `raw_frames`
    default : number of random frames if neither data nor a number is given
    seed : seed of the random frames

    Raises
    ------
    InputError
        As in `raw_frames`, a negative seed, or frames whose size or range differs from the network's.
    """
    from hwsim.frames import frames_for

    if seed < 0:
        raise InputError(f"Seed of random frames must be at least 0, not {seed}")
    image_size = network.frame_shape[:2] if len(network.frame_shape) == 3 else ()
    given = _given_frames(dataset, array, data, frames, image_size)
    if given is not None:
        values = given.values
        notes: tuple[str, ...] = ()
        if array is not None:
            values, notes = frames_of_array(network, values, Path(array))
        elif len(network.frame_shape) == 1:
            values = values.reshape(len(values), -1)  # a network of vectors takes an image in H, W, C order
        return replace(given, values=frames_for(network, values), notes=notes)
    stream = network.inputs[0].stream
    rng = np.random.default_rng(seed)
    shape = (frames or default, *stream.shape)
    values = rng.integers(stream.element.minimum, stream.element.maximum + 1, shape)
    return Frames(values, None, f"random, seed {seed}")


def _cut(all_frames: Frames, count: int | None) -> Frames:
    if count is not None and count > len(all_frames):
        raise InputError(f"Frames must be at most the {len(all_frames)} of {all_frames.origin}, not {count}")
    labels = None if all_frames.labels is None else all_frames.labels[:count]
    return Frames(all_frames.values[:count], labels, all_frames.origin)
