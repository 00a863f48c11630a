"""The graph that the passes work on: typed operations from the input to the outputs.

Tensors have names, as in ONNX. A tensor is either a constant or computed by the one operation whose `output` it is;
one frame is computed at a time, so a batch dimension is 1.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from dataflow import Integer
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.ends import End
from quant.lowering.graph.operations import Operation
from quant.lowering.streams.stream import IntegerStream

__all__ = ["Graph"]


@dataclass(frozen=True, eq=False)
class Graph:
    """Operations in the order of computation.

    Parameters
    ----------
    shapes : shape of every tensor that depends on the input
    ends : the model's outputs
    constants : the others
    input_element : type of the input if the model takes integers, None if it takes floats
    input_kind : what a frame of the network holds, see `lower`
    frame_shape : shape in which people give a frame, channels last
    opset : version of the standard operators
    metadata : goes into the network
    image : (height, width, channels) of an input that goes into a convolution; () of another
    inferred_shapes : returns the shapes that the `onnx` package finds, for tensors of refused operators
    weight_tolerance : how far weights of a neuron may differ in size, see `lower`
    refusals : what cannot be lowered, one sentence each
    frame_element : type of what a frame of the network holds, once that is known
    streams : of the tensors that hardware makes, once they are known
    """

    name: str
    input: str
    ends: tuple[End, ...]
    operations: tuple[Operation, ...]
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Constant]
    input_element: Integer | None
    input_kind: str
    frame_shape: tuple[int, ...]
    opset: int
    metadata: Mapping[str, str]
    image: tuple[int, ...] = ()
    inferred_shapes: Callable[[], Mapping[str, tuple[int, ...]]] = dict
    weight_tolerance: float = 0.0
    refusals: tuple[str, ...] = ()
    frame_element: Integer | None = None
    streams: Mapping[str, IntegerStream] = field(default_factory=dict)

    def operation_of(self, tensor: str) -> Operation | None:
        """Return what computes a tensor; None for the input."""
        return next((each for each in self.operations if each.output == tensor), None)

    def readers_of(self, tensor: str) -> Iterator[Operation]:
        """Yield the operations that read a tensor."""
        return (each for each in self.operations if tensor in each.inputs)

    def is_end(self, tensor: str) -> bool:
        """Return whether a tensor is an output of the model, or the scores of one."""
        return any(tensor in end.tensors for end in self.ends)

    def readings_of(self, tensor: str) -> int:
        """Return how often a tensor is read, by operations and as an output."""
        by_operations = sum(each.inputs.count(tensor) for each in self.operations)
        return by_operations + sum(end.tensor == tensor for end in self.ends)

    def size(self, tensor: str) -> int:
        """Return the number of elements of a tensor that depends on the input."""
        return prod(self.shapes[tensor])

    def label(self, tensor: str) -> str:
        """Return what people call the writer of a tensor."""
        operation = self.operation_of(tensor)
        return operation.name if operation else self.input

    def with_operations(self, operations: tuple[Operation, ...], **changes: Any) -> "Graph":
        """Return the graph with other operations; constants and shapes that nobody reads any more are dropped."""
        graph = replace(self, operations=operations, **changes)
        read = {name for operation in operations for name in operation.inputs}
        read |= {name for end in graph.ends for name in end.tensors}
        written = {operation.output for operation in operations} | {graph.input}
        constants = {name: constant for name, constant in graph.constants.items() if name in read}
        shapes = {name: shape for name, shape in graph.shapes.items() if name in written}
        return replace(graph, constants=constants, shapes=shapes)

    def needed(self, operations: tuple[Operation, ...], **changes: Any) -> "Graph":
        """Return the graph with those of some operations on which the outputs depend."""
        graph = replace(self, operations=operations, **changes)
        needed, found = {name for end in graph.ends for name in end.tensors}, []
        for operation in reversed(operations):
            if operation.output in needed:
                found.append(operation)
                needed |= set(operation.inputs)
        return graph.with_operations(tuple(reversed(found)))
