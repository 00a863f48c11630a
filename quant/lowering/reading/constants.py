"""Operators on constants: exactly, not in float32."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import onnx

from dataflow import InputError
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.operations import Operator
from quant.lowering.reading.elementwise import apply
from quant.lowering.reading.sizes import MOST_NUMBERS

__all__ = ["CONSTANT_OPERATORS", "evaluate", "fold_operator", "has_zero"]

Operands = Sequence[Constant | None]


def evaluate(operator: Operator, operands: Operands) -> Constant:
    """Return the result of an elementwise operator: in float64 if that is exact, else in exact numbers."""
    fast = apply(operator.kind, [None if each is None else each.interval() for each in operands], operator.attributes)
    if fast.is_exact:
        return Constant(np.asarray(fast.low))
    exact = apply(operator.kind, [None if each is None else each.exact() for each in operands], operator.attributes)
    return Constant.of(exact.values)


def has_zero(constant: Constant) -> bool:
    """Return whether one of the numbers is zero."""
    if constant.values.dtype != object:
        return bool((constant.values == 0).any())
    return bool((constant.exact().signs() == 0).any())


def fold_operator(operator: Operator, operands: Operands) -> Constant:
    """Return the result of an operator of `CONSTANT_OPERATORS`.

    Raises
    ------
    InputError
        The operands do not fit it.
    """
    try:
        return CONSTANT_OPERATORS[operator.kind](operands, operator.attributes)
    except (ValueError, IndexError, KeyError, TypeError, AssertionError) as error:
        raise InputError(
            f"Constants of node {operator.name!r} must fit its operator {operator.kind}, not give: {error}"
        ) from error


def _given(operand: Constant | None) -> Constant:
    if operand is None:
        raise ValueError("an operand is missing")
    return operand


def _possible(shape: Sequence[int]) -> Sequence[int]:
    if prod(shape) > MOST_NUMBERS:
        raise ValueError(f"{prod(shape)} numbers, of which at most {MOST_NUMBERS} are supported")
    return shape


def _constant(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in attributes:
            value = attributes[name]
            return value if isinstance(value, Constant) else Constant.of(np.array(value))
    raise ValueError("no number")


def _constant_of_shape(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    value = attributes.get("value", Constant(np.zeros(1)))
    return Constant(
        np.full(_possible(_given(operands[0]).integers()), value.values.reshape(()).item(), value.values.dtype)
    )


def _gather(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    data, places = (_given(operand) for operand in operands)
    indices = np.array(places.integers(), np.int64).reshape(places.shape)
    return data.map(lambda values: np.take(values, indices, attributes.get("axis", 0)))


def _concat(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    parts = [_given(operand).values for operand in operands]
    return Constant.of(np.concatenate(parts, attributes["axis"]))


def _slice(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    data, *bounds = operands
    names = ("starts", "ends", "axes", "steps")
    given = [operand and operand.integers() for operand in bounds] + [None] * 4
    starts, ends, axes, steps = (attributes.get(name, value) for name, value in zip(names, given, strict=False))
    slices = [slice(None)] * len(_given(data).shape)
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        step = steps[index] if steps else 1
        # With a negative step, an end below any index means: the first one too.
        stop = None if step < 0 and end < -_given(data).shape[index] else end
        slices[axes[index] if axes else index] = slice(start, stop, step)
    return _given(data).map(lambda values: values[tuple(slices)])


def _expand(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    data, shape = (_given(operand) for operand in operands)
    wanted = _possible(np.broadcast_shapes(data.shape, tuple(shape.integers())))
    return data.map(lambda values: np.broadcast_to(values, wanted))


def _cast(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    values = _given(operands[0]).floats()  # to the precision asked for, which is what a cast means
    return Constant.of(values.astype(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"])).astype(np.float64))


def _root(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    return Constant.of(_given(operands[0]).exact().square_root().values)


def _reciprocal(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    data = _given(operands[0])
    if has_zero(data):
        raise ValueError("a division by zero")
    exact = data.exact()
    return Constant.of((exact.lift(Fraction(1)) / exact).values)


def _power(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    data, exponent = (_given(operand) for operand in operands)
    doubled = 2 * exponent.item()
    if exponent.size != 1 or not isinstance(doubled, Fraction) or doubled.denominator != 1 or abs(doubled) > 16:
        raise ValueError("an exponent that is not one of 0, 0.5, ..., 8 or their negatives")
    base = data if doubled.numerator % 2 == 0 else _root([data], {})
    times = abs(doubled.numerator) // (2 if doubled.numerator % 2 == 0 else 1)
    result = base.exact().lift(Fraction(1))
    for _ in range(times):
        result = result * base.exact()
    powered = Constant.of(np.broadcast_to(result.values, data.shape))
    return _reciprocal([powered], {}) if doubled < 0 else powered


#: Operators that are known on constants only; Shape, which looks at no value, is elsewhere.
CONSTANT_OPERATORS: dict[str, Callable[[Operands, Mapping[str, Any]], Constant]] = {
    "Cast": _cast,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Gather": _gather,
    "Pow": _power,
    "Reciprocal": _reciprocal,
    "Slice": _slice,
    "Sqrt": _root,
}
