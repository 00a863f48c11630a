"""Frames for a network: a data set, an array file, or random ones."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dataflow import InputError, Network

__all__ = ["Frames", "frames_of_input", "raw_frames"]


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames and, where they are known, their labels.

    Parameters
    ----------
    values : (frames, ...) integers
    labels : (frames,) int64, or None
    origin : where they come from, for people
    """

    values: np.ndarray
    labels: np.ndarray | None
    origin: str

    def __len__(self) -> int:
        return len(self.values)


def raw_frames(
    *,
    dataset: str | None = None,
    array: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    frames: int | None = None,
) -> Frames | None:
    """Return frames as a data set or an .npy file has them, or None if neither is named.

    Parameters
    ----------
    dataset : name of a data set, whose test split is used
    array : path of an .npy file
    data : folder of the data sets
    frames : how many; all without it

    Raises
    ------
    InputError
        Both data set and array, no such data, or fewer frames than asked for.
    """
    if dataset is not None and array is not None:
        raise InputError("Frames must come from --dataset or --input, not both")
    if frames is not None and frames < 1:
        raise InputError(f"Frames must be at least 1, not {frames}")
    if dataset is not None:
        from quant.datasets import load

        loaded = load(dataset, "test", data=data)
        return _cut(Frames(loaded.images, loaded.labels, dataset), frames)
    if array is not None:
        return _cut(Frames(_load_array(Path(array)), None, str(array)), frames)
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
    """Return the frames that a command works on, as the network's input takes them.

    Parameters
    ----------
    dataset, array, data, frames : as in `raw_frames`
    default : how many random frames there are if neither data nor a number is given
    seed : of the random frames

    Raises
    ------
    InputError
        As `raw_frames`, a negative seed, or frames of another size or range than the network's.
    """
    from hwsim.frames import frames_for

    if seed < 0:
        raise InputError(f"Seed of random frames must be at least 0, not {seed}")
    raw = raw_frames(dataset=dataset, array=array, data=data, frames=frames)
    if raw is not None:
        values = raw.values
        if raw.labels is not None and len(network.frame_shape) == 1:
            values = values.reshape(len(values), -1)  # a network of vectors takes an image in H, W, C order
        return replace(raw, values=frames_for(network, values))
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


def _load_array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"Input {str(path)!r} must be a whole .npy file of numbers, not another file") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"Input {str(path)!r} must be an .npy file with one array, not an archive of several")
    if array.dtype.kind not in "iu":
        raise InputError(f"Input {str(path)!r} must hold integers, not {array.dtype}")
    if array.ndim == 0:
        raise InputError(f"Input {str(path)!r} must hold frames, not a single number")
    return array
