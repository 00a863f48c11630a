"""WidthConverter and Fork in hardware: numbers are unchanged and in order."""

from itertools import product
from math import lcm

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow
from hwsim.reference.width_converter import width_converter
from rtl.components.fork import Fork
from rtl.components.width_converter import WidthConverter
from tests.examples import examples
from tests.rtl.harness import run_node

pytestmark = pytest.mark.sim


@pytest.mark.parametrize(("lanes_in", "lanes_out"), list(product(range(1, 9), repeat=2)))
def test_any_ratio_keeps_the_order(lanes_in: int, lanes_out: int) -> None:
    rng = np.random.default_rng(lanes_in * 10 + lanes_out)
    channels = lcm(lanes_in, lanes_out)
    node = dataflow.WidthConverter("width", dataflow.Integer(5, signed=True), (2, channels), lanes_in, lanes_out)
    values = rng.integers(-16, 16, (3, 2, channels))
    for gates in ({}, {"arriving": rng.random(61) < 0.5, "free": rng.random(67) < 0.5}):
        (actual,) = run_node(node, values, **gates)
        np.testing.assert_array_equal(actual, values)


@pytest.mark.parametrize(("lanes_in", "lanes_out"), [(28, 4), (4, 28), (32, 24), (24, 32)])
def test_wide_beats_keep_the_order(lanes_in: int, lanes_out: int) -> None:
    rng = np.random.default_rng(lanes_in)
    channels = 2 * lcm(lanes_in, lanes_out)
    node = dataflow.WidthConverter("width", dataflow.BIPOLAR, (channels,), lanes_in, lanes_out)
    values = rng.integers(0, 2, (3, channels))
    (actual,) = run_node(node, values, free=rng.random(67) < 0.7)
    np.testing.assert_array_equal(actual, values)


@st.composite
def nodes(draw) -> dataflow.WidthConverter:
    """Converters of vectors that the lanes need not divide, with and without parts."""
    parts_in, parts_out = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    channels = lcm(parts_in, parts_out) * draw(st.integers(1, 6))
    lanes = [draw(st.integers(1, channels // parts)) for parts in (parts_in, parts_out)]
    element = draw(st.sampled_from([dataflow.BIPOLAR, dataflow.Integer(3, signed=True)]))
    return dataflow.WidthConverter("width", element, (2, channels), *lanes, parts_in, parts_out)


@given(nodes(), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(120))
def test_vectors_with_inert_lanes_keep_the_order(node: dataflow.WidthConverter, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(node.element.minimum, node.element.maximum + 1, (3, *node.shape))
    gates = {"arriving": rng.random(61) < 0.6, "free": rng.random(67) < 0.6} if seed % 2 else {}
    (actual,) = run_node(node, values, **gates)
    np.testing.assert_array_equal(actual, values)
    np.testing.assert_array_equal(width_converter(node, values), values)


@pytest.mark.parametrize(("copies", "pe"), [(2, 1), (3, 2), (3, 4), (5, 6)])
def test_every_copy_gets_every_beat(copies: int, pe: int) -> None:
    rng = np.random.default_rng(copies)
    node = dataflow.Fork("copy", dataflow.Integer(4, signed=True), (6,), copies, pe)
    values = rng.integers(-8, 8, (4, 6))
    outputs = run_node(node, values, arriving=rng.random(61) < 0.6, free=rng.random(67) < 0.6)
    assert len(outputs) == copies
    for actual in outputs:
        np.testing.assert_array_equal(actual, values)


@pytest.mark.parametrize("component", [WidthConverter, Fork])
def test_node_of_another_kind_is_refused(component) -> None:
    node = dataflow.Threshold("binarize", dataflow.Integer(8), (3,), np.array([1]))
    name = component.__name__
    with pytest.raises(TypeError, match=rf"^Node of component {name} must be a dataflow\.{name}, not Threshold$"):
        component(node)
