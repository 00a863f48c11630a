"""Each dense layer, with whatever stands between it and the next one, becomes signs and thresholds.

Let the inputs be ``x_k = m_k + d_k*s_k`` with signs ``s_k``, and the weights of a neuron ``w_k``. Then

    sum(w_k * x_k) = sum(w_k * m_k) + sum(w_k * d_k * s_k)

is a function of one integer if and only if ``|w_k * d_k|`` is the same number ``a`` for all k: then with the signs of
``w_k * d_k`` as weights the sum is ``a*total + sum(w_k * m_k)``. So scales of any sign, inputs of 0 and 1, and a scale
or shift behind the quantizer are all covered.

Bit ``b`` of the next quantizer as a function of ``ones`` is evaluated at 0 to n. If it rises at ``t``, the threshold is
``t``. If it falls there, ``b = (ones < t)``, the row is inverted: with ``ones' = n - ones`` it is
``b = (ones' >= n - t + 1)``. Where a max pool asks for the other bit (see `_pools`), it is just the other way round.

Inputs of integers, ``x_k = o_k + a_k*p_k``, are the same with ``m = o`` and ``d = a``: the sum is ``a*total`` plus a
constant, ``total`` the sum of the integers with their signs. Thresholds are then on the total, whose range is
symmetric, and an inverted row has ``b = (-total >= 1 - t)``.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from dataflow import InputError
from quant.lowering._chains import Source, between, code_value, codes_of, find_chain, values_behind
from quant.lowering._graph import Dense, Graph, InputBits, InputIntegers, Layer, Operation, Sums
from quant.lowering._pools import takes_and
from quant.lowering._products import binary_product
from quant.lowering._reals import Exact
from quant.lowering._sites import Site
from quant.lowering._switches import choose, levels_of, switch_of

__all__ = ["absorb_chains", "span_of"]


def absorb_chains(graph: Graph) -> Graph:
    """Return the graph with a `Layer` for each dense layer but the last, which becomes `Sums`.

    Raises
    ------
    InputError
        A layer that is not binary, or a chain that is not monotone.
    """
    dense = [each for each in graph.operations if isinstance(each, Dense)]
    bits: InputBits | InputIntegers | Layer
    bits = next(each for each in graph.operations if isinstance(each, InputBits | InputIntegers))
    kept: list[Operation] = [bits]
    for layer, following in pairwise(dense):
        bits = _layer_of(graph, _sums_of(graph, layer, bits), following)
        kept.append(bits)
    kept.append(_sums_of(graph, dense[-1], bits))
    behind = between(graph, dense[-1].output, graph.output)
    assert behind is not None
    return graph.with_operations((*kept, *behind))


def _sums_of(graph: Graph, dense: Dense, bits: InputBits | InputIntegers | Layer) -> Sums:
    """Return a dense layer as signs, its input being integers, or bits and operators behind them."""
    if isinstance(bits, InputIntegers):
        step, offset = bits.slope.exact(), bits.offset.exact()
        zero, one = offset - step, offset + step
        site, operand = dense.site, bits.element
    else:
        behind = between(graph, bits.output, dense.source)
        assert behind is not None
        zero, one = (values_behind(graph, behind, bits.output, each.exact()) for each in (bits.zero, bits.one))
        site, operand = _padded_with_bits(graph, dense, bits), None
    signs, slope, shift = binary_product(dense, _for_synapses(zero, site), _for_synapses(one, site))
    return Sums(dense.name, dense.output, bits.output, signs, slope, shift, site, operand)


def _for_synapses(values: Exact, site: Site) -> Exact:
    """Return values by channel as values by synapse."""
    return Exact(np.tile(values.values, site.repeats)) if values.values.ndim and site.repeats > 1 else values


def _padded_with_bits(graph: Graph, dense: Dense, bits: InputBits | Layer) -> Site:
    """Return where a layer stands, the number outside the image as a bit."""
    padding = dense.site.padding
    if padding is None:
        return dense.site
    behind = between(graph, bits.output, padding.tensor)
    if behind is None:
        raise InputError(
            f"Node {padding.name!r} (Pad) must stand behind the bits of {bits.name!r}, not in front of them: "
            "put it behind the quantizer"
        )
    value = padding.value.exact()
    zero, one = (values_behind(graph, behind, bits.output, each.exact()) for each in (bits.zero, bits.one))
    are = [np.asarray((each - value).signs() == 0) for each in (zero, one)]
    for bit, equal in enumerate(are):
        if equal.all():
            return replace(dense.site, pad=bit)
    shown = f"{float(value.values.item()):g}"
    if np.logical_or(*are).all():
        raise InputError(
            f"Padding of node {padding.name!r} must be the same bit in all channels behind {bits.name!r}, "
            f"not {shown} where some channels are inverted: put a pool behind the quantizer, or leave the padding out"
        )
    levels = sorted({float(number) for each in (zero, one) for number in each.values.ravel()})
    raise InputError(
        f"Padding of node {padding.name!r} must be one of the values of its binary input, "
        f"{' or '.join(f'{level:g}' for level in levels[:4])}, not {shown}: "
        "train with an explicit Pad of such a value, or without padding"
    )


def _layer_of(graph: Graph, sums: Sums, following: Dense) -> Layer:
    chain = find_chain(graph, sums.output, following.source)
    if chain is None:
        raise InputError(
            f"Input of node {following.name!r} must be binary, not the sums of {sums.name!r}: "
            "put a BipolarQuant, or a Quant of one bit, between them"
        )
    counted, totals = _range_of(sums)
    source = Source(totals, sums.slope, sums.offset)
    codes = codes_of(graph, chain, source)
    low, high = levels_of(chain.quantizer, codes)
    bits = np.broadcast_to(codes == high, (len(totals), len(sums.signs)))
    switch = switch_of(bits, chain.quantizer.name, "the sum of neuron", totals)
    zero, one = (code_value(graph, chain.quantizer, code) for code in (low, high))
    other = takes_and(graph, following.site.pools, chain, source, switch, (zero, one))
    upright = switch.rising ^ other
    signs = np.where(upright[:, None], sums.signs, -sums.signs).astype(np.int8)
    places = np.append(counted, counted[-1] + 1)[switch.place]
    thresholds = np.where(upright, places, counted[0] + counted[-1] + 1 - places)
    levels = choose(~other, zero, one), choose(~other, one, zero)
    return Layer(sums.name, chain.quantizer.output, sums.source, signs, thresholds, *levels, sums.site)


def _range_of(sums: Sums) -> tuple[np.ndarray, np.ndarray]:
    """Return what the hardware counts, `ones` or the total, and the totals; (points,) int64 each, rising."""
    synapses = sums.signs.shape[1]
    if sums.operand is None:
        return np.arange(synapses + 1), np.arange(-synapses, synapses + 1, 2)
    totals = np.arange(-span_of(sums), span_of(sums) + 1)
    return totals, totals


def span_of(sums: Sums) -> int:
    """Return the largest size of a total."""
    largest = 1 if sums.operand is None else max(sums.operand.maximum, -sums.operand.minimum)
    return sums.signs.shape[1] * largest
