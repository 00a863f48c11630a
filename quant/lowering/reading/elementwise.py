"""What elementwise operators mean, written once for every kind of `Real`.

Attributes are exact: a float attribute is the float32 that the file holds, a default the float32 next to the number in
the standard. Roundings of float32 arithmetic are no part of a model's meaning.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, TypeVar

import numpy as np

from quant.lowering.exact.numbers import Real

__all__ = ["COMPARISONS", "CONSTANT_OPERANDS", "DIVISORS", "ELEMENTWISE", "QUANTIZERS", "Quantizer", "apply"]

R = TypeVar("R", bound=Real)
Attributes = Mapping[str, Any]
#: Operands in order, None where an optional one is left out.
Function = Callable[[Sequence[Any], Attributes], Any]


@dataclass(frozen=True)
class Quantizer:
    """A function that rounds to integer codes: ``value(step(argument(x)))``.

    Parameters
    ----------
    argument : what is rounded
    step : name of the rounding in `_steps.STEPS`, from the attributes
    value : the number that a code stands for
    """

    argument: Function
    step: Callable[[Attributes], str]
    value: Function


def apply(kind: str, operands: Sequence[R | None], attributes: Attributes) -> R:
    """Return the result of an elementwise operator."""
    result: R
    if kind in QUANTIZERS:
        quantizer = QUANTIZERS[kind]
        code = quantizer.argument(operands, attributes).step(quantizer.step(attributes))
        result = quantizer.value([code, *operands[1:]], attributes)
    else:
        result = ELEMENTWISE[kind](operands, attributes)
    return result


def _attribute(x: R, attributes: Attributes, name: str, default: float) -> R:
    return x.lift(Fraction(float(attributes.get(name, np.float32(default)))))


def _zero(x: R) -> R:
    return x.lift(Fraction(0))


def _relu(x: R) -> R:
    return x.maximum(_zero(x))


def _leaky(x: R, slope: R) -> R:
    return x.maximum(_zero(x)) + slope * x.minimum(_zero(x))


def _clip(x: R, low: R | None, high: R | None) -> R:
    # As the standard has it: where low is above high, the result is high.
    x = x if low is None else x.maximum(low)
    return x if high is None else x.minimum(high)


def _hard_sigmoid(x: R, alpha: R, beta: R) -> R:
    return _clip(alpha * x + beta, _zero(x), x.lift(Fraction(1)))


_HARD_SIGMOID = (("alpha", 0.2), ("beta", 0.5))


def _batch_norm(x: R, scale: R, bias: R, mean: R, root: R) -> R:
    """``root`` is the square root of variance + epsilon."""
    return (x - mean) * scale / root + bias


def _power(x: R, attributes: Attributes) -> R:
    return reduce(lambda left, right: left * right, [x] * attributes["exponent"], x.lift(Fraction(1)))


def _mean(operands: Sequence[Any]) -> Any:
    total = reduce(lambda a, b: a + b, operands)
    return total * total.lift(Fraction(1, len(operands)))


ELEMENTWISE: dict[str, Function] = {
    "Abs": lambda x, a: abs(x[0]),
    "Add": lambda x, a: x[0] + x[1],
    "And": lambda x, a: x[0] * x[1],  # of what comparisons make, 0 and 1, as with Not and Or
    "BatchNormalization": lambda x, a: _batch_norm(*x),
    "Ceil": lambda x, a: x[0].step("CEIL"),
    "Clip": lambda x, a: _clip(*x),
    "Div": lambda x, a: x[0] / x[1],
    "Equal": lambda x, a: (x[0] - x[1]).step("not_negative") * (x[1] - x[0]).step("not_negative"),
    "Floor": lambda x, a: x[0].step("FLOOR"),
    "HardSigmoid": lambda x, a: _hard_sigmoid(x[0], *(_attribute(x[0], a, *d) for d in _HARD_SIGMOID)),
    "HardSwish": lambda x, a: x[0] * _hard_sigmoid(x[0], x[0].lift(Fraction(1, 6)), x[0].lift(Fraction(1, 2))),
    "LeakyRelu": lambda x, a: _leaky(x[0], _attribute(x[0], a, "alpha", 0.01)),
    "Max": lambda x, a: reduce(lambda left, right: left.maximum(right), x),
    "Mean": lambda x, a: _mean(x),
    "Min": lambda x, a: reduce(lambda left, right: left.minimum(right), x),
    "Mul": lambda x, a: x[0] * x[1],
    "Neg": lambda x, a: -x[0],
    "Not": lambda x, a: x[0].lift(Fraction(1)) - x[0],
    "Or": lambda x, a: x[0].maximum(x[1]),
    "PRelu": lambda x, a: _leaky(x[0], x[1]),
    "Pow": lambda x, a: _power(x[0], a),
    "Relu": lambda x, a: _relu(x[0]),
    "Round": lambda x, a: x[0].step("HALF_EVEN"),
    "Sub": lambda x, a: x[0] - x[1],
    "Sum": lambda x, a: reduce(lambda left, right: left + right, x),
}


def _quant_argument(x: Sequence[Any], attributes: Attributes) -> Any:
    """``x / scale + zero_point``, clipped to the codes unless it becomes a sign."""
    scaled = x[0] / x[1] + x[2]
    if attributes["step"] == "bipolar":
        return scaled
    low, high = (scaled.lift(Fraction(attributes[end])) for end in ("low", "high"))
    return _clip(scaled, low, high)


_quant = Quantizer(_quant_argument, lambda a: a["step"], lambda x, a: (x[0] - x[2]) * x[1])


def _comparison(larger: int) -> Quantizer:
    return Quantizer(lambda x, a: x[larger] - x[1 - larger], lambda a: a["step"], lambda x, a: x[0])


def _truncated(x: Sequence[Any], attributes: Attributes) -> Any:
    """``x / scale + zero_point``, rounded, without its lowest bits, or with more of them."""
    code = (x[0] / x[1] + x[2]).step("HALF_EVEN")
    code = code * code.lift(Fraction(2) ** -attributes["dropped"])
    if not attributes["clipped"]:
        return code
    low, high = (code.lift(Fraction(attributes[end])) for end in ("low", "high"))
    return _clip(code, low, high)


#: Comparisons with a constant, whose result is 0 or 1.
COMPARISONS = {
    "Greater": _comparison(0),
    "GreaterOrEqual": _comparison(0),
    "Less": _comparison(1),
    "LessOrEqual": _comparison(1),
}


def _count(x: Sequence[Any], attributes: Attributes) -> Any:
    """Return how many of the thresholds are met."""
    met = [(x[0] - threshold).step("not_negative") for threshold in x[1:]]
    return reduce(lambda left, right: left + right, met)


def _counted_value(x: Sequence[Any], attributes: Attributes) -> Any:
    scale, bias = (x[0].lift(Fraction(float(attributes[name]))) for name in ("scale", "bias"))
    return x[0] * scale + bias


QUANTIZERS: dict[str, Quantizer] = {
    **COMPARISONS,
    "BipolarQuant": Quantizer(lambda x, a: x[0], lambda a: "bipolar", lambda x, a: x[0] * x[1]),
    "IntQuant": _quant,
    "MultiThreshold": Quantizer(_count, lambda a: a["step"], _counted_value),
    "Quant": _quant,
    "Sign": Quantizer(lambda x, a: x[0], lambda a: "sign", lambda x, a: x[0]),
    "Trunc": Quantizer(_truncated, lambda a: a["step"], lambda x, a: (x[0] - x[4]) * x[3]),
}

#: Operands that must be constants, by operator; an operand counts from 0.
CONSTANT_OPERANDS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2, 3, 4),
    "BipolarQuant": (1,),
    "Clip": (1, 2),
    "Div": (1,),
    "Equal": (1,),
    "Greater": (1,),
    "GreaterOrEqual": (1,),
    "IntQuant": (1, 2, 3),
    "Less": (1,),
    "LessOrEqual": (1,),
    "MultiThreshold": (1,),
    "PRelu": (1,),
    "Pow": (1,),
    "Quant": (1, 2, 3),
    "Trunc": (1, 2, 3, 4, 5),
}

#: Operand that must not be zero, by operator.
DIVISORS: dict[str, int] = {"BatchNormalization": 4, "Div": 1, "IntQuant": 1, "Quant": 1, "Trunc": 1}
