"""Conv, pools and Pad of the file, read: their geometry, and what of them is not supported.

A signal of one dimension, (1, channels, length), is an image of height 1.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.operations import AveragePooling, MaxPooling, Operator, Pad
from quant.lowering.graph.sites import Window
from quant.lowering.reading.sizes import check_size

__all__ = [
    "conv_shape",
    "conv_window",
    "further_channels",
    "pad_sides",
    "read_average",
    "read_pad",
    "read_pool",
    "strided_pool",
]

Shape = tuple[int, ...]


def conv_window(operator: Operator, weights: Shape, image: Shape) -> Window:
    """Return the window of a Conv.

    Parameters
    ----------
    weights : shape of its weights
    image : shape of its input, which must be (1, channels, height, width) or (1, channels, length)

    Raises
    ------
    InputError
        A geometry that is not supported.
    """
    _check_image(operator, image)
    if len(weights) != len(image):
        raise InputError(
            f"Weights of node {operator.name!r} (Conv) must have {len(image)} dimensions as its input has, "
            f"not {len(weights)}"
        )
    groups = operator.attributes.get("group", 1)
    if groups < 1 or weights[0] % groups:
        raise InputError(
            f"Groups of node {operator.name!r} (Conv) must be a divisor of its {weights[0]} neurons, not {groups}"
        )
    if weights[1] * groups != image[1]:
        shown = f"{weights[1]}" if groups == 1 else f"{groups} groups of {weights[1]}"
        raise InputError(
            f"Weights of node {operator.name!r} (Conv) must be for the {image[1]} channels of its input, "
            f"not for {shown}"
        )
    kernel = tuple(operator.attributes.get("kernel_shape", weights[2:]))
    if kernel != tuple(weights[2:]):
        raise InputError(
            f"kernel_shape of node {operator.name!r} (Conv) must be that of its weights, {_shown(weights[2:])}, "
            f"not {_shown(kernel)}"
        )
    return _window(operator, kernel, image)


def conv_shape(operator: Operator, weights: Shape, image: Shape) -> Shape:
    """Return the shape of a Conv's output."""
    window = conv_window(operator, weights, image)
    return _output_shape(weights[0], window, image)


def read_pool(operator: Operator, image: Shape) -> tuple[MaxPooling, Shape]:
    """Return a MaxPool, GlobalMaxPool or ReduceMax of all pixels and the shape of its output; `image` is its input's.

    Raises
    ------
    InputError
        A geometry that is not supported.
    """
    window = _grown(operator, _pool_window(operator, image), image)
    pool = MaxPooling(operator.name, operator.output, operator.operands[0], window)
    return pool, _output_shape(image[1], window, image)


def read_average(operator: Operator, image: Shape) -> tuple[AveragePooling, Shape]:
    """Return an AveragePool, GlobalAveragePool or ReduceMean of all pixels, and the shape of its output.

    Raises
    ------
    InputError
        A geometry that is not supported.
    """
    padded = _pool_window(operator, image)
    window = _grown(operator, padded, image)
    for sizes in zip(window.positions(*_extent(image)), window.kernel, strict=True):
        check_size(f"Positions of node {operator.name!r} ({operator.kind}) and the taps of each", sizes)
    # What `ceil_mode` adds never counts; the pads do if they are asked for.
    counted = padded if operator.attributes.get("count_include_pad", 0) else replace(padded, padding=(0, 0, 0, 0))
    (top, bottom, left, right), (height, width) = counted.padding, _extent(image)
    rows, columns = (
        _taps_within(window, axis, -before, size + after, size)
        for axis, before, after, size in ((0, top, bottom, height), (1, left, right, width))
    )
    counts = np.outer(rows, columns).ravel()
    average = AveragePooling(operator.name, operator.output, operator.operands[0], window, counts)
    return average, _output_shape(image[1], window, image)


def _taps_within(window: Window, axis: int, start: int, end: int, size: int) -> np.ndarray:
    """Return how many taps of each position along an axis are from `start` on and before `end`."""
    extent = (size, size)
    places = np.arange(window.positions(*extent)[axis])[:, None] * window.stride[axis] - window.padding[2 * axis]
    places = places + np.arange(window.kernel[axis]) * window.dilation[axis]
    return np.asarray(((places >= start) & (places < end)).sum(axis=1), np.int64)


