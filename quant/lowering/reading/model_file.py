"""The front door: an ONNX file becomes a graph of operators."""

import os
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, TensorProto, numpy_helper

from dataflow import InputError, Integer
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Operator
from quant.lowering.reading.attributes import check_attributes
from quant.lowering.reading.sizes import check_size

__all__ = ["load_model", "read_graph"]

_KNOWN_DOMAINS = {"", "ai.onnx", "qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas"}
_oldest_opset = 9
_FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
_INTEGERS = {
    TensorProto.UINT8: Integer(8),
    TensorProto.INT8: Integer(8, signed=True),
    TensorProto.UINT16: Integer(16),
    TensorProto.INT16: Integer(16, signed=True),
}


def load_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """Read an ONNX file.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    if not Path(path).is_file():
        raise InputError(f"Model file must exist, not {os.fspath(path)!r}")
    try:
        model = onnx.load(os.fspath(path), format="protobuf")
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"Model file {os.fspath(path)!r} must be a whole ONNX file, not one with: {reason}") from error
    if not model.graph.node:
        raise InputError(f"Model file {os.fspath(path)!r} must be an ONNX file with nodes, not one without")
    return model


def read_graph(model: onnx.ModelProto, *, name: str, input_kind: str, source: str) -> Graph:
    """Return the part of a model that its output depends on.

    Parameters
    ----------
    name : what the network will be called
    input_kind : see `lower`
    source : what the metadata say about the model's origin
    """
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    graph = model.graph
    opset = _opset_of(model)
    given = {tensor.name for tensor in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    entry = _only("input", [value for value in graph.input if value.name not in given])
    end = _only("output", list(graph.output))
    if end.name in given or not any(end.name in node.output for node in graph.node):
        raise InputError(f"Output {end.name!r} of the model must be made by a node, not {_found(end.name, given)}")
    operators = _needed(graph, end.name, opset)
    shape, frame_shape = _shapes_of(entry)
    producer = f"{model.producer_name} {model.producer_version}".strip()
    return Graph(
        name=name,
        input=entry.name,
        output=end.name,
        operations=operators,
        shapes={entry.name: shape},
        constants=_constants_of(graph, operators),
        input_element=_element_of(entry),
        input_kind=input_kind,
        frame_shape=frame_shape,
        opset=opset,
        metadata={"producer": producer, "source": source, "opset": str(opset), "input": input_kind},
    )


def _opset_of(model: onnx.ModelProto) -> int:
    version = next((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), 0)
    if version < _oldest_opset:
        raise InputError(f"Opset of the model must be at least {_oldest_opset}, not {version}: export it again")
    newest = onnx.defs.onnx_opset_version()
    if version > newest:
        raise InputError(f"Opset of the model must be at most {newest}, the newest of onnx here, not {version}")
    return int(version)


def _only(what: str, values: list[onnx.ValueInfoProto]) -> onnx.ValueInfoProto:
    if len(values) != 1:
        names = ", ".join(repr(value.name) for value in values) or "none"
        raise InputError(f"Model must have one {what}, not {len(values)} ({names})")
    return values[0]


def _shapes_of(entry: onnx.ValueInfoProto) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of the model's input for one frame, and the shape in which people give a frame."""
    tensor = entry.type.tensor_type
    sizes = [dim.dim_value for dim in tensor.shape.dim]
    shown = "x".join(dim.dim_param or str(dim.dim_value or "?") for dim in tensor.shape.dim) or "no shape"
    if len(sizes) > 1 and sizes[0] == 0:
        sizes[0] = 1  # a batch of any size
    if len(sizes) not in {1, 2, 3, 4}:
        rule = "(1, features), (1, channels, length) or (1, channels, height, width)"
        raise InputError(f"Input {entry.name!r} of the model must be {rule}, not {shown}")
    if min(sizes) < 1:
        raise InputError(f"Sizes of input {entry.name!r} must all be known but the batch's, not {shown}")
    if len(sizes) > 1 and sizes[0] != 1:
        raise InputError(f"Batch of input {entry.name!r} must be 1 or free, not {sizes[0]}: export one frame")
    shape = tuple(sizes)
    check_size(f"Input {entry.name!r} of the model", shape)
    return shape, (*shape[2:], shape[1]) if len(shape) > 2 else shape[-1:]


