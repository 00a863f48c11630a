"""Stalls at the two ends."""

import numpy as np
import pytest

from dataflow import InputError
from hwsim import Stalls, random_stalls
from sim_tests.cases import CASES, Case

NETWORK = Case("both", (12, 6, 4), outputs="both").network()


def test_random_stalls_have_a_gate_for_every_end() -> None:
    stalls = random_stalls(NETWORK, 3)
    assert set(stalls.inputs) == {"input"}
    assert set(stalls.outputs) == {"scores", "class"}


def test_random_stalls_follow_from_the_seed_alone() -> None:
    first, again, other = random_stalls(NETWORK, 3), random_stalls(NETWORK, 3), random_stalls(NETWORK, 4)
    assert all((first.outputs[name] == again.outputs[name]).all() for name in first.outputs)
    assert first.inputs["input"].tolist() != other.inputs["input"].tolist()


@pytest.mark.parametrize("cycles", [1, 2, 10, 1000])
def test_random_stalls_are_open_somewhere(cycles: int) -> None:
    for seed in range(50):
        stalls = random_stalls(NETWORK, seed, cycles=cycles)
        for gate in (*stalls.inputs.values(), *stalls.outputs.values()):
            assert gate.any()
            assert cycles <= len(gate) < cycles + 8


def test_random_stalls_have_bursts_of_either_kind() -> None:
    gate = np.concatenate([random_stalls(NETWORK, seed).inputs["input"] for seed in range(10)])
    edges = np.flatnonzero(np.diff(gate.astype(int)))
    lengths, values = np.diff(edges), gate[edges[1:]]
    assert lengths[values].max() >= 20
    assert lengths[~values].max() >= 20
    assert (lengths == 1).mean() > 0.2
    assert 0.2 < gate.mean() < 0.8


def test_random_stalls_with_a_chance() -> None:
    gate = random_stalls(NETWORK, 0, cycles=20_000, open_chance=0.25).inputs["input"]
    assert 0.23 < gate.mean() < 0.27
    assert random_stalls(NETWORK, 0, open_chance=1.0).inputs["input"].all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seed": -1}, r"^Seed of stalls must be at least 0, not -1$"),
        ({"cycles": 0}, r"^Stall cycles must be at least 1, not 0$"),
        ({"longest_pause": 0}, r"^Longest pause must be at least 1 cycle, not 0$"),
        ({"open_chance": 0.0}, r"^Open chance must be above 0 and at most 1, not 0\.0$"),
        ({"open_chance": 1.5}, r"^Open chance must be above 0 and at most 1, not 1\.5$"),
    ],
)
def test_random_stalls_refuse(arguments: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        random_stalls(NETWORK, **{"seed": 0, **arguments})


def test_a_gate_that_is_never_open_is_refused() -> None:
    with pytest.raises(InputError, match=r"^Stall gate of 'input' must be open in some cycle, not in none of 3$"):
        Stalls(inputs={"input": np.zeros(3, bool)})


def test_an_empty_gate_is_refused() -> None:
    with pytest.raises(InputError, match=r"^Stall gate of 'class' must be open in some cycle, not in none of 0$"):
        Stalls(outputs={"class": np.zeros(0, bool)})


@pytest.mark.parametrize("gate", [np.ones(3), np.ones((1, 1), bool), [True]])
def test_another_kind_of_gate_is_refused(gate: object) -> None:
    with pytest.raises(TypeError, match=r"^Stall gate of 'input' must be a bool array of one dimension, not .*$"):
        Stalls(inputs={"input": gate})  # type: ignore[dict-item]


def test_gates_of_ends_that_are_not_there_are_refused() -> None:
    network, gate = CASES[0].network(), np.ones(1, bool)
    with pytest.raises(InputError, match=r"^Input with a stall gate must be one of input, not 'class'$"):
        Stalls(inputs={"class": gate}).check(network)
    with pytest.raises(InputError, match=r"^Output with a stall gate must be one of scores, class, not 'input'$"):
        Stalls(outputs={"input": gate}).check(NETWORK)
    Stalls.none().check(network)
