"""The ending "points to bits": a quantizer of a stream becomes one threshold per channel.

Bit ``b`` of the quantizer as a function of the point is evaluated at all points. If it rises at ``t``, hardware's bit
``h = (point >= t)`` is `b` itself; if it falls there, ``h = not b``: the two values that the bits stand for are
exchanged, which ends up as inverted columns of the next weights. Where the points are sums that nobody else reads, the
rows that make them can be inverted instead: ``h' = (-point >= 1 - t) = not h``, which is a free choice between the two.

What follows may ask for one of them. Of bits the hardware takes the OR. Let a max pool follow somewhere between the
stream and the next one, so that ``value = f(max(g(T_i)))``. Where f rises that is ``max(f(g(T_i)))``, so the pool
always moves after the bit, and where bit 1 then stands for the larger value it is the OR of the bits. Where bit 0
does, it would be their AND: the other bit has to be taken, since ``AND(h_i) = not OR(not h_i)``. An Add of branches
likewise needs bits whose values rise.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Join, MaxPooling
from quant.lowering.graph.walks import Chain, between, pools_among, readings
from quant.lowering.streams.functions import code_value, codes_of, directions_of, values_of
from quant.lowering.streams.runs import Runs
from quant.lowering.streams.stream import IntegerStream
from quant.lowering.streams.switches import Switch, levels_of, switch_of

__all__ = ["Cut", "bits_stream", "check_variants", "cut", "wanted_later"]

_HALF = Fraction(1, 2)


@dataclass(frozen=True, eq=False)
class Cut:
    """A comparison of a stream.

    Parameters
    ----------
    thresholds : (channels,) int64, ``bit = point >= threshold``, for the points as they are after the inversion
    inverted : (channels,) bool, of which channels the points are negated first
    bits : the stream of the bits
    """

    thresholds: np.ndarray
    inverted: np.ndarray
    bits: IntegerStream


def cut(
    graph: Graph, chain: Chain, stream: IntegerStream, codes: Runs, channels: int, *, invertible: bool
) -> Cut | None:
    """Return the comparison that a quantizer is; None if it has more than two codes.

    Parameters
    ----------
    codes : the quantizer's, over the points of the stream
    channels : how many the stream has
    invertible : whether the stream's points may be negated, channel by channel

    Raises
    ------
    InputError
        A channel's bit changes more than once, or pools ask for bits that cannot be had.
    """
    levels = levels_of(chain.quantizer, codes)
    if levels is None:
        return None
    low, high = levels
    check_variants(graph, chain, stream, codes)
    bits = codes.with_codes(np.broadcast_to(codes.codes == high, (channels, codes.codes.shape[1])).astype(np.int64))
    switch = switch_of(bits, chain.quantizer.name, stream.label)
    values = (code_value(graph, chain.quantizer, low), code_value(graph, chain.quantizer, high))
    # As they come, bits that fall are exchanged; with rows that can be inverted, none need be.
    exchanged = np.zeros(channels, bool) if invertible else ~switch.rising
    wanted = _wanted_by_pools(graph, chain, stream, switch, values)
    if invertible:
        wanted = _wanted_by_sums(graph, chain, values, wanted)
    wrong = np.broadcast_to(np.where(exchanged, -wanted, wanted) < 0, (channels,))
    # A bit that never changes is its opposite with the opposite threshold.
    swapped = wrong & _constant(switch, stream) & (not invertible)
    if (wrong & ~swapped).any() and not invertible:
        _refuse_falling(graph, chain, int((wrong & ~swapped).argmax()))
    place = np.where(swapped, len(stream.points) - switch.place, switch.place)
    exchanged = exchanged ^ wrong
    inverted = (exchanged ^ ~switch.rising) & ~swapped
    places = np.append(stream.points, stream.high + 1)[place]
    zero, one = _chosen(exchanged, *values), _chosen(exchanged, *reversed(values))
    # A layer's bits are called by the layer, those of a frame by what compares it.
    name = stream.name if stream.numbers == "sums" else chain.quantizer.name
    made = bits_stream(name, chain.quantizer.output, zero.exact(), one.exact())
    return Cut(np.where(inverted, 1 - places, places), inverted, made)


def bits_stream(name: str, tensor: str, zero: Exact, one: Exact) -> IntegerStream:
    """Return the stream of bits that stand for two numbers."""
    half = zero.lift(_HALF)
    slope, offset = (one - zero) * half, (one + zero) * half
    return IntegerStream(name, tensor, np.array([-1, 1]), _compact(slope), _compact(offset), of_bits=True)


def _compact(numbers: Exact) -> Constant:
    return Constant.of(numbers.values.reshape(()) if numbers.values.size == 1 else numbers.values)


def _chosen(where: np.ndarray, no: Exact, yes: Exact) -> Constant:
    """Return `yes` where true, by channel; without channels if it is nowhere."""
    return Constant.of(np.where(where, yes.values, no.values) if where.any() else no.values)


def check_variants(graph: Graph, chain: Chain, stream: IntegerStream, codes: Runs) -> None:
    """Refuse averages whose positions have different functions from the sum to the codes."""
    for slope, offset in stream.variants:
        other = replace(stream, slope=slope, offset=offset)
        if pools_among(chain.before) or not codes_of(graph, chain, other).equals(codes):
            raise InputError(
                f"Node {stream.name!r} (AveragePool) must have as many pixels below every position, "
                "not fewer at the border: leave out its padding"
            )


def _constant(switch: Switch, stream: IntegerStream) -> np.ndarray:
    return np.asarray((switch.place == 0) | (switch.place == len(stream.points)))


def _wanted_by_pools(
    graph: Graph, chain: Chain, stream: IntegerStream, switch: Switch, values: tuple[Exact, Exact]
) -> np.ndarray:
    """Return by channel +1 where the bit itself is asked for, -1 where the other one is, 0 where it does not matter.

    Raises
    ------
    InputError
        A pool after operators that neither rise nor fall, or two pools of which one takes the OR and one the AND.
    """
    constant = _constant(switch, stream)
    chosen = np.zeros((), np.int64)
    for pool in pools_among(chain.before):
        before = between(graph, chain.start, pool.source)
        assert before is not None
        inner = directions_of(graph, before, stream)
        _check(pool, np.where(constant, 1, inner) != 0, "operators that only rise or only fall before it")
        chosen = _agreed(pool, chosen, np.where(constant, 0, inner * np.where(switch.rising, 1, -1)))
    return wanted_later(graph, chain, values, chosen)


def wanted_later(
    graph: Graph, chain: Chain, values: tuple[Exact, Exact], chosen: np.ndarray | None = None
) -> np.ndarray:
    """Return which bit the max pools ask for that read bits, where nothing is chosen yet: +1, -1 or 0 by channel."""
    chosen = np.zeros((), np.int64) if chosen is None else chosen
    for pool in _later_pools(graph, chain.quantizer.output):
        chosen = _agreed(pool, chosen, _rise(graph, chain, pool.source, values))
    return chosen


def _wanted_by_sums(graph: Graph, chain: Chain, values: tuple[Exact, Exact], chosen: np.ndarray) -> np.ndarray:
    """Return what an Add of branches asks for where pools ask for nothing."""
    for tensor, reader in readings(graph, chain.quantizer.output):
        if isinstance(reader, Join) and not reader.concatenated:
            chosen = np.where(chosen == 0, _rise(graph, chain, tensor, values), chosen)
    return chosen


def _rise(graph: Graph, chain: Chain, tensor: str, values: tuple[Exact, Exact]) -> np.ndarray:
    """Return the sign of the difference that the quantizer's bit makes in a later tensor."""
    steps = between(graph, chain.quantizer.output, tensor)
    assert steps is not None
    zero, one = (values_of(graph, steps, chain.quantizer.output, value) for value in values)
    return (one - zero).signs()


def _later_pools(graph: Graph, start: str) -> list[MaxPooling]:
    """Return the max pools that read bits."""
    pools = (each for each in graph.operations if isinstance(each, MaxPooling))
    return [pool for pool in pools if between(graph, start, pool.source) is not None]


def _agreed(pool: MaxPooling, chosen: np.ndarray, direction: np.ndarray) -> np.ndarray:
    _check(pool, direction * chosen >= 0, "the direction of the pool before it up to the next quantizer")
    return np.asarray(np.where(chosen == 0, direction, chosen))


def _check(pool: MaxPooling, good: np.ndarray, rule: str) -> None:
    if not good.all():
        raise InputError(
            f"Node {pool.name!r} (MaxPool) must have {rule}, not others as in channel {int((~good).argmax())}: "
            "put it directly after the quantizer"
        )


def _refuse_falling(graph: Graph, chain: Chain, channel: int) -> None:
    pool = next(iter((*pools_among(chain.before), *_later_pools(graph, chain.quantizer.output))))
    raise InputError(
        f"Node {pool.name!r} (MaxPool) must take bits that rise with the numbers before the quantizer "
        f"{chain.quantizer.name!r}, not falling ones as in channel {channel}: use positive scales there"
    )
