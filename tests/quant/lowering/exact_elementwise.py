"""Operators on numbers, quantizers and layers among them, in exact arithmetic."""

from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from functools import reduce
from math import ceil, floor, log2
from typing import Any

import numpy as np
import onnx

from tests.quant.lowering.exact_numbers import Numbers, curve, square_root

__all__ = ["OPERATORS", "product"]

Operands = list[Any]
Attributes = dict[str, Any]

_zero, _one = Numbers.of(np.int64(0)), Numbers.of(np.int64(1))


def _float32(attributes: Attributes, name: str, default: float) -> Numbers:
    return Numbers.of(np.float64(attributes.get(name, np.float32(default))))


def product(left: Numbers, right: Numbers) -> Numbers:
    """Return ``left @ right`` as numpy has it, frame by frame."""
    a, b = left.tops, right.tops
    drop = [axis for axis, each in ((-2, a), (-1, b)) if each.ndim == 2]
    a = a[:, None] if a.ndim == 2 else a
    b = b[..., None] if b.ndim == 2 else b
    rank = max(a.ndim, b.ndim)
    a, b = (each.reshape(len(each), *[1] * (rank - each.ndim), *each.shape[1:]) for each in (a, b))
    tops = _integer_product(a, b)
    return left.like(np.squeeze(tops, tuple(drop)), left.bottom * right.bottom, right)


def _integer_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    sizes = [max((abs(top) for top in each.flat), default=0) for each in (left, right)]
    if max(*sizes, sizes[0] * sizes[1] * max(left.shape[-1], 1)) < 1 << 62:
        return np.asarray(np.matmul(left.astype(np.int64), right.astype(np.int64)).astype(object))
    return np.asarray(np.matmul(left, right), object)


def _gemm(x: Operands, a: Attributes) -> Numbers:
    left, right = (
        each.move(lambda tops: np.swapaxes(tops, -1, -2)) if a.get(name, 0) else each
        for each, name in zip(x, ("transA", "transB"), strict=False)
    )
    total = product(left, right) * _float32(a, "alpha", 1.0)
    return total if len(x) < 3 or x[2] is None else total + x[2] * _float32(a, "beta", 1.0)


def _channels(parameter: Numbers, data: Numbers) -> Numbers:
    """Return one number per channel in a shape that broadcasts."""
    return parameter.move(lambda tops: tops.reshape(1, -1, *[1] * (len(data.shape) - 2)))


def _batch_norm(x: Operands, a: Attributes) -> Numbers:
    assert not a.get("training_mode", 0)
    data = x[0]
    scale, bias, mean, variance = (_channels(each, data) for each in x[1:5])
    root = square_root(variance + _float32(a, "epsilon", 1e-5))
    return (data - mean) * (scale / root) + bias


def _clip(x: Operands, a: Attributes) -> Numbers:
    low, high = [*x[1:], None, None][:2]
    low = Numbers.of(np.float64(a["min"])) if "min" in a else low
    high = Numbers.of(np.float64(a["max"])) if "max" in a else high
    data = x[0] if low is None else x[0].maximum(low)
    return data if high is None else data.minimum(high)


def _leaky(data: Numbers, slope: Numbers) -> Numbers:
    return data.maximum(_zero) + slope * data.minimum(_zero)


def _hard_sigmoid(data: Numbers, alpha: Numbers, beta: Numbers) -> Numbers:
    return (alpha * data + beta).maximum(_zero).minimum(_one)


def _power(x: Operands, a: Attributes) -> Numbers:
    base, exponent = x
    twice = (exponent + exponent).integers()
    assert len(set(twice)) == 1
    root = square_root(base) if twice[0] % 2 else base
    times = abs(twice[0]) // (1 if twice[0] % 2 else 2)
    ones = base.move(lambda tops: np.full(tops.shape, base.bottom, object))
    result = reduce(lambda left, _: left * root, range(times), ones)
    return result.reciprocal() if twice[0] < 0 else result


def _cast(x: Operands, a: Attributes) -> Numbers:
    """A constant is rounded to the type; what depends on the input is exact, so floats remain what they are."""
    data, to = x[0], a["to"]
    if len(data.tops) > 1:
        assert to in {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16}
        return data
    return Numbers.of(data.floats()[0].astype(onnx.helper.tensor_dtype_to_np_dtype(to)))


def _away(x: Fraction) -> int:
    return ceil(x) if x >= 0 else floor(x)


def _half(x: Fraction, *, up: bool) -> int:
    size = floor(abs(x) + Fraction(1, 2)) if up else ceil(abs(x) - Fraction(1, 2))
    return size if x >= 0 else -size


