"""Resize and Upsample of the file, read: which number of the input each number of the output is."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, prod

import numpy as np

from dataflow import InputError
from quant.lowering.graph.operations import Operator
from quant.lowering.reading.sizes import check_size

__all__ = ["resized_order"]

#: Coordinate in the input of output number i, for a scale and the sizes before and after.
_COORDINATES: dict[str, Callable[[Fraction, Fraction, int, int], Fraction]] = {
    "asymmetric": lambda i, scale, before, after: i / scale,
    "half_pixel": lambda i, scale, before, after: (i + Fraction(1, 2)) / scale - Fraction(1, 2),
    "half_pixel_symmetric": lambda i, scale, before, after: (
        Fraction(before, 2) * (1 - after / (scale * before)) + (i + Fraction(1, 2)) / scale - Fraction(1, 2)
    ),
    "pytorch_half_pixel": lambda i, scale, before, after: (
        (i + Fraction(1, 2)) / scale - Fraction(1, 2) if after > 1 else Fraction(0)
    ),
    "align_corners": lambda i, scale, before, after: i * Fraction(before - 1, after - 1) if after > 1 else Fraction(0),
    "tf_half_pixel_for_nn": lambda i, scale, before, after: (i + Fraction(1, 2)) / scale,
}
_ROUNDINGS: dict[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda x: ceil(x - Fraction(1, 2)),
    "round_prefer_ceil": lambda x: floor(x + Fraction(1, 2)),
    "floor": floor,
    "ceil": ceil,
}


def resized_order(
    operator: Operator, shape: tuple[int, ...], scales: list[Fraction] | None, sizes: list[int] | None, opset: int
) -> np.ndarray:
    """Return for each element of a nearest Resize's or Upsample's output its place in the flattened input, int64.

    Parameters
    ----------
    shape : of the input
    scales, sizes : one of them, for each axis

    Raises
    ------
    InputError
        Another mode than nearest, or sizes that do not fit the input.
    """
    attributes, name = operator.attributes, f"node {operator.name!r} ({operator.kind})"
    mode = attributes.get("mode", "nearest")
    if mode != "nearest":
        raise InputError(f"mode of {name} must be nearest, not {mode!r}: interpolate before the export, or use nearest")
    plain = operator.kind == "Upsample" or opset < 11  # before it, as Upsample: always asymmetric, and cut off
    coordinates = "asymmetric" if plain else attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if plain else attributes.get("nearest_mode", "round_prefer_floor")
    if coordinates not in _COORDINATES or rounding not in _ROUNDINGS:
        odd = coordinates if coordinates not in _COORDINATES else rounding
        raise InputError(f"N{name[1:]} must take nearest numbers, not by {odd!r}: use asymmetric and floor")
    axes = [axis % len(shape) for axis in attributes.get("axes", range(len(shape)))]
    given = (
        scales if sizes is None else [Fraction(*pair) for pair in zip(sizes, (shape[a] for a in axes), strict=False)]
    )
    if given is None or len(given) != len(axes) or min(given) <= 0:
        raise InputError(
            f"N{name[1:]} must have a positive scale or size for each of its {len(axes)} axes, "
            f"not {'none' if given is None else ', '.join(f'{float(each):g}' for each in given) or 'none'}"
        )
    policy = attributes.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        raise InputError(f"keep_aspect_ratio_policy of {name} must be stretch, not {policy!r}: write its sizes")
    order = np.arange(prod(shape), dtype=np.int64).reshape(shape)
    for axis, scale in zip(axes, given, strict=True):
        before = shape[axis]
        after = floor(before * scale)
        check_size(f"Output of {name}", (*order.shape[:axis], after, *order.shape[axis + 1 :]))
        if coordinates == "align_corners" and after != before * scale:
            raise InputError(
                f"Scales of {name} must give whole sizes where corners are aligned, not {float(before * scale):g}: "
                "write its sizes"
            )
        at, nearest = _COORDINATES[coordinates], _ROUNDINGS[rounding]
        places = [min(max(nearest(at(Fraction(i), scale, before, after)), 0), before - 1) for i in range(after)]
        if not _is_even(places):
            raise InputError(
                f"N{name[1:]} must repeat all rows or columns equally often, or take every n-th, not make {after} of "
                f"{before} by {coordinates!r} and {rounding!r}: use whole factors with 'asymmetric' and 'floor'"
            )
        order = np.take(order, np.array(places, np.int64), axis)
    return order


def _is_even(places: list[int]) -> bool:
    """Return whether places are repeated equally often, or are some distance apart."""
    often = places.count(places[0])
    taken = places[::often]
    steps = {after - before for before, after in pairwise(taken)}
    return len(steps) < 2 and places == [place for place in taken for _ in range(often)]
