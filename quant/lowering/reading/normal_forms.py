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
from quant.lowering.reading.elementwise import COMPARISONS, CONSTANT_OPERANDS, DIVISORS

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
    if not constants[name].size:
        raise InputError(f"Operand {index} of node {operator.name!r} ({operator.kind}) must have a number, not none")
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
    try:
        parameters[3] = Constant.of(shifted.square_root().values)
    except ValueError as error:  # the variance has roots itself
        raise InputError(
            f"Variance of node {operator.name!r} must be a stored number, not the result of a square root: "
            "fold the model's constants"
        ) from error
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


def _rounding(operator: Operator, default: str) -> str:
    mode = str(operator.attributes.get("rounding_mode", default)).upper()
    if mode not in _ROUNDINGS:
        raise InputError(f"Rounding mode of node {operator.name!r} must be one of QONNX's, not {mode!r}")
    return _ROUNDINGS[mode]


def _bit_width(operator: Operator, constants: Constants, index: int) -> int:
    width = _scalar(operator, constants, index)
    if not isinstance(width, Fraction) or width.denominator != 1 or not 1 <= width <= 32:
        raise InputError(f"Bit width of node {operator.name!r} must be an integer from 1 to 32, not {width}")
    return int(width)


def _code_range(bits: int, *, signed: bool, narrow: bool) -> dict[str, int]:
    if not signed:
        return {"low": 0, "high": (1 << bits) - 1 - narrow}
    half = 1 << (bits - 1)
    return {"low": -half + narrow, "high": half - 1}


def _quant(operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]) -> Change:
    """The codes' range and the rounding.

    As QONNX has it, one signed bit is a sign, -1 or +1, whatever `narrow` says.
    """
    bits = _bit_width(operator, constants, 3)
    for index in (1, 2):
        _parameter(operator, constants, index)
    signed, narrow = bool(operator.attributes.get("signed", 1)), bool(operator.attributes.get("narrow", 1))
    step = _rounding(operator, "ROUND")
    attributes: dict[str, Any] = {"step": step, **_code_range(bits, signed=signed, narrow=narrow)}
    if signed and bits == 1:
        attributes = {"step": "bipolar", "low": -1, "high": 1}
    return {}, {"operands": operator.operands[:3], "attributes": attributes}


#: Exponents of two farther than this from a whole number: with float32, it is not certain to which they are rounded.
_NEARLY_HALF = 0.499


def _trunc(operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]) -> Change:
    """How many bits are dropped, or added below 0; scale and zero point of what is left.

    The first version of the operator has the bits that are left as its last operand, and neither a scale of its own nor
    bounds for what it makes. The second has both.
    """
    given = _bit_width(operator, constants, 3)
    scale, zero_point = (_parameter(operator, constants, index) for index in (1, 2))
    if len(operator.operands) < 6:
        left = _bit_width(operator, constants, 4)
        dropped, names = given - left, operator.operands[1:3]
        ends, added = {"low": -(1 << left - 1), "high": (1 << left) - 1}, {}
    else:
        flags = {name: bool(operator.attributes.get(name, name == "signed")) for name in ("signed", "narrow")}
        ends = _code_range(_bit_width(operator, constants, 5), **flags)
        ratio = np.log2(_quotient(operator, _parameter(operator, constants, 4), scale))
        dropped = int(np.rint(ratio.ravel()[0]))
        exact = zero_point.exact()
        below = parameter_name(operator.output, "zero")
        added = {below: Constant.of((exact * exact.lift(Fraction(2) ** -dropped)).values)}
        names = (operator.operands[4], below)
        if (np.rint(ratio) != dropped).any() or abs(dropped) > 32:
            raise InputError(
                f"Scales of node {operator.name!r} (Trunc) must be in one ratio for all channels, at most 2**32, "
                f"not from 2**{ratio.min():g} to 2**{ratio.max():g}"
            )
        if (np.abs(ratio - dropped) > _NEARLY_HALF).any():
            raise InputError(
                f"Scales of node {operator.name!r} (Trunc) must be in the ratio of a power of two, "
                f"not 2**{ratio.max():g}, which floats round up or down"
            )
    clipped = len(operator.operands) == 6
    attributes = {"step": _rounding(operator, "FLOOR"), "dropped": dropped, "clipped": clipped, **ends}
    return added, {"operands": (*operator.operands[:3], *names), "attributes": attributes}


def _quotient(operator: Operator, above: Constant, below: Constant) -> np.ndarray:
    if not all((each.floats() > 0).all() for each in (above, below)):
        raise InputError(f"Scales of node {operator.name!r} ({operator.kind}) must be above 0, not 0 or below")
    return np.asarray(above.floats() / below.floats())


def _multi_threshold(operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]) -> Change:
    """Each threshold as an operand of one number per channel."""
    thresholds, data = _parameter(operator, constants, 1), operator.operands[0]
    shape = shapes[data] if data in shapes else constants[data].shape
    layout = str(operator.attributes.get("data_layout", "NCHW"))
    axis = len(shape) - 1 if layout.endswith("C") else 1
    if len(thresholds.shape) != 2 or len(shape) < 2 or thresholds.shape[0] not in {1, shape[axis]}:
        wanted = f"one row, or one for each of its {shape[axis] if len(shape) > 1 else 1} channels"
        raise InputError(
            f"Thresholds of node {operator.name!r} (MultiThreshold) must have {wanted}, "
            f"not {'x'.join(map(str, thresholds.shape))}"
        )
    spread = [-1 if index == axis else 1 for index in range(len(shape))]
    count = thresholds.shape[1]
    if not count or not operator.attributes.get("out_scale", 1.0):
        raise InputError(
            f"Node {operator.name!r} (MultiThreshold) must have a threshold and a scale other than 0, "
            f"not {count} thresholds and {operator.attributes.get('out_scale', 1.0):g}"
        )
    names = [parameter_name(operator.output, f"threshold{index}") for index in range(count)]
    columns = [thresholds.map(lambda values, k=index: values[:, k].reshape(spread)) for index in range(count)]  # type: ignore[misc]
    attributes = {
        "step": "FLOOR",
        "low": 0,
        "high": count,
        "scale": operator.attributes.get("out_scale", 1.0),
        "bias": operator.attributes.get("out_bias", 0.0),
    }
    return dict(zip(names, columns, strict=True)), {"operands": (data, *names), "attributes": attributes}


#: What holds if the operands are exchanged.
_MIRRORED = {
    "Equal": "Equal",
    "Greater": "Less",
    "GreaterOrEqual": "LessOrEqual",
    "Less": "Greater",
    "LessOrEqual": "GreaterOrEqual",
}


def _comparison(operator: Operator, constants: Constants, shapes: Mapping[str, tuple[int, ...]]) -> Change:
    step = "not_negative" if operator.kind.endswith("Equal") else "positive"
    return {}, {"attributes": {"step": step, "low": 0, "high": 1}}


_FORMS: dict[str, Callable[[Operator, Constants, Mapping[str, tuple[int, ...]]], Change]] = {
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    **dict.fromkeys(COMPARISONS, _comparison),
    "IntQuant": _quant,
    "MultiThreshold": _multi_threshold,
    "Pow": _power,
    "Quant": _quant,
    "Trunc": _trunc,
}
