"""Functions of one integer: operators between a stream and what reads it, evaluated over the whole range.

Nearly every code is decided by float64 intervals, all points and channels at once. What they leave open, the points
next to a step and on it, is evaluated in exact numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

import numpy as np

from quant.lowering.exact.directions import OPEN, Direction
from quant.lowering.exact.intervals import Interval
from quant.lowering.exact.numbers import Affine, Constant, Exact, NotAffineError
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise, MaxPooling
from quant.lowering.graph.walks import Chain, Step
from quant.lowering.reading.elementwise import QUANTIZERS, apply
from quant.lowering.streams.runs import Runs
from quant.lowering.streams.stream import IntegerStream, pick

#: Up to this many numbers are evaluated one by one. Of more, runs of points are evaluated as intervals, and those that
#: intervals leave open are split into this many parts.
_block = 1 << 18
_parts = 16

R = TypeVar("R", Interval, Exact, Affine, Direction)

__all__ = ["BendsError", "affine_of", "code_value", "codes_of", "directions_of", "values_of"]


class BendsError(Exception):
    """Operators are no affine function of a stream's points.

    Parameters
    ----------
    point : the last point before the first that does not lie on the line through the first two
    """

    def __init__(self, point: int) -> None:
        super().__init__(point)
        self.point = point


def codes_of(graph: Graph, chain: Chain, stream: IntegerStream) -> Runs:
    """Return the quantizer's codes over all points, of all channels or of one where they do not differ."""
    channels = max(1, *(graph.constants[name].size for name in _constants_of(graph, chain)), stream.slope.size)
    channels = max(channels, stream.offset.size)
    points = stream.points
    if len(points) * channels <= _block:
        return Runs.of(points, _codes_of(graph, chain, stream))
    found = list(_split_runs(graph, chain, stream, channels))
    channel, place, codes = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.lexsort((place, channel))
    return Runs.of_starts(points, channels, channel[order], place[order], codes[order])