def _pool_window(operator: Operator, image: Shape) -> Window:
    _check_image(operator, image)
    everything = operator.kind in {"GlobalAveragePool", "GlobalMaxPool", "ReduceMax", "ReduceMean"}
    if everything:
        extent = _extent(image)
        return Window(extent, (1, 1), (1, 1), (0, 0, 0, 0))
    window = _window(operator, tuple(operator.attributes.get("kernel_shape", ())), image)
    top, bottom, left, right = window.padding
    if max(top, bottom) >= window.kernel[0] or max(left, right) >= window.kernel[1]:
        raise InputError(
            f"pads of node {operator.name!r} ({operator.kind}) must be smaller than the kernel "
            f"{_shown(window.kernel)}, not {(top, left, bottom, right)}"
        )
    return window


def pad_sides(operator: Operator, image: Shape, constants: Mapping[str, Constant]) -> tuple[np.ndarray, Constant]:
    """Return what a Pad adds before and after each axis, (2, axes) int64, and the number; below 0 is taken off.

    Raises
    ------
    InputError
        Something else than rows, columns and channels of one constant around an image.
    """
    _check_image(operator, image)
    mode = operator.attributes.get("mode", "constant")
    if mode != "constant":
        raise InputError(f"mode of node {operator.name!r} (Pad) must be constant, not {mode!r}: pad with one number")
    _, pads, value, axes = [*operator.operands, "", "", ""][:4]
    for name in (pads, value, axes):
        if name and name not in constants:
            raise InputError(
                f"Operand {name!r} of node {operator.name!r} (Pad) must be a constant, not computed from the input"
            )
    rank = len(image)
    sides = np.zeros((2, rank), np.int64)
    try:
        given = constants[pads].integers() if pads else list(operator.attributes.get("pads", ()))
        which = constants[axes].integers() if axes else list(range(rank))
        sides[:, which] = np.reshape(given, (2, len(which)))
    except (ValueError, IndexError) as error:
        raise InputError(
            f"pads of node {operator.name!r} (Pad) must be two integers for each of its axes, not give: {error}"
        ) from error
    left = np.array(image) + np.minimum(sides, 0).sum(axis=0)
    if sides[:, 0].any() or left.min() < 1:
        raise InputError(
            f"pads of node {operator.name!r} (Pad) must add rows, columns or channels around an image, or take fewer "
            f"off than it has, not be {tuple(int(side) for side in sides.ravel())}: leave it out"
        )
    padded = (size + int(side) for size, side in zip(image, sides.sum(axis=0), strict=True))
    check_size(f"Padded image of node {operator.name!r} (Pad)", tuple(padded))
    return sides, _value_of(operator, constants[value]) if value else _default(operator)


def read_pad(operator: Operator, image: Shape, sides: np.ndarray, number: Constant) -> tuple[Pad, Shape]:
    """Return a Pad of rows and columns and the shape of its output; `image` is that of its input."""
    padding = _four_sides(tuple(int(side) for side in sides[:, 2:].ravel()))
    shape = (*image[:2], *(size + int(side) for size, side in zip(image[2:], sides[:, 2:].sum(axis=0), strict=True)))
    return Pad(operator.name, operator.output, operator.operands[0], padding, number), shape


