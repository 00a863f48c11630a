"""ConvTranspose of the file, read: a convolution that makes the pixels of a block as channels, which become pixels.

Let the stride be s and the kernel k. Output number p, counted before the padding is cut off, is the sum of ``w[t] *
x[i]`` over all ``i*s + t = p``. With ``p = q*s + r`` that are the taps ``t = r + j*s`` and the inputs ``i = q - j``, so
for each of the s phases r there is a convolution over x with a kernel of ``ceil(k / s)``. All phases together are one
convolution with s times as many neurons (sub-pixel convolution). Inputs outside the image add nothing, which is its
padding of zeros. Where s does not divide k, some phases have a tap less, whose weight is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.operations import Operator

__all__ = ["SubPixel", "subpixel_of"]

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class SubPixel:
    """A ConvTranspose as a convolution and a rearrangement.

    Parameters
    ----------
    weights : (neurons, channels of a group, *kernel) of the Conv; the neurons are in the order group, phase, neuron
    neuron_of : (neurons,) int64, the neuron of the ConvTranspose that each one is
    pads : of the Conv, all starts and then all ends
    pixels : for each element of the ConvTranspose before it is cut, the place in the Conv's output
    cut : for each element of its output, the place in what is cut
    """

    weights: Constant
    neuron_of: np.ndarray
    pads: tuple[int, ...]
    pixels: np.ndarray
    cut: np.ndarray


@dataclass(frozen=True)
class _Axis:
    """One axis: what is multiplied, and what is kept.

    Parameters
    ----------
    taps : of each phase
    stride : phases
    pads : (before, after) of the Conv
    count : positions of the Conv
    start, size : what is kept of the pixels
    """

    taps: int
    stride: int
    pads: tuple[int, int]
    count: int
    start: int
    size: int


def subpixel_of(operator: Operator, weights: Constant, image: Shape) -> SubPixel:
    """Return what a ConvTranspose is.

    Parameters
    ----------
    weights : (channels, neurons of a group, *kernel)
    image : shape of its input, (1, channels, height, width) or (1, channels, length)

    Raises
    ------
    InputError
        A geometry that is not supported.
    """
    name = f"node {operator.name!r} (ConvTranspose)"
    rank, shape, groups = len(image) - 2, weights.shape, operator.attributes.get("group", 1)
    if rank not in {1, 2} or image[0] != 1 or len(shape) != len(image):
        raise InputError(
            f"Input of {name} must be (1, channels, height, width) or (1, channels, length), with weights of as many "
            f"dimensions, not {_shown(image)} and {_shown(shape)}"
        )
    if groups < 1 or shape[0] != image[1] or shape[0] % groups:
        raise InputError(
            f"Weights of {name} must be for the {image[1]} channels of its input in equal groups, "
            f"not for {shape[0]} in {groups}"
        )
    kernel = tuple(operator.attributes.get("kernel_shape", shape[2:]))
    if kernel != shape[2:]:
        raise InputError(
            f"kernel_shape of {name} must be that of its weights, {_shown(shape[2:])}, not {_shown(kernel)}"
        )
    axes = _axes_of(operator, name, kernel, image[2:])
    dilation = operator.attributes.get("dilations", (1,) * rank)
    strides, taps = [axis.stride for axis in axes], [axis.taps for axis in axes]
    each, phases = shape[1], prod(strides)
    matrix = weights.map(lambda values: _by_phase(values, groups, dilation, strides, taps))
    neuron_of = np.tile(np.arange(groups * each).reshape(groups, 1, each), (1, phases, 1)).ravel()
    counts = [axis.count for axis in axes]
    made = np.arange(len(neuron_of) * prod(counts)).reshape(groups, *strides, each, *counts)
    pairs = [place for index in range(rank) for place in (2 + rank + index, 1 + index)]
    sizes = [axis.count * axis.stride for axis in axes]
    pixels = made.transpose(0, 1 + rank, *pairs).reshape(1, groups * each, *sizes)
    kept = tuple(slice(axis.start, axis.start + axis.size) for axis in axes)
    cut = np.arange(pixels.size).reshape(pixels.shape)[(slice(None), slice(None), *kept)]
    before, after = zip(*(axis.pads for axis in axes), strict=True)
    return SubPixel(matrix, neuron_of, (*before, *after), pixels, cut)


def _axes_of(operator: Operator, name: str, kernel: Shape, extent: Shape) -> list[_Axis]:
    attributes, rank = operator.attributes, len(extent)
    strides, dilations = (tuple(attributes.get(each, (1,) * rank)) for each in ("strides", "dilations"))
    more = tuple(attributes.get("output_padding", (0,) * rank))
    pads = tuple(attributes.get("pads", (0,) * 2 * rank))
    wanted = attributes.get("output_shape")
    auto = attributes.get("auto_pad", "NOTSET")
    lists = (strides, dilations, more)
    if any(len(each) != rank for each in lists) or len(pads) != 2 * rank or min(*strides, *dilations, *kernel) < 1:
        raise InputError(
            f"N{name[1:]} must have strides, dilations, output_padding and pads for its {rank} axes, "
            f"not {strides}, {dilations}, {more} and {pads}"
        )
    if auto not in {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"} or min(more) < 0:
        raise InputError(f"auto_pad of {name} must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not {auto}")
    if wanted is None and auto.startswith("SAME"):
        wanted = [size * stride for size, stride in zip(extent, strides, strict=True)]
    axes = []
    for index, (size, stride, tap, dilation) in enumerate(zip(extent, strides, kernel, dilations, strict=True)):
        reach = (tap - 1) * dilation + 1
        whole = (size - 1) * stride + reach + more[index]
        before, after = (pads[index], pads[rank + index]) if auto == "NOTSET" else (0, 0)
        if wanted is not None:
            total = whole - wanted[len(wanted) - rank + index]
            before = total // 2 if auto == "SAME_UPPER" else total - total // 2
            after = total - before
        if whole - before - after < 1 or min(before, after) < 0:
            raise InputError(f"pads of {name} must leave pixels of each axis, not be {before} and {after} of {whole}")
        axes.append(_axis(size, stride, reach, before, whole - before - after))
    return axes


def _axis(size: int, stride: int, reach: int, before: int, kept: int) -> _Axis:
    """Return how an axis is multiplied: from the first position that is kept, or that reads no padding, to the last."""
    taps = -(-reach // stride)
    first = min(before // stride, taps - 1)
    last = max((before + kept - 1) // stride, size - 1)
    return _Axis(taps, stride, (taps - 1 - first, last - (size - 1)), last - first + 1, before - first * stride, kept)


def _by_phase(
    values: np.ndarray, groups: int, dilation: Sequence[int], strides: Sequence[int], taps: Sequence[int]
) -> np.ndarray:
    """Return weights (channels, neurons of a group, *kernel) as (neurons, channels of a group, *taps)."""
    channels, each, *kernel = values.shape
    rank = len(kernel)
    sizes = [tap * stride for tap, stride in zip(taps, strides, strict=True)]
    spread = np.full((channels, each, *sizes), Fraction(0) if values.dtype == object else 0.0, values.dtype)
    spread[
        (slice(None), slice(None), *(slice(0, (k - 1) * d + 1, d) for k, d in zip(kernel, dilation, strict=True)))
    ] = values
    split = [size for pair in zip(taps, strides, strict=True) for size in pair]
    spread = spread.reshape(groups, channels // groups, each, *split)
    tap_axes, phase_axes = [3 + 2 * index for index in range(rank)], [4 + 2 * index for index in range(rank)]
    ordered = np.flip(spread, tuple(tap_axes)).transpose(0, *phase_axes, 2, 1, *tap_axes)
    return ordered.reshape(-1, channels // groups, *taps)


def _shown(sizes: Shape) -> str:
    return "x".join(map(str, sizes))
