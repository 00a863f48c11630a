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


def test_node_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Node of component Requantize must be a dataflow\.Requantize, not Fork$"):
        Requantize(dataflow.Fork("copy", dataflow.BIPOLAR, (3,)))
