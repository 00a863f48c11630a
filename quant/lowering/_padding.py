"""What stands outside an image of bits: one of their two values, or the one midway, as zero is beside -1 and +1.

Let the inputs be ``x_k = m_k + d_k*s_k`` with signs ``s_k``. A number outside is ``m_k + d_k*e_k`` then; ``e_k`` is -1
or +1 where it is one of the two values, and 0 midway. If `e` is -1 for all channels, or +1, the window puts that bit in
and nothing is left to do. Else it puts in bit 0, which counts -1. With the signs ``w_k`` of the products, the sum of a
neuron lacks ``shift = sum of w_k*(e_k + 1) over the taps outside``, which depends only on which taps these are: on the
class of the position. So for the whole image ``value = slope * (total + shift) + offset``, one function of one integer
as without padding, and only the threshold that the hardware compares with differs by class.

Midway taps count nothing, so with z of them ``total + shift`` is one of -(n - z), -(n - z) + 2, ..., n - z.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from dataflow import BIPOLAR, InputError, position_classes, zero_padding_offsets
from quant.lowering.exact.numbers import Exact
from quant.lowering.graph.chains import between, values_behind
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import InputBits, Layer, StackedBits
from quant.lowering.graph.operations import Dense
from quant.lowering.graph.sites import Padding, Site

__all__ = ["integer_outside", "pad_bits"]


def pad_bits(
    graph: Graph, dense: Dense, bits: InputBits | Layer | StackedBits, signs: np.ndarray
) -> tuple[Site, np.ndarray | None, np.ndarray]:
    """Return what the padding of a layer on bits comes to.

    Parameters
    ----------
    bits : what makes the bits
    signs : (neurons, synapses of a group) int8, of the products

    Returns
    -------
    site : where the layer stands, its `pad` a bit
    shifts : (classes, neurons) int64, what totals lack by class of positions; None for nothing
    totals : (points,) int64, all that totals with their shifts can be, rising

    Raises
    ------
    InputError
        The number outside is none of the three, or is put somewhere else than behind the bits.
    """
    site, synapses = dense.site, signs.shape[1]
    whole = np.arange(-synapses, synapses + 1, 2)
    if site.padding is None:
        return site, None, whole
    outside = _signs_outside(graph, dense, site.padding, bits)
    if (outside == outside.flat[0]).all() and outside.flat[0]:
        return replace(site, pad=int(outside.flat[0] > 0)), None, whole
    site = replace(site, pad=0)
    by_synapse = np.repeat(site.by_synapse(outside), len(signs) // site.groups, axis=0)
    window = site.sliding_window(dense.name, BIPOLAR)
    shifts = zero_padding_offsets(window, signs * (by_synapse + 1))
    midway = np.broadcast_to(by_synapse == 0, signs.shape).reshape(len(signs), window.taps, -1).sum(axis=2)
    uncounted = np.unique((~position_classes(window).inside).astype(np.int64) @ midway.T)
    reach = [np.arange(count - synapses, synapses - count + 1, 2) for count in uncounted]
    return site, shifts, np.unique(np.concatenate(reach))


def integer_outside(padding: Padding, points: np.ndarray, slope: Exact, offset: Exact) -> int | None:
    """Return the point that stands for the number outside in all channels, ``slope * point + offset``, or None."""
    value = padding.value.exact()
    if not (slope.signs() != 0).all():
        return None
    for number in points:
        if not (slope * slope.lift(Fraction(int(number))) + offset - value).signs().any():
            return int(number)
    return None


def _signs_outside(graph: Graph, dense: Dense, padding: Padding, bits: InputBits | Layer | StackedBits) -> np.ndarray:
    """Return -1 where the number outside is what bit 0 stands for, +1 for bit 1, 0 midway, () or (channels,) int64."""
    behind = between(graph, bits.output, padding.tensor)
    if behind is None:
        raise InputError(
            f"Node {padding.name!r} (Pad) must stand behind the bits of {bits.name!r}, not in front of them: "
            "put it behind the quantizer"
        )
    later = between(graph, padding.tensor, dense.source)
    assert later is not None
    # What stands between the padding and the layer acts on the number outside as well, and may bend it.
    ends = [values_behind(graph, behind, bits.output, each.exact()) for each in (bits.zero, bits.one)]
    zero, one, value = (values_behind(graph, later, padding.tensor, each) for each in (*ends, padding.value.exact()))
    middle = (zero + one) * zero.lift(Fraction(1, 2))
    are = [np.asarray((each - value).signs() == 0) for each in (zero, middle, one)]
    if np.logical_or.reduce(are).all():
        return np.asarray(np.where(are[0], -1, np.where(are[2], 1, 0)))
    raise InputError(
        f"Padding of node {padding.name!r} must be one of the values of its binary input, {_shown(zero, one)}, "
        f"or midway, {_shown(middle)}, not {_shown(value)}: train with such a value"
    )


def _shown(*numbers: Exact) -> str:
    levels = sorted({float(number) for each in numbers for number in each.values.ravel()})
    return " or ".join(f"{level:g}" for level in levels[:4])
