"""Walks along the graph: which operators compute one tensor from another."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise, MaxPooling, Operation
from quant.lowering.reading.elementwise import QUANTIZERS

__all__ = [
    "Chain",
    "Step",
    "between",
    "last_quantizer",
    "needed_quantizers",
    "pools_among",
    "quantizers",
    "readings",
]

#: What a walk passes through. Nothing but the position of a number changes in a max pool, so a function of one number
#: is written as if the pool were not there; where it goes in hardware is decided by `streams.thresholds`.
Step = Elementwise | MaxPooling


@dataclass(frozen=True, eq=False)
class Chain:
    """Operators from a tensor to a quantizer.

    Parameters
    ----------
    start : the tensor that the chain reads
    before : the operators before the quantizer, in order
    quantizer : the last one
    """

    start: str
    before: tuple[Step, ...]
    quantizer: Elementwise


def between(graph: Graph, start: str, end: str) -> tuple[Step, ...] | None:
    """Return the operators that compute `end` from `start` alone, in order; None if others are needed."""
    needed, found = {end}, []
    for operation in reversed(graph.operations):
        if operation.output in needed and operation.output != start:
            if not isinstance(operation, Step):
                return None
            found.append(operation)
            needed |= {name for name in operation.inputs if name not in graph.constants}
    reached = needed - {operation.output for operation in found}
    return tuple(reversed(found)) if reached == {start} else None


def pools_among(steps: tuple[Step, ...]) -> tuple[MaxPooling, ...]:
    """Return the max pools of a walk, in order."""
    return tuple(step for step in steps if isinstance(step, MaxPooling))


def last_quantizer(graph: Graph, start: str, end: str) -> Chain | None:
    """Return the chain to the last quantizer between two tensors on which alone `end` depends."""
    *_, last = (None, *quantizers(graph, start, end))
    return last


def needed_quantizers(graph: Graph, start: str, end: str) -> Iterator[Chain]:
    """Yield the chains to the quantizers between two tensors whose codes are needed, in order.

    These are the last one's, and those of one before it that something else reads as well.
    """
    chains = list(quantizers(graph, start, end))
    for chain, following in zip_longest(chains, chains[1:]):
        if following is None or any(
            between(graph, following.quantizer.output, tensor) is None
            for tensor, _ in readings(graph, chain.quantizer.output)
        ):
            yield chain


def quantizers(graph: Graph, start: str, end: str) -> Iterator[Chain]:
    """Yield the chain to each quantizer between two tensors on which alone `end` depends, in order."""
    for step in between(graph, start, end) or ():
        if isinstance(step, Elementwise) and step.kind in QUANTIZERS and between(graph, step.output, end) is not None:
            before = between(graph, start, step.output)
            assert before is not None
            yield Chain(start, before[:-1], step)


def readings(graph: Graph, start: str) -> Iterator[tuple[str, Operation | None]]:
    """Yield what follows from a tensor by a walk and is read otherwise, each with its reader; None is the end."""
    for operation in graph.operations:
        if isinstance(operation, Step):
            continue
        for name in operation.inputs:
            if name not in graph.constants and between(graph, start, name) is not None:
                yield name, operation
    for end in graph.ends:
        if between(graph, start, end.tensor) is not None:
            yield end.tensor, None
