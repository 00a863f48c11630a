"""Channels that are selected and pixels that are moved: values, and cycles."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dataflow import BIPOLAR, Network, Node, Rearrange, Select
from dataflow.folding import default_depths
from hwsim import packed, reference, simulate
from hwsim.cycle.trial import Trial
from hwsim.packed._tensors import tensor_of
from sim_tests.cases import random_frames
from sim_tests.standstill import deadlock_of
from sim_tests.strategies import rearrange_nodes, select_nodes, wiring_networks
from sim_tests.wiring_cases import WIRING_CASES, WiringCase
from tests.examples import examples
from tests.hwsim.test_cycle import assert_exact, stalls_of
from tests.hwsim.window_networks import alone


def values_of(node: Node, seed: int) -> np.ndarray:
    (stream,) = node.input_streams
    low, high = stream.element.minimum, stream.element.maximum
    return np.random.default_rng(seed).integers(low, high + 1, (3, *stream.shape))


def assert_packed(node: Node, x: np.ndarray, y: np.ndarray) -> None:
    (fast,) = packed.apply(node, tensor_of(x, node.input_streams[0]))
    np.testing.assert_array_equal(fast.values, y)
    assert fast.shape == node.output_streams[0].shape


@settings(deadline=None)
@given(select_nodes(), st.integers(0, 99))
def test_selections(node: Select, seed: int) -> None:
    x = values_of(node, seed)
    (y,) = reference.apply(node, x)
    np.testing.assert_array_equal(y, np.take(x, node.channels, axis=-1))
    assert_packed(node, x, y)


@settings(deadline=None)
@given(rearrange_nodes(), st.integers(0, 99))
@example(Rearrange("wide", BIPOLAR, (2, 3, 70), ((2, 210), (2, 0)), ((3, 70),), ((70, 1),)), 0)
@example(Rearrange("wide", BIPOLAR, (2, 3, 140), ((2, 420),), ((3, 140), (2, 70)), ((70, 1),)), 0)
def test_rearrangements(node: Rearrange, seed: int) -> None:
    x = values_of(node, seed)
    (y,) = reference.apply(node, x)
    loops = (*node.rows, *node.columns, *node.channels)
    sizes, strides = zip(*loops, strict=True)
    flat = x.reshape(len(x), -1)[:, node.start :]
    seen = [np.lib.stride_tricks.as_strided(each, sizes, [s * each.strides[0] for s in strides]) for each in flat]
    np.testing.assert_array_equal(y, np.reshape(seen, y.shape))
    assert_packed(node, x, y)


@pytest.mark.parametrize("case", WIRING_CASES, ids=str)
def test_packed_equals_reference(case: WiringCase) -> None:
    network = case.network()
    frames = random_frames(network, 9)
    values, fast = reference.evaluate(network, frames), packed.evaluate(network, frames)
    assert values.keys() == fast.keys() == {fifo.name for fifo in network.fifos}
    for name, each in values.items():
        np.testing.assert_array_equal(each, fast[name], err_msg=name)


@pytest.mark.long
@settings(max_examples=examples(40))
@given(select_nodes() | rearrange_nodes(), st.integers(1, 5), st.integers(1, 4), st.none() | st.integers(0, 1000))
def test_one_node(node: Node, frames: int, depth: int, seed: int | None) -> None:
    network = alone(node, depth=depth)
    assert_exact(network, frames, stalls_of(network, seed))


@pytest.mark.long
@settings(max_examples=examples(100))
@given(select_nodes() | rearrange_nodes())
def test_frames_follow_each_other_without_a_bubble(node: Node) -> None:
    run = simulate(alone(node, depth=node.schedule().latency + 2), 2)
    assert (run.interval, run.interval_deviation) == (node.steps, 0.0)


@pytest.mark.long
@settings(max_examples=examples(20))
@given(wiring_networks(), st.integers(1, 3), st.none() | st.integers(0, 999))
def test_random_networks(network: Network, frames: int, seed: int | None) -> None:
    assume(network.interval <= 600)
    network = network.with_depths(default_depths(network))
    assert_exact(network, frames, stalls_of(network, seed))


@pytest.mark.long
@settings(max_examples=examples(30))
@given(wiring_networks())
def test_default_depths_free_and_keep_the_interval(network: Network) -> None:
    depths = default_depths(network)
    assert deadlock_of(network.with_depths(depths)) is None
    assert Trial(network).reaches(np.array([depths[fifo.name] for fifo in network.fifos]), network.interval)