def _split_runs(
    graph: Graph, chain: Chain, stream: IntegerStream, channels: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield channels, places and codes of runs of points that have one code each, and together are all.

    A run over which intervals leave more than one code open is split, down to single points.
    """
    constants = {name: graph.constants[name].interval() for name in _constants_of(graph, chain)}
    slope, offset = stream.slope.interval(), stream.offset.interval()
    waiting = [(np.zeros(channels, np.int64), np.arange(channels), len(stream.points))]
    while waiting:
        starts, channel, length = waiting.pop()
        if len(starts) * _parts > _block:
            half = len(starts) // 2
            waiting += [(starts[:half], channel[:half], length), (starts[half:], channel[half:], length)]
            continue
        part = -(-length // _parts)
        begins = starts + np.arange(0, length, part)[:, None]
        ends = np.minimum(begins + part, np.minimum(starts + length, len(stream.points))) - 1
        row, column = np.nonzero(begins <= ends)
        begin, end, channel = begins[row, column], ends[row, column], channel[column]
        low, high = (stream.points[each].astype(np.float64) for each in (begin, end))
        values = Interval(low, high) * slope.pick(channel) + offset.pick(channel)
        picked = {name: constant.pick(channel) for name, constant in constants.items()}
        code = _code(chain, picked | {chain.start: values})
        low, high = (np.broadcast_to(each, begin.shape) for each in (code.low, code.high))
        decided = (low == high) & np.isfinite(low)
        yield channel[decided], begin[decided], low[decided].astype(np.int64)
        begin, channel = begin[~decided], channel[~decided]
        if part > 1 and len(begin):
            waiting.append((begin, channel, part))
        elif len(begin):
            exact = {name: pick(graph.constants[name], channel).exact() for name in _constants_of(graph, chain)}
            exact[chain.start] = stream.exact(begin, channel)
            yield channel, begin, _code(chain, exact).values.astype(np.int64)


def directions_of(graph: Graph, steps: Sequence[Step], stream: IntegerStream) -> np.ndarray:
    """Return how operators' results go with the points.

    Returns
    -------
    (channels or 1,) int64, by channel +1 where they never fall, -1 where they never rise and do fall, 0 for neither
    """
    operands = {name: graph.constants[name] for each in steps for name in each.inputs if name in graph.constants}
    known = {name: Direction.of_constant(constant.exact()) for name, constant in operands.items()}
    by_form = _last(steps, stream.tensor, known | {stream.tensor: Direction(stream.slope.exact().signs())}).ways
    sizes = [constant.size for constant in (*operands.values(), stream.slope, stream.offset)]
    ways = np.broadcast_to(by_form, np.broadcast_shapes(by_form.shape, (max(sizes),))).copy()
    ways[ways == 0] = 1
    falling = np.nonzero(ways == -1)[0]  # or constant, as what is cut off on one side
    if len(falling):
        exact = {name: pick(constant, falling).exact() for name, constant in operands.items()}
        first, last = (
            _last(steps, stream.tensor, exact | {stream.tensor: stream.exact(np.full(len(falling), place), falling)})
            for place in (0, len(stream.points) - 1)
        )
        ways[falling] = np.where((last - first).signs() == 0, 1, -1)
    left = np.nonzero(ways == OPEN)[0]
    if len(left):
        ways[left] = _directions_by_points(steps, operands, stream, left)
    return ways


def _directions_by_points(
    steps: Sequence[Step], operands: Mapping[str, Constant], stream: IntegerStream, channels: np.ndarray
) -> np.ndarray:
    """Return how operators' results go with the points in some channels, by their values."""
    known = {name: constant.interval().pick(channels) for name, constant in operands.items()}
    points = Interval.of_floats(stream.points.astype(np.float64)[:, None])
    start = points * stream.slope.interval().pick(channels) + stream.offset.interval().pick(channels)
    values = _last(steps, stream.tensor, known | {stream.tensor: start})
    shape = (len(stream.points), len(channels))
    low, high = (np.broadcast_to(end, shape) for end in (values.low, values.high))
    rising = np.asarray((low[1:] >= high[:-1]).all(axis=0))
    falling = np.asarray((high[1:] <= low[:-1]).all(axis=0))
    places = np.arange(len(stream.points))
    for index in np.nonzero(~rising & ~falling)[0]:
        chosen = np.full(len(places), channels[index])
        tensors = {name: pick(constant, chosen).exact() for name, constant in operands.items()}
        exact = _last(steps, stream.tensor, tensors | {stream.tensor: stream.exact(places, chosen)}).values
        signs = Exact(exact[1:] - exact[:-1]).signs()
        rising[index], falling[index] = (signs >= 0).all(), (signs <= 0).all()
    return np.where(rising, 1, np.where(falling, -1, 0))


def code_value(graph: Graph, quantizer: Elementwise, code: int) -> Exact:
    """Return the number that a quantizer's code stands for, () or (channels,)."""
    operands = [Exact(np.array(Fraction(code), object))]
    operands += [graph.constants[name].exact() for name in quantizer.operands[1:]]
    value: Exact = QUANTIZERS[quantizer.kind].value(operands, quantizer.attributes)
    return value


def values_of(graph: Graph, steps: Sequence[Step], start: str, values: Exact) -> Exact:
    """Return what operators make of exact values of `start`, of which the last dimension is the channels."""
    operands = {name for step in steps for name in step.inputs if name in graph.constants}
    return _last(steps, start, {name: graph.constants[name].exact() for name in operands} | {start: values})


def affine_of(graph: Graph, steps: Sequence[Step], stream: IntegerStream) -> tuple[Exact, Exact]:
    """Return slope and offset, () or (channels,), of what operators make of a stream, over its points.

    Raises
    ------
    BendsError
        They are no affine function of the points.
    """
    slope, offset = stream.slope.exact(), stream.offset.exact()
    if not steps:
        return slope, offset
    if len(stream.points) == 2:  # a line goes through any two values
        return _line(graph, steps, stream)
    start = Affine(slope, offset, stream.reach)
    try:
        tensors = {
            name: _fixed(graph, name, start) for step in steps for name in step.inputs if name in graph.constants
        }
        affine = _last(steps, stream.tensor, tensors | {stream.tensor: start})
    except NotAffineError:  # operators may bend and the result be a line all the same
        slope, offset = _line(graph, steps, stream)
        _check_line(graph, steps, stream, slope, offset)
        return slope, offset
    return affine.slope, affine.offset


def _fixed(graph: Graph, name: str, like: Affine) -> Affine:
    values = graph.constants[name].exact()
    return Affine(values - values, values, like.span)


def _line(graph: Graph, steps: Sequence[Step], stream: IntegerStream) -> tuple[Exact, Exact]:
    """Return slope and offset of the line through the values at the first two points."""
    points = stream.points[:2].tolist()
    slope, offset = stream.slope.exact(), stream.offset.exact()
    first, second = (
        values_of(graph, steps, stream.tensor, slope * slope.lift(Fraction(point)) + offset) for point in points
    )
    rise = (second - first) * first.lift(Fraction(1, points[1] - points[0]))
    return rise, first - rise * first.lift(Fraction(points[0]))


def _check_line(graph: Graph, steps: Sequence[Step], stream: IntegerStream, slope: Exact, offset: Exact) -> None:
    """Refuse operators whose values are not all on a line; intervals find most that are not."""
    line = replace(stream, slope=Constant.of(slope.values), offset=Constant.of(offset.values))
    constants = {name for step in steps for name in step.inputs if name in graph.constants}
    known = {name: graph.constants[name].interval() for name in constants}
    enclosed, wanted = _last(steps, stream.tensor, known | {stream.tensor: stream.interval()}), line.interval()
    apart = (enclosed.low > wanted.high) | (enclosed.high < wanted.low)
    bent = np.broadcast_to(apart, np.broadcast_shapes(apart.shape, (len(stream.points), 1))).any(axis=1)
    if not bent.any():
        points = Constant(stream.points.astype(np.float64)[:, None]).exact()
        values = values_of(graph, steps, stream.tensor, points * stream.slope.exact() + stream.offset.exact())
        bent = (values - points * slope - offset).signs().any(axis=1)
    if bent.any():
        raise BendsError(int(stream.points[bent.argmax() - 1]))


def _last(steps: Sequence[Step], start: str, tensors: dict[str, R]) -> R:
    """Return what operators make of tensors, among which are their constants."""
    known = dict(tensors)
    for step in steps:
        if isinstance(step, MaxPooling):
            known[step.output] = known[step.source]
            continue
        operands = [known[name] if name else None for name in step.operands]
        known[step.output] = apply(step.kind, operands, step.attributes)
    return known[steps[-1].output if steps else start]


def _constants_of(graph: Graph, chain: Chain) -> set[str]:
    operations = (*chain.before, chain.quantizer)
    return {name for operation in operations for name in operation.inputs if name in graph.constants}


def _intervals(graph: Graph, chain: Chain, start: Interval) -> dict[str, Interval]:
    return {name: graph.constants[name].interval() for name in _constants_of(graph, chain)} | {chain.start: start}


def _codes_of(graph: Graph, chain: Chain, stream: IntegerStream) -> np.ndarray:
    code = _code(chain, _intervals(graph, chain, stream.interval()))
    shape = np.broadcast_shapes(code.low.shape, (len(stream.points), 1))
    decided = np.broadcast_to((code.low == code.high) & np.isfinite(code.low), shape)
    codes = np.where(decided, code.low, 0).astype(np.int64)
    points, channels = np.nonzero(~decided)
    if len(points):
        exact = {name: pick(graph.constants[name], channels).exact() for name in _constants_of(graph, chain)}
        exact[chain.start] = stream.exact(points, channels)
        codes[points, channels] = _code(chain, exact).values.astype(np.int64)
    return codes


def _code(chain: Chain, tensors: dict[str, R]) -> R:
    source = chain.quantizer.operands[0]
    known = {**tensors, source: _last(chain.before, chain.start, tensors)}
    quantizer = QUANTIZERS[chain.quantizer.kind]
    operands = [known[name] if name else None for name in chain.quantizer.operands]
    argument: R = quantizer.argument(operands, chain.quantizer.attributes)
    return argument.step(quantizer.step(chain.quantizer.attributes))
