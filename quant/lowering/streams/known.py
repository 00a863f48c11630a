"""The streams that are known so far, and how a tensor is read from them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dataflow import BIPOLAR, InputError
from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import (
    HardwareOperation,
    MatrixProduct,
    Requantization,
    Thresholding,
    WindowMaximum,
    WindowSum,
)
from quant.lowering.graph.operations import LinearLayer, MaxPooling, Operation, parameter_name
from quant.lowering.graph.walks import Chain, between, last_quantizer, needed_quantizers, pools_among, readings
from quant.lowering.streams.codes import Codes, codes_stream, pools_after_codes, tabled, tabled_bits
from quant.lowering.streams.frames import Frame
from quant.lowering.streams.functions import BendsError, affine_of, code_value, codes_of, directions_of
from quant.lowering.streams.runs import Runs
from quant.lowering.streams.stream import IntegerStream, points_within
from quant.lowering.streams.switches import SeveralChangesError, one_bit_levels
from quant.lowering.streams.thresholds import bits_stream, cut

__all__ = ["KnownStreams"]


class KnownStreams:
    """What hardware makes so far.

    Attributes
    ----------
    streams : by tensor, in the order in which they are made; None where nothing is known of one
    kept : the operations of the hardware
    """

    def __init__(self, graph: Graph, frame: Frame) -> None:
        self.graph = graph
        self.frame = frame
        self.streams: dict[str, IntegerStream | None] = {frame.stream.tensor: frame.stream}
        self.kept: list[HardwareOperation] = []

    def shape_of(self, operation: HardwareOperation) -> tuple[int, ...]:
        """Return the shape of what an operation of the hardware makes."""
        shapes, name = self.graph.shapes, operation.output
        return shapes[name] if name in shapes else shapes[name.rpartition("\0")[0]]

    def keep(self, operation: HardwareOperation, stream: IntegerStream) -> IntegerStream:
        """Add an operation and the stream that it makes."""
        self.kept.append(operation)
        self.streams[stream.tensor] = stream
        return stream

    def read(self, tensor: str, reader: str, *, added: bool = False) -> IntegerStream | None:
        """Return the stream to read a tensor from: of bits or codes if a quantizer is on the way to it.

        Parameters
        ----------
        added : whether it is added to others, for which bits have no use
        """
        name = self._nearest(tensor, reader)
        stream = self.streams[name]
        if stream is None:
            return self._assumed(name, tensor)
        while not stream.of_bits and (made := self._next(stream, tensor, added=added)) is not None:
            stream = made
        steps = between(self.graph, stream.tensor, tensor)
        assert steps is not None
        for pool in pools_among(steps):
            stream = self._maximum(pool, stream)
        return stream

    def _next(self, stream: IntegerStream, tensor: str, *, added: bool) -> IntegerStream | None:
        """Return the stream of the next quantizer on the way to a tensor; None if none is needed."""
        for chain in needed_quantizers(self.graph, stream.tensor, tensor):
            runs = codes_of(self.graph, chain, stream)
            several = one_bit_levels(chain.quantizer) is None
            made = None if several and added else self._compared(stream, chain, runs)
            made = made or (self._requantized(stream, chain, runs) if several else None)
            if made is not None:
                return made
        return None

    def _nearest(self, tensor: str, reader: str) -> str:
        for name in reversed(self.streams):
            if between(self.graph, name, tensor) is not None:
                return name
        raise InputError(
            f"Node {reader!r} must read what a layer or the input's quantizer makes, not the model's input beside it"
        )

    def _assumed(self, start: str, tensor: str) -> IntegerStream | None:
        """Return what a quantizer makes of a stream of which nothing is known; None without a quantizer."""
        chain = last_quantizer(self.graph, start, tensor)
        levels = None if chain is None else one_bit_levels(chain.quantizer)
        if chain is None or (levels is None and not self._follows_layer(start)):
            return None
        if levels is None:
            low, high = (chain.quantizer.attributes[end] for end in ("low", "high"))
            made = codes_stream(self.graph, chain, points_within(low, high, 1))
        else:
            zero, one = (code_value(self.graph, chain.quantizer, code) for code in levels)
            made = bits_stream(chain.quantizer.name, chain.quantizer.output, zero, one)
        self.streams[made.tensor] = made
        return made

    def _follows_layer(self, tensor: str) -> bool:
        """Return whether a tensor depends on a layer, and so is not the model's input before its quantizer."""
        waiting = [tensor]
        while waiting:
            operation = self.graph.operation_of(waiting.pop())
            if isinstance(operation, LinearLayer):
                return True
            waiting += operation.inputs if operation else ()
        return False

    def affine(self, stream: IntegerStream, tensor: str, reader: Operation) -> tuple[Exact, Exact]:
        """Return slope and offset of a tensor over the points of a stream, () or (channels,)."""
        steps = between(self.graph, stream.tensor, tensor)
        assert steps is not None
        if stream.variants:
            raise InputError(
                f"Node {stream.name!r} (AveragePool) must have as many pixels below every position, "
                "not fewer at the border: leave out its padding"
            )
        try:
            return affine_of(self.graph, steps, stream)
        except BendsError as error:
            raise InputError(self._bent(stream, tensor, reader, error.point)) from None

    def _bent(self, stream: IntegerStream, tensor: str, reader: Operation, point: int) -> str:
        """Return why a reader cannot take integers."""
        thing = f"Input of node {reader.name!r}"
        if stream is not self.frame.stream:
            return (
                f"{thing} must be an affine function of {stream.label}, not one that bends: "
                "put a BipolarQuant, or a Quant, before it, as xnorflow quantize does"
            )
        kind = "the codes of a frame" if self.frame.kind == "quant" else "the pixels of a frame"
        return (
            f"{thing} must be an affine function of {kind}, not one that bends at {point}: "
            "put a BipolarQuant, or a Quant, before it, as xnorflow quantize does"
        )

    def _compared(self, stream: IntegerStream, chain: Chain, runs: Runs) -> IntegerStream | None:
        """Return a quantizer's bits, the max pools before it moved after them; None if it has more than two codes."""
        channels = self.graph.size(chain.start)
        try:
            invertible = self.is_invertible(stream, chain.quantizer.output)
            made = cut(self.graph, chain, stream, runs, channels, invertible=invertible)
        except SeveralChangesError:
            if pools_among(chain.before) or not self._may_be_tabled(stream):
                raise
            return self._tabled(stream, chain, tabled_bits(self.graph, chain, stream, runs, channels))
        if made is None:
            return None
        if made.inverted.any():
            self.invert(stream.tensor, made.inverted)
        self._keep_before_pools(
            chain, lambda output: Thresholding(chain.quantizer.name, output, (stream.tensor,), made.thresholds)
        )
        self.streams[chain.quantizer.output] = made.bits
        return made.bits

    def _keep_before_pools(self, chain: Chain, operation_into: Callable[[str], HardwareOperation]) -> None:
        """Add what a quantizer becomes, and after it the max pools before the quantizer."""
        output, pools = chain.quantizer.output, pools_among(chain.before)
        tensors = [parameter_name(output, f"bits{index}" if index else "bits") for index in range(len(pools))]
        tensors.append(output)
        self.kept.append(operation_into(tensors[0]))
        for pool, source, target in zip(pools, tensors[:-1], tensors[1:], strict=True):
            self.kept.append(WindowMaximum(pool.name, target, (source,), pool.window, pool.image))

    def _may_be_tabled(self, stream: IntegerStream) -> bool:
        return stream is not self.frame.stream or self.frame.requantized

    def _requantized(self, stream: IntegerStream, chain: Chain, runs: Runs) -> IntegerStream | None:
        """Return a quantizer's codes; None where they are an affine function of the points, or must not be made.

        Max pools before it come after it where they can, so that they take the maximum of fewer bits, else first.
        """
        if not self._may_be_tabled(stream) or (runs.on_a_line and not stream.variants):
            return None
        pools, rising = pools_among(chain.before), stream
        for pool in pools:
            rising = self._rising(rising, pool)
        codes = tabled(self.graph, chain, rising, runs if rising is stream else codes_of(self.graph, chain, rising))
        if pools and not pools_after_codes(self.graph, chain, rising, codes):
            return self._maximum(pools[0], rising)
        return self._tabled(rising, chain, codes)

    def _tabled(self, stream: IntegerStream, chain: Chain, codes: Codes) -> IntegerStream:
        """Return the stream of a table of codes, or of bits."""
        made, of_bits = codes.stream, codes.stream.of_bits
        self._keep_before_pools(
            chain,
            lambda output: Requantization(
                chain.quantizer.name, output, (stream.tensor,), codes.runs, (made.low, made.high), of_bits
            ),
        )
        self.streams[chain.quantizer.output] = made
        return made

    def _rising(self, stream: IntegerStream, pool: MaxPooling) -> IntegerStream:
        """Return the stream, inverted where it can be in channels in which what a max pool reads only falls."""
        before = between(self.graph, stream.tensor, pool.source)
        assert before is not None
        falling = self.by_channel(directions_of(self.graph, before, stream) < 0, pool.source)
        if falling.any() and self.is_invertible(stream, pool.output):
            return self.invert(stream.tensor, falling)
        return stream

    def _maximum(self, pool: MaxPooling, stream: IntegerStream) -> IntegerStream:
        """Return the stream of a max pool of bits, or of integers."""
        slope, offset = self.affine(stream, pool.source, pool)
        falling = self.by_channel(slope.signs() < 0, pool.source)
        if falling.any():
            if not self.is_invertible(stream, pool.output):
                raise InputError(
                    f"Node {pool.name!r} (MaxPool) must take numbers that rise with {stream.label}, "
                    f"not falling ones as in channel {int(falling.argmax())}: use positive scales before it"
                )
            stream = self.invert(stream.tensor, falling)
            slope, offset = self.affine(stream, pool.source, pool)
        made = replace(
            stream,
            name=pool.name,
            tensor=pool.output,
            slope=Constant.of(slope.values),
            offset=Constant.of(offset.values),
        )
        return self.keep(WindowMaximum(pool.name, pool.output, (stream.tensor,), pool.window, pool.image), made)

    def by_channel(self, values: np.ndarray, tensor: str) -> np.ndarray:
        """Return numbers for all channels of a tensor."""
        return np.broadcast_to(values, (self.graph.size(tensor),))

    def is_invertible(self, stream: IntegerStream, through: str) -> bool:
        """Return whether a stream's points can be negated: sums that are read only by way of one tensor."""
        if stream.of_bits or any(stream.tensor in each.inputs for each in self.kept):
            return False
        if any(between(self.graph, through, tensor) is None for tensor, _ in readings(self.graph, stream.tensor)):
            return False
        return self._is_of_matrix(stream.tensor)

    def _is_of_matrix(self, tensor: str) -> bool:
        """Return whether a tensor is the sums of a matrix, or of pools that alone read them."""
        maker = self.maker(tensor)
        if isinstance(maker, MatrixProduct):
            # The least number of a type has no opposite in it.
            return maker.element == BIPOLAR or int(maker.weights.min()) > maker.element.minimum
        if not isinstance(maker, WindowSum):
            return False
        (source,) = maker.sources
        known = self.streams[source]
        alone = len(list(readings(self.graph, source))) == 1
        return known is not None and not known.of_bits and alone and self._is_of_matrix(source)

    def maker(self, tensor: str) -> HardwareOperation | None:
        """Return the operation of the hardware that makes a tensor."""
        return next((each for each in self.kept if each.output == tensor), None)

    def invert(self, tensor: str, channels: np.ndarray) -> IntegerStream:
        """Negate the points of some channels of a stream, in the rows of the matrix that makes them."""
        maker, stream = self.maker(tensor), self.streams[tensor]
        assert stream is not None
        if isinstance(maker, MatrixProduct):
            weights = np.where(channels[:, None], -maker.weights, maker.weights).astype(np.int8)
            shifts = None if maker.shifts is None else np.where(channels, -maker.shifts, maker.shifts)
            self.kept[self.kept.index(maker)] = replace(maker, weights=weights, shifts=shifts)
        else:
            assert isinstance(maker, WindowSum)
            self.invert(maker.sources[0], channels)
        inverted = stream.inverted(channels)
        self.streams[tensor] = inverted
        return inverted
