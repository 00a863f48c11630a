"""Frames in .npy files: reading them, and the conversions that leave no doubt about what is meant.

Two habits of training code differ from the frames of a network: images with the channels first, and pixels that are
divided by 255. Both are converted if only one reading is possible, and the caller gets a note that says so. Anything
else is refused with a remedy.
"""

import os

import numpy as np

from dataflow import InputError, Network
from dataflow.errors import DAMAGED_ARRAYS

__all__ = ["frames_of_array", "raw_frames_of_array", "read_array"]

#: Relative error of k/255 that is read as pixel k: two roundings to float32, as `k * float32(1/255)` has, and a margin.
_PIXEL_TOLERANCE = 2.0**-22

#: As many channels of an image are usual; fewer than its columns are.
_MOST_CHANNELS = 4


def read_array(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the array of an .npy file.

    Raises
    ------
    InputError
        Another file, or an array that holds neither integers nor floats, or no frames.
    """
    try:
        with open(path, "rb") as file:  # numpy leaves the file of a damaged archive open
            array = np.load(file, allow_pickle=False)
    except DAMAGED_ARRAYS as error:
        raise InputError(f"Input {str(path)!r} must be a complete .npy file of numbers, not another file") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"Input {str(path)!r} must be an .npy file with one array, not an archive of several")
    if array.dtype.kind not in "iuf":
        raise InputError(f"Input {str(path)!r} must hold integers or floats, not {array.dtype}")
    if array.ndim == 0:
        raise InputError(f"Input {str(path)!r} must hold frames, not a single number")
    return array


def frames_of_array(
    network: Network, array: np.ndarray, path: str | os.PathLike[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the frames of a network that an array holds, and a note for each conversion.

    Parameters
    ----------
    array : (frames, ...) integers, or floats as the model takes them

    Raises
    ------
    InputError
        Floats that are not the pixels of the network's input.
    """
    notes = []
    if array.dtype.kind == "f":
        array = _integers_of(network, array, path)
        notes.append(f"{path}: floats read as pixels of 0 to 255, as the model takes them")
    frame, given = network.frame_shape or network.inputs[0].stream.shape, array.shape[1:]
    if len(frame) > 1 and given != frame and given == (frame[-1], *frame[:-1]):
        array = np.moveaxis(array, 1, -1)
        notes.append(f"{path}: read with the channels first, {_text(given)}; moved last, {_text(frame)}")
    elif len(frame) == 1 < len(given) and np.prod(given) == frame[0] and sum(size > 1 for size in given) <= 2:
        array = array.reshape(len(array), -1)
        notes.append(f"{path}: images of one channel, {_text(given)}, read row by row as vectors of {frame[0]}")
    return array, tuple(notes)


def raw_frames_of_array(array: np.ndarray, path: str | os.PathLike[str]) -> np.ndarray:
    """Return frames for a network that is not known, as they are.

    Raises
    ------
    InputError
        An array that only the network's input could explain.
    """
    if array.dtype.kind == "f":
        raise InputError(
            f"Input {str(path)!r} must hold integers without --net, not {array.dtype}: "
            "name the board's network with --net"
        )
    if array.ndim == 4 and 1 < array.shape[1] <= _MOST_CHANNELS < array.shape[3]:
        raise InputError(
            f"Input {str(path)!r} must have the channels last without --net, not the shape {array.shape}: "
            "name the board's network with --net, or save array.transpose(0, 2, 3, 1)"
        )
    return array


def _integers_of(network: Network, array: np.ndarray, path: str | os.PathLike[str]) -> np.ndarray:
    """Return the integers that floats stand for at the model's input."""
    kind = network.metadata.get("input")
    if kind == "uint8/255" or "codes_of_pixels" in network.metadata:
        return _pixels_of(array, path, 255, "pixels k/255 with k from 0 to 255")
    if kind == "uint8":
        return _pixels_of(array, path, 1, "pixels of 0 to 255")
    element = network.inputs[0].stream.element
    low, high = element.minimum, element.maximum
    whole = _is_whole(array, low, high)
    remedy = f": save array.astype(numpy.{np.min_scalar_type(low if low < 0 else high)})" if whole else ""
    raise InputError(
        f"Input {str(path)!r} must hold the integers {low} to {high} that network {network.name!r} takes, "
        f"not {array.dtype}{remedy}"
    )


def _pixels_of(array: np.ndarray, path: str | os.PathLike[str], scale: int, rule: str) -> np.ndarray:
    """Return the uint8 pixels of which floats are the quotients by `scale`."""
    wide = np.nan_to_num(array.astype(np.float64), nan=-1, posinf=-1, neginf=-1)
    pixels = np.rint(wide * scale)
    wrong = (pixels < 0) | (pixels > 255) | (np.abs(wide * scale - pixels) > pixels * _PIXEL_TOLERANCE)
    if wrong.any():
        place = tuple(int(index) for index in np.unravel_index(wrong.argmax(), wrong.shape))
        remedy = (
            "save array.astype(numpy.uint8)"
            if _is_whole(array, 0, 255)
            else "save the images' own pixels as uint8, without a normalization"
        )
        raise InputError(f"Input {str(path)!r} must hold {rule}, not {array[place]} at {list(place)}: {remedy}")
    return pixels.astype(np.uint8)


def _is_whole(array: np.ndarray, low: int, high: int) -> bool:
    return bool(((array >= low) & (array <= high) & (array == np.rint(array))).all())


def _text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['frames', *map(str, shape)])})"
