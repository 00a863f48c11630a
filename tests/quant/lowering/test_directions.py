"""Whether functions rise or fall by their form, against their values."""

from fractions import Fraction
from typing import TypeVar

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quant.lowering.exact.directions import OPEN, Direction
from quant.lowering.exact.numbers import Exact, Real
from tests.examples import examples

R = TypeVar("R", bound=Real)

#: A function: operators by their places, each on earlier results, the first of which is the argument.
Steps = list[tuple[str, int, int]]
KINDS = ("neg", "abs", "FLOOR", "bipolar", "add", "sub", "mul", "min", "max", "div")


def applied(steps: Steps, results: list[R]) -> R:
    for kind, one, two in steps:
        a, b = results[one % len(results)], results[two % len(results)]
        if kind in ("FLOOR", "bipolar"):
            results.append(a.step(kind))
        elif kind in ("neg", "abs"):
            results.append(-a if kind == "neg" else abs(a))
        elif kind in ("min", "max"):
            results.append(a.minimum(b) if kind == "min" else a.maximum(b))
        elif kind == "div":
            results.append(a / results[1])
        else:
            results.append(a + b if kind == "add" else a - b if kind == "sub" else a * b)
    return results[-1]


@settings(max_examples=examples(200))
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 9)), max_size=6),
    st.sampled_from((-2, -1, 1, 3)),
    st.integers(-3, 3),
    st.sampled_from((-1, 0, 1)),
)
def test_what_form_says_holds_for_all_values(steps: Steps, divisor: int, number: int, slope: int) -> None:
    constants = [Exact(np.array(Fraction(each), object)) for each in (divisor, number)]
    found = applied(steps, [Direction(np.array(slope)), *map(Direction.of_constant, constants)])
    points = Exact(np.array([slope * Fraction(point, 2) for point in range(-9, 10)], object))
    values = np.broadcast_to(applied(steps, [points, *constants]).values, (19,))
    rises = values[1:] - values[:-1]
    way = int(found.ways)
    if found.value is not None:
        assert (values == found.value.values).all()
    assert way in (-1, 0, 1, OPEN)
    if way in (0, 1):
        assert (rises >= 0).all()
    if way in (0, -1):
        assert (rises <= 0).all()


def test_products_of_functions_and_sums_of_opposite_ones_are_left_open() -> None:
    x = Direction(np.array([1, -1, 0]))
    assert list((x * x).ways) == [OPEN, OPEN, 0]
    assert list((x - x).ways) == [OPEN, OPEN, 0]
    two = x.lift(Fraction(2))
    assert list((-(x * two) / two).ways) == [-1, 1, 0]
    assert list((two * x + two).ways) == [1, -1, 0]
    assert list(((x * x) * x.lift(Fraction(0))).ways) == [0, 0, 0]
