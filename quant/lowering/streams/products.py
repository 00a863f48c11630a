"""Products of weights with inputs of two values: which of them are sums of signs."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.graph.operations import LinearLayer

__all__ = ["binary_product", "compact"]

#: Sizes that differ by less, relatively, are likely meant to be equal.
_noise = 1e-3


def binary_product(layer: LinearLayer, zero: Exact, one: Exact) -> tuple[np.ndarray, Constant, Constant]:
    """Return a layer on two-valued inputs as ``slope * total + offset``.

    Parameters
    ----------
    zero, one : () or (channels,), what the two bits of each input stand for

    Returns
    -------
    signs : (neurons, synapses of a group) int8, -1 or +1
    slope, offset : () or (neurons,), the slope at least 0

    Raises
    ------
    InputError
        Weights, or the inputs' values, that are not binary.
    """
    groups, neurons = layer.site.groups, layer.weights.shape[0]
    zeros, ones = (layer.site.by_synapse(each.values) for each in (zero, one))
    if groups == 1:
        return _product_of_group(layer, 0, Exact(zeros[0]), Exact(ones[0]))
    each = neurons // groups
    parts = []
    for group in range(groups):
        rows = slice(group * each, (group + 1) * each)
        bias = layer.bias and layer.bias.map(lambda values, rows=rows: values[rows])  # type: ignore[misc]
        weights = layer.weights.map(lambda values, rows=rows: values[rows])  # type: ignore[misc]
        part = replace(layer, weights=weights, bias=bias)
        parts.append(_product_of_group(part, group * each, Exact(zeros[group]), Exact(ones[group])))
    signs, slopes, offsets = zip(*parts, strict=True)
    together = [
        compact(Exact(np.concatenate([np.broadcast_to(one_group.exact().values, each) for one_group in constants])))
        for constants in (slopes, offsets)
    ]
    return np.concatenate(signs), together[0], together[1]


def _product_of_group(layer: LinearLayer, first: int, zero: Exact, one: Exact) -> tuple[np.ndarray, Constant, Constant]:
    """Return the product of a group of neurons, the first of which has the number `first`; values are by synapse."""
    half = zero.lift(Fraction(1, 2))
    middle, distance = (zero + one) * half, (one - zero) * half
    directions = np.atleast_1d(distance.signs())
    if (directions == 0).any():
        raise InputError(
            f"Inputs of node {layer.name!r} must have two values, not one as input {int((directions == 0).argmax())}: "
            "the scale between the quantizer and this node must not be zero"
        )
    sizes = _sizes_by_neuron(layer, first, Exact(np.atleast_1d(abs(distance).values)))
    weight_signs = np.asarray(layer.weights.exact().signs() if _is_object(layer) else np.sign(layer.weights.values))
    signs = np.where(weight_signs == 0, 1, weight_signs * directions).astype(np.int8)
    offset = _middle_sums(layer, weight_signs.astype(np.int64), middle)
    if layer.bias is not None:
        offset = offset + layer.bias.exact()
    return signs, compact(sizes), compact(offset)


def compact(numbers: Exact) -> Constant:
    """Return numbers as a constant, as a single one if they are all equal."""
    flat = numbers.values.ravel()
    if all(number == flat[0] for number in flat):
        return Constant.of(np.array(flat[0], object))
    return Constant.of(numbers.values)


def _is_object(layer: LinearLayer) -> bool:
    return layer.weights.values.dtype == object


def _sizes_by_neuron(layer: LinearLayer, first_neuron: int, distances: Exact) -> Exact:
    """Return ``|weight * distance|`` by neuron, which must be the same for all its synapses."""
    first = distances.values[0]
    odd = next((each for each in distances.values if each != first), None)
    scaled = layer.weights if odd is None else Constant((layer.weights.exact() * distances).values)
    unequal = np.nonzero(_differing(scaled))[0]
    if len(unequal) == 0:
        column = abs(scaled.map(lambda values: values[:, 0]).exact())
        return column if odd is not None else column * column.lift(first)
    row = layer.weights.floats()[unequal[0]]
    if odd is not None and (np.abs(row) == abs(row[0])).all():
        raise InputError(
            f"Inputs of node {layer.name!r} must differ by one scale for all, not by {2 * float(first):g} and "
            f"{2 * float(odd):g}: use one scale per tensor after the quantizer"
        )
    raise InputError(_not_binary(layer, first_neuron))


def _not_binary(layer: LinearLayer, first_neuron: int) -> str:
    """Return what is wrong with weights: of the neuron whose sizes are the farthest apart."""
    sizes = np.abs(layer.weights.floats())
    spreads = (sizes.max(axis=1) - sizes.min(axis=1)) / np.maximum(sizes.max(axis=1), np.finfo(np.float64).tiny)
    worst = int(spreads.argmax())
    spread, least, most = float(spreads[worst]), sizes[worst].min(), sizes[worst].max()
    sentence = f"Weights of node {layer.name!r} must be binary, -s or +s for each neuron, not"
    if spread < _noise:
        return (
            f"{sentence} of sizes from {least:.9g} to {most:.9g} in neuron {first_neuron + worst}, {spread:.2g} of "
            f"their size apart, as float32 arithmetic in the model leaves them: use weight tolerance {2 * spread:.1g}, "
            "or quantize them by a BipolarQuant"
        )
    worst = int(_differing(layer.weights).argmax())
    values = np.unique(layer.weights.floats()[worst])
    shown = ", ".join(f"{value:g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")
    return f"{sentence} {shown} in neuron {first_neuron + worst}: quantize them by a BipolarQuant"


def _differing(weights: Constant) -> np.ndarray:
    """Return which rows have numbers of different sizes, (neurons,) bool."""
    if weights.values.dtype != object:
        sizes = np.abs(weights.values)
        return (sizes != sizes[:, :1]).any(axis=1)
    exact = abs(weights.exact())
    return np.asarray((exact - Exact(exact.values[:, :1])).signs().any(axis=1))


def _middle_sums(layer: LinearLayer, weight_signs: np.ndarray, middle: Exact) -> Exact:
    """Return ``sum(weight * middle)`` by neuron."""
    values = np.broadcast_to(middle.values, weight_signs.shape[1:])
    if not middle.signs().any():
        return Exact(np.full(len(weight_signs), Fraction(0), object))
    if _differing(layer.weights).any():
        return Exact((layer.weights.exact() * middle).values.sum(axis=1))
    total = Exact(np.full(len(weight_signs), Fraction(0), object))
    for value, columns in _groups(values):
        counts = Constant(weight_signs[:, columns].sum(axis=1).astype(np.float64))
        total = total + counts.exact() * total.lift(value)
    return total * abs(layer.weights.map(lambda weights: weights[:, 0]).exact())


def _groups(values: np.ndarray) -> list[tuple[Fraction, np.ndarray]]:
    """Return the different numbers among some, and where each of them stands."""
    if all(value is values[0] for value in values):
        return [(values[0], np.ones(len(values), bool))]
    groups: dict[str, list[int]] = {}
    for index, value in enumerate(values):
        groups.setdefault(repr(value), []).append(index)
    return [(values[places[0]], np.isin(np.arange(len(values)), places)) for places in groups.values()]
