"""The serial line: every scenario on the model, and bit by bit on the Verilog."""

import re
from pathlib import Path

import pytest

from dataflow import Integer, Network, fold
from sim_tests.cases import dense_network
from sim_tests.link.line import characters_of
from sim_tests.link.model import BoardModel, Oracle
from sim_tests.link.runs import link_verilog, run_link
from sim_tests.link.scenarios import scenarios
from sim_tests.simulators import SimulationError
from sim_tests.test_cases import simulators

SIGNED = Integer(8, signed=True)
#: The simulators of Verilog as parameters, the faster one first.
VERILOG = simulators()[:0:-1]


def small_network() -> Network:
    return dense_network((12, 6, 4), outputs="both")


@pytest.mark.long
@pytest.mark.parametrize("outputs", ["both", "bits", "signs"])
@pytest.mark.parametrize("element", [Integer(8), SIGNED], ids=str)
def test_model_answers_every_scenario(element: Integer, outputs: str) -> None:
    oracle = Oracle(dense_network((12, 6, 4), outputs=outputs, element=element))
    table = scenarios(oracle)
    assert len(table) > 40
    for scenario in table:
        model = BoardModel(oracle)
        assert tuple(model.feed(characters_of(scenario.wave))) == scenario.replies, scenario.name


@pytest.mark.parametrize("simulator", VERILOG[:1])
def test_board_answers_every_scenario(simulator: str, tmp_path: Path) -> None:
    run_link(small_network(), tmp_path, simulator=simulator)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", VERILOG[:1])
def test_odd_divisor_and_several_lanes(simulator: str, tmp_path: Path) -> None:
    foldings = {"binarize": {"pe": 3}, "fc0": {"pe": 3, "simd": 4}, "fc1": {"pe": 2}}
    run_link(fold(small_network(), foldings), tmp_path, simulator=simulator, divisor=13)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", VERILOG[:1])
def test_inert_lanes(simulator: str, tmp_path: Path) -> None:
    foldings = {"binarize": {"pe": 5}, "fc0": {"pe": 4, "simd": 5}, "fc1": {"pe": 3, "simd": 4}, "arg_max": {"pe": 3}}
    run_link(fold(small_network(), foldings), tmp_path, simulator=simulator)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", VERILOG[:1])
@pytest.mark.parametrize("outputs", ["signs"])
def test_bits(simulator: str, outputs: str, tmp_path: Path) -> None:
    run_link(fold(dense_network((12, 6, 11), outputs=outputs), {"fc1": {"pe": 3}}), tmp_path, simulator=simulator)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", VERILOG[:1])
def test_signed_numbers(simulator: str, tmp_path: Path) -> None:
    run_link(dense_network((12, 6, 4), outputs="both", element=SIGNED), tmp_path, simulator=simulator)


def _checksum_never_wrong(text: str) -> str:
    return re.sub(r"assign match_detected = [^;]*;", "assign match_detected = 1'h1;", text)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", VERILOG[:1])
def test_a_board_that_skips_the_checksum_is_seen(simulator: str, tmp_path: Path) -> None:
    text = link_verilog(small_network(), 8)
    mutated = _checksum_never_wrong(text)
    assert mutated != text
    with pytest.raises(SimulationError, match="must pass all 1 tests, not fail 1"):
        run_link(small_network(), tmp_path, simulator=simulator, text=mutated)
