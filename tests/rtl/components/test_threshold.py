"""Threshold in hardware, compared with numpy's comparison."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow
from rtl.components.threshold import Threshold
from tests.examples import examples
from tests.rtl.harness import lanes_and_size, run_node

pytestmark = pytest.mark.sim


@st.composite
def nodes(draw) -> dataflow.Threshold:
    """Small thresholds of any folding, always and never met included, shared or one per channel."""
    element = draw(st.sampled_from([dataflow.Integer(1), dataflow.Integer(4), dataflow.Integer(5, signed=True)]))
    (pe, channels), positions = draw(lanes_and_size(4, 4)), draw(st.integers(1, 2))
    shape = (positions, channels) if positions > 1 else (channels,)
    size = draw(st.sampled_from([1, channels]))
    levels = st.integers(element.minimum, element.maximum + 1)
    thresholds = draw(st.lists(levels, min_size=size, max_size=size))
    return dataflow.Threshold("binarize", element, shape, np.array(thresholds), pe)


@given(nodes(), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(40))
def test_values_and_timing_of_any_folding(node: dataflow.Threshold, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(node.element.minimum, node.element.maximum + 1, (5, *node.shape))
    values[0], values[1] = node.element.minimum, node.element.maximum
    values[2] = np.minimum(node.thresholds, node.element.maximum)
    gates = {"arriving": rng.random(61) < 0.6, "free": rng.random(67) < 0.6} if seed % 2 else {}
    (actual,) = run_node(node, values, **gates)
    np.testing.assert_array_equal(actual, values >= node.thresholds)


def test_pixel_thresholds_of_a_whole_image_come_from_a_memory() -> None:
    rng = np.random.default_rng(0)
    node = dataflow.Threshold("binarize", dataflow.Integer(8), (6, 40), rng.integers(0, 257, 40), 2)
    values = rng.integers(0, 256, (2, 6, 40))
    (actual,) = run_node(node, values, arriving=rng.random(53) < 0.8)
    np.testing.assert_array_equal(actual, values >= node.thresholds)


def test_node_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Node of component Threshold must be a dataflow\.Threshold, not Fork$"):
        Threshold(dataflow.Fork("copy", dataflow.BIPOLAR, (3,)))
