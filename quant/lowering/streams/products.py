"""Products of weights with a stream: which of them are sums of signs, or of small integers.

Let a layer's inputs be ``s_k * p_k + o_k`` with integer points ``p_k``. Its sum over synapses is ``sum of (w_k * s_k) *
p_k`` plus ``sum of w_k * o_k``. If a neuron's numbers ``w_k * s_k`` are whole multiples ``c_k`` of one unit u, that is
``u * (sum of c_k * p_k)`` plus a constant, and the hardware multiplies points by the integers ``c_k``. Where all of
them are -1 or +1, the layer is binary.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.exact.surds import divide
from quant.lowering.graph.operations import LinearLayer

__all__ = ["Product", "compact", "integer_product"]

#: Sizes that differ by less, relatively, are likely meant to be equal.
_noise = 1e-3
#: The greatest size of a whole multiple of the unit, in 8 bits.
_largest = 128
#: Bits of a float64 whose products with whole numbers up to 128 are exact.
_exact_bits = 53 - 8


@dataclass(frozen=True, eq=False)
class Product:
    """A layer as ``slope * total + offset`` with ``total = sum(weights * points)``.

    Parameters
    ----------
    weights : (neurons, synapses of a group) int8, all -1 or +1 if the layer is binary
    slope, offset : () or (neurons,), the slope at least 0
    """

    weights: np.ndarray
    slope: Constant
    offset: Constant

    @property
    def is_binary(self) -> bool:
        return bool((np.abs(self.weights) == 1).all())


def integer_product(layer: LinearLayer, slope: Exact, offset: Exact) -> Product:
    """Return a layer on inputs ``slope * point + offset`` as sums of points times integers.

    Parameters
    ----------
    slope, offset : () or (channels,), of the inputs

    Raises
    ------
    InputError
        A neuron's weights, times the inputs' slopes, are no small whole multiples of one number.
    """
    groups, neurons = layer.site.groups, layer.weights.shape[0]
    slopes, offsets = (layer.site.by_synapse(each.values) for each in (slope, offset))
    if groups == 1:
        return _product_of_group(layer, 0, Exact(slopes[0]), Exact(offsets[0]))
    each = neurons // groups
    parts = []
    for group in range(groups):
        rows = slice(group * each, (group + 1) * each)
        bias = layer.bias and layer.bias.map(lambda values, rows=rows: values[rows])  # type: ignore[misc]
        weights = layer.weights.map(lambda values, rows=rows: values[rows])  # type: ignore[misc]
        part = replace(layer, weights=weights, bias=bias)
        parts.append(_product_of_group(part, group * each, Exact(slopes[group]), Exact(offsets[group])))
    together = [
        compact(Exact(np.concatenate([np.broadcast_to(one_group.exact().values, each) for one_group in constants])))
        for constants in ([part.slope for part in parts], [part.offset for part in parts])
    ]
    return Product(np.concatenate([part.weights for part in parts]), *together)


def _product_of_group(layer: LinearLayer, first: int, slope: Exact, offset: Exact) -> Product:
    """Return the product of a group of neurons, the first of which has the number `first`; values are by synapse."""
    directions = np.atleast_1d(slope.signs())
    sizes = Exact(np.atleast_1d(abs(slope).values))
    common = sizes.values[0]
    odd = next((each for each in sizes.values if each != common), None)
    scaled = layer.weights if odd is None else Constant.of((layer.weights.exact() * sizes).values)
    if not _differing(scaled).any():
        signs = np.asarray(scaled.exact().signs() if scaled.values.dtype == object else np.sign(scaled.values))
        units = abs(scaled.map(lambda values: values[:, 0]).exact())
        multiples = np.where(signs == 0, 1, signs).astype(np.int64)
        sums = _binary_sums(layer, signs.astype(np.int64), offset)
    else:
        multiples, units = _multiples(scaled)
        far = ((multiples * directions < -_largest) | (multiples * directions >= _largest)).any(axis=1)
        if far.any():
            raise InputError(_not_integers(layer, first, far, sizes))
        sums = _integer_sums(layer, multiples, units, offset, uniform=odd is None)
    if odd is None:
        units = units * units.lift(common)
    if layer.bias is not None:
        sums = sums + layer.bias.exact()
    return Product((multiples * directions).astype(np.int8), compact(units), compact(sums))


def compact(numbers: Exact) -> Constant:
    """Return numbers as a constant, as a single one if they are all equal."""
    flat = numbers.values.ravel()
    if all(number == flat[0] for number in flat):
        return Constant.of(np.array(flat[0], object))
    return Constant.of(numbers.values)


def _multiples(numbers: Constant) -> tuple[np.ndarray, Exact]:
    """Return numbers as whole multiples of a unit of their row, (rows, columns) int64, and the units, (rows,).

    A row without a unit gets numbers above the greatest multiple.
    """
    found = _multiples_of_floats(numbers.values) if numbers.values.dtype != object else None
    return found or _multiples_of_numbers(numbers.exact())


def _multiples_of_floats(values: np.ndarray) -> tuple[np.ndarray, Exact] | None:
    """Return the multiples of floats, in float64 as far as that is exact; None where it is not, or may not be.

    The unit of a row is its least number divided by one of 1, 2, ..., the greatest multiple.
    """
    mantissas, _ = np.frexp(values)
    if (np.ldexp(mantissas, _exact_bits) % 1).any():
        return None
    sizes = np.abs(values)
    least = np.where(sizes > 0, sizes, np.inf).min(axis=1)
    least[np.isinf(least)] = 1.0
    multiples, divisors = np.zeros(values.shape, np.int64), np.zeros(len(values), np.int64)
    for divisor in range(1, _largest + 1):
        rows = np.nonzero(divisors == 0)[0]
        if not len(rows):
            break
        some, unit = values[rows], least[rows, None]
        whole = np.rint(some * divisor / unit)
        fits = ((np.abs(whole) <= _largest) & (whole * unit == some * divisor)).all(axis=1)
        multiples[rows[fits]] = whole[fits]
        divisors[rows[fits]] = divisor
    multiples[divisors == 0] = _largest + 1
    divisors[divisors == 0] = 1
    return multiples, Constant(least).exact() * Exact(_reciprocals(divisors))


def _reciprocals(divisors: np.ndarray) -> np.ndarray:
    return np.array([Fraction(1, divisor) for divisor in divisors.tolist()], object)


def _multiples_of_numbers(numbers: Exact) -> tuple[np.ndarray, Exact]:
    """Return the multiples of any numbers."""
    multiples, units = np.zeros(numbers.values.shape, np.int64), []
    for index, row in enumerate(numbers.values):
        one = next((number for number in row if number != 0), Fraction(1))
        places: dict[int, int] = {}
        distinct = [row[places.setdefault(id(number), place)] for place, number in enumerate(row)]
        quotients = {id(number): divide(number, one) for number in distinct}
        ratios = {key: ratio for key, ratio in quotients.items() if isinstance(ratio, Fraction)}
        if len(ratios) < len(quotients):
            multiples[index], unit = _largest + 1, one
        else:
            bottom = lcm(*(ratio.denominator for ratio in ratios.values()))
            top = gcd(*(int(ratio * bottom) for ratio in ratios.values())) or 1
            whole = {key: int(ratio * bottom) // top for key, ratio in ratios.items()}
            multiples[index] = [max(-_largest - 1, min(_largest + 1, whole[id(number)])) for number in distinct]
            unit = one * Fraction(top, bottom)
            if unit < 0:
                multiples[index], unit = -multiples[index], -unit
        units.append(unit)
    return multiples, Exact(np.array(units, object))


def _not_integers(layer: LinearLayer, first_neuron: int, far: np.ndarray, sizes: Exact) -> str:
    """Return what is wrong with weights of which some neurons' are no small whole multiples of one number."""
    row = layer.weights.floats()[far.argmax()]
    unlike = next((each for each in sizes.values if each != sizes.values[0]), None)
    if unlike is not None and (np.abs(row) == abs(row[0])).all():
        return (
            f"Inputs of node {layer.name!r} must differ by one scale for all, not by {2 * float(sizes.values[0]):g} "
            f"and {2 * float(unlike):g}: use one scale per tensor after the quantizer"
        )
    weights = np.abs(layer.weights.floats())
    spreads = (weights.max(axis=1) - weights.min(axis=1)) / np.maximum(weights.max(axis=1), np.finfo(np.float64).tiny)
    worst = int(spreads.argmax())
    spread, least, most = float(spreads[worst]), weights[worst].min(), weights[worst].max()
    if spread < _noise:
        return (
            f"Weights of node {layer.name!r} must be binary, -s or +s for each neuron, not "
            f"of sizes from {least:.9g} to {most:.9g} in neuron {first_neuron + worst}, {spread:.2g} of "
            f"their size apart, as float32 arithmetic in the model leaves them: use weight tolerance {2 * spread:.1g}, "
            "or quantize them by a BipolarQuant"
        )
    values = np.unique(row)
    shown = ", ".join(f"{value:g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")
    return (
        f"Weights of node {layer.name!r} must be binary, or integers of 8 bits times one number for each neuron, "
        f"not {shown} in neuron {first_neuron + int(far.argmax())}: quantize them by a BipolarQuant, or by a "
        "Quant of 2 to 8 bits, as xnorflow quantize does"
    )


