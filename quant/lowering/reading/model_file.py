"""The front door: an ONNX file becomes a graph of operators."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from onnx import AttributeProto, TensorProto

from dataflow import InputError, Integer
from quant._tensors import array_of
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.ends import End, kinds_of
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Operator
from quant.lowering.reading.attributes import check_attributes
from quant.lowering.reading.linear_quantizers import with_quants
from quant.lowering.reading.module_names import module_of, names_by_module
from quant.lowering.reading.sizes import check_size
from quant.lowering.refusals import NotLowerableError

__all__ = ["load_model", "read_graph"]

_KNOWN_DOMAINS = {"", "ai.onnx", "qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas"}
_QUANTIZERS = {"BipolarQuant", "IntQuant", "Quant", "MultiThreshold", "Trunc"}
_oldest_opset = 9
#: Bits of an input's integers: they are enumerated.
_widest = 16
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
    _check_texts(model, os.fspath(path))
    if not model.graph.node:
        raise InputError(f"Model file {os.fspath(path)!r} must be an ONNX file with nodes, not one without")
    return model


def _check_texts(message: Message, path: str) -> None:
    """Refuse names that are no text: the parser gives them as bytes, and ONNX's own functions fail on those."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            for text in [value] if isinstance(value, str | bytes) else value:
                if not isinstance(text, str):
                    raise InputError(
                        f"Model file {path!r} must be a whole ONNX file, not one with names that are no text"
                    )
        elif field.type == field.TYPE_MESSAGE:
            for part in [value] if isinstance(value, Message) else value:
                _check_texts(part, path)


