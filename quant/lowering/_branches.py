"""Networks whose branches meet: shortcuts, added up as integers or put beside each other.

Let the tensors that are added be ``a * i_k + o_k``, the ``i_k`` integers: bits as -1 and +1, a layer's sums, or what
was added before. If `a` is the same for all of them, in each channel, and positive, their sum is ``a * total + o`` with
the total of the integers and the sum of the `o_k`. So the hardware adds integers, and what follows is a function of one
integer, as behind a layer: a quantizer behind it compares the total with thresholds, the next layer or sum takes it as
it is.

What is put behind each other has its own values by channel, and needs no common scale.

A tensor may have several readers. Where all of them read the same quantizer's bits of a layer, the layer makes them;
else it emits its sums, and a comparison stands behind them for each quantizer. A comparison cannot be inverted: where a
bit falls with its integer, the two values that it stands for are exchanged, which a layer makes good but a sum cannot.
"""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from dataflow import InputError, signed_for
from quant.lowering._bit_averages import compared, settle_averages
from quant.lowering._layers import layer_of, sums_of
from quant.lowering.exact.numbers import Affine, Constant, Exact, NotAffineError
from quant.lowering.graph.chains import Source, affine_behind, between, find_chain, values_behind
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import InputBits, InputIntegers, Joined, Layer, StackedBits, StackedSums, Sums
from quant.lowering.graph.operations import Average, Dense, Join, Operation
from quant.lowering.graph.sites import Pooled

__all__ = ["absorb_branches"]

#: What makes a tensor of bits, or of integers, in hardware.
Bits = InputBits | Layer | StackedBits
Totals = Sums | Joined | StackedSums
Integers = InputIntegers | Totals


def absorb_branches(graph: Graph) -> Graph:
    """Return the graph with a `Joined` for each `Join`, and `Layer` and `Sums` as `absorb_chains` makes them.

    Raises
    ------
    InputError
        As `absorb_chains`, or numbers of different scales that are added.
    """
    return _Absorber(graph).run()


