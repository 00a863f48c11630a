"""Chains of elementwise operators between integers and a quantizer, evaluated over the whole range.

Nearly every code is decided by float64 intervals, all points and channels at once. What they leave open, the points
next to a step and on it, is evaluated in exact numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

import numpy as np

from quant.lowering.exact.intervals import Interval
from quant.lowering.exact.numbers import Affine, Constant, Exact
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise
from quant.lowering.reading.elementwise import QUANTIZERS, apply

#: Numbers evaluated one by one; where there are more, first runs of points are, as intervals.
_block = 1 << 22
_run = 512

R = TypeVar("R", Interval, Exact)

__all__ = [
    "Chain",
    "Source",
    "affine_behind",
    "between",
    "code_value",
    "codes_of",
    "directions_of",
    "find_chain",
    "values_behind",
]


@dataclass(frozen=True, eq=False)
class Source:
    """What a chain starts from: ``slope * point + offset`` for every integer point.

    Parameters
    ----------
    points : (points,) int64, rising
    slope, offset : () or (channels,)
    """

    points: np.ndarray
    slope: Constant
    offset: Constant

    def interval(self) -> Interval:
        """Return all values, (points, channels or 1)."""
        return self.interval_between(self.points, self.points)

    def interval_between(self, first: np.ndarray, last: np.ndarray) -> Interval:
        """Return what holds the values at all points from `first` to `last`, (runs,) int64 each."""
        low = first.astype(np.float64)[:, None]
        points = Interval(low, low if last is first else last.astype(np.float64)[:, None])
        return points * self.slope.interval() + self.offset.interval()

    def exact(self, points: np.ndarray, channels: np.ndarray) -> Exact:
        """Return the values at pairs of a place in `points` and a channel."""
        return Constant(self.points[points].astype(np.float64)).exact() * _at(self.slope, channels) + _at(
            self.offset, channels
        )


@dataclass(frozen=True, eq=False)
class Chain:
    """Operators from a source to a quantizer.

    Parameters
    ----------
    start : the tensor that the chain reads
    before : the operators in front of the quantizer, in order
    quantizer : the last one
    """

    start: str
    before: tuple[Elementwise, ...]
    quantizer: Elementwise


def between(graph: Graph, start: str, end: str) -> tuple[Elementwise, ...] | None:
    """Return the elementwise operators that compute `end` from `start` alone, in order; None if others are needed."""
    needed, found = {end}, []
    for operation in reversed(graph.operations):
        if operation.output in needed and operation.output != start:
            if not isinstance(operation, Elementwise):
                return None
            found.append(operation)
            needed |= {name for name in operation.inputs if name not in graph.constants}
    reached = needed - {operation.output for operation in found}
    return tuple(reversed(found)) if reached == {start} else None


def find_chain(graph: Graph, start: str, end: str) -> Chain | None:
    """Return the chain to the last quantizer between two tensors on which alone `end` depends."""
    for operation in reversed(between(graph, start, end) or ()):
        if operation.kind in QUANTIZERS and between(graph, operation.output, end) is not None:
            before = between(graph, start, operation.output)
            assert before is not None
            return Chain(start, before[:-1], operation)
    return None


def codes_of(graph: Graph, chain: Chain, source: Source) -> np.ndarray:
    """Return the quantizer's code for every point and channel.

    Returns
    -------
    codes : (points, channels or 1) int64, int32 where there are very many
    """
    channels = max(1, *(graph.constants[name].size for name in _constants_of(graph, chain)), source.slope.size)
    channels = max(channels, source.offset.size)
    if len(source.points) * channels <= _block:
        return _codes_of(graph, chain, source)
    starts = np.arange(0, len(source.points), _run)
    ends = np.minimum(starts + _run, len(source.points)) - 1
    code = _code(chain, _intervals(graph, chain, source.interval_between(source.points[starts], source.points[ends])))
    shape = (len(starts), channels)
    decided = np.broadcast_to((code.low == code.high) & np.isfinite(code.low), shape)
    largest = max(abs(chain.quantizer.attributes.get(end, 1)) for end in ("low", "high"))
    first = np.where(decided, code.low, 0).astype(np.int32 if largest < 1 << 31 else np.int64)
    codes = np.repeat(first, ends - starts + 1, axis=0)
    for run in np.nonzero(~decided.all(axis=1))[0]:
        open_channels = np.nonzero(~decided[run])[0]
        here = slice(starts[run], ends[run] + 1)
        part = Source(source.points[here], *(_pick(each, open_channels) for each in (source.slope, source.offset)))
        codes[here, open_channels] = _codes_of(_restricted(graph, chain, open_channels), chain, part)
    return codes


def directions_of(graph: Graph, operations: Sequence[Elementwise], start: str, source: Source) -> np.ndarray:
    """Return how operators' results go with the points.

    Returns
    -------
    (channels or 1,) int64, by channel +1 where they never fall, -1 where they never rise and do fall, 0 for neither
    """
    operands = {name: graph.constants[name] for each in operations for name in each.inputs if name in graph.constants}
    values = _last(operations, start, {start: source.interval()} | {n: c.interval() for n, c in operands.items()})
    shape = np.broadcast_shapes(values.low.shape, (len(source.points), 1))
    low, high = (np.broadcast_to(end, shape) for end in (values.low, values.high))
    rising = np.asarray((low[1:] >= high[:-1]).all(axis=0))
    falling = np.asarray((high[1:] <= low[:-1]).all(axis=0))
    places = np.arange(len(source.points))
    for channel in np.nonzero(~rising & ~falling)[0]:
        channels = np.full(len(places), channel)
        tensors = {name: _at(constant, channels) for name, constant in operands.items()}
        exact = _last(operations, start, tensors | {start: source.exact(places, channels)}).values
        signs = Exact(exact[1:] - exact[:-1]).signs()
        rising[channel], falling[channel] = (signs >= 0).all(), (signs <= 0).all()
    return np.where(rising, 1, np.where(falling, -1, 0))


def _last(operations: Sequence[Elementwise], start: str, tensors: dict[str, R]) -> R:
    """Return what operators make of tensors, among which are their constants."""
    known = dict(tensors)
    for operation in operations:
        operands = [known[name] if name else None for name in operation.operands]
        known[operation.output] = apply(operation.kind, operands, operation.attributes)
    return known[operations[-1].output if operations else start]


def _intervals(graph: Graph, chain: Chain, start: Interval) -> dict[str, Interval]:
    return {name: graph.constants[name].interval() for name in _constants_of(graph, chain)} | {chain.start: start}


def _pick(constant: Constant, channels: np.ndarray) -> Constant:
    """Return one parameter for each of the channels, or the one for all."""
    return constant.map(lambda values: values[channels]) if constant.shape else constant


def _restricted(graph: Graph, chain: Chain, channels: np.ndarray) -> Graph:
    """Return the graph with the chain's parameters for some of the channels."""
    picked = {name: _pick(graph.constants[name], channels) for name in _constants_of(graph, chain)}
    return replace(graph, constants={**graph.constants, **picked})