def read_graph(
    model: onnx.ModelProto,
    *,
    name: str,
    input_kind: str = "auto",
    outputs: str = "auto",
    source: str = "",
    weight_tolerance: float = 0.0,
) -> Graph:
    """Return the part of a model that its outputs depend on.

    Parameters
    ----------
    name : what the network will be called
    input_kind, outputs, weight_tolerance : see `lower`
    source : what the metadata say about the model's origin
    """
    if model.functions:
        model = _inlined(model)
    model = with_quants(model, cache(lambda: _inferred_shapes(model)))
    graph = model.graph
    opset = _opset_of(model)
    given = {tensor.name for tensor in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    entry = _only_input([value for value in graph.input if value.name not in given])
    ends = _ends_of(graph, given, outputs)
    operators = _needed(graph, [end.tensor for end in ends], opset)
    shape, frame_shape = _shapes_of(entry)
    producer = f"{model.producer_name} {model.producer_version}".strip()
    return Graph(
        name=name,
        input=entry.name,
        ends=ends,
        operations=operators,
        shapes={entry.name: shape},
        constants=_constants_of(graph, operators),
        input_element=_element_of(entry) or _annotated_element(graph, entry, input_kind),
        input_kind=input_kind,
        frame_shape=frame_shape,
        opset=opset,
        metadata={"producer": producer, "source": source, "opset": str(opset)},
        inferred_shapes=cache(lambda: _inferred_shapes(model)),
        weight_tolerance=weight_tolerance,
    )


def _ends_of(graph: onnx.GraphProto, given: set[str], outputs: str) -> tuple[End, ...]:
    """Return the model's outputs, each with what is asked for of it."""
    names = [value.name for value in graph.output]
    if not names:
        raise InputError("Model must have an output, not 0 (none)")
    for name in names:
        if name in given or not any(name in node.output for node in graph.node):
            raise InputError(f"Output {name!r} of the model must be made by a node, not {_found(name, given)}")
        if names.count(name) > 1:
            raise InputError(f"Output {name!r} of the model must be there once, not {names.count(name)} times")
    kinds = kinds_of(outputs)
    for name in kinds:
        if name and name not in names:
            raise InputError(f"Outputs must be of one of the model ({', '.join(names)}), not of {name!r}")
    return tuple(End(name, name, kinds.get(name, kinds.get("", "auto"))) for name in names)


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the functions of its own written out."""
    try:
        return onnx.inliner.inline_local_functions(model)
    except (ValueError, RuntimeError, onnx.checker.ValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"Functions of the model must be such that they can be inlined, not: {reason}") from error


def _annotated_element(graph: onnx.GraphProto, entry: onnx.ValueInfoProto, input_kind: str) -> Integer | None:
    """Return the type that QONNX's annotation gives to an input of floats; an input kind that is asked for wins.

    Raises
    ------
    InputError
        The input's text says that it takes pixels up to 255, but no annotation does.
    """
    if input_kind in {"uint8/255", "uint8"}:
        return None
    for annotation in graph.quantization_annotation:
        if annotation.tensor_name != entry.name:
            continue
        for pair in annotation.quant_parameter_tensor_names:
            if pair.key == "finn_datatype":
                return _integer_called(pair.value, entry.name)
    if input_kind == "auto" and re.search(r"uint8|\b0 ?(\.\.|-|to) ?255\b", entry.doc_string, re.IGNORECASE):
        raise InputError(
            f"Input kind of the model must be given, since the text of its input {entry.name!r} speaks of 8-bit "
            "pixels, not left open: use input kind 'uint8' if it takes pixels from 0 to 255, 'uint8/255' if it takes "
            "them divided by 255"
        )
    return None


def _integer_called(name: str, entry: str) -> Integer | None:
    """Return the type that QONNX calls so; None for floats."""
    if name.startswith(("FLOAT", "BFLOAT")):
        return None
    called = {"BINARY": "UINT1", "BIPOLAR": "INT2", "TERNARY": "INT2"}.get(name, name)
    match = re.fullmatch(r"(U?)INT(\d+)", called)
    if match is None or not 1 <= int(match[2]) <= _widest:
        raise InputError(
            f"Annotation of input {entry!r} of the model must be an integer of at most {_widest} bits, not {name!r}: "
            "use input kind 'uint8/255' or 'uint8' if it takes pixels"
        )
    return Integer(int(match[2]), signed=not match[1])


def _inferred_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shapes that `onnx` finds, quantizers taken for what leaves a shape as it is."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    for node in plain.graph.node:
        if node.domain not in {"", "ai.onnx"} and node.op_type in _QUANTIZERS and node.input and node.output:
            name, output, source = node.name, node.output[0], node.input[0]
            node.Clear()
            node.CopyFrom(onnx.helper.make_node("Identity", [source], [output], name=name))
    for value in plain.graph.input:
        dimensions = value.type.tensor_type.shape.dim
        if len(dimensions) > 1 and not dimensions[0].dim_value:
            dimensions[0].dim_value = 1
    try:
        found = onnx.shape_inference.infer_shapes(plain, data_prop=True).graph
    except (ValueError, RuntimeError, onnx.shape_inference.InferenceError):
        return {}
    values = (*found.value_info, *found.output)
    sizes = {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in values}
    return {name: shape for name, shape in sizes.items() if shape and min(shape) > 0}


def _opset_of(model: onnx.ModelProto) -> int:
    version = next((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), 0)
    if version < _oldest_opset:
        raise InputError(f"Opset of the model must be at least {_oldest_opset}, not {version}: export it again")
    newest = onnx.defs.onnx_opset_version()
    if version > newest:
        raise InputError(f"Opset of the model must be at most {newest}, the newest of onnx here, not {version}")
    return int(version)


def _only_input(values: list[onnx.ValueInfoProto]) -> onnx.ValueInfoProto:
    if len(values) != 1:
        names = ", ".join(repr(value.name) for value in values) or "none"
        remedy = ": export it with one of them" if values else ""
        raise InputError(f"Model must have one input, not {len(values)} ({names}){remedy}")
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


def _needed(graph: onnx.GraphProto, outputs: list[str], opset: int) -> tuple[Operator, ...]:
    """Return the operators that the outputs depend on, each after those that it reads."""
    makers: dict[str, int] = {}
    for index, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in makers:
                raise InputError(
                    f"Node {node.name or name!r} ({node.op_type}) must write a tensor of its own, not {name!r} again"
                )
            makers[name] = index
    sorter: TopologicalSorter[int] = TopologicalSorter()
    waiting, seen, read = [*outputs], set(), set(outputs)
    while waiting:
        index = makers.get(waiting.pop(), -1)
        if index < 0 or index in seen:
            continue
        seen.add(index)
        reads = [name for name in graph.node[index].input if name in makers]
        sorter.add(index, *(makers[name] for name in reads))
        waiting += reads
        read |= set(reads)
    try:
        order = _by_file(sorter)
    except CycleError as error:
        name = graph.node[error.args[1][0]].name or graph.node[error.args[1][0]].output[0]
        raise InputError(f"Node {name!r} must not depend on its own output: the model has a circle") from error
    operators, refusals = [], []
    names = [
        name if module_of(node) else node.name
        for node, name in zip(graph.node, names_by_module(graph.node), strict=True)
    ]
    for index in order:
        try:
            operators += _operators_of(graph.node[index], names[index], opset, read)
        except InputError as error:
            refusals.append(str(error))
    if refusals:
        raise NotLowerableError(refusals)
    return tuple(operators)


def _by_file(sorter: "TopologicalSorter[int]") -> list[int]:
    """Return nodes in the file's order, as far as each comes after those that it reads."""
    sorter.prepare()
    ready, order = list(sorter.get_ready()), []
    heapify(ready)
    while ready:
        index = heappop(ready)
        order.append(index)
        sorter.done(index)
        for each in sorter.get_ready():
            heappush(ready, each)
    return order


def _operators_of(node: onnx.NodeProto, name: str, opset: int, read: set[str]) -> list[Operator]:
    """Return a node as an operator, or a Split as one for each of its outputs that is read."""
    operator = _operator_of(node, name, opset, read)
    if operator.kind != "Split":
        return [operator]
    count = len(node.output)
    return [
        replace(operator, output=each, attributes={**operator.attributes, "part": part, "parts": count})
        for part, each in enumerate(node.output)
        if each in read
    ]


def _operator_of(node: onnx.NodeProto, name: str, opset: int, read: set[str]) -> Operator:
    name = name or node.output[0]
    if node.domain in _KNOWN_DOMAINS:
        check_attributes(node, name, opset)
    kind = node.op_type if node.domain in _KNOWN_DOMAINS else f"{node.domain}.{node.op_type}"
    attributes = {attribute.name: _value_of(attribute, name) for attribute in node.attribute}
    output = node.output[0]
    if kind == "TopK":
        if output in read:
            raise InputError(
                f"Node {name!r} (TopK) must give its indices alone, not the scores {output!r}: leave them out of the "
                "exported model, or leave out the TopK and take the scores themselves (outputs 'scores')"
            )
        output = node.output[1]
    return Operator(name, output, kind, tuple(node.input), attributes)


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
    values = array_of(tensor, f"Constant {name!r} of node {node!r}")
    if tensor.data_type in {TensorProto.INT4, TensorProto.UINT4}:
        values = values.astype(np.int64)
    if values.dtype.kind not in "fiub" and tensor.data_type not in _FLOATS:
        raise InputError(f"Constant {name!r} of node {node!r} must be numbers, not {values.dtype}")
    if values.dtype.kind not in "iub":
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            odd = values[~np.isfinite(values)][0]
            raise InputError(f"Constant {name!r} of node {node!r} must be finite, not {odd}")
    return Constant.of(values)
