"""Requantize: the reference compared with values computed by hand, and the packed one with the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import BIPOLAR, Integer, Requantize
from hwsim import packed, reference
from hwsim.packed import requantize as packed_requantize
from sim_tests.strategies import requantize_frames, requantize_nodes
from tests.examples import examples

INT8, NONE = Integer(8, signed=True), np.zeros((1, 0), np.int64)


def codes(node: Requantize, numbers: list[list[int]]) -> list[list[int]]:
    """Return the reference's codes, which the packed reference must have as well."""
    x = np.array(numbers, np.int64)
    (expected,) = reference.apply(node, x)
    (values,) = packed.apply(node, packed.tensor_of(x, node.input_streams[0]))
    np.testing.assert_array_equal(values.values, expected, strict=True)
    return expected.tolist()  # type: ignore[no-any-return]


def test_a_start_belongs_to_the_piece_that_it_starts() -> None:
    starts, zeros, offsets = np.array([[-5, 0, 7]]), np.zeros((1, 4), np.int64), np.array([[0, 1, 2, 3]])
    node = Requantize("q", INT8, (4,), Integer(2), starts, zeros, offsets)
    assert codes(node, [[-6, -5, -1, 0], [6, 7, 127, -128]]) == [[0, 1, 1, 2], [2, 3, 3, 0]]


def test_multiply_shift_saturate() -> None:
    # (3x + 4) >> 3: the shift rounds down, and what does not fit the code becomes the nearest one.
    node = Requantize("q", INT8, (3,), Integer(3, signed=True), NONE, np.array([[3]]), np.array([[4]]), 3)
    assert codes(node, [[0, 1, 2], [-1, -2, -4], [9, 127, -128]]) == [[0, 0, 1], [0, -1, -1], [3, 3, -4]]


def test_two_slopes_by_channel() -> None:
    starts, multipliers = np.array([[0], [2]]), np.array([[1, 4], [0, -1]])
    node = Requantize("q", INT8, (2,), Integer(8, signed=True), starts, multipliers, np.array([[0, 0], [9, 1]]), 2)
    assert codes(node, [[-8, 1], [-1, 2], [5, 3]]) == [[-2, 2], [-1, -1], [5, -1]]


def test_a_table_begins_with_the_least_number() -> None:
    node = Requantize("q", Integer(2, signed=True), (2,), BIPOLAR, table=np.array([[1, 0, 0, 1], [0, 0, 1, 1]]))
    assert codes(node, [[-2, -2], [-1, -1], [0, 0], [1, 1]]) == [[1, 0], [0, 0], [0, 1], [1, 1]]


def test_sums_of_63_bits_from_products_that_wrap() -> None:
    starts, offsets = np.array([[2**62, 2**62 + 2**61]]), np.array([[0, -(2**63), 0]])
    node = Requantize("q", Integer(63), (1,), Integer(5), starts, np.array([[0, 2, 0]]), offsets, 58)
    assert codes(node, [[0], [2**62], [2**62 + 2**60], [2**63 - 1]]) == [[0], [0], [8], [0]]


def test_one_line_with_sums_of_63_bits() -> None:
    rows = np.array([[2**30], [-(2**30)], [3]])
    node = Requantize("q", Integer(32, signed=True), (3,), INT8, np.empty((3, 0), np.int64), rows, rows << 31, 55)
    ends = [-(2**31), -1, 0, 2**31 - 1]
    expected = [[min(max((row * x + (row << 31)) >> 55, -128), 127) for row in rows[:, 0].tolist()] for x in ends]
    assert codes(node, [[x] * 3 for x in ends]) == expected


