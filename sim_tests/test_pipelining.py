"""Registers around memories: every beat's value and cycle, for any device and with the cells of a family."""

import pytest

from dataflow import MatrixVector, Network, is_pipelined, pipelined
from hwsim import random_stalls, simulate
from sim_tests.cases import CASES, Case, dense_case, random_frames
from sim_tests.patterns import stall_patterns
from sim_tests.residual_cases import RESIDUAL_CASES
from sim_tests.test_conv import CASES as CONV_CASES
from sim_tests.verification import verify_rtl_runs

#: Not those whose layers take one step and have no memory to put registers around.
DENSE = {case.name: case for case in CASES if is_pipelined(pipelined(case.network()))}

#: Dense networks of the default suite: inert lanes, FIFOs too small for full rate, weights of several bits.
OFTEN = {"inert", "shallow", "both", "integer-weights-bits"}

#: Convolutions of integers, in groups, and with levels of several classes.
CONVOLUTIONS = ("integers", "groups-of-integers", "zero-of-sums", "everything")


def assert_equal(network: Network, family: str | None, frames: int, *, stalls: int) -> None:
    assert is_pipelined(network)
    patterns = list(dict(stall_patterns(network)).values())[:stalls] if stalls else [random_stalls(network, 1)]
    runs = verify_rtl_runs(network, random_frames(network, frames), patterns, simulator="amaranth", family=family)
    for verification in runs:
        assert verification.passed, str(verification)


@pytest.mark.sim
@pytest.mark.parametrize("family", [None, "ecp5"])
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=name, marks=[] if name in OFTEN else [pytest.mark.slow]) for name, case in DENSE.items()],
)
def test_pipelined_dense_networks_are_equal(case: Case, family: str | None) -> None:
    assert_equal(pipelined(case.network()), family, 4, stalls=3)


@pytest.mark.sim
@pytest.mark.parametrize("family", [None, "ecp5"])
@pytest.mark.parametrize(
    "name", [name if name == "zero-of-sums" else pytest.param(name, marks=pytest.mark.slow) for name in CONVOLUTIONS]
)
def test_pipelined_convolutions_are_equal(name: str, family: str | None) -> None:
    assert_equal(pipelined(CONV_CASES[name].network()), family, 2, stalls=0)


@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.parametrize("case", RESIDUAL_CASES[:4], ids=str)
def test_pipelined_residual_networks_are_equal(case: Case) -> None:
    assert_equal(pipelined(case.network()), None, 2, stalls=0)


@pytest.mark.parametrize("case", DENSE.values(), ids=str)
def test_each_layer_takes_two_cycles_more(case: Case) -> None:
    network = case.network()
    for node in network.nodes:
        if isinstance(node, MatrixVector):
            (with_registers,) = (other for other in pipelined(network).nodes if other.name == node.name)
            assert isinstance(with_registers, MatrixVector)
            assert with_registers.latency == node.latency + 2 * with_registers.is_pipelined
            assert with_registers.steps == node.steps
    plain, later = simulate(network, 2), simulate(pipelined(network), 2)
    assert later.cycles > plain.cycles


def test_pipelining_can_be_undone() -> None:
    network = DENSE["inert"].network()
    assert not is_pipelined(pipelined(pipelined(network), on=False))
    assert not is_pipelined(pipelined(dense_case("smallest"))), "a layer of one step has no memory"
