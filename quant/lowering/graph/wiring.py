"""What hardware has to do so that numbers lie as a tensor has them: choose channels, then read pixels in another order.

A tensor that only moves numbers of an image has, for each of its elements, a place in that image. From these places it
is found which channels are taken, which are the loops that count the pixels, and in which order the channels come out.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

__all__ = ["PixelLoops", "Wiring", "wiring_of"]

Loops = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PixelLoops:
    """How the numbers of an image are read, as the fields of `dataflow.Rearrange`."""

    rows: Loops
    columns: Loops
    channels: Loops
    start: int


@dataclass(frozen=True, eq=False)
class Wiring:
    """What makes a tensor of an image.

    Parameters
    ----------
    selected : (channels,) int64, the channels of the image that are taken first, in this order; None for all
    loops : how the image that has them is read then; None for pixel by pixel
    order : (channels out,) int64, which channel of the result each channel of the tensor is
    """

    selected: np.ndarray | None
    loops: PixelLoops | None
    order: np.ndarray


def wiring_of(places: np.ndarray, image: tuple[int, ...]) -> Wiring | None:
    """Return what makes a tensor of an image; None where its elements follow no loops.

    Parameters
    ----------
    places : (height, width, channels) int64, the place in the flattened image of each element of the tensor
    image : (height, width, channels)
    """
    if places.shape == image:  # most tensors are as they are made, and large ones are soon found to be
        order = places[0, 0] % image[2]
        once = len(np.unique(order)) == image[2]
        if once and np.array_equal(places, np.arange(prod(image)).reshape(image)[..., order]):
            return Wiring(None, None, order)
    pixels, channels = np.divmod(places, image[2])
    if (pixels == pixels[..., :1]).all():
        return _of_single_pixels(pixels[..., 0], channels, image)
    return _of_several_pixels(pixels, channels, image)


def _of_single_pixels(pixels: np.ndarray, channels: np.ndarray, image: tuple[int, ...]) -> Wiring | None:
    """Return the wiring of a tensor whose pixels have the channels of one pixel each.

    If all take the same channels, it is enough to take each once, in the order in which they lie, so that most slices
    need few lanes. Otherwise, as in DepthToSpace, the choices of all pixels are concatenated.
    """
    count = image[2]
    if (channels != channels[0, 0]).any():
        kinds, first, kind = np.unique(
            channels.reshape(-1, channels.shape[2]), axis=0, return_index=True, return_inverse=True
        )
        rank = np.argsort(np.argsort(first))
        pieces = pixels * len(kinds) + rank[kind.ravel()].reshape(pixels.shape)
        selected = kinds[np.argsort(first)].ravel()
        return _wiring(selected, count, pieces[..., None], kinds.shape[1], np.arange(kinds.shape[1]), image)
    taken, order = np.unique(channels[0, 0], return_inverse=True)
    if len(taken) < len(order):  # some channels are taken several times
        taken, order = channels[0, 0], np.arange(len(order))
    return _wiring(taken, count, pixels[..., None], len(taken), order.ravel(), image)


def _of_several_pixels(pixels: np.ndarray, channels: np.ndarray, image: tuple[int, ...]) -> Wiring | None:
    """Return the wiring of a tensor each of whose pixels has channels of several, as in SpaceToDepth."""
    sorting = np.lexsort((channels[0, 0], pixels[0, 0]))
    parts = len(np.unique(pixels[0, 0]))
    if len(sorting) % parts:
        return None
    pixels, channels = (each[..., sorting].reshape(*each.shape[:2], parts, -1) for each in (pixels, channels))
    taken = channels[0, 0, 0]
    if (pixels != pixels[..., :1]).any() or (channels != taken).any():
        return None
    return _wiring(taken, image[2], pixels[..., 0], len(taken), np.argsort(sorting), image)


def _wiring(
    selected: np.ndarray, count: int, pieces: np.ndarray, together: int, order: np.ndarray, image: tuple[int, ...]
) -> Wiring | None:
    """Return the wiring of a tensor whose pixels consist of pieces of `together` channels.

    Parameters
    ----------
    selected : the channels that are taken, of `count`
    pieces : (height, width, pieces of a pixel) int64, as numbers of pieces of the image with these channels
    """
    chosen = None if np.array_equal(selected, np.arange(count)) else selected
    whole = pieces.shape[2] == 1 and len(selected) == together
    if whole and np.array_equal(pieces.ravel(), np.arange(prod(image[:2]))):
        return Wiring(chosen, None, order)
    first = int(pieces[0, 0, 0])
    axes = (pieces[:, 0, 0] - first, pieces[0, :, 0] - first, pieces[0, 0] - first)
    if not np.array_equal(first + axes[0][:, None, None] + axes[1][:, None] + axes[2], pieces):
        return None
    loops = [_loops_of(axis) for axis in axes]
    if any(each is None for each in loops):
        return None
    rows, columns, channels = (tuple((size, stride * together) for size, stride in each or ()) for each in loops)
    channels = (*channels, (together, 1))
    return Wiring(chosen, PixelLoops(rows or ((1, 0),), columns or ((1, 0),), channels, first * together), order)


def _loops_of(places: np.ndarray) -> Loops | None:
    """Return the nested loops that count some places, the first of which is 0; None if there are none."""
    loops: Loops = ()
    while places.size > 1:
        stride = int(places[1] - places[0])
        for size in range(places.size, 1, -1):
            if places.size % size == 0:
                blocks = places.reshape(-1, size)
                if np.array_equal(blocks, blocks[:, :1] + np.arange(size) * stride):
                    break
        else:
            return None
        loops, places = ((size, stride), *loops), places[::size]
    return loops