@pytest.mark.long
@settings(max_examples=examples(100))
@given(requantize_nodes(), st.sampled_from([0, packed_requantize.most_codes]), st.integers(0, 2**32 - 1))
def test_packed_equals_reference(node: Requantize, most: int, seed: int) -> None:
    """With tables of all numbers, and piece by piece."""
    x = requantize_frames(node, 6, seed)
    (expected,) = reference.apply(node, x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_requantize, "most_codes", most)
        (values,) = packed.apply(node, packed.tensor_of(x, node.input_streams[0]))
    np.testing.assert_array_equal(values.values, expected, strict=True)


@pytest.mark.parametrize("width", [9, 16, 17, 33])
@pytest.mark.parametrize("signed", [False, True])
def test_numbers_of_other_widths(width: int, signed: bool) -> None:
    rng, element = np.random.default_rng(width), Integer(width, signed)
    low, high = element.minimum, element.maximum
    starts = np.sort(rng.integers(low, high + 2, (5, 3)), axis=1)
    for multipliers in (np.zeros((5, 4), np.int64), rng.integers(-200, 200, (5, 4))):
        offsets, result = rng.integers(-9, 9, (5, 4)) << width - 8, Integer(16, signed=True)
        node = Requantize("q", element, (2, 5), result, starts, multipliers, offsets, width - 8)
        x = requantize_frames(node, 6, width)
        (expected,) = reference.apply(node, x)
        (values,) = packed.apply(node, packed.tensor_of(x, node.input_streams[0]))
        np.testing.assert_array_equal(values.values, expected, strict=True)
        assert len(np.unique(expected)) > 3


@pytest.mark.long
@pytest.mark.parametrize("width", [20, 40])
@pytest.mark.parametrize("spread", [1, 300, 4000])
def test_many_steps(spread: int, width: int) -> None:
    """Starts that are far apart, close together, all alike, and never reached, which share places in different ways."""
    rng, element = np.random.default_rng(spread), Integer(width, signed=True)
    starts = np.sort(rng.integers(-spread, spread + 1, (6, 255)) * rng.integers(1, 130, (6, 1)), axis=1)
    starts[1], starts[2], starts[3, 100:] = 7, element.maximum + 1, element.maximum + 1
    starts[4] = np.linspace(element.minimum, element.maximum, 255).astype(np.int64)
    node = Requantize("q", element, (6,), INT8, starts, np.zeros((1, 256), np.int64), np.arange(-128, 128)[None])
    x = np.concatenate([starts + change for change in (-1, 0, 1)], axis=1).T
    x = np.concatenate([x, rng.integers(element.minimum, element.maximum + 1, (99, 6))])
    x = x.clip(element.minimum, element.maximum)
    (expected,) = reference.apply(node, x)
    (values,) = packed.apply(node, packed.tensor_of(x, node.input_streams[0]))
    np.testing.assert_array_equal(values.values, expected, strict=True)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("pieces", [1, 2, 3, 4])
@pytest.mark.parametrize("widths", [(9, 8), (9, 1), (16, 16), (31, 20), (32, 8)])
def test_few_lines(widths: tuple[int, int], pieces: int, rows: int) -> None:
    """Products and sums of up to 32 bits and of more."""
    rng, element = np.random.default_rng(pieces), Integer(widths[0], signed=True)
    low, high = element.minimum, element.maximum
    starts = np.sort(rng.integers(low, high + 2, (rows, pieces - 1)), axis=1)
    for most, shift in ((1, 0), (60, 5), (2**20, 40)):
        multipliers, offsets = (rng.integers(-most, most + 1, (rows, pieces)) for _ in range(2))
        result = Integer(widths[1], signed=widths[1] > 1)
        node = Requantize("q", element, (7, 3), result, starts, multipliers, offsets << shift // 2, shift)
        x = rng.integers(low, high + 1, (5, 7, 3))
        x[0], x[1], x[2] = low, high, starts[0, 0] - 1 if starts.size and starts[0, 0] > low else 0
        (expected,) = reference.apply(node, x)
        (values,) = packed.apply(node, packed.tensor_of(x, node.input_streams[0]))
        np.testing.assert_array_equal(values.values, expected, strict=True)
