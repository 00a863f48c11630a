"""A layer, with whatever stands between it and what reads its bits, becomes signs and thresholds.

Let the inputs be ``x_k = m_k + d_k*s_k`` with signs ``s_k``, and the weights of a neuron ``w_k``. Then

    sum(w_k * x_k) = sum(w_k * m_k) + sum(w_k * d_k * s_k)

is a function of one integer if and only if ``|w_k * d_k|`` is the same number ``a`` for all k: then with the signs of
``w_k * d_k`` as weights the sum is ``a*total + sum(w_k * m_k)``. So scales of any sign, inputs of 0 and 1, and a scale
or shift behind the quantizer are all covered.

Bit ``b`` of the next quantizer as a function of ``total`` is evaluated at all totals. If it rises at ``t``, it is
``b = (total >= t)``. If it falls there, ``b = (total < t)``, the row is inverted: ``b = (-total >= 1 - t)``. Where a
max pool asks for the other bit (see `_pools`), it is just the other way round. As ``total = 2*ones - n``, the threshold
on `ones` is ``ceil((t + n) / 2)``.

Inputs of integers, ``x_k = o_k + a_k*p_k``, are the same with ``m = o`` and ``d = a``: the sum is ``a*total`` plus a
constant, ``total`` the sum of the integers with their signs. Thresholds are then on the total.

What is outside an image is in `_padding`.
"""

from dataclasses import replace

import numpy as np

from dataflow import InputError
from quant.lowering._averages import check_variants
from quant.lowering._bit_averages import average_of_bits
from quant.lowering._padding import pad_bits
from quant.lowering._pools import takes_and
from quant.lowering._products import binary_product
from quant.lowering._switches import choose, levels_of, switch_of
from quant.lowering.graph.chains import Source, between, code_value, codes_of, find_chain, values_behind
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import InputBits, InputIntegers, Layer, StackedBits, Sums
from quant.lowering.graph.operations import Dense
from quant.lowering.graph.sites import Pooled

__all__ = ["inverted", "layer_of", "sums_of"]


def sums_of(graph: Graph, dense: Dense, bits: InputBits | InputIntegers | Layer | StackedBits) -> Sums:
    """Return a layer as signs, its input being integers, or bits and operators behind them."""
    if isinstance(bits, InputIntegers):
        step, middle = bits.slope.exact(), bits.offset.exact()
        signs, slope, offset = binary_product(dense, middle - step, middle + step)
        span = signs.shape[1] * max(bits.element.maximum, -bits.element.minimum)
        totals = np.arange(-span, span + 1)
        return Sums(dense.name, dense.output, bits.output, signs, slope, offset, totals, dense.site, bits.element)
    behind = between(graph, bits.output, dense.source)
    assert behind is not None
    zero, one = (values_behind(graph, behind, bits.output, each.exact()) for each in (bits.zero, bits.one))
    signs, slope, offset = binary_product(dense, zero, one)
    site, shifts, totals = pad_bits(graph, dense, bits, signs)
    return Sums(dense.name, dense.output, bits.output, signs, slope, offset, totals, site, shifts=shifts)


def layer_of(graph: Graph, sums: Sums, source: str, reader: str, pools: tuple[Pooled, ...]) -> Layer:
    """Return a layer that makes the bits which `reader` finds in the tensor `source`, behind max pools."""
    pool = average_of_bits(graph, sums.output, source)
    pools = () if pool else pools
    chain = find_chain(graph, sums.output, pool.source if pool else source)
    if chain is None:
        raise InputError(
            f"Input of node {reader!r} must be binary, not the sums of {sums.name!r}: "
            "put a BipolarQuant, or a Quant of one bit, between them"
        )
    start = Source(sums.totals, sums.slope, sums.offset)
    codes = codes_of(graph, chain, start)
    low, high = levels_of(chain.quantizer, codes)
    bits = np.broadcast_to(codes == high, (len(sums.totals), len(sums.signs)))
    switch = switch_of(bits, chain.quantizer.name, "the sum of neuron", sums.totals)
    zero, one = (code_value(graph, chain.quantizer, code) for code in (low, high))
    check_variants(graph, sums, chain, pools, codes)
    other = takes_and(graph, pools, chain, start, switch, (zero, one))
    upright = switch.rising ^ other
    places = np.append(sums.totals, sums.totals[-1] + 1)[switch.place]
    sums = inverted(sums, ~upright)
    levels = np.where(upright, places, 1 - places)
    values = choose(~other, zero, one), choose(~other, one, zero)
    layer = Layer(sums.name, chain.quantizer.output, sums.source, sums.signs, levels, *values, sums.site)
    if sums.averages:  # which add sums as they are
        return replace(layer, averages=sums.averages, shifts=sums.shifts)
    return replace(layer, thresholds=_thresholds(sums, levels))


def inverted(sums: Sums, rows: np.ndarray) -> Sums:
    """Return sums of which some, (neurons,) bool, have changed their sign."""
    signs = np.where(rows[:, None], -sums.signs, sums.signs).astype(np.int8)
    return replace(sums, signs=signs, shifts=None if sums.shifts is None else np.where(rows, -sums.shifts, sums.shifts))


def _thresholds(sums: Sums, levels: np.ndarray) -> np.ndarray:
    """Return what the hardware compares `ones`, or the total of integers, with, where ``total + shift >= level``."""
    wanted = levels if sums.shifts is None else levels - sums.shifts
    if sums.operand is not None:
        return np.clip(wanted, sums.totals[0], sums.totals[-1] + 1)
    synapses = sums.signs.shape[1]
    return np.clip(-((-wanted - synapses) // 2), 0, synapses + 1)
