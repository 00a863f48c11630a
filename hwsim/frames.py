"""Converting frames from the form in which people give them to the form of the network's input."""

import numpy as np

from dataflow import InputError, Network

__all__ = ["checked_frames", "frames_for"]


def frames_for(network: Network, array: np.ndarray) -> np.ndarray:
    """Return frames in the shape of the network's input.

    If the network takes codes of pixels, which its metadata contain, frames of uint8 are pixels and are replaced by
    their codes; other integers are the codes themselves.

    Parameters
    ----------
    array : (frames, *frame_shape), (frames, features), or (frames, height, width) for one channel; integers within
        the range of the input's element (bits 0 and 1 for a bipolar input)

    Returns
    -------
    (frames, *input stream shape) int64

    Raises
    ------
    TypeError, InputError
        As in `checked_frames`.
    """
    return checked_frames(network, array).astype(np.int64)


def checked_frames(network: Network, array: np.ndarray) -> np.ndarray:
    """Return frames in the shape of the network's input, without changing their integer type.

    Parameters
    ----------
    array : as in `frames_for`

    Raises
    ------
    TypeError
        The array does not hold integers.
    InputError
        A shape that is not the network's, no frame at all, or numbers out of range.
    """
    if len(network.inputs) != 1:
        raise InputError(f"Network {network.name!r} must have one input to take frames, not {len(network.inputs)}")
    array = np.asarray(array)
    if array.dtype.kind not in "iu":
        raise TypeError(f"Frames of network {network.name!r} must be integers, not {array.dtype}")
    if array.dtype == np.uint8 and "codes_of_pixels" in network.metadata:
        array = np.array([int(code) for code in network.metadata["codes_of_pixels"].split()], np.int64)[array]
    stream = network.inputs[0].stream
    shapes = _shapes_of(network)
    if array.ndim == 0 or array.shape[1:] not in shapes:
        allowed = " or ".join(_text(shape) for shape in shapes)
        raise InputError(f"Frames of network {network.name!r} must have shape {allowed}, not {array.shape!r}")
    if len(array) == 0:
        raise InputError(f"Frames of network {network.name!r} must be at least one, not 0")
    low, high = stream.element.minimum, stream.element.maximum
    if array.min() < low or array.max() > high:
        raise InputError(
            f"Frames of network {network.name!r} must be within {low} to {high} ({stream.element}), "
            f"not {array.min()} to {array.max()}"
        )
    return array.reshape(len(array), *stream.shape)


def _shapes_of(network: Network) -> list[tuple[int, ...]]:
    """Return the accepted shapes of one frame, without duplicates, the most usual first."""
    stream = network.inputs[0].stream
    shapes = [network.frame_shape or stream.shape, stream.shape, (stream.size,)]
    shapes += [shape[:-1] for shape in shapes[:2] if len(shape) == 3 and shape[-1] == 1]
    return list(dict.fromkeys(shapes))


def _text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['frames', *map(str, shape)])})"
