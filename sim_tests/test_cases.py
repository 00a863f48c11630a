"""Every network of the table, in Amaranth's simulator and Icarus, some in Verilator, with every pattern of stalls."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from sim_tests.cases import CASES, Case, random_frames
from sim_tests.head_cases import HEAD_CASES
from sim_tests.map_cases import MAP_CASES
from sim_tests.patterns import stall_patterns
from sim_tests.residual_cases import RESIDUAL_CASES, ResidualCase
from sim_tests.simulators import available
from sim_tests.verification import SIMULATORS, verify_rtl, verify_rtl_runs
from sim_tests.wiring_cases import WIRING_CASES, WiringCase


def simulators() -> list[ParameterSet]:
    """Return the simulators as parameters; those that cannot run here are skipped with their reason."""
    reasons = {"amaranth": None, **available()}
    return [
        pytest.param(
            name, marks=[pytest.mark.sim, pytest.mark.skipif(reasons[name] is not None, reason=str(reasons[name]))]
        )
        for name in SIMULATORS
    ]


def slow(parameter: ParameterSet) -> ParameterSet:
    """Return a parameter that only the slow suite has."""
    return pytest.param(*parameter.values, marks=[*parameter.marks, pytest.mark.slow])


#: Cases that the default suite runs in the simulators of Verilog too; of the others, Icarus runs those that are long
#: for Amaranth's simulator, and random networks are in all three.
REPRESENTATIVES = {"both", "inert", "shared-sums"}
#: Further ones that Verilator runs in the slow suite: it compiles for longer than all others take.
COMPILED = {"bits", "codes-stacked", "skips"}
#: Cases that Amaranth's simulator, which runs Python for every cycle, leaves to Icarus; smaller ones have their kinds.
LEFT = {
    *("inert-image", "codes-image", "stacked-image", "codes", "codes-and-weights"),
    *("image", "factors", "integers-go-on", "projected"),
    *("upsampled", "pixels-and-blocks", "split-image", "skips"),
}
#: Cases that take long in Amaranth's simulator.
LONG = {"image-of-integers", "bits", "inert-bits", "codes-stacked", "stacked", "integer-weights", "turned"}


def every_case() -> Iterator[ParameterSet]:
    """Yield every case in every simulator."""
    for case in (*CASES, *RESIDUAL_CASES, *WIRING_CASES, *MAP_CASES, *HEAD_CASES):
        for simulator in simulators():
            if simulator.values == ("verilator",) and str(case) not in REPRESENTATIVES | COMPILED:
                continue
            if simulator.values == ("amaranth",) and str(case) in LEFT:
                continue
            if simulator.values == ("icarus",) and str(case) not in LEFT | LONG | REPRESENTATIVES:
                continue
            often = str(case) not in LONG if simulator.values == ("amaranth",) else str(case) in REPRESENTATIVES
            marks = [*simulator.marks, *([] if often else [pytest.mark.slow])]
            yield pytest.param(case, *simulator.values, marks=marks, id=f"{case}-{simulator.values[0]}")


@pytest.mark.parametrize(("case", "simulator"), list(every_case()))
def test_rtl_equals_reference_and_cycle_simulator(
    case: Case | ResidualCase | WiringCase, simulator: str, tmp_path: Path
) -> None:
    network = case.network()
    count = 8 if network.interval < 200 else 4
    frames = random_frames(network, count)
    patterns = dict(stall_patterns(network))
    runs = verify_rtl_runs(network, frames, list(patterns.values()), simulator=simulator, build_dir=tmp_path)
    for name, verification in zip(patterns, runs, strict=True):
        assert verification.passed, f"stalls {name!r}: {verification}"
        assert verification.oracle == "reference"
        assert verification.beats_compared == count * sum(network.stream(fifo).beats for fifo in network.fifos)
        assert verification.cycles_compared > 2 * verification.beats_compared


@pytest.mark.parametrize("simulator", simulators()[1:])
def test_network_with_a_name_that_verilog_reserves(simulator: str, tmp_path: Path) -> None:
    network = replace(CASES[1].network(), name="module")
    assert verify_rtl(network, random_frames(network, 3), simulator=simulator, build_dir=tmp_path).passed
