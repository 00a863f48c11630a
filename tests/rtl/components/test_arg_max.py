"""ArgMax in hardware, compared with the first of the highest keys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow
from rtl.components.arg_max import ArgMax
from tests.examples import examples
from tests.rtl.harness import lanes_and_size, run_node

pytestmark = pytest.mark.sim


@st.composite
def nodes(draw) -> dataflow.ArgMax:
    """Small ArgMax nodes with any folding, with and without an affine function of the scores."""
    element = draw(st.sampled_from([dataflow.Integer(2), dataflow.Integer(3, signed=True)]))
    pe, classes = draw(lanes_and_size(6, 4))
    if draw(st.booleans()):
        scale, offset = np.ones(classes, np.int64), np.zeros(classes, np.int64)
    else:
        scale = np.array(draw(st.lists(st.integers(1, 5), min_size=classes, max_size=classes)))
        offset = np.array(draw(st.lists(st.integers(-9, 9), min_size=classes, max_size=classes)))
    return dataflow.ArgMax("arg_max", element, scale, offset, pe)


@given(nodes(), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(60))
def test_values_and_timing_of_any_folding(node: dataflow.ArgMax, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(node.element.minimum, node.element.maximum + 1, (8, node.classes))
    scores[0], scores[1] = node.element.minimum, node.element.maximum
    gates = {"arriving": rng.random(61) < 0.6, "free": rng.random(67) < 0.6} if seed % 2 else {}
    (actual,) = run_node(node, scores, **gates)
    np.testing.assert_array_equal(actual[:, 0], np.argmax(node.scale * scores + node.offset, axis=1))


@pytest.mark.parametrize("pe", [1, 2, 3, 4, 5, 7, 10])
def test_lowest_class_wins_a_tie(pe: int) -> None:
    scores = np.zeros((10, 10), np.int64)
    for first in range(10):
        scores[first, first:] = 7
    node = dataflow.ArgMax("arg_max", dataflow.Integer(3), np.ones(10, np.int64), np.zeros(10, np.int64), pe)
    (actual,) = run_node(node, scores)
    np.testing.assert_array_equal(actual[:, 0], np.arange(10))


@pytest.mark.parametrize("pe", [2, 3, 4, 6])
def test_inert_lanes_never_win_where_all_keys_are_the_lowest(pe: int) -> None:
    element = dataflow.Integer(4, signed=True)
    node = dataflow.ArgMax("arg_max", element, np.ones(7, np.int64), np.zeros(7, np.int64), pe)
    scores = np.full((7, 7), element.minimum)
    scores[np.arange(1, 7), np.arange(1, 7)] += 1
    (actual,) = run_node(node, scores)
    np.testing.assert_array_equal(actual[:, 0], np.arange(7))


def test_wide_keys_keep_their_order() -> None:
    scale = np.array([2**40, 2**40 + 1, 2**40 - 1])
    offset = np.array([-(2**45), 2**45, 3])
    node = dataflow.ArgMax("arg_max", dataflow.Integer(8, signed=True), scale, offset)
    scores = np.array([[127, 126, -128], [-128, -127, 127], [0, 0, 0], [5, -60, 5], [1, -63, 1]])
    (actual,) = run_node(node, scores)
    np.testing.assert_array_equal(actual[:, 0], np.argmax(scale * scores + offset, axis=1))
    assert set(actual[:, 0].tolist()) == {1, 2}


def test_node_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Node of component ArgMax must be a dataflow\.ArgMax, not Fork$"):
        ArgMax(dataflow.Fork("copy", dataflow.BIPOLAR, (3,)))
