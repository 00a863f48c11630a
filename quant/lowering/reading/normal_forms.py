"""Operators in one form: what opsets and exporters write differently is made equal here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant
from quant.lowering.exact.surds import Number
from quant.lowering.graph.operations import Elementwise, Operator, parameter_name
from quant.lowering.reading.constants import has_zero
from quant.lowering.reading.elementwise import CONSTANT_OPERANDS, DIVISORS

__all__ = ["normal"]

Constants = Mapping[str, Constant]
#: Further constants by name, and what changes of the operator.
Change = tuple[dict[str, Constant], dict[str, Any]]


def normal(
    operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[Elementwise, dict[str, Constant]]:
    """Return an elementwise operator in the form that `_operators` knows, and the constants that this adds.

    Raises
    ------
    InputError
        A parameter that is computed from the input, is zero where it divides, or has no meaning.
    """
    if operator.kind in _MIRRORED and operator.operands[0] in constants:
        operator = replace(operator, kind=_MIRRORED[operator.kind], operands=operator.operands[::-1])
    for index in CONSTANT_OPERANDS.get(operator.kind, ()):
        if index < len(operator.operands) and operator.operands[index] not in {"", *constants}:
            raise InputError(
                f"Operand {index} of node {operator.name!r} ({operator.kind}) must be a constant, "
                "not computed from the input"
            )
    added, changes = _FORMS[operator.kind](operator, constants, shapes) if operator.kind in _FORMS else ({}, {})
    fields: dict[str, Any] = {"operands": operator.operands, "attributes": operator.attributes, **changes}
    element = Elementwise(operator.name, operator.output, operator.kind, **fields)
    _check_divisor(element, {**constants, **added})
    return element, added


def _check_divisor(operator: Elementwise, constants: Constants) -> None:
    index = DIVISORS.get(operator.kind)
    if index is not None and has_zero(constants[operator.operands[index]]):
        raise InputError(f"Divisor of node {operator.name!r} ({operator.kind}) must nowhere be zero, not 0")


def _parameter(operator: Operator, constants: Constants, index: int) -> Constant:
    name = operator.operands[index] if index < len(operator.operands) else ""
    if not name:
        raise InputError(f"Node {operator.name!r} ({operator.kind}) must have operand {index}, not leave it out")
    return constants[name]


def _scalar(operator: Operator, constants: Constants, index: int) -> Number:
    parameter = _parameter(operator, constants, index)
    if parameter.size != 1:
        shape = "x".join(map(str, parameter.shape))
        raise InputError(
            f"Operand {index} of node {operator.name!r} ({operator.kind}) must be one number, not {shape} of them"
        )
    return parameter.item()


def _batch_norm(operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]) -> Change:
    """Parameters along axis 1, and the root of variance + epsilon instead of the variance."""
    attributes = operator.attributes
    if attributes.get("training_mode", 0) or not attributes.get("spatial", 1):
        raise InputError(
            f"Node {operator.name!r} must be a BatchNormalization in evaluation mode with one scale per channel: "
            "export the model after eval()"
        )
    parameters = [_parameter(operator, constants, index) for index in range(1, 5)]
    epsilon = Fraction(float(attributes.get("epsilon", np.float32(1e-5))))
    exact = parameters[3].exact()
    shifted = exact + exact.lift(epsilon)
    if (shifted.signs() < 0).any():
        raise InputError(f"Variance of node {operator.name!r} must be at least 0, not negative")
    parameters[3] = Constant.of(shifted.square_root().values)
    data = operator.operands[0]
    shape = shapes[data] if data in shapes else constants[data].shape
    channels = (-1, *[1] * (len(shape) - 2))
    names = [parameter_name(operator.output, name) for name in ("scale", "bias", "mean", "root")]
    added = {name: each.map(lambda v: v.reshape(channels)) for name, each in zip(names, parameters, strict=True)}
    return added, {"operands": (data, *names)}


def _clip(operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]) -> Change:
    """Bounds as operands; before opset 11 they were attributes."""
    data, *given = operator.operands
    names, added = [*given, "", ""][:2], {}
    for index, attribute in enumerate(("min", "max")):
        if attribute in operator.attributes:
            names[index] = parameter_name(operator.output, attribute)
            added[names[index]] = Constant(np.array(operator.attributes[attribute], np.float64))
    return added, {"operands": (data, *names)}


def _power(operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]) -> Change:
    exponent = _scalar(operator, constants, 1)
    if not isinstance(exponent, Fraction) or exponent.denominator != 1 or not 0 <= exponent <= 8:
        raise InputError(f"Exponent of node {operator.name!r} must be an integer from 0 to 8, not {exponent}")
    return {}, {"operands": operator.operands[:1], "attributes": {"exponent": int(exponent)}}


#: Brevitas calls rounding towards zero by another name than QONNX.
_ROUNDINGS = {"ROUND": "HALF_EVEN", "HALF_EVEN": "HALF_EVEN", "ROUND_TO_ZERO": "DOWN"} | {
    name: name for name in ("CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")
}


def _quant(operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]) -> Change:
    """The codes' range and the rounding.

    As QONNX has it, one signed bit is a sign, -1 or +1, whatever `narrow` says.
    """
    width = _scalar(operator, constants, 3)
    for index in (1, 2):
        _parameter(operator, constants, index)
    if not isinstance(width, Fraction) or width.denominator != 1 or not 1 <= width <= 32:
        raise InputError(f"Bit width of node {operator.name!r} must be an integer from 1 to 32, not {width}")
    signed, narrow = bool(operator.attributes.get("signed", 1)), bool(operator.attributes.get("narrow", 1))
    mode = str(operator.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in _ROUNDINGS:
        raise InputError(f"Rounding mode of node {operator.name!r} must be one of QONNX's, not {mode!r}")
    bits = int(width)
    if signed and bits == 1:
        attributes = {"step": "bipolar", "low": -1, "high": 1}
    elif signed:
        half = 1 << (bits - 1)
        attributes = {"step": _ROUNDINGS[mode], "low": -half + narrow, "high": half - 1}
    else:
        attributes = {"step": _ROUNDINGS[mode], "low": 0, "high": (1 << bits) - 1 - narrow}
    return {}, {"operands": operator.operands[:3], "attributes": attributes}


#: What holds if the operands are exchanged.
_MIRRORED = {"Greater": "Less", "GreaterOrEqual": "LessOrEqual", "Less": "Greater", "LessOrEqual": "GreaterOrEqual"}


def _comparison(operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]) -> Change:
    step = "not_negative" if operator.kind.endswith("Equal") else "positive"
    return {}, {"attributes": {"step": step, "low": 0, "high": 1}}


_FORMS: dict[str, Callable[[Operator, Constants, Mapping[str, tuple[int, ...]]], Change]] = {
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    **dict.fromkeys(_MIRRORED, _comparison),
    "IntQuant": _quant,
    "Pow": _power,
    "Quant": _quant,
}