class _Absorber:
    """The graph as far as its streams are known.

    Attributes
    ----------
    streams : by tensor, what makes it in hardware
    kept : the operations so far
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.streams: dict[str, Bits | Integers] = {}
        self.kept: list[Operation] = []

    def run(self) -> Graph:
        for operation in self.graph.operations:
            if isinstance(operation, InputBits | InputIntegers):
                self._keep(operation)
            elif isinstance(operation, Dense):
                self._layer(operation)
            elif isinstance(operation, Join):
                self._keep(self._stacked(operation) if operation.stacked else self._joined(operation))
        last = self.kept[-1]
        behind = between(self.graph, last.output, self.graph.output) if isinstance(last, Sums) else None
        if behind is None:
            raise InputError(
                f"Output {self.graph.output!r} of the model must be scores of a layer, not a sum of several"
            )
        return self.graph.with_operations((*self.kept, *behind))

    def _keep(self, stream: Bits | Integers) -> None:
        self.kept.append(stream)
        self.streams[stream.output] = stream

    def _layer(self, dense: Dense) -> None:
        graph = self.graph
        bits, dense = self._read_by(dense)
        if isinstance(bits, Totals):
            bits, dense = self._integers(bits, dense)
        sums = sums_of(graph, dense, bits)
        readers = self._readers_of(sums.output)
        chains = [find_chain(graph, sums.output, tensor) for tensor, _, _ in readers]
        quantizers = [chain.quantizer.output for chain in chains if chain is not None]
        shared = [
            each for each in quantizers if all(between(graph, each, tensor) is not None for tensor, _, _ in readers)
        ]
        if not shared:
            self._keep(sums)
            return
        pools = dict.fromkeys(pool for _, _, each in readers for pool in each)
        self._keep(layer_of(graph, sums, shared[0], readers[0][1], tuple(pools)))

    def _readers_of(self, tensor: str) -> list[tuple[str, str, tuple[Pooled, ...]]]:
        """Return the tensors behind elementwise operators that are read otherwise, by whom, and pools before that."""
        found: list[tuple[str, str, tuple[Pooled, ...]]] = []
        for each in self.graph.operations:
            if isinstance(each, Dense):
                found.append((each.source, each.name, each.site.pools))
            elif isinstance(each, Average):
                found.append((each.source, each.name, ()))
            elif isinstance(each, Join):
                found += [(name, each.name, pools) for name, pools in zip(each.operands, each.pools, strict=True)]
        found.append((self.graph.output, "output", ()))
        return [each for each in found if between(self.graph, tensor, each[0]) is not None]

    def _read_by(self, dense: Dense) -> tuple[Bits | Integers, Dense]:
        """Return the stream that a layer reads, and the layer as it reads it."""
        averages = [each for each in self.graph.operations if isinstance(each, Average)]
        first, pool = dense.source, None
        for each in reversed(averages):
            if between(self.graph, each.output, first) is not None:
                first, pool = each.source, each
        if pool is None:
            return self._stream(dense.source, dense.name, dense.site.pools), dense
        bits = self._stream(first, pool.name, ())
        if not isinstance(bits, Bits):
            raise InputError(
                f"Node {pool.name!r} (AveragePool) must have bits in front of it in a network with shortcuts, "
                f"not the sums of {bits.name!r}: put a BipolarQuant in front of it"
            )
        added, found, dense = settle_averages(self.graph, bits, dense)
        self.kept += added
        return found, dense

    def _stream(self, tensor: str, reader: str, pools: tuple[Pooled, ...]) -> Bits | Integers:
        """Return the stream that is nearest to a tensor; a quantizer between them becomes one."""
        graph = self.graph
        streams = reversed(self.streams.items())
        nearest = next(each for name, each in streams if between(graph, name, tensor) is not None)
        if isinstance(nearest, Totals):
            chain = find_chain(graph, nearest.output, tensor)
            if chain is not None:
                span = signed_for(int(nearest.totals[0]), int(nearest.totals[-1]))
                bits = compared(graph, chain, span, _source_of(nearest), pools)
                self._keep(bits)
                return bits
            for pool in pools:
                raise InputError(
                    f"Node {pool.name!r} (MaxPool) must pool bits, not the sums of {nearest.name!r}: "
                    "put it behind a quantizer"
                )
        if isinstance(nearest, InputBits | StackedBits):
            self._check_pools(nearest, pools)
        return nearest

    def _check_pools(self, bits: InputBits | StackedBits, pools: tuple[Pooled, ...]) -> None:
        """Refuse max pools that are no OR of bits, which cannot be inverted; a layer's have been seen to."""
        for pool in pools:
            if between(self.graph, bits.output, pool.tensor) is None:
                raise InputError(
                    f"Node {pool.name!r} (MaxPool) must stand behind the quantizer {bits.name!r}, not in front of it: "
                    "pool bits"
                )
            zero, one = self._values(bits, pool.tensor)
            falling = np.atleast_1d((one - zero).signs() < 0)
            if falling.any():
                raise InputError(
                    f"Node {pool.name!r} (MaxPool) must take bits that rise with the numbers in front of the quantizer "
                    f"{bits.name!r}, not falling ones as in channel {int(falling.argmax())}: use positive scales there"
                )

    def _integers(self, stream: Totals, dense: Dense) -> tuple[InputIntegers, Dense]:
        """Return sums as the integers that a layer takes."""
        if dense.site.padding is not None:
            raise InputError(
                f"Padding of node {dense.site.padding.name!r} must stand behind a quantizer, "
                f"not behind the sums of {stream.name!r}"
            )
        slope, offset = self._affine(stream, dense.source, dense.name)
        element = signed_for(int(stream.totals[0]), int(stream.totals[-1]))
        integers = (Constant.of(slope.values), Constant.of(offset.values))
        return InputIntegers(stream.name, stream.output, stream.output, element, *integers), dense

    def _affine(self, stream: Totals, tensor: str, reader: str) -> tuple[Exact, Exact]:
        """Return slope and offset of a tensor over the totals of a stream."""
        operations = between(self.graph, stream.output, tensor)
        assert operations is not None
        start = Affine(stream.slope.exact(), stream.offset.exact(), int(np.abs(stream.totals).max()))
        try:
            affine = affine_behind(self.graph, operations, stream.output, start)
        except NotAffineError:
            raise InputError(
                f"Input of node {reader!r} must be an affine function of the sums of {stream.name!r}, "
                "not one that bends: put a BipolarQuant in front of it"
            ) from None
        return affine.slope, affine.offset

    def _joined(self, join: Join) -> Joined:
        sources, slopes, offsets, totals = [], [], [], []
        for tensor, pools in zip(join.operands, join.pools, strict=True):
            stream = self._stream(tensor, join.name, pools)
            slope, offset, points = self._term(stream, tensor, join.name)
            sources.append(stream.output)
            slopes.append(slope)
            offsets.append(offset)
            totals.append(points)
        self._check_scales(join, sources, slopes)
        step = 2 if all((points % 2 == points[0] % 2).all() for points in totals) else 1
        low, high = (sum(int(points[end]) for points in totals) for end in (0, -1))
        offset = _sum(offsets)
        return Joined(
            join.name,
            join.output,
            tuple(sources),
            join.pools,
            False,
            Constant.of(slopes[0].values),
            Constant.of(offset.values),
            np.arange(low, high + 1, step),
        )

    def _term(self, stream: Bits | Integers, tensor: str, reader: str) -> tuple[Exact, Exact, np.ndarray]:
        """Return slope and offset of what is added, over the integers of a stream, and all these integers."""
        if isinstance(stream, Totals):
            return *self._affine(stream, tensor, reader), stream.totals
        zero, one = self._values(stream, tensor)
        half = zero.lift(Fraction(1, 2))
        return (one - zero) * half, (one + zero) * half, np.array([-1, 1])

    def _values(self, stream: Bits | Integers, tensor: str) -> tuple[Exact, Exact]:
        """Return the two values that a tensor of bits has."""
        assert isinstance(stream, Bits)
        behind = between(self.graph, stream.output, tensor)
        assert behind is not None
        values = (stream.zero.exact(), stream.one.exact())
        zero, one = (values_behind(self.graph, behind, stream.output, each) for each in values)
        return zero, one

    def _stacked(self, join: Join) -> StackedBits | StackedSums:
        pairs = zip(join.operands, join.pools, strict=True)
        streams = [self._stream(tensor, join.name, pools) for tensor, pools in pairs]
        of_bits = [isinstance(stream, Bits) for stream in streams]
        common = (join.name, join.output, tuple(stream.output for stream in streams), join.pools, True)
        sizes = [self.graph.size(tensor) for tensor in join.operands]
        if all(of_bits):
            ends = [self._values(stream, tensor) for stream, tensor in zip(streams, join.operands, strict=True)]
            zeros, ones = zip(*ends, strict=True)
            return StackedBits(*common, _behind(zeros, sizes), _behind(ones, sizes))
        if any(of_bits):
            bits, sums = (streams[of_bits.index(kind)].name for kind in (True, False))
            raise InputError(
                f"Node {join.name!r} (Concat) must put together bits, or sums, not the bits of {bits!r} and the sums "
                f"of {sums!r}: put a BipolarQuant behind the sums"
            )
        terms = [self._term(stream, tensor, join.name) for stream, tensor in zip(streams, join.operands, strict=True)]
        slopes, offsets, totals = zip(*terms, strict=True)
        return StackedSums(*common, _behind(slopes, sizes), _behind(offsets, sizes), np.unique(np.concatenate(totals)))

    def _check_scales(self, join: Join, sources: list[str], slopes: list[Exact]) -> None:
        labels = [self.streams[name].name for name in sources]
        for label, slope in zip(labels, slopes, strict=True):
            falling = np.atleast_1d(slope.signs() <= 0)
            if falling.any():
                raise InputError(
                    f"Node {join.name!r} (Add) must add numbers that rise with the integers of {label!r}, "
                    f"not fall as in channel {int(falling.argmax())}: use positive scales in front of it"
                )
            differs = np.atleast_1d((slope - slopes[0]).signs() != 0)
            if differs.any():
                channel = int(differs.argmax())
                scales = [float(_at(each, channel)) for each in (slopes[0], slope)]
                raise InputError(
                    f"Node {join.name!r} (Add) must add numbers of one scale, not steps of {scales[0]:g} of "
                    f"{labels[0]!r} and {scales[1]:g} of {label!r} in channel {channel}: "
                    "share one quantizer, or one scale, between them"
                )


def _behind(numbers: Iterable[Exact], sizes: Iterable[int]) -> Constant:
    """Return numbers by channel, () or (channels,), one stream's behind the other's."""
    pairs = zip(numbers, sizes, strict=True)
    return Constant.of(np.concatenate([np.broadcast_to(each.values, (size,)) for each, size in pairs]))


def _source_of(stream: Totals) -> Source:
    return Source(stream.totals, stream.slope, stream.offset)


def _sum(numbers: list[Exact]) -> Exact:
    total = numbers[0]
    for each in numbers[1:]:
        total = total + each
    return total


def _at(numbers: Exact, channel: int) -> Fraction:
    flat = numbers.values.ravel()
    number: Fraction = flat[channel if flat.size > 1 else 0]
    return number
