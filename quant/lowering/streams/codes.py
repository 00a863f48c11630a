"""The ending "points to codes": a quantizer of several bits becomes a table over the points of a stream.

Its code at every point is evaluated exactly, as that of one bit is. What the hardware does for it, comparisons, a
multiplication or a memory, is chosen where the operation becomes a node, and equals the table at every point.

A bit that changes more than once over the range, as after a PReLU with a negative slope, is a table of two codes.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.exact.surds import divide
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.walks import Chain, between, pools_among
from quant.lowering.streams.functions import code_value, directions_of
from quant.lowering.streams.runs import Runs
from quant.lowering.streams.stream import IntegerStream, points_within
from quant.lowering.streams.switches import levels_of
from quant.lowering.streams.thresholds import bits_stream, check_variants, wanted_later

__all__ = ["Codes", "codes_stream", "pools_after_codes", "tabled", "tabled_bits"]


@dataclass(frozen=True, eq=False)
class Codes:
    """A quantizer as a table over a stream's points.

    Parameters
    ----------
    runs : codes, or bits 0 and 1
    stream : what the codes stand for
    """

    runs: Runs
    stream: IntegerStream


def tabled(graph: Graph, chain: Chain, stream: IntegerStream, runs: Runs) -> Codes:
    """Return the table of a quantizer's codes, which are given as runs over the points of a stream."""
    check_variants(graph, chain, stream, runs)
    low, high = runs.span
    # The code of zero as well, with which images are padded.
    zeros = [0, *_zero_points(graph, chain)]
    least, most = (chain.quantizer.attributes[end] for end in ("low", "high"))
    within = [zero for zero in zeros if least <= zero <= most]
    points = points_within(min([low, *within]), max([high, *within]), 1)
    return Codes(runs.joined(), codes_stream(graph, chain, points))


def _zero_points(graph: Graph, chain: Chain) -> list[int]:
    """Return the code of zero if it is a whole number, the same for all channels."""
    quantizer = chain.quantizer
    zero, one = (code_value(graph, quantizer, code).values.ravel() for code in (0, 1))
    places = {divide(-each, step) for each, step in zip(zero, one - zero, strict=False)}
    return [int(place) for place in places if isinstance(place, Fraction) and place.denominator == 1][:1]


def codes_stream(graph: Graph, chain: Chain, points: np.ndarray) -> IntegerStream:
    """Return the stream of a quantizer's codes."""
    quantizer = chain.quantizer
    zero, one = (code_value(graph, quantizer, code) for code in (0, 1))
    slope, offset = Constant.of((one - zero).values), Constant.of(zero.values)
    return IntegerStream(quantizer.name, quantizer.output, points, slope, offset, numbers="codes")


def tabled_bits(graph: Graph, chain: Chain, stream: IntegerStream, runs: Runs, channels: int) -> Codes:
    """Return the table of the bits of a quantizer with two codes, which are given as runs.

    Bits that later max pools ask to rise do so.
    """
    levels = levels_of(chain.quantizer, runs)
    assert levels is not None
    check_variants(graph, chain, stream, runs)
    zero, one = (code_value(graph, chain.quantizer, code) for code in levels)
    falls = np.broadcast_to(wanted_later(graph, chain, (zero, one)) < 0, (channels,))
    bits = runs.codes == levels[1]
    if falls.any():
        bits = bits ^ falls[:, None]
        zero, one = (Exact(np.where(falls, yes.values, no.values)) for no, yes in ((zero, one), (one, zero)))
    made = bits_stream(chain.quantizer.name, chain.quantizer.output, zero, one)
    return Codes(runs.with_codes(bits.astype(np.int64)).joined(), made)


def pools_after_codes(graph: Graph, chain: Chain, stream: IntegerStream, codes: Codes) -> bool:
    """Return whether max pools before a quantizer may as well take the maximum of its codes."""
    rises = codes.runs.codes[:, 1:] >= codes.runs.codes[:, :-1]
    for pool in pools_among(chain.before):
        before = between(graph, chain.start, pool.source)
        assert before is not None
        if (directions_of(graph, before, stream) != 1).any():
            return False
    return bool(rises.all())
