"""What operators take and make: counts of operands, shapes, and which operators there are."""

import numpy as np
import onnx
from onnx import TensorProto

from dataflow import InputError
from quant.lowering.graph.operations import Operator
from quant.lowering.reading.constants import CONSTANT_OPERATORS

__all__ = [
    "NON_RATIONAL",
    "check_cast",
    "check_operands",
    "concatenated_shape",
    "non_rational_shape",
    "product_shape",
    "refusal_of",
    "shown_shape",
    "taken_axes",
]

#: Functions that are no rational ones; True if of all elements together.
NON_RATIONAL = {
    "ArgMax": True,
    "Atan": False,
    "Asinh": False,
    "Erf": False,
    "Exp": False,
    "LogSoftmax": True,
    "Sigmoid": False,
    "Sinh": False,
    "Softmax": True,
    "Softplus": False,
    "Softsign": False,
    "Tanh": False,
}
_QONNX_OPERANDS = {
    "BipolarQuant": (2, 2),
    "IntQuant": (4, 4),
    "MultiThreshold": (2, 2),
    "Quant": (4, 4),
    "Trunc": (5, 6),
}
#: Operands of an operator that may have any number of them.
_MANY = 1000
_CONVOLUTIONAL = {"LpPool", "QuantAvgPool2d", "MaxPoolNHWC", "Im2Col"}

#: Operators of ONNX that compute with codes; ONNX Runtime has more of them, in a domain of its own.
_ON_CODES = {
    *("ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
    *(f"com.microsoft.QLinear{kind}" for kind in ("Add", "AveragePool", "Concat", "GlobalAveragePool", "LeakyRelu")),
}


def shown_shape(shape: tuple[int, ...]) -> str:
    """Return what people write for a shape."""
    return "x".join(map(str, shape)) or "one number"


def check_operands(operator: Operator, opset: int) -> None:
    """Refuse a node with more or fewer operands than its operator has."""
    if operator.kind in _QONNX_OPERANDS:
        (least, most), variadic = _QONNX_OPERANDS[operator.kind], False
    elif onnx.defs.has(operator.kind, opset):
        schema = onnx.defs.get_schema(operator.kind, opset)
        least, most = schema.min_input, schema.max_input
        last = schema.inputs[-1:]
        variadic = bool(last) and last[0].option == onnx.defs.OpSchema.FormalParameterOption.Variadic
    else:
        return
    needed = operator.operands if variadic else operator.operands[:least]
    if not least <= len(operator.operands) <= most or "" in needed:
        count = sum(map(bool, operator.operands))
        rule = str(least) if least == most else f"{least} to {most}" if most < _MANY else f"{least} or more"
        raise InputError(f"Node {operator.name!r} ({operator.kind}) must have {rule} operands, not {count}")


def product_shape(operator: Operator, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of what a Gemm or MatMul makes."""
    left, right = shapes[:2]
    if operator.kind == "Gemm":
        if len(left) != 2 or len(right) != 2:
            raise InputError(
                f"Node {operator.name!r} (Gemm) must multiply two matrices, not {shown_shape(left)} by "
                f"{shown_shape(right)}"
            )
        left = left[::-1] if operator.attributes.get("transA", 0) else left
        right = right[::-1] if operator.attributes.get("transB", 0) else right
    try:
        stacked = np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        stacked = None
    if stacked is None or not left or not right or left[-1] != right[-2:][0]:
        raise InputError(
            f"Node {operator.name!r} ({operator.kind}) must multiply equal sizes, not {shown_shape(left)} by "
            f"{shown_shape(right)}"
        )
    return (*stacked, *left[-2:-1], *(right[-1:] if len(right) > 1 else ()))


def check_cast(operator: Operator) -> None:
    """Refuse casts that change values."""
    target = operator.attributes.get("to")
    if target not in {TensorProto.FLOAT, TensorProto.DOUBLE}:
        known = target in TensorProto.DataType.values()
        shown = TensorProto.DataType.Name(target).lower() if known else f"type {target}"
        raise InputError(f"Node {operator.name!r} (Cast) must cast to float or double, not {shown}")


def concatenated_shape(operator: Operator, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of what a Concat makes."""
    axis = operator.attributes.get("axis", 1)
    try:
        return np.concatenate([np.empty(shape, bool) for shape in shapes], axis).shape
    except ValueError as error:
        raise InputError(f"Operands of node {operator.name!r} (Concat) must fit each other, not {error}") from error


def taken_axes(operator: Operator, shape: tuple[int, ...], opset: int) -> tuple[int, ...]:
    """Return the axes along which a function of `NON_RATIONAL` takes numbers together; () for one of each number."""
    if not NON_RATIONAL[operator.kind]:
        return ()
    attributes = operator.attributes
    old = operator.kind != "ArgMax" and opset < 13  # then of all axes from this one on
    axis = attributes.get("axis", 0 if operator.kind == "ArgMax" else 1 if old else -1)
    axis += len(shape) if axis < 0 else 0
    if not 0 <= axis < len(shape):
        raise InputError(f"Axis of node {operator.name!r} ({operator.kind}) must be one of {len(shape)}, not {axis}")
    if attributes.get("select_last_index", 0):
        raise InputError(f"Node {operator.name!r} ({operator.kind}) must take the first at a tie, not the last one")
    return tuple(range(axis, len(shape) if old else axis + 1))


def non_rational_shape(operator: Operator, shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of what a function of `NON_RATIONAL` makes that takes numbers along axes together."""
    if operator.kind != "ArgMax":
        return shape
    if operator.attributes.get("keepdims", 1):
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes) or (1,)


def refusal_of(operator: Operator, *, constant: bool) -> str:
    """Return why an operator is not supported."""
    sentence = f"Operator of node {operator.name!r} must be one that lowering supports, not {operator.kind}"
    if operator.kind in _CONVOLUTIONAL:
        return f"{sentence}: among the operators on images, Conv, MaxPool, AveragePool and Pad are supported"
    if constant and operator.kind in {"Gemm", "MatMul", *NON_RATIONAL}:
        return f"{sentence} on constants: export the model with its constants folded"
    if operator.kind in _ON_CODES:
        return (
            f"{sentence}: export the model in the form QDQ or QCDQ, with QuantizeLinear and DequantizeLinear around "
            "operators on floats"
        )
    if operator.kind in CONSTANT_OPERATORS:
        return f"{sentence} on what is computed from the input: use operators of docs/lowering.md"
    return f"{sentence}: replace it by operators of docs/lowering.md"
