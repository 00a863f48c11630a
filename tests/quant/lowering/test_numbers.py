"""Exact numbers, intervals and steps, on which lowering stands."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quant.lowering.exact.intervals import Interval
from quant.lowering.exact.numbers import Affine, Constant, Exact, NotAffineError
from quant.lowering.exact.steps import STEPS
from quant.lowering.exact.surds import Number, Surd, bounds, divide, floor, sign, square_root
from tests.examples import examples

rationals = st.fractions(-50, 50, max_denominator=64)
positive = st.fractions(Fraction(1, 64), 50, max_denominator=64)


def decimal_of(number: Number) -> Decimal:
    terms = number.terms.items() if isinstance(number, Surd) else [(frozenset(), number)]
    total = Decimal(0)
    for roots, factor in terms:
        value = Decimal(factor.numerator) / factor.denominator
        for root in roots:
            value *= (Decimal(root.numerator) / root.denominator).sqrt()
        total += value
    return total


@st.composite
def numbers(draw: st.DrawFn) -> Number:
    number: Number = draw(rationals)
    for _ in range(draw(st.integers(0, 3))):
        number = number + draw(rationals) * square_root(draw(positive))
        if draw(st.booleans()):
            number = number * square_root(draw(positive))
    return number


@pytest.mark.long
@given(numbers(), numbers())
def test_arithmetic_of_roots(a: Number, b: Number) -> None:
    with localcontext() as context:
        context.prec = 80
        x, y = decimal_of(a), decimal_of(b)
        close = Decimal(10) ** -50
        assert abs(decimal_of(a + b) - (x + y)) < close
        assert abs(decimal_of(a - b) - (x - y)) < close
        assert abs(decimal_of(a * b) - x * y) < close
        assert sign(a) == (0 if abs(x) < close else 1 if x > 0 else -1)
        assert (a < b, a <= b, a == b) == (sign(a - b) < 0, sign(a - b) <= 0, sign(a - b) == 0)
        assert (a > b, a >= b, a != b) == (sign(a - b) > 0, sign(a - b) >= 0, sign(a - b) != 0)
        assert floor(a) <= a < floor(a) + 1
        low, high = bounds(a, 100)
        assert low <= a <= high
        assert high - low < Fraction(1, 2**60)
        assert float(a) == pytest.approx(float(x), rel=1e-14, abs=1e-14)
        if sign(b):
            assert abs(decimal_of(divide(a, b)) - x / y) < close * 10**12 * (1 + abs(x))


def test_square_root_takes_squares_out() -> None:
    assert square_root(Fraction(9, 16)) == Fraction(3, 4)
    assert isinstance(square_root(Fraction(9, 16)), Fraction)
    assert square_root(Fraction(0)) == 0
    assert repr(square_root(Fraction(12))) == "2 * sqrt(3)"


def test_dependent_roots_are_recognized_as_zero() -> None:
    two, eighteen = square_root(Fraction(2)), square_root(Fraction(18))
    assert sign(3 * two - eighteen) == 0
    assert sign(two * square_root(Fraction(3)) - square_root(Fraction(6))) == 0
    assert sign(square_root(Fraction(6)) - two * square_root(Fraction(3)) + Fraction(1, 10**30)) == 1
    # The norm of 3*sqrt(2) + sqrt(18) is 0, the number is not.
    assert divide(Fraction(1), 3 * two + eighteen) * (2 * eighteen) == 1
    with pytest.raises(ZeroDivisionError):
        divide(Fraction(1), 3 * two - eighteen)


@pytest.mark.parametrize("number", [Fraction(-1), square_root(Fraction(2))])
def test_square_root_refuses(number: Number) -> None:
    with pytest.raises(ValueError, match=r"^a square root of a (negative number|square root)$"):
        square_root(number)


def test_surds_have_no_hash() -> None:
    with pytest.raises(TypeError, match=r"^A number with square roots must be compared, not hashed$"):
        hash(square_root(Fraction(2)))


floats = st.one_of(
    st.floats(-1e3, 1e3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 0.1, 5e-324, 1e308]),
)


def holds(interval: Interval, exact: Fraction) -> bool:
    low, high = interval.low.item(), interval.high.item()
    return (low == -np.inf or Fraction(low) <= exact) and (high == np.inf or exact <= Fraction(high))


def point(x: float) -> Interval:
    return Interval.of_floats(np.array(x))


@settings(max_examples=examples(400))
@given(floats, floats)
def test_intervals_hold_the_exact_result(x: float, y: float) -> None:
    a, b = Fraction(x), Fraction(y)
    for interval, exact in (
        (point(x) + point(y), a + b),
        (point(x) - point(y), a - b),
        (point(x) * point(y), a * b),
        (abs(point(x)), abs(a)),
        (point(x).minimum(point(y)), min(a, b)),
        (point(x).maximum(point(y)), max(a, b)),
    ):
        assert holds(interval, exact)
        moderate = all(value == 0 or 2.0**-700 < abs(value) < 2**700 for value in (a, b, exact))
        if moderate and Fraction(float(exact)) == exact:
            assert interval.is_exact, "what a float can hold stays a point"
    if y:
        assert holds(point(x) / point(y), a / b)


@given(st.lists(floats, min_size=4, max_size=4), st.lists(st.fractions(0, 1), min_size=2, max_size=2))
def test_intervals_of_intervals(ends: list[float], inside: list[Fraction]) -> None:
    (a_low, a_high), (b_low, b_high) = sorted(ends[:2]), sorted(ends[2:])
    a, b = Interval(np.array(a_low), np.array(a_high)), Interval(np.array(b_low), np.array(b_high))
    x = Fraction(a_low) + inside[0] * (Fraction(a_high) - Fraction(a_low))
    y = Fraction(b_low) + inside[1] * (Fraction(b_high) - Fraction(b_low))
    assert holds(a + b, x + y)
    assert holds(a - b, x - y)
    assert holds(a * b, x * y)
    assert holds(-a, -x)
    assert holds(abs(a), abs(x))
    if y:
        assert holds(a / b, x / y)
    wide = a / Interval(np.array(-1.0), np.array(1.0))
    assert (wide.low, wide.high) == (-np.inf, np.inf)
    assert holds(wide * Interval.of_floats(np.array(0.0)), Fraction(0))


@given(st.fractions())
def test_lifted_constants_are_enclosed(number: Fraction) -> None:
    assert holds(point(0.0).lift(number), number)


def test_lifted_constants_beyond_float64() -> None:
    huge = Fraction(10) ** 400
    assert holds(point(0.0).lift(huge), huge)
    assert holds(point(0.0).lift(-huge), -huge)


@pytest.mark.parametrize("kind", STEPS)
@given(x=st.one_of(st.floats(-6, 6), st.integers(-12, 12).map(lambda i: i / 2), st.just(0.49999999999999994)))
def test_steps_agree_and_never_fall(kind: str, x: float) -> None:
    exact, fast = STEPS[kind].exact(Fraction(x)), STEPS[kind].floats(np.array(x)).item()
    assert exact == fast
    assert STEPS[kind].exact(Fraction(x) + Fraction(1, 3)) >= exact
    sizes = np.array([-np.inf, x, np.inf])
    ends = Interval.of_floats(sizes).step(kind).low
    assert ends[0] <= ends[1] <= ends[2]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("HALF_EVEN", (-2, -2, 0, 0, 2, 2)),
        ("FLOOR", (-3, -2, -1, 0, 1, 2)),
        ("CEIL", (-2, -1, 0, 1, 2, 3)),
        ("UP", (-3, -2, -1, 1, 2, 3)),
        ("DOWN", (-2, -1, 0, 0, 1, 2)),
        ("HALF_UP", (-3, -2, -1, 1, 2, 3)),
        ("HALF_DOWN", (-2, -1, 0, 0, 1, 2)),
        ("bipolar", (-1, -1, -1, 1, 1, 1)),
    ],
)
def test_steps_at_halves(kind: str, expected: tuple[int, ...]) -> None:
    halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]
    assert tuple(STEPS[kind].exact(Fraction(x)) for x in halves) == expected


def test_sign_of_zero() -> None:
    for zero in (0.0, -0.0):
        assert STEPS["bipolar"].floats(np.array(zero)) == 1
        assert STEPS["sign"].floats(np.array(zero)) == 0
    assert STEPS["bipolar"].exact(Fraction(0)) == 1
    assert STEPS["sign"].exact(Fraction(0)) == 0


def exact(*values: float) -> Exact:
    return Constant(np.array(values)).exact()


def affine(slope: tuple[float, ...], offset: tuple[float, ...]) -> Affine:
    return Affine(exact(*slope), exact(*offset), 3)


def test_affine_operations() -> None:
    x = affine((2.0, -1.0), (0.5, 1.0))
    y = (x * x.lift(Fraction(-3)) + x) / x.lift(Fraction(4)) - x.lift(Fraction(1))
    assert list(y.slope.values) == [-1, Fraction(1, 2)]
    assert list(y.offset.values) == [Fraction(-5, 4), Fraction(-3, 2)]


def test_affine_extremes_where_the_sign_is_settled() -> None:
    x = affine((2.0, -1.0), (6.0, -3.0))  # 0 to 12, and -6 to 0
    zero = x.lift(Fraction(0))
    assert list(x.maximum(zero).slope.values) == [2, 0]
    assert list(x.minimum(zero).slope.values) == [0, -1]
    assert list(abs(x).slope.values) == [2, 1]
    assert list(abs(x).offset.values) == [6, 3]


@pytest.mark.parametrize("bend", ["maximum", "minimum", "abs", "step", "square", "divide"])
def test_affine_refuses_bends(bend: str) -> None:
    x = affine((2.0, 1.0), (5.9, 3.0))
    with pytest.raises(NotAffineError):
        {
            "maximum": lambda: x.maximum(x.lift(Fraction(0))),
            "minimum": lambda: x.minimum(x.lift(Fraction(0))),
            "abs": lambda: abs(x),
            "step": lambda: x.step("FLOOR"),
            "square": lambda: x * x,
            "divide": lambda: x.lift(Fraction(1)) / x,
        }[bend]()


def test_affine_step_of_a_constant() -> None:
    x = affine((0.0, 0.125), (1.5, 2.5))
    assert list(x.step("FLOOR").offset.values) == [1, 2]


def test_constants_are_floats_where_floats_hold_them() -> None:
    assert Constant.of(np.array([Fraction(1, 4), Fraction(3)], object)).values.dtype == np.float64
    assert Constant.of(np.array([Fraction(1, 3)], object)).values.dtype == object
    assert Constant.of(np.array([2**63 - 1])).item() == 2**63 - 1
    assert Constant.of(np.array([Fraction(10) ** 400], object)).item() == Fraction(10) ** 400
    assert Constant.of(np.array([True, False])).integers() == [1, 0]
    third = Constant.of(np.array([Fraction(1, 3)], object)).interval()
    assert Fraction(third.low.item()) < Fraction(1, 3) < Fraction(third.high.item())
    with pytest.raises(ValueError, match=r"^a number that is no integer$"):
        Constant(np.array([0.5])).integers()