def _differing(weights: Constant) -> np.ndarray:
    """Return which rows have numbers of different sizes, (neurons,) bool."""
    if weights.values.dtype != object:
        sizes = np.abs(weights.values)
        return (sizes != sizes[:, :1]).any(axis=1)
    exact = abs(weights.exact())
    return np.asarray((exact - Exact(exact.values[:, :1])).signs().any(axis=1))


def _binary_sums(layer: LinearLayer, weight_signs: np.ndarray, offset: Exact) -> Exact:
    """Return ``sum(weight * offset)`` by neuron, of weights whose products with the slopes have one size."""
    if _differing(layer.weights).any():
        return _plain_sums(layer, offset)
    sizes = abs(layer.weights.map(lambda weights: weights[:, 0]).exact())
    return _sums_by_value(weight_signs, offset) * sizes


def _integer_sums(layer: LinearLayer, multiples: np.ndarray, units: Exact, offset: Exact, *, uniform: bool) -> Exact:
    """Return ``sum(weight * offset)`` by neuron.

    Parameters
    ----------
    uniform : whether the multiples are those of the weights themselves
    """
    return _sums_by_value(multiples, offset) * units if uniform else _plain_sums(layer, offset)


def _plain_sums(layer: LinearLayer, offset: Exact) -> Exact:
    if not offset.signs().any():
        return Exact(np.full(layer.weights.shape[0], Fraction(0), object))
    return Exact((layer.weights.exact() * offset).values.sum(axis=1))


def _sums_by_value(multiples: np.ndarray, offset: Exact) -> Exact:
    """Return ``sum(multiple * offset)`` by row; the offsets have few values."""
    values = np.broadcast_to(offset.values, multiples.shape[1:])
    total = Exact(np.full(len(multiples), Fraction(0), object))
    if not offset.signs().any():
        return total
    for value, columns in _groups(values):
        counts = Constant(multiples[:, columns].sum(axis=1).astype(np.float64))
        total = total + counts.exact() * total.lift(value)
    return total


def _groups(values: np.ndarray) -> list[tuple[Fraction, np.ndarray]]:
    """Return the different numbers among some, and where each of them stands."""
    if all(value is values[0] for value in values):
        return [(values[0], np.ones(len(values), bool))]
    groups: dict[str, list[int]] = {}
    for index, value in enumerate(values):
        groups.setdefault(repr(value), []).append(index)
    return [(values[places[0]], np.isin(np.arange(len(values)), places)) for places in groups.values()]
