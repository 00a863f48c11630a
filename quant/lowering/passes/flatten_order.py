"""Everything that moves elements goes: tensors become vectors in the order in which the hardware has them.

The order of the input is H, W, C, that of a layer its neurons'. Every element of a tensor is followed back to the
element that it comes from; parameters are sorted by that, and so are the columns of a weight matrix. So no transpose is
left.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from dataflow import InputError
from quant.lowering._graph import Dense, Elementwise, Graph, Layout, Operation, parameter_name
from quant.lowering._reals import Constant

__all__ = ["flatten_order"]


@dataclass(frozen=True, eq=False)
class _Origin:
    """Where the elements of a tensor come from.

    Parameters
    ----------
    tensor : the input, or what a layer computes
    places : for each element of the tensor, an array of its shape, the place in that one
    """

    tensor: str
    places: np.ndarray


def flatten_order(graph: Graph) -> Graph:
    """Return the graph without `Layout`; all tensors are vectors, and parameters () or as long as these.

    Raises
    ------
    InputError
        Elements that are repeated or left out, or branches that meet again.
    """
    origins = {graph.input: _Origin(graph.input, _input_places(graph))}
    constants = dict(graph.constants)
    renamed = {graph.input: graph.input}
    kept: list[Operation] = []
    for operation in graph.operations:
        if isinstance(operation, Layout):
            origin = origins[operation.source]
            origins[operation.output] = replace(origin, places=origin.places.ravel()[operation.order])
            renamed[operation.output] = renamed[operation.source]
            continue
        renamed[operation.output] = operation.output
        if isinstance(operation, Dense):
            places = _permutation(graph, operation, origins[operation.source])
            # Column k multiplies element k of the source, which is element places[k] in hardware.
            inverse = np.argsort(places)
            weights = operation.weights.map(lambda values, order=inverse: values[:, order])  # type: ignore[misc]
            kept.append(replace(operation, source=renamed[operation.source], weights=weights))
            shape = graph.shapes[operation.output]
            origins[operation.output] = _Origin(operation.output, np.arange(prod(shape)).reshape(shape))
        elif isinstance(operation, Elementwise):
            origin = _meeting(graph, operation, origins)
            origins[operation.output] = origin
            order = np.argsort(_permutation(graph, operation, origin))
            operands = []
            for index, name in enumerate(operation.operands):
                if name in graph.constants:
                    operands.append(parameter_name(operation.output, str(index)))
                    constants[operands[-1]] = _vector(graph.constants[name], origin.places.shape, order)
                else:
                    operands.append(renamed[name] if name else "")
            kept.append(replace(operation, operands=tuple(operands)))
        else:
            raise AssertionError(operation)
    _check_output(graph, origins[graph.output])
    shapes = {name: (prod(shape),) for name, shape in graph.shapes.items()}
    return graph.with_operations(tuple(kept), constants=constants, shapes=shapes, output=renamed[graph.output])


def _input_places(graph: Graph) -> np.ndarray:
    shape = graph.shapes[graph.input]
    if len(shape) != 4:
        return np.arange(prod(shape)).reshape(shape)
    _, channels, height, width = shape
    return np.arange(prod(shape)).reshape(1, height, width, channels).transpose(0, 3, 1, 2)


def _meeting(graph: Graph, operation: Elementwise, origins: dict[str, _Origin]) -> _Origin:
    """Return the origin of an elementwise operator's result: all operands must have the same."""
    shape = graph.shapes[operation.output]
    dynamic = [origins[name] for name in operation.inputs if name in origins]
    sources = sorted({graph.label(origin.tensor) for origin in dynamic})
    if len(sources) > 1:
        raise InputError(
            f"Node {operation.name!r} ({operation.kind}) must combine numbers of one layer, "
            f"not of {sources[0]!r} and {sources[1]!r}: branches are not supported yet"
        )
    spread = [np.broadcast_to(origin.places, shape) for origin in dynamic]
    if any((each != spread[0]).any() for each in spread):
        raise InputError(
            f"Node {operation.name!r} ({operation.kind}) must combine each number with itself, not with another: "
            "only elementwise functions are supported"
        )
    return _Origin(dynamic[0].tensor, spread[0])


def _permutation(graph: Graph, operation: Operation, origin: _Origin) -> np.ndarray:
    """Return the places as a flat array, each of them once."""
    places = origin.places.ravel()
    size = graph.size(origin.tensor)
    if places.size != size or (np.sort(places) != np.arange(size)).any():
        raise InputError(
            f"Node {operation.name!r} must take every number of {graph.label(origin.tensor)!r} once, "
            f"not {places.size} of {size}"
        )
    return places


def _vector(constant: Constant, shape: tuple[int, ...], order: np.ndarray) -> Constant:
    """Return a parameter as () if it is one number for all elements, else in the hardware's order."""
    if constant.size == 1:
        return constant.map(lambda values: values.reshape(()))
    return constant.map(lambda values: np.broadcast_to(values, shape).ravel()[order])


def _check_output(graph: Graph, origin: _Origin) -> None:
    places = origin.places.ravel()
    if places.size != graph.size(origin.tensor) or (places != np.arange(places.size)).any():
        raise InputError(f"Output {graph.output!r} of the model must have the order of its last layer, not another")
