"""Zero padding: the classes of positions, and the levels that correct for the window's padding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import (
    BIPOLAR,
    InputError,
    Integer,
    MatrixVector,
    SlidingWindow,
    position_classes,
    zero_padded,
    zero_padding_offsets,
)
from hwsim.reference.matrix_vector import matrix_vector
from hwsim.reference.sliding_window import sliding_window
from sim_tests.cases import random_weights
from tests.examples import examples


def window(**options: object) -> SlidingWindow:
    choice = {"element": BIPOLAR, "shape": (4, 5, 1), "kernel": (3, 3), "padding": (1, 1, 1, 1), **options}
    return SlidingWindow("w", **choice)  # type: ignore[arg-type]


def matrix_behind(node: SlidingWindow, weights: np.ndarray, **options: object) -> MatrixVector:
    choice = {"positions": node.positions, "operand": node.element, "groups": node.groups, **options}
    return MatrixVector("m", weights, **choice)  # type: ignore[arg-type]


def test_nine_classes_of_a_usual_window() -> None:
    classes = position_classes(window())
    assert classes.of_positions.reshape(4, 5).tolist() == [
        [0, 1, 1, 1, 2],
        [3, 4, 4, 4, 5],
        [3, 4, 4, 4, 5],
        [6, 7, 7, 7, 8],
    ]
    assert len(classes) == 9
    assert classes.inside[0].tolist() == [False, False, False, False, True, True, False, True, True]
    assert classes.inside[4].all()


def test_one_class_without_padding() -> None:
    classes = position_classes(window(padding=(0, 0, 0, 0)))
    assert classes.of_positions.tolist() == [0] * 6
    assert classes.inside.tolist() == [[True] * 9]


def test_windows_may_lie_outside() -> None:
    classes = position_classes(window(shape=(1, 1, 1), kernel=(1, 1)))
    assert classes.of_positions.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert classes.inside.tolist() == [[False], [True]]


def test_offsets_by_hand() -> None:
    # 1x2 on one pixel, padded left: the first tap is outside, and with -1 there the first weight counts -1.
    weights = np.array([[1, 1], [-1, 1]], np.int8)
    for pad, offsets in ((0, [[1, -1], [0, 0]]), (1, [[-1, 1], [0, 0]])):
        node = window(shape=(1, 2, 1), kernel=(1, 2), padding=(0, 0, 1, 0), pad=pad)
        assert zero_padding_offsets(node, weights).tolist() == offsets


def test_without_taps_outside_nothing_changes() -> None:
    node = window(padding=(0, 0, 0, 0))
    matrix = matrix_behind(node, np.ones((2, 9), np.int8))
    assert zero_padded(node, matrix) is matrix
    plain = zero_padded(node, matrix, np.array([-9, 0]))
    assert plain.thresholds is not None
    assert plain.thresholds.tolist() == [0, 5]  # a sum of at least 0 are at least 5 ones of 9
    assert plain.position_classes is None


def test_integers_with_zero_outside_have_no_classes() -> None:
    node = window(element=Integer(4))
    matrix = matrix_behind(node, np.ones((2, 9), np.int8))
    assert zero_padded(node, matrix) is matrix
    assert zero_padded(node, matrix, np.array([3, 4])).position_classes is None


@st.composite
def padded_windows(draw: st.DrawFn) -> SlidingWindow:
    groups = draw(st.integers(1, 3))
    element = draw(st.sampled_from([BIPOLAR, Integer(3), Integer(3, signed=True)]))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, dilation = draw(pair), draw(pair)
    return SlidingWindow(
        "w",
        element,
        (draw(st.integers(3, 5)), draw(st.integers(3, 5)), groups * draw(st.integers(1, 2))),
        kernel,
        draw(pair),
        dilation,
        draw(st.tuples(*[st.integers(2, 3)] * 4)),
        pad=draw(st.integers(element.minimum, element.maximum)),
        groups=groups,
    )


@settings(max_examples=examples(80))
@given(padded_windows(), st.sampled_from([1, 2, 8]), st.booleans(), st.integers(0, 2**32 - 1))
def test_zero_padding_is_a_sum_over_the_taps_inside(
    node: SlidingWindow, weight_width: int, compared: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    each = node.taps * node.group_channels
    weight_element = BIPOLAR if weight_width == 1 else Integer(weight_width, signed=True)
    weights = random_weights(rng, (2 * node.groups, each), weight_element)
    bare = matrix_behind(node, weights, weight_element=weight_element)
    levels = rng.integers(-3, 4, bare.neurons) if compared else None
    matrix = zero_padded(node, bare, levels)
    x = rng.integers(node.element.minimum, node.element.maximum + 1, (2, *node.shape))
    found = matrix_vector(matrix, sliding_window(node, x))

    # The same, with zeros around signed numbers, by slices.
    numbers = 2 * x - 1 if node.element == BIPOLAR else x
    top, bottom, left, right = node.padding
    numbers = np.pad(numbers, ((0, 0), (top, bottom), (left, right), (0, 0)))
    rows, columns = node.positions
    total = np.zeros((2, rows, columns, bare.neurons), np.int64)
    for neuron in range(bare.neurons):
        first = neuron // 2 * node.group_channels
        kernel = weights[neuron].reshape(*node.kernel, node.group_channels)
        for ky, kx in np.ndindex(*node.kernel):
            there = numbers[:, ky * node.dilation[0] :, kx * node.dilation[1] :][
                :, :: node.stride[0], :: node.stride[1]
            ]
            seen = there[:, :rows, :columns, first : first + node.group_channels]
            total[..., neuron] += seen @ kernel[ky, kx].astype(np.int64)
    np.testing.assert_array_equal(found, total if levels is None else total >= levels)


def test_matrices_that_do_not_fit_are_refused() -> None:
    node = window()
    other = MatrixVector("m", np.ones((2, 4), np.int8), positions=(4, 5))
    sentence = (
        r"^Matrix 'm' must read what window 'w' emits \(bipolar 4x5x9, 1 at once, 1 groups\), "
        r"not \(bipolar 4x5x4, 1 at once, 1 groups\)$"
    )
    with pytest.raises(InputError, match=sentence):
        zero_padded(node, other)
    done = matrix_behind(node, np.ones((2, 9), np.int8), thresholds=np.array([1, 2]))
    with pytest.raises(InputError, match=r"^Matrix 'm' must have neither thresholds nor offsets to be zero padded$"):
        zero_padded(node, done)