_ROUNDINGS: dict[str, Callable[[Fraction], int]] = {
    "ROUND": round,
    "ROUND_TO_ZERO": int,
    "HALF_EVEN": round,
    "CEIL": ceil,
    "FLOOR": floor,
    "UP": _away,
    "DOWN": int,
    "HALF_UP": lambda x: _half(x, up=True),
    "HALF_DOWN": lambda x: _half(x, up=False),
}


def _sign(data: Numbers, at_zero: int) -> Numbers:
    signs = data.signs()
    return Numbers(np.where(signs == 0, at_zero, signs).astype(object))


def _comparison(holds: Callable[[np.ndarray], np.ndarray]) -> Callable[[Operands, Attributes], Numbers]:
    """Return an operator that gives 1 where a comparison of the difference with 0 holds, else 0."""
    return lambda x, a: Numbers(holds((x[0] - x[1]).signs()).astype(np.int64).astype(object))


def _where(x: Operands, a: Attributes) -> Numbers:
    condition, one, other = x
    chosen = Numbers((condition.signs() != 0).astype(np.int64).astype(object))
    return chosen * one + (_one - chosen) * other


def _bipolar_quant(x: Operands, a: Attributes) -> Numbers:
    return _sign(x[0], 1) * x[1]


def _quant(x: Operands, a: Attributes) -> Numbers:
    data, scale, zero_point, width = x
    (bits,) = width.integers()
    signed, narrow = a.get("signed", 1), a.get("narrow", 1)
    scaled = data / scale + zero_point
    if bits == 1 and signed:
        return (_sign(scaled, 1) - zero_point) * scale
    low = -(1 << (bits - 1)) + bool(narrow) if signed else 0
    high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1 - bool(narrow)
    mode = a.get("rounding_mode", b"ROUND").decode().upper()
    codes = scaled.step(lambda v: min(max(_ROUNDINGS[mode](v), low), high))
    return (codes - zero_point) * scale


def _multi_threshold(x: Operands, a: Attributes) -> Numbers:
    data, thresholds = x
    axis = len(data.shape) - 1 if a.get("data_layout", b"NCHW").decode().endswith("C") else 1
    spread = [-1 if index == axis else 1 for index in range(len(data.shape))]
    columns = [
        thresholds.move(lambda values, k=column: values[..., k].reshape(1, *spread))
        for column in range(thresholds.shape[1])
    ]
    total = reduce(lambda a, b: a + b, [(data - each).step(lambda v: int(v >= 0)) for each in columns])
    scale, bias = (
        Numbers.of(np.array(a.get(name, default))) for name, default in (("out_scale", 1.0), ("out_bias", 0.0))
    )
    return total * scale + bias


def _trunc(x: Operands, a: Attributes) -> Numbers:
    data, scale, zero_point, width, *rest = x
    mode = _ROUNDINGS[a.get("rounding_mode", b"FLOOR").decode().upper()]
    if len(rest) == 1:
        dropped = width.integers()[0] - rest[0].integers()[0]
        low, high = None, None
        scale_left, zero_left = scale, zero_point
    else:
        scale_left, (bits,) = rest[0], rest[1].integers()
        dropped = round(log2((scale_left / scale).fractions().ravel()[0]))
        zero_left = zero_point / Numbers.of(np.array(2.0**dropped))
        signed, narrow = a.get("signed", 1), a.get("narrow", 0)
        low = -(1 << (bits - 1)) + narrow if signed else 0
        high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1 - narrow

    def code(v: Fraction) -> int:
        kept = round(v) / Fraction(2) ** dropped
        return mode(kept if low is None else min(max(kept, Fraction(low)), Fraction(high)))

    return ((data / scale + zero_point).step(code) - zero_left) * scale_left


def _step(function: Callable[[Fraction], int]) -> Callable[[Operands, Attributes], Numbers]:
    return lambda x, a: x[0].step(function)


def _softsign(v: Decimal, c: Context) -> Decimal:
    return c.divide(v, c.add(Decimal(1), abs(v)))


def _tanh(v: Decimal, c: Context) -> Decimal:
    power = c.exp(c.multiply(Decimal(-2), abs(v)))
    size = c.divide(c.subtract(Decimal(1), power), c.add(Decimal(1), power))
    return size if v >= 0 else -size


def _sigmoid(v: Decimal, c: Context) -> Decimal:
    return c.divide(Decimal(1), c.add(Decimal(1), c.exp(-v)))


def _softplus(v: Decimal, c: Context) -> Decimal:
    return c.ln(c.add(Decimal(1), c.exp(v)))


