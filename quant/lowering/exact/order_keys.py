"""Affines of integer scores, in integers that keep every decision.

The class is the first ``c`` with the highest ``a_c * t_c + b_c``, where the totals ``t_c`` are -n, -n + 2, ..., n. It
is enough to compare two at a time: for i < j class i is preferred if and only if ``a_i*t_i + b_i >= a_j*t_j + b_j``. So
integers serve if they give the same answer for all pairs of classes and all their totals. Sort all (class, total) by
preference, ties to the lower class: the order is total, and integers keep it if neighbours in it stand right. That is
checked with integers alone, once the exact order is known.

Where all classes have one scale, two of them are compared by the difference of their totals alone: then there is one
least difference for each pair of classes, however many totals there are. Scales that are small multiples of one, as
those of rows of integer weights that have a common factor, are one scale of multiplied totals. Where other scales
differ and there are too many totals to sort, integers in the exact proportion serve, which keep every decision whatever
the totals are.

A class whose scale is 0 has a constant logit, but the hardware's total still varies. There the other keys are spread by
a factor, and a step per class takes the place of the tie, ``key = spread * key' + (classes - 1 - c) * (2*n + 1)``, with
``spread > classes * (2*n + 1)``: the total of the constant class, at most n either way, then changes no order.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cmp_to_key, partial
from itertools import combinations, pairwise
from math import gcd, lcm

import numpy as np

from quant.lowering.exact.surds import Number, bounds, divide, floor, sign

__all__ = ["order_keys"]

#: Bits of a key that are never passed; keys are compared in int64.
_key_bits = 62
#: Fraction bits of approximations in sorting; what they leave open is compared exactly.
_sort_bits = 256
#: Most (class, total) that are sorted, each a Python object.
_most_places = 1 << 21
#: Greatest multiple of a common scale.
_most_multiple = 1 << 16

Keys = tuple[np.ndarray, np.ndarray]


def order_keys(scales: Sequence[Number], biases: Sequence[Number], reach: int) -> Keys | None:
    """Return the narrowest integer scale (at least 1) and offset found that keep every decision.

    Parameters
    ----------
    scales : at least 0, by class
    biases : by class
    reach : the totals are -reach to reach in steps of 2

    Returns
    -------
    scale, offset : (classes,) int64; None if none of at most 62 bits were found
    """
    if all(sign(bias - biases[0]) == 0 for bias in biases):
        biases = [Fraction(0)] * len(biases)  # what all classes have in common decides nothing
    multiples = _multiples(scales)
    if multiples is not None and max(multiples) > 1:
        found = _keys_of_multiples(scales[0] / multiples[0], multiples, biases, reach)
        if found is not None:
            return found
    keeps: Callable[[np.ndarray, np.ndarray], bool]
    if multiples is not None and max(multiples) == 1:
        least = _least_differences(scales[0], biases, reach)
        keeps = partial(_keeps_differences, least=least, reach=reach)
    elif len(scales) * (reach + 1) > _most_places:
        exact = _exact_integers(scales, biases)
        return None if exact is None else _spread(*exact, reach)
    else:
        keeps = partial(_keeps, order=_preferred(scales, biases, reach))
    for keys in _candidates(scales, biases):
        spread = _spread(*keys, reach)
        if spread is not None and keeps(*spread):
            return spread
    return None


def _multiples(scales: Sequence[Number]) -> list[int] | None:
    """Return the multiples of one number that scales are, if these are small, in lowest terms."""
    if not all(sign(scale) for scale in scales):
        return None
    ratios = [divide(scale, scales[0]) for scale in scales]
    fractions = [ratio for ratio in ratios if isinstance(ratio, Fraction)]
    if len(fractions) < len(ratios):
        return None
    common = lcm(*(ratio.denominator for ratio in fractions))
    multiples = [int(ratio * common) for ratio in fractions]
    return multiples if max(multiples) <= _most_multiple else None


def _keys_of_multiples(unit: Number, multiples: list[int], biases: Sequence[Number], reach: int) -> Keys | None:
    """Return keys of scales that are multiples of a unit.

    The logit of class c is ``unit / 2 * (2 * k_c * t_c) + b_c``, where ``2 * k_c * t_c`` is one of the even numbers up
    to ``2 * max(k) * reach``; so keys of one scale for all those serve.
    """
    keys = order_keys([unit / 2] * len(multiples), biases, 2 * max(multiples) * reach)
    if keys is None:
        return None
    scale, offset = 2 * keys[0] * multiples, keys[1]
    common = np.gcd.reduce(np.append(scale, offset))
    return scale // common, offset // common


def _least_differences(scale: Number, biases: Sequence[Number], reach: int) -> np.ndarray:
    """Return the least even ``t_i - t_j`` at which class i is preferred to j > i, (classes, classes) object.

    Those beyond the differences that occur are one step beyond.
    """
    least = np.zeros((len(biases), len(biases)), object)
    for i, j in combinations(range(len(biases)), 2):
        needed = divide(biases[j] - biases[i], scale) / 2
        least[i, j] = 2 * min(max(-floor(-needed), -reach), reach + 1)
    return least


def _keeps_differences(scale: np.ndarray, offset: np.ndarray, *, least: np.ndarray, reach: int) -> bool:
    """Return whether keys of one scale prefer a class from the same difference on."""
    step = 2 * int(scale[0])
    for i, j in combinations(range(len(offset)), 2):
        needed = -((int(offset[i]) - int(offset[j])) // step)
        if 2 * min(max(needed, -reach), reach + 1) != least[i, j]:
            return False
    return True


def _candidates(scales: Sequence[Number], biases: Sequence[Number]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield integer approximations from coarse to fine, the exact ones among them if there are such.

    Where only some of the numbers are rational multiples of the largest scale, their ratios are kept exactly in some of
    them, because ties may hang on that.
    """
    largest = max(scales) if any(sign(scale) for scale in scales) else Fraction(1)
    quotients = [[number / largest for number in numbers] for numbers in (scales, biases)]
    ratios = [[_near(number) for number in numbers] for numbers in quotients]
    common = lcm(*(number.denominator for each in quotients for number in each if isinstance(number, Fraction)))
    units = {unit << bits for bits in range(_key_bits) for unit in (1, common)}
    exact = _exact_integers(scales, biases)
    for unit in sorted(unit for unit in units if unit < 1 << _key_bits):
        if exact is not None and max(exact[0]) <= unit:
            yield exact
            exact = None
        scale, offset = ([round(ratio * unit) for ratio in part] for part in ratios)
        yield [max(1, each) if sign(true) else 0 for each, true in zip(scale, scales, strict=True)], offset
    if exact is not None:
        yield exact


