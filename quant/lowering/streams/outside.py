"""The number outside an image, as a point of the stream that the layer reads.

Let the inputs be ``slope * point + offset``. A number outside is ``slope * e + offset`` then. For integers, `e` must be
one point, the same for all channels, which the window puts in. For bits, -1 and +1 are the two values and 0 is midway,
as zero is beside -1 and +1. If `e` is -1 for all channels, or +1, the window puts that bit in and nothing is left to
do. Else it puts in bit 0, which counts -1. With the weights ``w_k`` of the products, the sum of a neuron lacks
``shift = sum of w_k * (e_k + 1) over the taps outside``, which depends only on which taps these are: on the class of
the position. So for the whole image ``value = slope * (total + shift) + offset``, one function of one integer as
without padding, and only the threshold that the hardware compares with differs by class.

Midway taps count nothing, so with z of them ``total + shift`` is one of -(n - z), -(n - z) + 2, ..., n - z.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from dataflow import BIPOLAR, InputError, position_classes, zero_padding_offsets
from quant.lowering.exact.numbers import Exact
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import LinearLayer
from quant.lowering.graph.sites import OutsideNumber, Site
from quant.lowering.graph.walks import Step, between
from quant.lowering.streams.functions import BendsError, affine_of, values_of
from quant.lowering.streams.stream import IntegerStream, points_within, union_of

__all__ = ["padded_sums"]


def padded_sums(
    graph: Graph, layer: LinearLayer, stream: IntegerStream, weights: np.ndarray
) -> tuple[Site, np.ndarray | None, np.ndarray]:
    """Return what the padding of a layer adds to its sums.

    Parameters
    ----------
    stream : what the layer reads
    weights : (neurons, synapses of a group) int8, of the products

    Returns
    -------
    site : how the layer reads its image, with what its window puts in
    shifts : (classes, neurons) int64, what totals lack by class of positions; None for nothing
    totals : (points,) int64, all that totals with their shifts can be, rising

    Raises
    ------
    InputError
        The number outside is no point, or is put somewhere else than after the stream.
    """
    site, synapses = layer.site, weights.shape[1]
    binary = bool((np.abs(weights) == 1).all())
    most = int(np.abs(weights.astype(np.int64)).sum(axis=1).max()) * stream.reach
    whole = points_within(-most, most, _step_of_sums(stream) if binary else 1)
    if site.padding is None:
        return site, None, whole
    outside = _points_outside(graph, layer, site.padding, stream)
    least = int(outside.flat[0])
    if (outside == least).all() and least in stream.points:
        return replace(site, pad=int(least > 0) if stream.of_bits else least), None, whole
    if not stream.of_bits:
        _refuse(site.padding, stream)
    site = replace(site, pad=0)
    by_synapse = np.repeat(site.by_synapse(outside), len(weights) // site.groups, axis=0)
    window = site.sliding_window(layer.name, BIPOLAR)
    shifts = zero_padding_offsets(window, weights * (by_synapse + 1))
    if not binary:
        return site, shifts, whole
    midway = np.broadcast_to(by_synapse == 0, weights.shape).reshape(len(weights), window.taps, -1).sum(axis=2)
    uncounted = np.unique((~position_classes(window).inside).astype(np.int64) @ midway.T)
    reach = [points_within(count - synapses, synapses - count, 2) for count in uncounted]
    return site, shifts, union_of(reach)


def _step_of_sums(stream: IntegerStream) -> int:
    """Return 2 if all points are odd or all are even, so that sums of as many signed ones are so too, else 1."""
    return 2 if stream.step % 2 == 0 and len(stream.points) > 1 else 1


def _points_outside(graph: Graph, layer: LinearLayer, padding: OutsideNumber, stream: IntegerStream) -> np.ndarray:
    """Return the point that the number outside is, () or (channels,) int64."""
    before, after = between(graph, stream.tensor, padding.tensor), between(graph, padding.tensor, layer.source)
    if before is None:
        raise InputError(
            f"Node {padding.name!r} (Pad) must pad {stream.label}, not what they are made of: "
            "put it after the quantizer"
        )
    assert after is not None
    if stream.of_bits:
        return _halves_outside(graph, after, padding, stream, affine_of(graph, before, stream))
    try:
        slope, offset = affine_of(graph, before, stream)
    except BendsError:
        _refuse(padding, stream)
    value = padding.value.exact()
    places = ((value - offset) / slope).values.ravel() if slope.signs().all() else np.array([None], object)
    if any(not isinstance(place, Fraction) or place.denominator != 1 for place in places):
        _refuse(padding, stream)
    return np.array([int(place) for place in places], np.int64)


def _halves_outside(
    graph: Graph, after: tuple[Step, ...], padding: OutsideNumber, stream: IntegerStream, affine: tuple[Exact, Exact]
) -> np.ndarray:
    """Return -1 where the number outside is what bit 0 stands for, +1 for bit 1, 0 midway, () or (channels,) int64.

    What follows the padding acts on the number outside as well, and may bend it: so all three are compared there.
    """
    slope, offset = affine
    ends = (offset - slope, offset + slope, padding.value.exact())
    zero, one, value = (values_of(graph, after, padding.tensor, each) for each in ends)
    middle = (zero + one) * zero.lift(Fraction(1, 2))
    are = [np.asarray((each - value).signs() == 0) for each in (zero, middle, one)]
    if np.logical_or.reduce(are).all():
        return np.asarray(np.where(are[0], -1, np.where(are[2], 1, 0)))
    raise InputError(
        f"Padding of node {padding.name!r} must be one of the values of its binary input, {_shown(zero, one)}, "
        f"or midway, {_shown(middle)}, not {_shown(value)}: train with such a value"
    )


def _refuse(padding: OutsideNumber, stream: IntegerStream) -> None:
    raise InputError(
        f"Padding of node {padding.name!r} must be a number that a point of {stream.label} stands for in all channels, "
        f"not {float(padding.value.exact().values.item()):g}: pad with such a number, or leave the padding out"
    )


def _shown(*numbers: Exact) -> str:
    levels = sorted({float(number) for each in numbers for number in each.values.ravel()})
    return " or ".join(f"{level:g}" for level in levels[:4])
