"""SlidingWindow, MaxPool and SumPool in hardware, compared with explicit loops."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow
from hwsim import reference
from hwsim.reference.max_pool import max_pool
from hwsim.reference.sliding_window import sliding_window
from rtl.components.max_pool import MaxPool
from rtl.components.sliding_window import SlidingWindow
from rtl.components.sum_pool import SumPool
from tests.examples import examples
from tests.rtl.harness import lanes_and_size, run_node

pytestmark = pytest.mark.sim

ELEMENTS = [dataflow.BIPOLAR, dataflow.Integer(1), dataflow.Integer(3), dataflow.Integer(4, signed=True)]


def image(node, seed: int, *, frames: int = 3) -> np.ndarray:
    element = node.element
    rng = np.random.default_rng(seed)
    return rng.integers(element.minimum, element.maximum + 1, (frames, *node.shape))


def gates(seed: int) -> dict[str, np.ndarray]:
    """Return gates for both ends, sometimes open, half or rarely; every third time none."""
    rng = np.random.default_rng(seed)
    chances = (0.9, 0.5, 0.15)
    if seed % 3 == 0:
        return {}
    return {
        "arriving": rng.random(61) < chances[seed // 3 % 3],
        "free": rng.random(67) < chances[seed // 9 % 3],
    }


def check(node: dataflow.WindowNode, seed: int, *, frames: int = 3) -> None:
    values = image(node, seed, frames=frames)
    (actual,) = run_node(node, values, **gates(seed))
    (expected,) = reference.apply(node, values)
    np.testing.assert_array_equal(actual, expected)


#: shape, kernel, stride, dilation, padding, pe
WINDOWS = {
    "3x3": ((5, 6, 2), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 1),
    "3x3 padded": ((4, 5, 3), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 3),
    "1x1": ((3, 4, 2), (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1),
    "1x1 one step": ((3, 4, 2), (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 2),
    "1x1 apart": ((5, 6, 2), (1, 1), (2, 3), (1, 1), (0, 0, 0, 0), 2),
    "1x1 far apart": ((7, 7, 1), (1, 1), (4, 4), (1, 1), (0, 0, 0, 0), 1),
    "stride of its own for each axis": ((6, 7, 2), (2, 3), (3, 2), (1, 1), (1, 0, 0, 2), 1),
    "dilated": ((7, 6, 1), (2, 2), (1, 1), (3, 2), (0, 0, 0, 0), 1),
    "taps around the image": ((1, 1, 2), (2, 2), (1, 1), (2, 2), (1, 1, 1, 1), 1),
    "windows outside the image": ((2, 2, 2), (1, 1), (1, 1), (1, 1), (2, 1, 1, 2), 1),
    "windows outside, apart": ((5, 5, 1), (1, 1), (2, 2), (1, 1), (2, 2, 2, 2), 1),
    "whole image": ((3, 3, 2), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 1),
    "one pixel": ((1, 1, 1), (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1),
    "one row": ((1, 9, 2), (1, 3), (1, 2), (1, 1), (0, 0, 1, 1), 1),
    "one column": ((9, 1, 2), (3, 1), (2, 1), (1, 1), (1, 1, 0, 0), 2),
    "power of two": ((4, 4, 4), (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), 1),
}


@pytest.mark.parametrize("seed", [0, 4, 13])
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_of_every_geometry(name: str, seed: int) -> None:
    shape, kernel, stride, dilation, padding, pe = WINDOWS[name]
    element = ELEMENTS[seed % len(ELEMENTS)]
    node = dataflow.SlidingWindow(
        "window", element, shape, kernel, stride, dilation, padding, pe, pad=element.minimum if seed % 2 else 1
    )
    check(node, seed)


@pytest.mark.parametrize("groups", [2, 3, 6])
@pytest.mark.parametrize("name", ["3x3", "stride of its own for each axis", "windows outside, apart", "1x1"])
def test_groups_of_channels(name: str, groups: int) -> None:
    (*size, _), kernel, stride, dilation, padding, _ = WINDOWS[name]
    for pe in {1, 2, 6 // groups} if groups < 6 else {1}:
        node = dataflow.SlidingWindow(
            "window", dataflow.Integer(3), (*size, 6), kernel, stride, dilation, padding, pe, pad=5, groups=groups
        )
        check(node, groups + pe)


@pytest.mark.parametrize("seed", [0, 4, 13])
@pytest.mark.parametrize("name", WINDOWS)
def test_taps_at_once(name: str, seed: int) -> None:
    shape, kernel, stride, dilation, padding, _ = WINDOWS[name]
    element = ELEMENTS[seed % len(ELEMENTS)]
    whole = dataflow.SlidingWindow(
        "window", element, shape, kernel, stride, dilation, padding, shape[-1], pad=element.maximum
    )
    for folding in whole.foldings():
        if folding["simd"] > 1:
            check(whole.folded(folding), seed)


@st.composite
def geometries(draw, *, most_outside: int):
    """Any small geometry, as the arguments of a node; sides of the kernel may lie outside by so many pixels more."""
    pe, channels = draw(lanes_and_size(3, 3))
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 5)), channels)
    kernel, stride, dilation = (tuple(draw(st.integers(1, 3)) for _ in range(2)) for _ in range(3))
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = []
    for size, extent in zip(shape, extents, strict=False):
        most = extent + most_outside
        before = draw(st.integers(0, most))
        padding += [before, draw(st.integers(min(most, max(0, extent - size - before)), most))]
    return (draw(st.sampled_from(ELEMENTS)), shape, kernel, stride, dilation, tuple(padding), pe)


@given(geometries(most_outside=1), st.booleans(), st.integers(0, 10_000), st.integers(0, 99))
@settings(max_examples=examples(14, many=40))
def test_values_and_timing_of_any_window(arguments, high: bool, seed: int, folding: int) -> None:
    element = arguments[0]
    node = dataflow.SlidingWindow("window", *arguments, pad=element.maximum if high else element.minimum)
    check(node, seed)
    foldings = [each for each in node.foldings() if each["simd"] > 1]
    if foldings:
        check(node.folded(foldings[folding % len(foldings)]), seed)


@given(geometries(most_outside=-1), st.integers(0, 10_000))
@settings(max_examples=examples(40))
def test_values_and_timing_of_any_pool(arguments, seed: int) -> None:
    try:
        node = dataflow.MaxPool("pool", *arguments)
    except dataflow.InputError:
        return  # dilated taps on both sides of a small image: a position without a pixel
    check(node, seed)


@given(geometries(most_outside=1), st.integers(0, 10_000))
@settings(max_examples=examples(20))
def test_values_and_timing_of_any_sum_pool(arguments, seed: int) -> None:
    check(dataflow.SumPool("pool", *arguments), seed)


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_sums_reach_both_ends_of_their_element(element) -> None:
    node = dataflow.SumPool("pool", element, (4, 4, 2), (2, 2), (2, 2))
    values = np.full((2, 4, 4, 2), element.minimum)
    values[1] = element.maximum
    (actual,) = run_node(node, values)
    assert [actual[0].max(), actual[1].min()] == list(node.span)


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_least_numbers_are_the_greatest_below_a_kernel(element) -> None:
    node = dataflow.MaxPool("pool", element, (3, 3, 2), (2, 2), (1, 1), (1, 1), (1, 1, 1, 1))
    values = np.full((2, 3, 3, 2), element.minimum)
    values[1, 1, 1, 0] = element.maximum
    (actual,) = run_node(node, values)
    np.testing.assert_array_equal(actual, max_pool(node, values))


def test_frames_follow_each_other_without_a_bubble() -> None:
    node = dataflow.SlidingWindow("window", dataflow.BIPOLAR, (6, 6, 4), (3, 3), pe=2)
    cycles: list[int] = []
    for frames in (4, 8):
        values = image(node, 1, frames=frames)
        (actual,) = run_node(node, values, elapsed=cycles)
        np.testing.assert_array_equal(actual, sliding_window(node, values))
    assert cycles[1] - cycles[0] == 4 * node.steps
    assert node.steps == prod(node.positions) * 9 * 2


@pytest.mark.parametrize("component", [SlidingWindow, MaxPool, SumPool])
def test_node_of_another_kind_is_refused(component) -> None:
    node = dataflow.Threshold("binarize", dataflow.Integer(8), (3,), np.array([1]))
    name = component.__name__
    with pytest.raises(TypeError, match=rf"^Node of component {name} must be a dataflow\.{name}, not Threshold$"):
        component(node)