def further_channels(image: Shape, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and bias of a Conv of size 1 that puts constant channels before and after those of an image.

    Parameters
    ----------
    before, after : (channels,) exact numbers of these channels
    """
    channels = image[1]
    weights = np.zeros((len(before) + channels + len(after), channels))
    weights[len(before) : len(before) + channels] = np.eye(channels)
    bias = np.concatenate([before, np.full(channels, Fraction(0), object), after])
    return weights.reshape(*weights.shape, *[1] * (len(image) - 2)), bias


def strided_pool(operator: Operator, image: Shape, places: np.ndarray) -> MaxPooling | None:
    """Return a Slice of every n-th row and column of an image as a max pool of size 1; None if it takes something else.

    Such a pool may be exchanged with what follows it, so that it moves bits rather than sums.

    Parameters
    ----------
    places : the places in the flattened image of what it takes
    """
    if operator.kind != "Slice" or len(image) not in {3, 4} or places.ndim != len(image):
        return None
    everything = np.arange(prod(image)).reshape(image)
    strides = [-(-size // max(1, taken)) for size, taken in zip(image, places.shape, strict=True)]
    steps = tuple(slice(None, None, stride) for stride in strides)
    if strides[:2] != [1, 1] or max(strides) == 1 or not np.array_equal(everything[steps], places):
        return None
    window = Window((1, 1), (strides[-2] if len(image) == 4 else 1, strides[-1]), (1, 1), (0, 0, 0, 0))
    return MaxPooling(operator.name, operator.output, operator.operands[0], window)


def _value_of(operator: Operator, value: Constant) -> Constant:
    if value.size != 1:
        raise InputError(f"Value of node {operator.name!r} (Pad) must be one number, not {value.size}")
    return value.map(lambda values: values.reshape(()))


def _default(operator: Operator) -> Constant:
    return Constant(np.array(operator.attributes.get("value", 0.0), np.float64))


def _check_image(operator: Operator, image: Shape) -> None:
    if len(image) not in {3, 4} or image[0] != 1:
        raise InputError(
            f"Input of node {operator.name!r} ({operator.kind}) must be (1, channels, height, width) or "
            f"(1, channels, length), not {_shown(image)}: only convolutions over images and signals are supported"
        )


def _window(operator: Operator, kernel: Shape, image: Shape) -> Window:
    attributes, rank = operator.attributes, len(image) - 2
    auto = attributes.get("auto_pad", "NOTSET")
    if auto not in {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"}:
        raise InputError(
            f"auto_pad of node {operator.name!r} ({operator.kind}) must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, "
            f"not {auto}: write its pads"
        )
    stride, dilation = (tuple(attributes.get(name, (1,) * rank)) for name in ("strides", "dilations"))
    pads = (0,) * 2 * rank if auto != "NOTSET" else tuple(attributes.get("pads", (0,) * 2 * rank))
    sizes = [len(each) == rank for each in (kernel, stride, dilation)]
    if not all(sizes) or len(pads) != 2 * rank or min((*kernel, *stride, *dilation)) < 1 or min(pads) < 0:
        counts = ("1 positive integer", "2 pads") if rank == 1 else ("2 positive integers", "4 pads")
        raise InputError(
            f"Node {operator.name!r} ({operator.kind}) must have a kernel, strides and dilations of {counts[0]} "
            f"and {counts[1]} of at least 0, not {kernel}, {stride}, {dilation} and {pads}"
        )
    window = Window(_two(kernel), _two(stride), _two(dilation), _four_sides(pads))
    if auto.startswith("SAME"):
        window = _same(window, _extent(image), more_after=auto == "SAME_UPPER")
    top, bottom, left, right = window.padding
    height, width = _extent(image)
    padded = (*image[:2], height + top + bottom, width + left + right)
    check_size(f"Padded image of node {operator.name!r} ({operator.kind})", padded)
    if min(window.positions(height, width)) < 1:
        raise InputError(
            f"Kernel of node {operator.name!r} ({operator.kind}) must fit its padded image of {_shown(image[2:])}, "
            f"not be {_shown(kernel)}, dilated by {_shown(dilation)}"
        )
    return window


def _same(window: Window, extent: tuple[int, int], *, more_after: bool) -> Window:
    """Return a window padded so that it has a position for every stride of the image."""
    (up, down), (left, right) = (
        (missing // 2, missing - missing // 2) if more_after else (missing - missing // 2, missing // 2)
        for size, reach, stride in zip(extent, window.reach, window.stride, strict=True)
        for missing in (max(0, (size - 1) // stride * stride + reach - size),)
    )
    return replace(window, padding=(up, down, left, right))


def _grown(operator: Operator, window: Window, image: Shape) -> Window:
    """Return the window of a pool with what `ceil_mode` adds below and on the right.

    A last position that is not whole counts if it begins within the image or the padding before it.
    """
    if not operator.attributes.get("ceil_mode", 0):
        return window
    top, bottom, left, right = window.padding
    ends = []
    for size, before, after, reach, stride in zip(
        _extent(image), (top, left), (bottom, right), window.reach, window.stride, strict=True
    ):
        missing = -(size + before + after - reach) % stride
        starts = size + before + after + missing - reach
        ends.append(after + (missing if starts < size + before else 0))
    return replace(window, padding=(top, ends[0], left, ends[1]))


def _extent(image: Shape) -> tuple[int, int]:
    """Return the height and width of an image, or of a signal as one."""
    return _two(image[2:])


def _two(sizes: Shape) -> tuple[int, int]:
    """Return sizes of rows and columns; those of a signal are 1 and its own."""
    return (sizes[0], sizes[1]) if len(sizes) == 2 else (1, sizes[0])


def _four_sides(pads: Shape) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right) of pads as ONNX has them, all starts and then all ends."""
    return (pads[0], pads[2], pads[1], pads[3]) if len(pads) == 4 else (0, 0, pads[0], pads[1])


def _output_shape(channels: int, window: Window, image: Shape) -> Shape:
    return (1, channels, *window.positions(*_extent(image))[4 - len(image) :])


def _shown(sizes: Shape) -> str:
    return "x".join(map(str, sizes))
