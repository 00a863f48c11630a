"""Element types."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import BIPOLAR, Element, InputError, Integer, numbers_of, signed_for, unsigned_for


@pytest.mark.parametrize(
    ("element", "text", "low", "high"),
    [
        (BIPOLAR, "bipolar", 0, 1),
        (Integer(1), "uint1", 0, 1),
        (Integer(8), "uint8", 0, 255),
        (Integer(63), "uint63", 0, 2**63 - 1),
        (Integer(1, signed=True), "int1", -1, 0),
        (Integer(4, signed=True), "int4", -8, 7),
        (Integer(63, signed=True), "int63", -(2**62), 2**62 - 1),
    ],
)
def test_range_and_text(element: object, text: str, low: int, high: int) -> None:
    assert (str(element), element.minimum, element.maximum) == (text, low, high)  # type: ignore[attr-defined]


def test_bipolar_is_one_unsigned_bit() -> None:
    assert (BIPOLAR.width, BIPOLAR.signed) == (1, False)


@pytest.mark.parametrize(
    ("element", "span", "rule", "held"),
    [
        (BIPOLAR, (-1, 1), "-1 or +1", [-1, 1]),
        (Integer(2), (0, 3), "0 to 3", [0, 1, 2, 3]),
        (Integer(2, signed=True), (-2, 1), "-2 to 1", [-2, -1, 0, 1]),
    ],
    ids=str,
)
def test_numbers_that_codes_stand_for(element: Element, span: tuple[int, int], rule: str, held: list[int]) -> None:
    numbers = np.arange(-5, 6)
    assert element.span == numbers_of(element) == span
    assert element.rule == rule
    assert numbers[element.holds(numbers)].tolist() == held
    bits = element.bits_of(np.array(held))
    assert bits.shape == (len(held), element.width)
    codes = (bits << np.arange(element.width)).sum(axis=1)
    assert codes.tolist() == ([0, 1] if element == BIPOLAR else [number % 4 for number in held])


@pytest.mark.parametrize("width", [0, -1, 64, True, 2.0, "8"])
def test_other_widths_are_refused(width: object) -> None:
    with pytest.raises(InputError, match=rf"^Integer width must be 1 to 63, not {width!r}$"):
        Integer(width)  # type: ignore[arg-type]


@given(st.integers(0, 2**62))
def test_unsigned_for_is_the_narrowest(maximum: int) -> None:
    element = unsigned_for(maximum)
    assert element.maximum >= maximum
    assert element.width == 1 or Integer(element.width - 1).maximum < maximum


@given(st.integers(-(2**61), 2**61), st.integers(-(2**61), 2**61))
def test_signed_for_is_the_narrowest(a: int, b: int) -> None:
    low, high = min(a, b), max(a, b)
    element = signed_for(low, high)
    assert element.minimum <= low <= high <= element.maximum
    if element.width > 1:
        narrower = Integer(element.width - 1, signed=True)
        assert narrower.minimum > low or narrower.maximum < high
