"""Hardware for a device family: every beat's value and cycle, with models of its cells and with those of Yosys."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from dataflow import MatrixVector, Network
from dataflow.families import FAMILIES
from hwsim import random_stalls
from sim_tests.cases import CASES, Case, random_frames
from sim_tests.family_cases import FAMILY_CASES, cells_lacking, yosys_cells
from sim_tests.patterns import stall_patterns
from sim_tests.simulators import available
from sim_tests.test_conv import CASES as CONV_CASES
from sim_tests.test_conv import ConvCase
from sim_tests.verification import verify_rtl, verify_rtl_runs

pytestmark = pytest.mark.sim

#: Convolutions of integers, in groups, with inert lanes, and with levels of several classes.
CONVOLUTIONS = ("integers", "groups-of-integers", "inert-integers", "zero-of-sums", "everything")

#: Networks without sums in carry chains: all weights are used at once, or have several bits.
WITHOUT = {
    *("smallest", "parallel", "integer-weights"),
    *("shared-sums", "shared-sums-alike", "shared-sums-single"),
}

NETWORKS: dict[str, Case | ConvCase] = {
    **{case.name: case for case in (*FAMILY_CASES, *CASES) if case.name not in WITHOUT},
    **{f"conv-{name}": CONV_CASES[name] for name in CONVOLUTIONS},
}

#: The networks of the default suite.
OFTEN = {"chains", "chains-to-bits", "one-class", "conv-integers"}


def in_chains(network: Network) -> bool:
    return any(isinstance(node, MatrixVector) and node.in_chains(FAMILIES["ecp5"]) for node in network.nodes)


def networks() -> Iterator[ParameterSet]:
    for name, case in NETWORKS.items():
        yield pytest.param(case, id=name, marks=[] if name in OFTEN else [pytest.mark.slow])


@pytest.mark.parametrize("case", list(networks()))
def test_hardware_with_modelled_cells_is_equal(case: Case | ConvCase) -> None:
    network = case.network()
    assert in_chains(network)
    frames = random_frames(network, 4 if isinstance(case, Case) else 2)
    stalls = [random_stalls(network, 1)] if isinstance(case, ConvCase) else list(dict(stall_patterns(network)).values())
    for verification in verify_rtl_runs(network, frames, stalls, simulator="amaranth", family="ecp5"):
        assert verification.passed, str(verification)


def verilog_runs() -> Iterator[ParameterSet]:
    """Yield networks with simulators of Verilog, and whether the cells are those of Yosys."""
    for simulator in ("icarus", "verilator"):
        for name in ("chains", "conv-integers"):
            for of_yosys in (True, False):
                lacking = available()[simulator] or (cells_lacking() if of_yosys else None)
                marks = [pytest.mark.skipif(lacking is not None, reason=str(lacking))]
                often = of_yosys and simulator == "icarus"
                marks += [] if often else [pytest.mark.slow]
                cells = "cells-of-yosys" if of_yosys else "models"
                yield pytest.param(name, simulator, of_yosys, marks=marks, id=f"{name}-{simulator}-{cells}")


@pytest.mark.parametrize(("name", "simulator", "of_yosys"), list(verilog_runs()))
def test_verilog_of_a_family_is_equal(name: str, simulator: str, of_yosys: bool, tmp_path: Path) -> None:
    network = NETWORKS[name].network()
    cells = (yosys_cells(tmp_path),) if of_yosys else ()
    verification = verify_rtl(
        network,
        random_frames(network, 6),
        simulator=simulator,
        stalls=random_stalls(network, 2),
        build_dir=tmp_path / "build",
        family="ecp5",
        cells=cells,
    )
    assert verification.passed, str(verification)
    assert ("CCU2C" in (tmp_path / "build" / "design.v").read_text()) == of_yosys
