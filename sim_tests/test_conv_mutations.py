"""Convolutional hardware broken on purpose is found, whatever is broken, and nothing else is reported."""

from dataclasses import replace

import numpy as np
import pytest

import hwsim
from dataflow import MatrixVector, MaxPool, SlidingWindow, fold
from sim_tests.cases import random_frames
from sim_tests.conv_cases import conv_network
from sim_tests.mutants import Original, break_node, drop_beat, late, swap_lanes

pytestmark = pytest.mark.sim

#: Sums of integers, windows and a pool, with two lanes into each.
NETWORK = fold(
    conv_network((5, 6, 2), (4, 4), integers=True, padding=(1, 1, 1, 1), pool=(2, 2)),
    {
        "conv0.window": {"pe": 2},
        "conv0": {"pe": 4, "simd": 6},
        "pool0": {"pe": 2},
        "conv1.window": {"pe": 2},
        "conv1": {"pe": 2, "simd": 12},
        "pool1": {"pe": 4},
        "fc": {"simd": 2},
    },
)
FRAMES = random_frames(NETWORK, 6)
ORIGINAL = Original(NETWORK, FRAMES, seed=2)
verify_mutant, with_node = ORIGINAL.verify, ORIGINAL.with_node
WINDOWS = [node.name for node in NETWORK.nodes if isinstance(node, SlidingWindow | MaxPool)]


def test_the_network_itself_is_equal() -> None:
    assert verify_mutant().passed


@pytest.mark.parametrize("name", WINDOWS)
def test_late_window_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_node(monkeypatch, name, late)
    verification = verify_mutant()
    assert verification.cycle_mismatches > 0
    assert verification.value_mismatches == 0
    assert verification.first[0].stream == NETWORK.fifos_out_of(name)[0].name
    assert verification.first[0].got == verification.first[0].expected + 1


@pytest.mark.parametrize("name", WINDOWS)
def test_beat_dropped_by_a_window_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_node(monkeypatch, name, drop_beat)
    verification = verify_mutant()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches > 0


@pytest.mark.parametrize("name", WINDOWS)
def test_lanes_swapped_before_a_window_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_node(monkeypatch, name, swap_lanes)
    verification = verify_mutant()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0
    assert verification.first[0].stream == NETWORK.fifos_out_of(name)[0].name


@pytest.mark.parametrize("name", ["conv0.window", "conv1.window"])
def test_other_padding_is_found(name: str) -> None:
    node = NETWORK.node(name)
    assert isinstance(node, SlidingWindow)
    verification = verify_mutant(with_node(replace(node, pad=1 - node.pad)))
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0


@pytest.mark.parametrize("name", ["conv0", "conv1"])
def test_flipped_weight_of_a_convolution_is_found_if_it_shows(name: str) -> None:
    rng = np.random.default_rng(1)
    node = NETWORK.node(name)
    assert isinstance(node, MatrixVector)
    shown = 0
    for neuron in range(node.neurons):
        weights = node.weights.copy()
        weights[neuron, rng.integers(node.synapses)] *= -1
        mutant = with_node(replace(node, weights=weights))
        verification = verify_mutant(mutant)
        assert (verification.value_mismatches > 0) == bool(ORIGINAL.differing_streams(mutant))
        assert verification.cycle_mismatches == 0
        shown += not verification.passed
    assert shown


def test_one_place_more_in_a_buffer_is_found_if_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    stalls = hwsim.random_stalls(NETWORK, 2)
    places = {name: NETWORK.node(name).places for name in WINDOWS}
    true = hwsim.simulate(NETWORK, frames=len(FRAMES), stalls=stalls, record=True)
    shown = 0
    for name in WINDOWS:
        wider = replace(NETWORK.node(name))
        mutant = with_node(wider)
        with monkeypatch.context() as patch:
            patch.setattr(type(wider), "places", property(lambda node, w=wider: places[node.name] + (node is w)))
            other = hwsim.simulate(mutant, frames=len(FRAMES), stalls=stalls, record=True)
            verification = verify_mutant(mutant)
        shows = any(
            not np.array_equal(getattr(true, side)[fifo], getattr(other, side)[fifo])
            for side in ("writes", "reads")
            for fifo in true.writes
        )
        assert verification.value_mismatches == 0
        assert (verification.cycle_mismatches > 0) == shows
        shown += shows
    assert shown
