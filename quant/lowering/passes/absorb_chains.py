"""Each dense layer, with whatever stands between it and the next one, becomes signs and thresholds.

Let the inputs be ``x_k = m_k + d_k*s_k`` with signs ``s_k``, and the weights of a neuron ``w_k``. Then

    sum(w_k * x_k) = sum(w_k * m_k) + sum(w_k * d_k * s_k)

is a function of one integer if and only if ``|w_k * d_k|`` is the same number ``a`` for all k: then with the signs of
``w_k * d_k`` as weights the sum is ``a*total + sum(w_k * m_k)``. So scales of any sign, inputs of 0 and 1, and a scale
or shift behind the quantizer are all covered.

Bit ``b`` of the next quantizer as a function of ``ones`` is evaluated at 0 to n. If it rises at ``t``, the threshold is
``t``. If it falls there, ``b = (ones < t)``, the row is inverted: with ``ones' = n - ones`` it is
``b = (ones' >= n - t + 1)``.
"""

from itertools import pairwise

import numpy as np

from dataflow import InputError
from quant.lowering._chains import Source, between, code_value, codes_of, find_chain, values_behind
from quant.lowering._graph import Dense, Graph, InputBits, Layer, Operation, Sums
from quant.lowering._products import binary_product
from quant.lowering._reals import Constant
from quant.lowering._switches import levels_of, switch_of

__all__ = ["absorb_chains"]


def absorb_chains(graph: Graph) -> Graph:
    """Return the graph with a `Layer` for each dense layer but the last, which becomes `Sums`.

    Raises
    ------
    InputError
        A layer that is not binary, or a chain that is not monotone.
    """
    dense = [each for each in graph.operations if isinstance(each, Dense)]
    bits: InputBits | Layer = next(each for each in graph.operations if isinstance(each, InputBits))
    kept: list[Operation] = [bits]
    for layer, following in pairwise(dense):
        bits = _layer_of(graph, _sums_of(graph, layer, bits), following)
        kept.append(bits)
    kept.append(_sums_of(graph, dense[-1], bits))
    behind = between(graph, dense[-1].output, graph.output)
    assert behind is not None
    return graph.with_operations((*kept, *behind))


def _sums_of(graph: Graph, dense: Dense, bits: InputBits | Layer) -> Sums:
    """Return a dense layer as signs, its input being bits and operators behind them."""
    behind = between(graph, bits.output, dense.source)
    assert behind is not None
    zero, one = (values_behind(graph, behind, bits.output, each.exact()) for each in (bits.zero, bits.one))
    signs, slope, offset = binary_product(dense, zero, one)
    return Sums(dense.name, dense.output, bits.output, signs, slope, offset)


def _layer_of(graph: Graph, sums: Sums, following: Dense) -> Layer:
    chain = find_chain(graph, sums.output, following.source)
    if chain is None:
        raise InputError(
            f"Input of node {following.name!r} must be binary, not the sums of {sums.name!r}: "
            "put a BipolarQuant, or a Quant of one bit, between them"
        )
    neurons, synapses = sums.signs.shape
    totals = np.arange(-synapses, synapses + 1, 2)
    codes = codes_of(graph, chain, Source(totals, sums.slope, sums.offset))
    low, high = levels_of(chain.quantizer, codes)
    bits = np.broadcast_to(codes == high, (len(totals), neurons))
    switch = switch_of(bits, chain.quantizer.name, "the sum of neuron", totals)
    signs = np.where(switch.rising[:, None], sums.signs, -sums.signs).astype(np.int8)
    thresholds = np.where(switch.rising, switch.place, synapses + 1 - switch.place)
    zero, one = (Constant.of(code_value(graph, chain.quantizer, code).values) for code in (low, high))
    return Layer(sums.name, chain.quantizer.output, sums.source, signs, thresholds, zero, one)