def _element_of(entry: onnx.ValueInfoProto) -> Integer | None:
    kind = entry.type.tensor_type.elem_type
    if kind in _FLOATS:
        return None
    if kind not in _INTEGERS:
        shown = TensorProto.DataType.Name(kind) if kind in TensorProto.DataType.values() else str(kind)
        raise InputError(f"Input {entry.name!r} of the model must be floats or integers of 8 or 16 bits, not {shown}")
    return _INTEGERS[kind]


def _found(output: str, given: set[str]) -> str:
    return "a constant" if output in given else "missing"


def _needed(graph: onnx.GraphProto, output: str, opset: int) -> tuple[Operator, ...]:
    """Return the operators that the output depends on, in the file's order."""
    needed, operators = {output}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            operator = _operator_of(node, opset)
            operators.append(operator)
            needed |= set(operator.inputs)
    return tuple(reversed(operators))


def _operator_of(node: onnx.NodeProto, opset: int) -> Operator:
    name = node.name or node.output[0]
    if node.domain in _KNOWN_DOMAINS:
        check_attributes(node, name, opset)
    kind = node.op_type if node.domain in _KNOWN_DOMAINS else f"{node.domain}.{node.op_type}"
    attributes = {attribute.name: _value_of(attribute, name) for attribute in node.attribute}
    return Operator(name, node.output[0], kind, tuple(node.input), attributes)


def _value_of(attribute: AttributeProto, node: str) -> Any:
    """Return an attribute: a float is the float32 that the file holds."""
    if attribute.type == AttributeProto.TENSOR:
        return _constant_of(attribute.t, attribute.name, node)
    if attribute.type == AttributeProto.UNDEFINED or attribute.ref_attr_name:
        raise InputError(f"Attribute {attribute.name!r} of node {node!r} must have a type and a value, not neither")
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.type == AttributeProto.FLOAT and not isfinite(value):
        raise InputError(f"{attribute.name} of node {node!r} must be finite, not {value}")
    if attribute.type == AttributeProto.STRING:
        return value.decode(errors="replace")
    return tuple(value) if isinstance(value, list) else value


def _constants_of(graph: onnx.GraphProto, operators: tuple[Operator, ...]) -> dict[str, Constant]:
    readers = {name: operator.name for operator in operators for name in operator.inputs}
    return {
        tensor.name: _constant_of(tensor, tensor.name, readers[tensor.name])
        for tensor in _initializers(graph)
        if tensor.name in readers
    }


def _initializers(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    for sparse in graph.sparse_initializer:
        raise InputError(f"Constant {sparse.values.name!r} must be stored dense, not sparse")
    yield from graph.initializer


def _constant_of(tensor: TensorProto, name: str, node: str) -> Constant:
    if tensor.data_type not in TensorProto.DataType.values():
        raise InputError(f"Constant {name!r} of node {node!r} must be of a type of ONNX, not {tensor.data_type}")
    if min(tensor.dims, default=0) < 0:
        raise InputError(f"Sizes of constant {name!r} of node {node!r} must not be negative, not {list(tensor.dims)}")
    try:
        values = np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"Constant {name!r} of node {node!r} must be a whole tensor, not one with: {reason}"
        ) from error
    if values.dtype.kind not in "fiub" and tensor.data_type not in _FLOATS:
        raise InputError(f"Constant {name!r} of node {node!r} must be numbers, not {values.dtype}")
    if values.dtype.kind not in "iub":
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            odd = values[~np.isfinite(values)][0]
            raise InputError(f"Constant {name!r} of node {node!r} must be finite, not {odd}")
    return Constant.of(values)
