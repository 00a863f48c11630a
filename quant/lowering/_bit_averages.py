"""Average pools of bits: the hardware adds them as -1 and +1, and what follows works on integers.

Let the numbers of a channel be ``m + d*s`` with signs s. They are an affine function of s, so their mean is one of the
sum of the signs, as behind a layer (see `_averages`). Then a quantizer compares the sums, as it does with the integers
of a frame, or the next layer takes the sums themselves. A bit that falls with the sum is exchanged, as at the input.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from dataflow import BIPOLAR, Element, InputError, Integer
from quant.lowering._averages import averaged
from quant.lowering._padding import integer_outside
from quant.lowering._pools import takes_and
from quant.lowering._switches import choose, levels_of, switch_of
from quant.lowering.exact.numbers import Affine, Constant, NotAffineError
from quant.lowering.graph.chains import (
    Chain,
    Source,
    affine_behind,
    between,
    code_value,
    codes_of,
    find_chain,
    values_behind,
)
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import BitSums, InputBits, InputIntegers, Layer, StackedBits, Sums
from quant.lowering.graph.operations import Average, Dense, Operation
from quant.lowering.graph.sites import Pooled

__all__ = ["average_of_bits", "compared", "settle_averages"]

Bits = InputBits | InputIntegers | Layer | StackedBits


def average_of_bits(graph: Graph, start: str, end: str) -> Average | None:
    """Return the first average pool between two tensors, if a quantizer stands in front of it."""
    averages = (each for each in graph.operations if isinstance(each, Average))
    first = next((each for each in averages if find_chain(graph, start, each.source) is not None), None)
    return first if between(graph, start, end) is None else None


def settle_averages(
    graph: Graph, bits: InputBits | Layer | StackedBits, following: Dense
) -> tuple[list[Operation], Bits, Dense]:
    """Return what the average pools between bits and the next layer come to, if there are any.

    Returns
    -------
    added : sums, and comparisons of them
    bits : what the layer takes then
    following : the layer, its padding settled if it takes integers

    Raises
    ------
    InputError
        Pools with fewer pixels at the border, in front of other pools, or of what bends.
    """
    added: list[Operation] = []
    while between(graph, bits.output, following.source) is None:
        sums = _summed(graph, bits, following.source)
        element = _element_of(sums)
        pool = BitSums(sums.averages[0].name, sums.output, bits.output, sums.averages)
        added.append(pool)
        source = Source(sums.totals, sums.slope, sums.offset)
        later = _next_average(graph, sums.output)
        end = following.source if later is None else later.source
        chain = find_chain(graph, sums.output, end)
        if chain is None:
            return added, *_integers(graph, pool, element, source, following)
        bits = compared(graph, chain, element, source, following.site.pools if later is None else ())
        added.append(bits)
    return added, bits, following


def _next_average(graph: Graph, start: str) -> Average | None:
    averages = (each for each in graph.operations if isinstance(each, Average))
    return next((each for each in averages if between(graph, start, each.source) is not None), None)


def _summed(graph: Graph, bits: InputBits | Layer | StackedBits, end: str) -> Sums:
    """Return the sums of all pools up to the next quantizer; of its own a bit is a sum of -1 or +1."""
    first = _next_average(graph, bits.output)
    assert first is not None
    before = between(graph, bits.output, first.source)
    assert before is not None
    zero, one = (values_behind(graph, before, bits.output, each.exact()) for each in (bits.zero, bits.one))
    half = zero.lift(Fraction(1, 2))
    slope, offset = (Constant.of(each.values) for each in ((one - zero) * half, (one + zero) * half))
    none = np.zeros((0, 0), np.int8)
    sums = averaged(graph, Sums(bits.name, first.source, bits.output, none, slope, offset, np.array([-1, 1])), end)
    if sums.variants:
        raise InputError(
            f"Node {sums.averages[-1].name!r} (AveragePool) must have as many pixels below every position, "
            "not fewer at the border: leave out its padding"
        )
    return sums


def _element_of(sums: Sums) -> Integer:
    """Return the type of what the last of the pools adds up to."""
    element: Element = BIPOLAR
    for average in sums.averages:
        element = average.sum_pool(average.name, element).output_element
    assert isinstance(element, Integer)
    return element


def compared(graph: Graph, chain: Chain, element: Integer, source: Source, pools: tuple[Pooled, ...]) -> InputBits:
    """Return the bits of the quantizer behind sums, with max pools behind them."""
    codes = codes_of(graph, chain, source)
    low, high = levels_of(chain.quantizer, codes)
    channels = graph.size(chain.start)
    bits = np.broadcast_to(codes == high, (len(codes), channels))
    switch = switch_of(bits, chain.quantizer.name, "the sum of channel", source.points)
    thresholds = np.append(source.points, element.maximum + 1)[switch.place]
    zero, one = (code_value(graph, chain.quantizer, code) for code in (low, high))
    values = choose(switch.rising, zero, one), choose(switch.rising, one, zero)
    rising = replace(switch, rising=np.ones(channels, bool))
    for pool in pools:
        if between(graph, chain.quantizer.output, pool.tensor) is None:
            raise InputError(
                f"Node {pool.name!r} (MaxPool) must stand behind the quantizer {chain.quantizer.name!r}, "
                "not in front of it: pool bits"
            )
    if takes_and(graph, pools, chain, source, rising, (values[0].exact(), values[1].exact())).any():
        raise InputError(
            f"Node {pools[0].name!r} (MaxPool) must take bits that rise with the sums in front of the quantizer, "
            "not falling ones: use positive scales in front of it"
        )
    return InputBits(chain.quantizer.name, chain.quantizer.output, chain.start, element, thresholds, *values)


def _integers(
    graph: Graph, pool: BitSums, element: Integer, source: Source, following: Dense
) -> tuple[InputIntegers, Dense]:
    """Return sums that a layer takes as they are, and the layer."""
    for each in following.site.pools:
        raise InputError(
            f"Node {each.name!r} (MaxPool) must pool bits, not the sums of {pool.name!r}: put it behind a quantizer"
        )
    slope, offset = _affine(graph, pool, source, following.source, following)
    site, padding = following.site, following.site.padding
    if padding is not None:
        outside = _affine(graph, pool, source, padding.tensor, following)
        number = integer_outside(padding, source.points, outside[0].exact(), outside[1].exact())
        if number is None:
            raise InputError(
                f"Padding of node {padding.name!r} must be a number that a sum of {pool.name!r} stands for in all "
                f"channels, not {float(padding.value.exact().values.item()):g}: pad with such a number, or leave the "
                "padding out"
            )
        site = replace(site, pad=number)
    integers = InputIntegers(pool.name, pool.output, pool.source, element, slope, offset)
    return integers, replace(following, site=site)


def _affine(graph: Graph, pool: BitSums, source: Source, tensor: str, following: Dense) -> tuple[Constant, Constant]:
    """Return slope and offset of a tensor over the sums."""
    operations = between(graph, pool.output, tensor)
    assert operations is not None
    span = int(np.abs(source.points).max())
    try:
        start = Affine(source.slope.exact(), source.offset.exact(), span)
        affine = affine_behind(graph, operations, pool.output, start)
    except NotAffineError:
        raise InputError(
            f"Input of node {following.name!r} must be an affine function of the sums of {pool.name!r}, "
            "not one that bends: put a BipolarQuant in front of it"
        ) from None
    return Constant.of(affine.slope.values), Constant.of(affine.offset.values)
