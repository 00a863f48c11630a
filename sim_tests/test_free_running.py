"""Verilator driven from C++: every output beat in the cycle that the simulator gives."""

from pathlib import Path

import numpy as np
import pytest

from dataflow import Network
from hwsim import Stalls, random_stalls, simulate
from sim_tests.cases import CASES
from sim_tests.free_running import run_free
from sim_tests.simulators import SimulationError, available

pytestmark = [
    pytest.mark.sim,
    pytest.mark.skipif(available()["verilator"] is not None, reason=str(available()["verilator"])),
]


def case(name: str) -> Network:
    return next(case for case in CASES if case.name == name).network()


def assert_equal_cycles(network: Network, frames: int, build_dir: Path, stalls: Stalls | None = None) -> int:
    free = run_free(network, frames, build_dir=build_dir, stalls=stalls)
    run = simulate(network, frames, stalls=stalls, record=True)
    for end in network.outputs:
        np.testing.assert_array_equal(free.taken[end.name], run.reads[network.fifos_into(end.name)[0].name])
    assert free.cycles == run.total
    assert free.seconds >= 0
    return free.cycles


def test_every_output_beat_passes_when_the_simulator_says(tmp_path: Path) -> None:
    network = case("both")
    free, stalled = assert_equal_cycles(network, 20, tmp_path), []
    for seed in range(3):
        stalled.append(assert_equal_cycles(network, 20, tmp_path, random_stalls(network, seed)))
    assert min(stalled) > free


def test_words_wider_than_a_machine_word(tmp_path: Path) -> None:
    network = case("wide")
    assert network.inputs[0].stream.width > 64
    assert_equal_cycles(network, 4, tmp_path, random_stalls(network, 1))


def test_a_run_that_stands_still_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = case("one-by-one")
    monkeypatch.setattr("sim_tests.free_running.longest_patience", lambda network, stalls: 3)
    sentence = r"^Simulation of 'dense-12-6-4' in Verilator must pass 2 frames, not stop before cycle \d+$"
    with pytest.raises(SimulationError, match=sentence):
        run_free(network, 2, build_dir=tmp_path)
