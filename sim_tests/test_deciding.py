"""No weight of the first layer is wrong unseen, if the frames decide."""

from dataclasses import replace

import numpy as np
import pytest

from dataflow import MatrixVector, Network
from hwsim.reference import evaluate
from sim_tests.cases import dense_network, random_frames
from sim_tests.deciding import deciding_frames
from sim_tests.verification import verify_rtl

NETWORK = dense_network((40, 8, 4), seed=3)


def with_weights(network: Network, weights: np.ndarray) -> Network:
    first = network.node("fc0")
    assert isinstance(first, MatrixVector)
    nodes = tuple(replace(node, weights=weights) if node is first else node for node in network.nodes)
    return replace(network, nodes=nodes)


def test_two_frames_for_every_neuron_whose_bit_can_change() -> None:
    # Two of the eight are always and never met.
    assert deciding_frames(NETWORK).shape == (12, 40)


def test_every_single_weight_shows() -> None:
    frames = deciding_frames(NETWORK)
    first = NETWORK.node("fc0")
    assert isinstance(first, MatrixVector)
    true = evaluate(NETWORK, frames)["fc0 -> fc1"]
    for neuron in range(2, first.neurons):
        for synapse in range(first.synapses):
            weights = first.weights.copy()
            weights[neuron, synapse] *= -1
            wrong = evaluate(with_weights(NETWORK, weights), frames)["fc0 -> fc1"]
            assert (wrong != true).any(), (neuron, synapse)


def test_ordinary_frames_miss_many() -> None:
    frames = random_frames(NETWORK, 3)
    first = NETWORK.node("fc0")
    assert isinstance(first, MatrixVector)
    true = evaluate(NETWORK, frames)["fc0 -> fc1"]
    missed = 0
    for synapse in range(first.synapses):
        weights = first.weights.copy()
        weights[2, synapse] *= -1
        missed += (evaluate(with_weights(NETWORK, weights), frames)["fc0 -> fc1"] == true).all()
    assert missed > 0


@pytest.mark.sim
def test_hardware_agrees_on_them() -> None:
    assert verify_rtl(NETWORK, deciding_frames(NETWORK), simulator="amaranth").passed


def test_thresholds_that_pixels_cannot_reach_have_no_frames() -> None:
    uneven = dense_network((12, 6, 4), uneven=True, seed=1)
    frames = deciding_frames(uneven)
    assert frames.shape[1:] == (12,)
    assert ((frames >= 0) & (frames <= 255)).all()
