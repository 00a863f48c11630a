"""Hardware broken on purpose is found, whatever is broken, and nothing else is reported."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hwsim
from dataflow import MatrixVector, Network, Threshold
from sim_tests.cases import Case, random_frames
from sim_tests.mutants import Fault, Original, break_node, drop_beat, late, swap_lanes
from sim_tests.simulators import available

pytestmark = pytest.mark.sim

#: Every node kind, with at least two lanes into each node.
CASE = Case(
    "mutated",
    (24, 8, 6, 4),
    {
        "binarize": {"pe": 4},
        "fc0": {"pe": 4, "simd": 6},
        "fc1": {"pe": 3, "simd": 4},
        "fc2": {"pe": 2, "simd": 3},
        "scores_fork": {"pe": 4},
        "arg_max": {"pe": 2},
    },
    outputs="both",
    uneven=True,
)
NETWORK = CASE.network()
NODES = [node.name for node in NETWORK.nodes]
FRAMES = random_frames(NETWORK, 24)
FRAMES[2] = np.maximum(NETWORK.node("binarize").thresholds - 1, 0)  # one below, where a moved threshold shows
ORIGINAL = Original(NETWORK, FRAMES)
verify_mutant, with_node, differing_streams = ORIGINAL.verify, ORIGINAL.with_node, ORIGINAL.differing_streams
RUNS_HERE = ["amaranth", *(name for name, reason in available().items() if reason is None)]


def flipped_weight(name: str, neuron: int, synapse: int) -> Network:
    node = NETWORK.node(name)
    assert isinstance(node, MatrixVector)
    weights = node.weights.copy()
    weights[neuron, synapse] *= -1
    return with_node(replace(node, weights=weights))


def moved_threshold(name: str, channel: int) -> Network:
    node = NETWORK.node(name)
    assert isinstance(node, MatrixVector | Threshold)
    thresholds = node.thresholds.copy()
    thresholds[channel] += 1 if thresholds[channel] == 0 else -1
    return with_node(replace(node, thresholds=thresholds))


def test_the_network_itself_is_equal() -> None:
    assert verify_mutant().passed


@pytest.mark.parametrize("name", ["fc0", "fc1", "fc2"])
def test_flipped_weight_is_found_if_it_shows(name: str) -> None:
    rng = np.random.default_rng(0)
    neurons, synapses = NETWORK.node(name).weights.shape
    shown = 0
    for neuron in range(neurons):
        mutant = flipped_weight(name, neuron, int(rng.integers(synapses)))
        verification = verify_mutant(mutant)
        assert (verification.value_mismatches > 0) == bool(differing_streams(mutant))
        assert verification.cycle_mismatches == 0
        shown += not verification.passed
    assert shown >= neurons / 2


@pytest.mark.parametrize("name", ["binarize", "fc0", "fc1"])
def test_moved_threshold_is_found_if_it_shows(name: str) -> None:
    shown = 0
    for channel in range(min(8, NETWORK.node(name).thresholds.size)):
        mutant = moved_threshold(name, channel)
        verification = verify_mutant(mutant)
        assert (verification.value_mismatches > 0) == bool(differing_streams(mutant))
        assert verification.cycle_mismatches == 0
        shown += not verification.passed
    assert shown


@pytest.mark.parametrize("name", NODES)
def test_late_node_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_node(monkeypatch, name, late)
    verification = verify_mutant()
    assert verification.cycle_mismatches > 0
    assert verification.value_mismatches == 0
    assert not verification.passed
    assert {mismatch.what for mismatch in verification.first} == {"cycle"}
    assert verification.first[0].stream == NETWORK.fifos_out_of(name)[0].name
    assert verification.first[0].side == "written"
    assert verification.first[0].got == verification.first[0].expected + 1


@pytest.mark.parametrize("name", NODES)
def test_dropped_beat_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_node(monkeypatch, name, drop_beat)
    verification = verify_mutant()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches > 0
    assert verification.stood.startswith("No beat moved from cycle ")


@pytest.mark.parametrize("name", NODES)
def test_swapped_lanes_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_node(monkeypatch, name, swap_lanes)
    verification = verify_mutant()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0
    assert verification.first[0].what == "value"
    assert verification.first[0].stream == NETWORK.fifos_out_of(name)[0].name


@pytest.mark.parametrize("change", [-1, 1])
def test_other_depth_is_found_if_it_shows(change: int) -> None:
    stalls = hwsim.random_stalls(NETWORK, 3)
    true = hwsim.simulate(NETWORK, frames=len(FRAMES), stalls=stalls, record=True)
    shown = 0
    for fifo in NETWORK.fifos:
        mutant = NETWORK.with_depths({fifo.name: fifo.depth + change})
        other = hwsim.simulate(mutant, frames=len(FRAMES), stalls=stalls, record=True)
        differs = any(
            not np.array_equal(getattr(true, side)[name], getattr(other, side)[name])
            for side in ("writes", "reads")
            for name in true.writes
        )
        verification = verify_mutant(mutant, seed=3)
        assert verification.value_mismatches == 0
        assert (verification.cycle_mismatches > 0) == differs
        shown += differs
    assert shown


def nothing(patch: pytest.MonkeyPatch) -> Network:
    return NETWORK


def weight(patch: pytest.MonkeyPatch) -> Network:
    return flipped_weight("fc1", 3, 2)


def threshold(patch: pytest.MonkeyPatch) -> Network:
    return moved_threshold("fc0", 4)


def fault(name: str, broken: Fault) -> Callable[[pytest.MonkeyPatch], Network]:
    assert name in NODES

    def mutate(patch: pytest.MonkeyPatch) -> Network:
        break_node(patch, name, broken)
        return NETWORK

    mutate.__name__ = f"{broken.__name__}-{name}"
    return mutate


#: Each with whether values and cycles must differ.
MUTATIONS = (
    (nothing, False, False),
    (weight, True, False),
    (threshold, True, False),
    (fault("fc0", drop_beat), True, True),
    (fault("fc1", late), False, True),
    (fault("fc0.width", swap_lanes), True, False),
)


@pytest.mark.parametrize("simulator", RUNS_HERE)
@pytest.mark.parametrize(("mutate", "values", "cycles"), MUTATIONS, ids=[mutate.__name__ for mutate, _, _ in MUTATIONS])
def test_every_simulator_finds_the_mutation(
    mutate: Callable[[pytest.MonkeyPatch], Network],
    values: bool,
    cycles: bool,
    simulator: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    verification = verify_mutant(mutate(monkeypatch), simulator=simulator, build_dir=tmp_path)
    assert (verification.value_mismatches > 0, verification.cycle_mismatches > 0) == (values, cycles), str(verification)
    assert verification.passed == (not values and not cycles)
