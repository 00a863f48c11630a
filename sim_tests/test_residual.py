"""Shortcuts with too few places: hardware and simulator deadlock alike, and the remedy resolves it in both."""

from pathlib import Path

import pytest
from amaranth import Const, Module, Signal, Value

from dataflow import Add, InputError
from hwsim import Stalls, random_stalls, simulate
from hwsim.cycle.deadlock import remedy_of
from rtl.components.add import Add as AddComponent
from sim_tests.cases import random_frames
from sim_tests.mutants import Fault, Original, break_node, drop_beat, late, swap_lanes
from sim_tests.residual_cases import RESIDUAL_CASES
from sim_tests.standstill import assert_stops_alike, deadlock_of
from sim_tests.test_cases import simulators
from sim_tests.verification import verify_rtl

NETWORK = RESIDUAL_CASES[1].network()
WIDE = RESIDUAL_CASES[2].network()
ORIGINAL = Original(WIDE, random_frames(WIDE, 16))


@pytest.mark.parametrize("stalled", [False, True])
@pytest.mark.parametrize("simulator", simulators())
def test_one_place_less_than_the_fewest(simulator: str, stalled: bool, tmp_path: Path) -> None:
    # The first sum needs all twelve bits, so all must have a place on the shortcut meanwhile.
    network = NETWORK.with_depths({"fork0.1 -> add0.1": 11})
    sentence = (
        r"^Network 'residual-12' must be able to move, not deadlock: "
        r"'fork0' waits for a place in 'fork0\.1 -> add0\.1' \(full with 11\); "
        r"'conv0_0' waits for a beat in 'fork0 -> conv0_0'; 'add0' waits for a beat in 'conv0_0 -> add0'; "
        r"a depth of 12 for 'fork0\.1 -> add0\.1' resolves it$"
    )
    with pytest.raises(InputError, match=sentence):
        simulate(network, 1)
    stalls = random_stalls(network, 2) if stalled else Stalls.none()
    frames = random_frames(network, 3)
    assert_stops_alike(network, frames, stalls, simulator=simulator, build_dir=tmp_path)
    deadlock = deadlock_of(network)
    assert deadlock is not None
    assert deadlock.full == ("fork0.1 -> add0.1",)
    freed = network.with_depths(remedy_of(network, deadlock))
    assert freed.fifos == NETWORK.fifos
    verification = verify_rtl(freed, frames, simulator=simulator, stalls=stalls, build_dir=tmp_path)
    assert verification.passed, str(verification)


@pytest.mark.sim
@pytest.mark.parametrize(
    ("fault", "values", "cycles"), [(late, False, True), (drop_beat, True, True), (swap_lanes, True, False)]
)
def test_a_broken_sum_is_found(fault: Fault, values: bool, cycles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ORIGINAL.verify().passed
    break_node(monkeypatch, "add0", fault)
    verification = ORIGINAL.verify()
    assert (verification.value_mismatches > 0, verification.cycle_mismatches > 0) == (values, cycles)
    assert verification.first[0].stream == "add0 -> sign0.width"


@pytest.mark.sim
@pytest.mark.parametrize(
    ("fault", "values", "cycles"), [(late, False, True), (drop_beat, True, True), (swap_lanes, True, False)]
)
def test_a_broken_stack_is_found(fault: Fault, values: bool, cycles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    (network,) = (case.network() for case in RESIDUAL_CASES if case.name == "stacked")
    original = Original(network, random_frames(network, 16))
    assert original.verify().passed
    break_node(monkeypatch, "stack0", fault)
    verification = original.verify()
    assert (verification.value_mismatches > 0, verification.cycle_mismatches > 0) == (values, cycles)
    assert verification.first[0].stream == network.fifos_out_of("stack0")[0].name


@pytest.mark.sim
def test_bits_that_count_as_0_and_1_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AddComponent, "lane_number", lambda self, n, k, there: self.inputs[n].payload[k])
    verification = ORIGINAL.verify()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0


@pytest.mark.sim
def test_sums_that_wrap_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    network = RESIDUAL_CASES[3].network()
    assert sum(node.saturates for node in network.nodes if isinstance(node, Add)) == 2
    original = Original(network, random_frames(network, 16))
    assert original.verify().passed
    monkeypatch.setattr(AddComponent, "_saturated", lambda self, m, exact, k: wrapped(m, exact))
    verification = original.verify()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0


def wrapped(m: Module, exact: Value) -> Signal:
    """Return the register of a sum, whose upper bits are lost where it is written on."""
    total = Signal(exact.shape())
    m.d.sync += total.eq(exact)
    return total


@pytest.mark.sim
def test_inert_lanes_that_count_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    (network,) = (case.network() for case in RESIDUAL_CASES if case.name == "inert-bits")
    original = Original(network, random_frames(network, 16))
    assert original.verify().passed
    number = AddComponent.lane_number
    monkeypatch.setattr(AddComponent, "lane_number", lambda self, n, k, there: number(self, n, k, Const(1)))
    verification = original.verify()
    assert verification.value_mismatches > 0
    assert verification.cycle_mismatches == 0
    assert verification.first[0].stream.startswith("add0 -> ")
