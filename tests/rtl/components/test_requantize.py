"""Requantize in hardware, compared with the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow
from hwsim import reference
from rtl.components.requantize import Requantize
from sim_tests.strategies import requantize_frames, requantize_nodes
from tests.examples import examples
from tests.rtl.harness import run_node

pytestmark = pytest.mark.sim


@given(requantize_nodes(), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(60))
def test_values_and_timing_of_any_folding(node: dataflow.Requantize, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = requantize_frames(node, 6, seed)
    gates = {"arriving": rng.random(61) < 0.6, "free": rng.random(67) < 0.6} if seed % 2 else {}
    (actual,) = run_node(node, values, **gates)
    np.testing.assert_array_equal(actual, *reference.apply(node, values))


def assert_equal(node: dataflow.Requantize, seed: int) -> None:
    values, rng = requantize_frames(node, 5, seed), np.random.default_rng(seed)
    (actual,) = run_node(node, values, arriving=rng.random(53) < 0.8)
    (expected,) = reference.apply(node, values)
    np.testing.assert_array_equal(actual, expected)
    assert len(np.unique(expected)) > 3


def test_starts_of_many_channels_come_from_a_memory() -> None:
    rng = np.random.default_rng(0)
    starts = np.sort(rng.integers(-60, 61, (90, 3)), axis=1)
    offsets = np.where(rng.random((90, 1)) < 0.5, np.arange(4), np.arange(4)[::-1])
    element = dataflow.Integer(8, signed=True)
    node = dataflow.Requantize(
        "requantize", element, (2, 90), dataflow.Integer(2), starts, np.zeros_like(offsets), offsets, pe=4
    )
    assert (node.groups, node.latency) == (23, 3)
    assert_equal(node, 1)


@pytest.mark.long
def test_a_thousand_starts_are_no_chain() -> None:
    """Amaranth and Yosys follow a chain by recursion, which has a limit."""
    starts = np.arange(1000) + np.arange(3)[:, None]
    codes = np.random.default_rng(3).integers(0, 256, (3, 1001))
    element, result = dataflow.Integer(10), dataflow.Integer(8)
    node = dataflow.Requantize("requantize", element, (3,), result, starts, 0 * codes, codes)
    assert_equal(node, 3)


@pytest.mark.parametrize("width", [13, 24, 43])
def test_wide_sums(width: int) -> None:
    """Products of up to 61 bits, which are as wide as a shift needs them."""
    rng = np.random.default_rng(width)
    multipliers, shift = rng.integers(-(2**17), 2**17, (5, 2)), width + 10
    starts, offsets = (
        rng.integers(-(2 ** (width - 3)), 2 ** (width - 3), (5, 1)),
        rng.integers(-99, 99, (5, 2)) << shift - 4,
    )
    element, result = dataflow.Integer(width, signed=True), dataflow.Integer(6, signed=True)
    node = dataflow.Requantize("requantize", element, (5,), result, starts, multipliers, offsets, shift, pe=2)
    assert node.sum_width >= width + 17
    assert_equal(node, width)


@pytest.mark.parametrize("rows", [1, 6])
def test_tables_in_block_ram(rows: int) -> None:
    rng = np.random.default_rng(rows)
    table = rng.integers(-128, 128, (rows, 512))
    element, result = dataflow.Integer(9, signed=True), dataflow.Integer(8, signed=True)
    assert_equal(dataflow.Requantize("requantize", element, (2, 6), result, table=table, pe=4), rows)


def test_node_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Node of component Requantize must be a dataflow\.Requantize, not Fork$"):
        Requantize(dataflow.Fork("copy", dataflow.BIPOLAR, (3,)))