def _near(number: Number) -> Fraction:
    low, high = bounds(number, _sort_bits)
    return (low + high) / 2


def _exact_integers(scales: Sequence[Number], biases: Sequence[Number]) -> tuple[list[int], list[int]] | None:
    """Return scales and biases times one factor, in lowest terms; None where a root is in them."""
    numbers = [*scales, *biases]
    fractions = [number for number in numbers if isinstance(number, Fraction)]
    if len(fractions) < len(numbers):
        return None
    common = lcm(*(number.denominator for number in fractions))
    integers = [int(number * common) for number in fractions]
    divisor = gcd(*integers) or 1
    reduced = [integer // divisor for integer in integers]
    return reduced[: len(scales)], reduced[len(scales) :]


def _spread(scale: list[int], offset: list[int], reach: int) -> Keys | None:
    """Return keys with positive scales; None if they are too wide."""
    classes = len(scale)
    if 0 in scale:
        step = 2 * reach + 1
        factor = classes * step + 1
        offset = [factor * each + (classes - 1 - index) * step for index, each in enumerate(offset)]
        scale = [factor * each if each else 1 for each in scale]
    widest = max(each * reach + abs(shift) for each, shift in zip(scale, offset, strict=True))
    if widest >> (_key_bits - 1):
        return None
    return np.array(scale, np.int64), np.array(offset, np.int64)


def _keeps(scale: np.ndarray, offset: np.ndarray, *, order: tuple[np.ndarray, np.ndarray]) -> bool:
    """Return whether keys, and the lower class at a tie, order (class, total) as `order` has them."""
    classes, totals = order
    keys = scale[classes] * totals + offset[classes]
    rising = (keys[:-1] > keys[1:]) | ((keys[:-1] == keys[1:]) & (classes[:-1] < classes[1:]))
    return bool(rising.all())


def _preferred(scales: Sequence[Number], biases: Sequence[Number], reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all (class, total) in the order of preference: the higher logit, then the lower class, then total.

    Of a class with a constant logit the two ends stand for all totals.
    """
    exact = _exact_integers(scales, biases)
    if exact is not None:
        slack = 0
        slopes, offsets = exact
    else:
        # Rounded to multiples of 2**-bits: two logits are certainly ordered if they differ by more than the slack.
        slack = 4 * (reach + 2)
        slopes, offsets = ([round(_near(number) * (1 << _sort_bits)) for number in each] for each in (scales, biases))
    totals = np.arange(-reach, reach + 1, 2)
    places = [
        (slopes[index] * int(total) + offsets[index], index, int(total))
        for index, scale in enumerate(scales)
        for total in (totals if sign(scale) else totals[[0, -1]])
    ]
    places.sort(key=lambda place: (-place[0], place[1], -place[2]))
    if slack:
        places = _settled(places, scales, biases, slack)
    return np.array([place[1] for place in places]), np.array([place[2] for place in places])


Place = tuple[int, int, int]


def _settled(places: list[Place], scales: Sequence[Number], biases: Sequence[Number], slack: int) -> list[Place]:
    """Return places sorted exactly, from ones that are sorted up to `slack`."""

    def logit(place: Place) -> Number:
        return scales[place[1]] * Fraction(place[2]) + biases[place[1]]

    def compare(left: Place, right: Place) -> int:
        return -sign(logit(left) - logit(right)) or left[1] - right[1] or right[2] - left[2]

    cuts = [0, *(i for i, (a, b) in enumerate(pairwise(places), 1) if a[0] - b[0] > slack), len(places)]
    settled: list[Place] = []
    for start, end in pairwise(cuts):
        group = places[start:end]
        settled += sorted(group, key=cmp_to_key(compare)) if len(group) > 1 else group
    return settled
