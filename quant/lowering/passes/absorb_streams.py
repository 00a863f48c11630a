"""The model's operations become the hardware's, stream by stream.

Every tensor that hardware makes is an `IntegerStream`. What reads a tensor finds the nearest stream from which
elementwise operators and max pools lead to it. A quantizer to two codes on that way makes the stream end in bits, by a
comparison, and one to more codes in codes; without one the reader takes the integers themselves, if what it reads is an
affine function of them. That holds for all readers, whether a layer, a pool, a sum of branches or the end, and for all
streams, whatever made them.

A tensor may have several readers. Where all of them read the same quantizer's bits of a layer, its rows can be
inverted and its thresholds go into it (`fuse_thresholds`); else its sums are a stream, compared by each quantizer.

What cannot be lowered is noted, and its tensor is a stream of which nothing is known, until the next quantizer makes
bits of it. So every cause is reported, and none that only follows from another.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import gcd
from operator import add

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.graph.ends import POSITIONS, End
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import (
    BranchSum,
    ChannelSelection,
    ClassDecision,
    Concatenation,
    MatrixProduct,
    PixelRearrangement,
    PositionDecision,
    Thresholding,
    WindowSum,
)
from quant.lowering.graph.operations import (
    AveragePooling,
    ChannelChoice,
    Elementwise,
    Join,
    LinearLayer,
    MaxPooling,
    Operation,
    PixelView,
    Refused,
    parameter_name,
)
from quant.lowering.graph.walks import Step, between
from quant.lowering.streams.averages import averaged
from quant.lowering.streams.branches import factors_of, side_by_side
from quant.lowering.streams.frames import Frame, frames_of
from quant.lowering.streams.functions import BendsError, affine_of
from quant.lowering.streams.known import KnownStreams
from quant.lowering.streams.moves import moved
from quant.lowering.streams.outside import padded_sums
from quant.lowering.streams.products import integer_product
from quant.lowering.streams.scores import keys_of, meaning_of
from quant.lowering.streams.stream import IntegerStream, points_within, union_of

__all__ = ["absorb_streams"]

#: Operators after which no score may be below 0.
_BENDING = {"Abs", "Clip", "HardSigmoid", "HardSwish", "Max", "Pow", "Relu"}


def absorb_streams(graph: Graph) -> Graph:
    """Return the graph with operations of the hardware only.

    Where it is left open what a frame holds, pixels are tried first, then the codes of the input's own quantizer, then
    pixels of which the network makes codes.

    Raises
    ------
    InputError
        The kind of input asked for does not fit the model.
    """
    *others, last = frames_of(graph)
    for frame in others:  # of which the first that fits is taken; one that does not need not be tried to its end
        found = _Absorber(graph, frame, hasty=True).run()
        if found.refusals == graph.refusals:
            return found
    found = _Absorber(graph, last).run()
    if found.refusals == graph.refusals:
        return found
    return min([found, *(_Absorber(graph, frame).run() for frame in others)], key=lambda each: len(each.refusals))


class _Absorber:
    """The walk along the model's operations.

    Attributes
    ----------
    hasty : whether to stop at the first thing that cannot be lowered
    known : what hardware makes so far
    """

    def __init__(self, graph: Graph, frame: Frame, *, hasty: bool = False) -> None:
        self.graph = graph
        self.hasty = hasty
        self.frame = frame
        self.known = KnownStreams(graph, frame)
        self.refusals = list(graph.refusals)

    def run(self) -> Graph:
        for operation in self.graph.operations:
            if isinstance(operation, Step):
                continue
            self.known.streams[operation.output] = None
            if self.hasty and len(self.refusals) > len(self.graph.refusals):
                break
            with self._noting():
                made = self._made(operation)
                if made is not None:
                    self.known.streams[operation.output] = made
        ends = []
        for end in self.graph.ends:
            with self._noting():
                ends.append(self._end(end))
        metadata = {**self.graph.metadata, "input": self.frame.kind, **self.frame.metadata}
        if self.refusals:
            return replace(self.graph, refusals=tuple(self.refusals))
        sizes = {each.output: self.known.shape_of(each) for each in self.known.kept}
        shapes = {self.frame.stream.tensor: self.graph.shapes[self.graph.input], **sizes}
        return self.graph.with_operations(
            tuple(self.known.kept),
            shapes=shapes,
            input=self.frame.stream.tensor,
            ends=tuple(end for end in ends if end is not None),
            metadata=metadata,
            frame_element=self.frame.element,
            streams={name: stream for name, stream in self.known.streams.items() if stream is not None},
        )

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            self.refusals.append(str(error))

    def _made(self, operation: Operation) -> IntegerStream | None:
        """Return the stream that an operation of the model makes; None where nothing is known of what it reads."""
        if isinstance(operation, LinearLayer):
            return self._layer(operation)
        if isinstance(operation, AveragePooling):
            return self._average(operation)
        if isinstance(operation, Join):
            return self._concatenated(operation) if operation.concatenated else self._added(operation)
        if isinstance(operation, ChannelChoice | PixelView):
            return self._wired(operation)
        assert isinstance(operation, Refused)
        return None

    def _layer(self, layer: LinearLayer) -> IntegerStream | None:
        stream = self.known.read(layer.source, layer.name)
        if stream is None:
            one = Exact(np.array(Fraction(1), object))
            integer_product(layer, one, one - one)  # whatever it reads, its weights are small integers
            return None
        product = integer_product(layer, *self.known.affine(stream, layer.source, layer))
        site, shifts, totals = padded_sums(self.graph, layer, stream, product.weights)
        made = MatrixProduct(layer.name, layer.output, (stream.tensor,), product.weights, site, shifts)
        return self.known.keep(made, IntegerStream(layer.name, layer.output, totals, product.slope, product.offset))

    def _average(self, average: AveragePooling) -> IntegerStream | None:
        stream = self.known.read(average.source, average.name)
        if stream is None:
            return None
        slope, offset = self.known.affine(stream, average.source, average)
        made = averaged(average, stream, slope, offset)
        return self.known.keep(
            WindowSum(average.name, average.output, (stream.tensor,), average.window, average.image), made
        )

    def _wired(self, operation: ChannelChoice | PixelView) -> IntegerStream | None:
        """Return the stream of numbers that are only moved; sums that fall are inverted as in front of an Add."""
        stream = self.known.read(operation.source, operation.name)
        if stream is None:
            return None
        slope, offset = self._rising(stream, operation.source, operation)
        made = replace(
            self.known.streams[stream.tensor] or stream,
            name=operation.name,
            tensor=operation.output,
            slope=Constant.of(moved(operation, slope, stream)),
            offset=Constant.of(moved(operation, offset, stream)),
        )
        sources = (stream.tensor,)
        if isinstance(operation, ChannelChoice):
            return self.known.keep(
                ChannelSelection(operation.name, operation.output, sources, operation.channels), made
            )
        kept = PixelRearrangement(operation.name, operation.output, sources, operation.loops, operation.image)
        return self.known.keep(kept, made)

    def _operands(self, join: Join) -> list[tuple[IntegerStream, Exact, Exact]] | None:
        """Return what a join reads, each with slope and offset; None where nothing is known of an operand."""
        found = []
        for tensor in join.operands:
            with self._noting():  # so that each operand's own cause is reported
                stream = self.known.read(tensor, join.name, added=not join.concatenated)
                if stream is not None:
                    found.append((stream, *self._term(stream, tensor, join)))
        return found if len(found) == len(join.operands) else None

    def _term(self, stream: IntegerStream, tensor: str, join: Join) -> tuple[Exact, Exact]:
        """Return slope and offset of an operand; sums that only an Add reads are inverted where they would fall."""
        if join.concatenated or join.operands.count(tensor) > 1:
            return self.known.affine(stream, tensor, join)
        return self._rising(stream, tensor, join)

    def _rising(self, stream: IntegerStream, tensor: str, reader: Operation) -> tuple[Exact, Exact]:
        """Return slope and offset of a tensor, after inverting sums that nothing else reads where they would fall."""
        slope, offset = self.known.affine(stream, tensor, reader)
        falling = self.known.by_channel(slope.signs() < 0, tensor)
        if not falling.any():
            return slope, offset
        if self.known.is_invertible(stream, tensor):
            self.known.invert(stream.tensor, falling)
            slope = Exact(np.where(falling, (-slope).values, slope.values))
        return slope, offset

    def _added(self, join: Join) -> IntegerStream | None:
        operands = self._operands(join)
        if operands is None:
            return None
        known, slopes, offsets = zip(*operands, strict=True)
        factors = factors_of(join, known, slopes)
        weighted = list(zip(factors, known, strict=True))
        low = sum(factor * stream.low for factor, stream in weighted)
        high = sum(factor * stream.high for factor, stream in weighted)
        step = gcd(*(factor * stream.step for factor, stream in weighted))
        unit = slopes[0] * slopes[0].lift(Fraction(1, factors[0]))
        made = IntegerStream(
            join.name, join.output, points_within(low, high, step), _constant(unit), _constant(reduce(add, offsets))
        )
        sources = tuple(stream.tensor for stream in known)
        return self.known.keep(BranchSum(join.name, join.output, sources, factors, (low, high)), made)

    def _concatenated(self, join: Join) -> IntegerStream | None:
        operands = self._operands(join)
        if operands is None:
            return None
        known, slopes, offsets = zip(*operands, strict=True)
        of_bits = [stream.of_bits for stream in known]
        if any(of_bits) and not all(of_bits):
            bits, sums = (known[of_bits.index(kind)].name for kind in (True, False))
            raise InputError(
                f"Node {join.name!r} (Concat) must put together bits, or integers, not the bits of {bits!r} and "
                f"the integers of {sums!r}: put a BipolarQuant after the integers"
            )
        sizes = [self.graph.size(tensor) for tensor in join.operands]
        points = union_of([stream.points for stream in known])
        affine = (side_by_side(slopes, sizes), side_by_side(offsets, sizes))
        made = IntegerStream(join.name, join.output, points, *affine, of_bits=all(of_bits))
        return self.known.keep(Concatenation(join.name, join.output, tuple(stream.tensor for stream in known)), made)

    def _end(self, end: End) -> End | None:
        """Return an output as hardware makes it: its class, positions, scores or bits; None where nothing is known."""
        stream = self.known.read(end.tensor, "the output")
        if stream is None:
            return None
        if stream is self.frame.stream:
            raise InputError(f"Output {end.name!r} of the model must be made by a layer, not be its input")
        slope, offset = self._affine_of_scores(stream, end)
        falling = self.known.by_channel(slope.signs() < 0, end.tensor)
        if falling.any() and self.known.is_invertible(stream, end.tensor):
            stream = self.known.invert(stream.tensor, falling)
            slope = Exact(np.where(falling, (-slope).values, slope.values))
            falling = np.zeros_like(falling)
        if falling.any() and end.kind != "scores":
            raise InputError(
                f"Output {end.name!r} of the model must rise with {stream.label}, "
                f"not fall as in channel {int(falling.argmax())}: use positive scales before it"
            )
        if stream.of_bits:
            return self._end_in_bits(end, stream, slope)
        self._place_whole(stream.tensor)
        spread = [Exact(np.broadcast_to(each.values, falling.shape)) for each in (slope, offset)]
        scores = meaning_of(stream, *spread)
        if end.kind == "scores":
            return replace(end, tensor=stream.tensor, scores=scores)
        output = parameter_name(end.tensor, f"{end.kind} of {end.name}")
        name = "arg_max" if len(self.graph.ends) == 1 else f"{end.name}_arg_max"
        if end.kind == "positions" or end.chosen == POSITIONS:
            self._check_depends(end, stream, slope)
            image = (*end.image[:2], len(falling))
            self.known.kept.append(PositionDecision(name, output, (stream.tensor,), image))
        else:
            keys = keys_of(stream, *spread)
            self.known.kept.append(ClassDecision(name, output, (stream.tensor,), *keys, end.image[:2]))
        return replace(end, tensor=output, scores=scores)

    def _end_in_bits(self, end: End, stream: IntegerStream, slope: Exact) -> End:
        if end.kind != "bits":
            raise InputError(
                f"Output {end.name!r} of the model must be scores, not {stream.label}: add a layer after them, or "
                "use outputs 'bits'"
            )
        self._check_depends(end, stream, slope)
        maker = self.known.maker(stream.tensor)
        if isinstance(maker, Thresholding):
            self._check_decides(maker)
        return replace(end, tensor=stream.tensor)

    def _check_depends(self, end: End, stream: IntegerStream, slope: Exact) -> None:
        constant = self.known.by_channel(slope.signs() == 0, end.tensor)
        if constant.any():
            what = "both" if stream.of_bits else "all"
            raise InputError(
                f"Output {end.name!r} of the model must depend on {stream.label}, "
                f"not be the same for {what} as in channel {int(constant.argmax())}: leave out what follows them"
            )

    def _check_decides(self, comparison: Thresholding) -> None:
        """Refuse scores that are at least 0 for every frame because an operator makes them so."""
        source = self.known.streams[comparison.sources[0]]
        assert source is not None
        if ((comparison.thresholds > source.low) & (comparison.thresholds <= source.high)).any():
            return
        for step in between(self.graph, source.tensor, comparison.output) or ():
            if isinstance(step, Elementwise) and step.kind in _BENDING:
                raise InputError(
                    f"Node {step.name!r} ({step.kind}) must leave scores below 0 and above, of which the bit "
                    "score >= 0 is taken, not make it the same for every frame: leave it out of the exported model"
                )

    def _affine_of_scores(self, stream: IntegerStream, end: End) -> tuple[Exact, Exact]:
        graph = self.graph
        steps = between(graph, stream.tensor, end.tensor)
        assert steps is not None
        try:
            return affine_of(graph, steps, stream)
        except BendsError:
            pass
        for index, step in enumerate(steps):
            try:
                affine_of(graph, steps[: index + 1], stream)
            except BendsError:
                kind = step.kind if not isinstance(step, MaxPooling) else "MaxPool"
                raise InputError(
                    f"Node {step.name!r} ({kind}) must be affine over the scores after the last layer, "
                    "not bend them: leave it out of the exported model"
                ) from None
        raise AssertionError(end)

    def _place_whole(self, tensor: str) -> None:
        """Let a last convolution over the whole image be a dense layer."""
        maker = self.known.maker(tensor)
        if not isinstance(maker, MatrixProduct) or maker.site.window is None or maker.site.groups > 1:
            return
        if maker.site.window.kernel == maker.site.image[:2] and not any(maker.site.window.padding):
            self.known.kept[self.known.kept.index(maker)] = replace(maker, site=replace(maker.site, window=None))


def _constant(numbers: Exact) -> Constant:
    return Constant.of(numbers.values)