def _sinh(v: Decimal, c: Context) -> Decimal:
    return c.divide(c.subtract(c.exp(v), c.exp(-v)), Decimal(2))


def _asinh(v: Decimal, c: Context) -> Decimal:
    size = c.ln(c.add(abs(v), c.sqrt(c.add(c.multiply(v, v), Decimal(1)))))
    return size if v >= 0 else -size


def _erf(v: Decimal, c: Context) -> Decimal:
    """A function with the sign and the order of erf, which is what lowering may ask of it."""
    return _tanh(v, c)


def _atan(v: Decimal, c: Context) -> Decimal:
    """A function with the sign and the order of atan."""
    return _softsign(v, c)


def _curve(function: Callable[[Decimal, Context], Decimal]) -> Callable[[Operands, Attributes], Numbers]:
    return lambda x, a: curve(function, x[0])


def _softmax(x: Operands, a: Attributes) -> Numbers:
    powers = curve(lambda v, c: c.exp(v), x[0])
    axis = a.get("axis", -1 if a["opset"] >= 13 else 1) % len(x[0].shape)
    axes = (axis,) if a["opset"] >= 13 else tuple(range(axis, len(x[0].shape)))
    return powers / powers.move(lambda tops: tops.sum(axis=tuple(each + 1 for each in axes), keepdims=True))


def _log_softmax(x: Operands, a: Attributes) -> Numbers:
    return curve(lambda v, c: c.ln(v), _softmax(x, a))


OPERATORS: dict[str, Callable[[Operands, Attributes], Numbers]] = {
    "Abs": lambda x, a: x[0].maximum(-x[0]),
    "Add": lambda x, a: x[0] + x[1],
    "And": lambda x, a: x[0].minimum(x[1]),
    "Asinh": _curve(_asinh),
    "Atan": _curve(_atan),
    "BatchNormalization": _batch_norm,
    "BipolarQuant": _bipolar_quant,
    "Cast": _cast,
    "Ceil": _step(ceil),
    "Clip": _clip,
    "Div": lambda x, a: x[0] / x[1],
    "Dropout": lambda x, a: x[0],
    "Erf": _curve(_erf),
    "Exp": _curve(lambda v, c: c.exp(v)),
    "Floor": _step(floor),
    "Gemm": _gemm,
    "Equal": _comparison(lambda signs: signs == 0),
    "Greater": _comparison(lambda signs: signs > 0),
    "GreaterOrEqual": _comparison(lambda signs: signs >= 0),
    "HardSigmoid": lambda x, a: _hard_sigmoid(x[0], _float32(a, "alpha", 0.2), _float32(a, "beta", 0.5)),
    "HardSwish": lambda x, a: x[0] * _hard_sigmoid(x[0], Numbers.of(Fraction(1, 6)), Numbers.of(Fraction(1, 2))),
    "Identity": lambda x, a: x[0],
    "IntQuant": _quant,
    "LeakyRelu": lambda x, a: _leaky(x[0], _float32(a, "alpha", 0.01)),
    "Less": _comparison(lambda signs: signs < 0),
    "LessOrEqual": _comparison(lambda signs: signs <= 0),
    "LogSoftmax": _log_softmax,
    "MatMul": lambda x, a: product(x[0], x[1]),
    "Max": lambda x, a: reduce(Numbers.maximum, x),
    "Mean": lambda x, a: reduce(Numbers.__add__, x) * Numbers.of(Fraction(1, len(x))),
    "Min": lambda x, a: reduce(Numbers.minimum, x),
    "Mul": lambda x, a: x[0] * x[1],
    "Neg": lambda x, a: -x[0],
    "Not": lambda x, a: Numbers((x[0].signs() == 0).astype(np.int64).astype(object)),
    "Or": lambda x, a: x[0].maximum(x[1]),
    "PRelu": lambda x, a: _leaky(x[0], x[1]),
    "Pow": _power,
    "MultiThreshold": _multi_threshold,
    "Quant": _quant,
    "Trunc": _trunc,
    "Reciprocal": lambda x, a: x[0].reciprocal(),
    "Relu": lambda x, a: x[0].maximum(_zero),
    "Round": _step(round),
    "Sigmoid": _curve(_sigmoid),
    "Sign": lambda x, a: _sign(x[0], 0),
    "Sinh": _curve(_sinh),
    "Softmax": _softmax,
    "Softplus": _curve(_softplus),
    "Softsign": _curve(_softsign),
    "Sqrt": lambda x, a: square_root(x[0]),
    "Sub": lambda x, a: x[0] - x[1],
    "Sum": lambda x, a: reduce(Numbers.__add__, x),
    "Tanh": _curve(_tanh),
    "Where": _where,
}
