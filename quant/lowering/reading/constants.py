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

#: Bits of a float64's number, and of the widest integers in which floats are added.
_FLOAT_BITS, _WIDEST_SUM = 53, 1000


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


def _where(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
    condition, one, other = (_given(operand) for operand in operands)
    values = (one.values, other.values)
    if any(each.dtype == object for each in values):
        values = (one.exact().values, other.exact().values)
    return Constant.of(np.where(condition.floats() != 0, *values))


def _sum(rows: Constant) -> Constant:
    """Return the sums over the first axis, exactly."""
    if rows.values.dtype == object:
        return Constant.of(np.asarray(rows.values.sum(0), object))
    exponents = np.frexp(rows.values)[1][rows.values != 0]
    places = _FLOAT_BITS - int(exponents.min()) if len(exponents) else 0
    if len(exponents) and places + int(exponents.max()) > _WIDEST_SUM:
        raise ValueError("numbers that are too far apart to be added")
    whole = np.frompyfunc(int, 1, 1)(np.ldexp(rows.values, places))
    scaled = np.frompyfunc(lambda total: Fraction(total) / Fraction(2) ** places, 1, 1)(whole.sum(0))
    return Constant.of(np.asarray(scaled, object))


def _mean(rows: Constant) -> Constant:
    share = Fraction(1, rows.shape[0])
    return Constant.of(np.asarray(np.frompyfunc(lambda total: total * share, 1, 1)(_sum(rows).exact().values), object))


def _extreme(name: str) -> Callable[[Constant], Constant]:
    def extreme(rows: Constant) -> Constant:
        if rows.values.dtype != object:
            return Constant.of(getattr(np, name)(rows.values, 0))
        raise ValueError("numbers that are no floats")

    return extreme


def _reduced(function: Callable[[Constant], Constant]) -> Callable[[Operands, Mapping[str, Any]], Constant]:
    """Return a reduction along axes from a function of an array's first axis."""

    def reduce_axes(operands: Operands, attributes: Mapping[str, Any]) -> Constant:
        data, *named = operands
        given = _given(data)
        axes = named[0].integers() if named and named[0] is not None else attributes.get("axes")
        if not axes and attributes.get("noop_with_empty_axes", 0):
            return given
        rank = len(given.shape)
        chosen = sorted({axis + rank if axis < 0 else axis for axis in (axes or range(rank))})
        kept = [axis for axis in range(rank) if axis not in chosen]
        shape = [given.shape[axis] for axis in kept]
        rows = given.map(lambda values: values.transpose(*chosen, *kept).reshape(-1, *shape))
        whole = [1 if axis in chosen else given.shape[axis] for axis in range(rank)]
        return function(rows).map(lambda values: values.reshape(whole if attributes.get("keepdims", 1) else shape))

    return reduce_axes


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
    "ReduceMax": _reduced(_extreme("max")),
    "ReduceMean": _reduced(_mean),
    "ReduceMin": _reduced(_extreme("min")),
    "ReduceSum": _reduced(_sum),
    "Slice": _slice,
    "Sqrt": _root,
    "Where": _where,
}