def _codes_of(graph: Graph, chain: Chain, source: Source) -> np.ndarray:
    code = _code(chain, _intervals(graph, chain, source.interval()))
    shape = np.broadcast_shapes(code.low.shape, (len(source.points), 1))
    decided = np.broadcast_to((code.low == code.high) & np.isfinite(code.low), shape)
    codes = np.where(decided, code.low, 0).astype(np.int64)
    points, channels = np.nonzero(~decided)
    if len(points):
        exact = {name: _at(graph.constants[name], channels) for name in _constants_of(graph, chain)}
        exact[chain.start] = source.exact(points, channels)
        codes[points, channels] = _code(chain, exact).values.astype(np.int64)
    return codes


def code_value(graph: Graph, quantizer: Elementwise, code: int) -> Exact:
    """Return the number that a quantizer's code stands for, () or (channels,)."""
    operands = [Exact(np.array(Fraction(code), object))]
    operands += [graph.constants[name].exact() for name in quantizer.operands[1:]]
    value: Exact = QUANTIZERS[quantizer.kind].value(operands, quantizer.attributes)
    return value


def values_behind(graph: Graph, operations: Sequence[Elementwise], start: str, values: Exact) -> Exact:
    """Return what operators make of exact values of `start`, of which the last dimension is the channels."""
    tensors = {start: values}
    for operation in operations:
        operands = [
            None if not name else tensors[name] if name in tensors else graph.constants[name].exact()
            for name in operation.operands
        ]
        tensors[operation.output] = apply(operation.kind, operands, operation.attributes)
    return tensors[operations[-1].output] if operations else values


def affine_behind(graph: Graph, operations: Sequence[Elementwise], start: str, affine: Affine) -> Affine:
    """Return what operators make of affine functions.

    Raises
    ------
    NotAffineError
        An operator bends one.
    """
    tensors = {start: affine}
    for operation in operations:
        for name in operation.inputs:
            if name in graph.constants:
                values = graph.constants[name].exact()
                tensors[name] = Affine(values - values, values, affine.span)
        operands = [tensors[name] if name else None for name in operation.operands]
        tensors[operation.output] = apply(operation.kind, operands, operation.attributes)
    return tensors[operations[-1].output] if operations else affine


def _constants_of(graph: Graph, chain: Chain) -> set[str]:
    operations = (*chain.before, chain.quantizer)
    return {name for operation in operations for name in operation.inputs if name in graph.constants}


def _at(constant: Constant, channels: np.ndarray) -> Exact:
    return _pick(constant, channels).exact()


def _code(chain: Chain, tensors: dict[str, R]) -> R:
    for operation in chain.before:
        operands = [tensors[name] if name else None for name in operation.operands]
        tensors[operation.output] = apply(operation.kind, operands, operation.attributes)
    quantizer = QUANTIZERS[chain.quantizer.kind]
    operands = [tensors[name] if name else None for name in chain.quantizer.operands]
    argument: R = quantizer.argument(operands, chain.quantizer.attributes)
    return argument.step(quantizer.step(chain.quantizer.attributes))
