"""Gemm, MatMul and Conv become layers of one kind: a matrix, and where it stands."""

from fractions import Fraction

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise, LinearLayer, Operation, Operator, Refused
from quant.lowering.graph.sites import Site
from quant.lowering.reading.constants import evaluate
from quant.lowering.reading.windows import conv_window
from quant.lowering.refusals import NotLowerableError

__all__ = ["find_layers"]


def find_layers(graph: Graph) -> Graph:
    """Return the graph with a `LinearLayer` for each Gemm, MatMul and Conv.

    Weights that are not constant, or more than one vector per frame, are refused.

    Raises
    ------
    NotLowerableError
        There is no layer.
    """
    operations: list[Operation] = []
    refusals = list(graph.refusals)
    layers = 0
    for operation in graph.operations:
        if isinstance(operation, Operator) and operation.kind in _LAYERS:
            layers += 1
            try:
                operation = _LAYERS[operation.kind](graph, operation)
            except InputError as error:
                refusals.append(str(error))
                operation = Refused(operation.name, operation.output, _computed(graph, operation))
        operations.append(operation)
    if not layers:
        raise NotLowerableError(refusals or ["Model must have a layer (Gemm, MatMul or Conv), not none"])
    return graph.with_operations(tuple(operations), refusals=tuple(refusals))


def _computed(graph: Graph, operation: Operation) -> tuple[str, ...]:
    return tuple(name for name in operation.inputs if name not in graph.constants)


def _layer_of(graph: Graph, operator: Operator) -> Operation:
    left, right = operator.operands[:2]
    if left not in graph.constants and right not in graph.constants:
        raise InputError(
            f"Weights of node {operator.name!r} ({operator.kind}) must be constant, not computed from the input"
        )
    matrix = graph.constants[right if right in graph.constants else left]
    source = left if right in graph.constants else right
    transposed = operator.attributes.get("transB" if right in graph.constants else "transA", 0)
    if transposed:
        matrix = matrix.map(np.transpose)
    # Rows are neurons: x @ B has them in B's columns, A @ x in A's rows.
    synapses = graph.size(source)
    columns = right in graph.constants and len(matrix.shape) > 1
    inner = matrix.shape[0] if len(matrix.shape) == 1 else matrix.shape[-2 if columns else -1]
    if inner != synapses or matrix.size != inner * graph.size(operator.output):
        raise InputError(
            f"Node {operator.name!r} ({operator.kind}) must multiply one vector of {inner} numbers per frame, "
            f"not {synapses} numbers: only dense layers after a flattened frame are supported"
        )
    weights = matrix.map(lambda values: values.reshape(-1, inner) if not columns else values.reshape(inner, -1).T)
    weights = _scaled(operator, weights, "alpha")
    return LinearLayer(operator.name, operator.output, source, weights, _bias_of(graph, operator))


def _convolution_of(graph: Graph, operator: Operator) -> Operation:
    source, name, *bias = operator.operands
    if name not in graph.constants:
        raise InputError(f"Weights of node {operator.name!r} (Conv) must be constant, not computed from the input")
    weights = graph.constants[name]
    site = Site(
        window=conv_window(operator, weights.shape, graph.shapes[source]), groups=operator.attributes.get("group", 1)
    )
    neurons = weights.shape[0]
    # (neurons, channels, rows, columns), but the taps of a window follow each other as row, column, channel.
    matrix = weights.map(lambda values: np.moveaxis(values, 1, -1).reshape(neurons, -1))
    numbers = None
    if bias and bias[0]:
        if bias[0] not in graph.constants:
            raise InputError(f"Bias of node {operator.name!r} must be a constant, not computed from the input")
        numbers = graph.constants[bias[0]]
        if numbers.shape != (neurons,):
            raise InputError(
                f"Bias of node {operator.name!r} must be one number for each of its {neurons} neurons, "
                f"not {'x'.join(map(str, numbers.shape))}"
            )
    return LinearLayer(operator.name, operator.output, source, matrix, numbers, site)


_LAYERS = {"Conv": _convolution_of, "Gemm": _layer_of, "MatMul": _layer_of}


def _bias_of(graph: Graph, operator: Operator) -> Constant | None:
    name = operator.operands[2] if len(operator.operands) > 2 else ""
    if not name:
        return None
    if name not in graph.constants:
        raise InputError(f"Bias of node {operator.name!r} must be a constant, not computed from the input")
    shape = graph.shapes[operator.output]
    try:
        spread = graph.constants[name].map(lambda values: np.broadcast_to(values, shape).ravel())
    except ValueError as error:
        raise InputError(f"Bias of node {operator.name!r} must fit its {shape[-1]} neurons, not {error}") from error
    return _scaled(operator, spread, "beta")


def _scaled(operator: Operator, constant: Constant, attribute: str) -> Constant:
    factor = Fraction(float(operator.attributes.get(attribute, 1.0)))
    if factor == 1:
        return constant
    product = Elementwise(operator.name, operator.output, "Mul", ("", ""), {})
    return evaluate(product, [constant, Constant.of(np.array(factor, object))])
